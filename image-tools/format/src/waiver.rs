//! Waivers: IT's signed word that one rule of the host checks does not stop a person until a day (`docs/format/waiver.md`).
//!
//! A waiver is a letter, to be mailed. It names the organisation, one stick or all of them, one rule, and its last day. It can be
//! used any number of times until then; what the rules say without it is still shown.

pub use gobag_checklists::Waiver;
use jiff::civil::Date;
use thiserror::Error;

use crate::{
    ids::{BundleId, OrgId},
    letter::{Kind, LetterError, malformed},
    limits::{MAX_TOKEN_LEN, MAX_WAIVER_REASON_LEN, MAX_WAIVER_RULE_LEN},
    sign::{SIGNATURE_LEN, SigningKey, VerifyingKey},
};

const KIND: Kind = Kind {
    title: "gobag waiver",
    version: 1,
    domain: "waiver",
    most_bytes: MAX_TOKEN_LEN,
};
/// How a waiver for every stick of the organisation says so.
const ALL: &str = "all";

/// A waiver and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverLetter {
    /// Whose sticks.
    pub org: OrgId,
    /// Which one; `None` for all of them.
    pub bundle: Option<BundleId>,
    /// What does not stop them, and how long.
    pub waiver: Waiver,
}

/// A waiver with its signature, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedWaiver {
    letter: WaiverLetter,
    signature: [u8; SIGNATURE_LEN],
}

/// Why a waiver is refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaiverError {
    /// More bytes than a waiver has.
    #[error("a waiver has at most {MAX_TOKEN_LEN} bytes")]
    TooLarge,
    /// No waiver, or one that was cut or altered.
    #[error("not a waiver: {reason}")]
    Malformed {
        /// What is wrong, in words.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("waiver format {found} is newer than {}, the newest this program reads", KIND.version)]
    NewerFormat {
        /// Format version found.
        found: u64,
    },
    /// Of another organisation.
    #[error("the waiver is of another organisation ({found})")]
    OtherOrg {
        /// The organisation found.
        found: OrgId,
    },
    /// For another stick.
    #[error("the waiver is for another stick ({found})")]
    OtherBundle {
        /// The bundle found.
        found: BundleId,
    },
    /// Not signed by the organisation.
    #[error("the waiver is not signed by the organisation of this stick, or was altered")]
    BadSignature,
}

impl WaiverError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "waiver.too-large",
            Self::Malformed { .. } => "waiver.malformed",
            Self::NewerFormat { .. } => "waiver.newer-format",
            Self::OtherOrg { .. } => "waiver.other-org",
            Self::OtherBundle { .. } => "waiver.other-bundle",
            Self::BadSignature => "waiver.bad-signature",
        }
    }
}

impl From<LetterError> for WaiverError {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::TooLarge => Self::TooLarge,
            LetterError::Malformed { reason } => Self::Malformed { reason },
            LetterError::NewerFormat { found } => Self::NewerFormat { found },
        }
    }
}

impl WaiverLetter {
    /// The waiver as text, signed. Refuses what could not be read again.
    pub fn sign(&self, key: &SigningKey) -> Result<String, WaiverError> {
        check_rule(&self.waiver.rule)?;
        check_reason(&self.waiver.reason)?;
        Ok(KIND.sign(&self.text(), key))
    }

    fn text(&self) -> String {
        let bundle = self
            .bundle
            .map_or_else(|| ALL.to_owned(), |bundle| bundle.to_string());
        let waiver = &self.waiver;
        KIND.text(&[
            ("org", &self.org),
            ("bundle", &bundle),
            ("rule", &waiver.rule),
            ("until", &waiver.until),
            ("reason", &waiver.reason),
        ])
    }
}

impl SignedWaiver {
    /// Reads the text of a waiver; believes nothing of it yet.
    pub fn parse(text: &[u8]) -> Result<Self, WaiverError> {
        let mut lines = KIND.open(text)?;
        let org = OrgId::parse(lines.value("org")?).ok_or_else(|| malformed("`org` is no id"))?;
        let bundle = match lines.value("bundle")? {
            ALL => None,
            id => Some(BundleId::parse(id).ok_or_else(|| malformed("`bundle` is no id"))?),
        };
        let rule = lines.value("rule")?;
        check_rule(rule)?;
        let until = lines.value("until")?;
        let until = until
            .parse::<Date>()
            .ok()
            .filter(|date| date.to_string() == until)
            .ok_or_else(|| malformed("`until` is no day"))?;
        let reason = lines.value("reason")?;
        check_reason(reason)?;
        let letter = WaiverLetter {
            org,
            bundle,
            waiver: Waiver {
                rule: rule.to_owned(),
                until,
                reason: reason.to_owned(),
            },
        };
        let signature = lines.signature()?;
        Ok(Self { letter, signature })
    }

    /// The waiver, if it is signed for `bundle` by its organisation.
    pub fn verify(
        self,
        org: OrgId,
        bundle: BundleId,
        publisher: &VerifyingKey,
    ) -> Result<Waiver, WaiverError> {
        let letter = self.letter;
        if letter.org != org {
            return Err(WaiverError::OtherOrg { found: letter.org });
        }
        if let Some(found) = letter.bundle.filter(|found| *found != bundle) {
            return Err(WaiverError::OtherBundle { found });
        }
        match publisher.verifies(KIND.domain, letter.text().as_bytes(), &self.signature) {
            true => Ok(letter.waiver),
            false => Err(WaiverError::BadSignature),
        }
    }
}

/// A rule's name, of this program's or a later one's.
fn check_rule(rule: &str) -> Result<(), LetterError> {
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    match !rule.is_empty() && rule.len() <= MAX_WAIVER_RULE_LEN && rule.bytes().all(is_name) {
        true => Ok(()),
        false => Err(malformed("`rule` is no name of a rule")),
    }
}

/// One line that a terminal can show.
fn check_reason(reason: &str) -> Result<(), LetterError> {
    let fits = !reason.is_empty() && reason.len() <= MAX_WAIVER_REASON_LEN && reason.trim() == reason;
    match fits && !reason.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(malformed("`reason` is no line of text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Key;

    const ORG: OrgId = OrgId([1; 16]);
    const BUNDLE: BundleId = BundleId([2; 16]);

    fn signer() -> SigningKey {
        SigningKey::from_seed(&Key::from_bytes([3; 32]))
    }

    fn letter(bundle: Option<BundleId>) -> WaiverLetter {
        WaiverLetter {
            org: ORG,
            bundle,
            waiver: Waiver {
                rule: "antivirus.active".to_owned(),
                until: Date::constant(2026, 12, 31),
                reason: "Übergang: new scanner is on its way".to_owned(),
            },
        }
    }

    fn verified(text: &str) -> Result<Waiver, WaiverError> {
        SignedWaiver::parse(text.as_bytes())?.verify(ORG, BUNDLE, &signer().verifying_key())
    }

    #[test]
    fn a_waiver_survives_its_text_and_what_mail_does_to_it() {
        for bundle in [Some(BUNDLE), None] {
            let letter = letter(bundle);
            let text = letter.sign(&signer()).unwrap();
            assert_eq!(verified(&text).unwrap(), letter.waiver);
            assert_eq!(
                verified(&format!("\r\n {} ", text.replace('\n', "\r\n"))).unwrap(),
                letter.waiver
            );
        }
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let text = letter(Some(BUNDLE)).sign(&signer()).unwrap();
        for (at, char) in text.char_indices().filter(|(_, char)| !char.is_whitespace()) {
            let other = if char == 'x' { 'y' } else { 'x' };
            let mut altered = text.clone();
            altered.replace_range(at..at + char.len_utf8(), &other.to_string());
            assert!(verified(&altered).is_err(), "{at}: {altered}");
        }
    }

    #[test]
    fn what_is_of_others_is_refused_by_name() {
        let of = |letter: WaiverLetter| verified(&letter.sign(&signer()).unwrap()).unwrap_err().code();
        let other = BundleId([9; 16]);
        assert_eq!(of(letter(Some(other))), "waiver.other-bundle");
        let mut foreign = letter(None);
        foreign.org = OrgId([9; 16]);
        assert_eq!(of(foreign), "waiver.other-org");
        let forger = SigningKey::from_seed(&Key::from_bytes([4; 32]));
        let forged = letter(None).sign(&forger).unwrap();
        assert_eq!(verified(&forged).unwrap_err(), WaiverError::BadSignature);
    }

    #[test]
    fn what_cannot_be_a_waiver_is_neither_read_nor_written() {
        for (rule, reason) in [
            ("", "why"),
            ("Antivirus", "why"),
            ("a\nb", "why"),
            ("rule", ""),
            ("rule", " why"),
            ("rule", "two\nlines"),
            ("rule", "\u{1b}[2J"),
        ] {
            let mut letter = letter(None);
            letter.waiver.rule = rule.to_owned();
            letter.waiver.reason = reason.to_owned();
            assert_eq!(
                letter.sign(&signer()).unwrap_err().code(),
                "waiver.malformed",
                "{rule:?} {reason:?}"
            );
        }
        let text = letter(None).sign(&signer()).unwrap();
        for (from, to, code) in [
            ("waiver 1", "waiver 2", "waiver.newer-format"),
            ("waiver 1", "waiver 01", "waiver.malformed"),
            ("2026-12-31", "2026-02-30", "waiver.malformed"),
            ("2026-12-31", "20261231", "waiver.malformed"),
            ("bundle: all", "bundle: some", "waiver.malformed"),
            ("reason: ", "why: ", "waiver.malformed"),
        ] {
            assert_eq!(
                verified(&text.replace(from, to)).unwrap_err().code(),
                code,
                "{from} {to}"
            );
        }
        let long = "x".repeat(MAX_TOKEN_LEN + 1);
        assert_eq!(verified(&long).unwrap_err(), WaiverError::TooLarge);
        assert_eq!(
            SignedWaiver::parse(b"\xff").unwrap_err().code(),
            "waiver.malformed"
        );
    }
}
