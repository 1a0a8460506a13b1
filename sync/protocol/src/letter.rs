//! The enrolment letter: what IT gives a person, by hand or by mail, so that a stick finds the company and is let in once.
//!
//! JSON. It holds a secret that counts for a quarter of an hour, and the organisation's CA: whoever can change the letter on its way can be
//! the company to the stick. So it goes a way that IT trusts.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    enrol::TokenText,
    ids::BundleId,
    limits::{MAX_CA, MAX_LETTER_BYTES, MAX_SERVER, MAX_SERVERS},
};

/// The version of the letter.
const FORMAT: u32 = 1;

/// An enrolment letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentLetter {
    format: u32,
    /// Where the company's server answers, `host:port`; the first is tried first.
    pub servers: Vec<String>,
    /// The organisation's CA, PEM.
    pub ca: String,
    /// IT's token for this stick.
    pub token: TokenText,
    /// The stick it is for.
    pub bundle: BundleId,
    /// When the token ends, seconds since 1970 UTC by the server's clock.
    pub ends_s: u64,
}

/// Why a text is no enrolment letter. Says nothing of what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LetterError {
    /// Something else, or cut, or larger than any letter.
    #[error("this is no enrolment letter, or not all of it")]
    Malformed,
    /// Of a later version.
    #[error("this enrolment letter is of a newer version of Gobag")]
    NewerFormat,
}

impl LetterError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "letter.malformed",
            Self::NewerFormat => "letter.newer-format",
        }
    }
}

impl EnrolmentLetter {
    /// A letter.
    pub fn new(servers: Vec<String>, ca: &str, token: TokenText, bundle: BundleId, ends_s: u64) -> Self {
        Self {
            format: FORMAT,
            servers,
            ca: ca.to_owned(),
            token,
            bundle,
            ends_s,
        }
    }

    /// As it travels.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts always serialise")
    }

    /// Reads one.
    pub fn parse(text: &[u8]) -> Result<Self, LetterError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        if text.len() > MAX_LETTER_BYTES {
            return Err(LetterError::Malformed);
        }
        let read = |_| LetterError::Malformed;
        let version: Version = serde_json::from_slice(text).map_err(read)?;
        if version.format > FORMAT {
            return Err(LetterError::NewerFormat);
        }
        let letter: Self = serde_json::from_slice(text).map_err(read)?;
        let fits = (1..=MAX_SERVERS).contains(&letter.servers.len())
            && letter.servers.iter().all(|server| server.len() <= MAX_SERVER)
            && letter.ca.len() <= MAX_CA;
        match fits && letter.format == FORMAT {
            true => Ok(letter),
            false => Err(LetterError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn letter() -> EnrolmentLetter {
        let token = TokenText::parse(&format!("gbe_{}", "q".repeat(43)), "gbe_").unwrap();
        let servers = vec!["gobag.example.org:7443".to_owned()];
        EnrolmentLetter::new(servers, "PEM", token, BundleId([1; 16]), 1_800_000_000)
    }

    #[test]
    fn a_letter_survives_its_way_and_keeps_its_secret() {
        let text = letter().to_json();
        assert_eq!(EnrolmentLetter::parse(text.as_bytes()), Ok(letter()));
        assert!(text.contains("qqqq") && !format!("{:?}", letter()).contains("qqqq"));
    }

    #[test]
    fn what_is_no_letter_is_refused() {
        let with = |name: &str, value: Value| {
            let mut changed: Value = serde_json::from_str(&letter().to_json()).unwrap();
            changed[name] = value;
            EnrolmentLetter::parse(changed.to_string().as_bytes())
        };
        assert!(with("moon", json!(1)).is_ok(), "a later version may add");
        assert_eq!(with("format", json!(2)), Err(LetterError::NewerFormat));
        for (name, value) in [
            ("format", json!(0)),
            ("servers", json!([])),
            ("servers", json!(["a", "b", "c", "d", "e"])),
            ("servers", json!(["a".repeat(MAX_SERVER + 1)])),
            ("ca", json!("a".repeat(MAX_CA + 1))),
            ("token", json!("gbt_1")),
            ("bundle", json!("12")),
            ("ends_s", json!(-1)),
        ] {
            assert_eq!(with(name, value), Err(LetterError::Malformed), "{name}");
        }
        let text = letter().to_json();
        assert!(EnrolmentLetter::parse(&text.as_bytes()[..text.len() - 1]).is_err());
        assert!(EnrolmentLetter::parse(&[b' '; MAX_LETTER_BYTES + 1]).is_err());
    }
}
