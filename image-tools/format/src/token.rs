//! Restore tokens: IT's signed word that one stick may show one earlier moment again (`docs/format/memory.md`).
//!
//! A token names the organisation, the bundle, exactly one moment, and the moment that it may replace. It has a number that
//! only goes up (the time it was issued), and whoever remembers the stick remembers the number of the last one used. So
//! it lets one restored copy in once, and no other, and not over anything seen later than IT knew of.
//!
//! It is a letter, to be mailed or typed (see `letter`).

mod code;

use thiserror::Error;

use crate::{
    ids::{BundleId, OrgId, parse_hex},
    letter::{Kind, LetterError, malformed},
    limits::MAX_TOKEN_LEN,
    memory::{Memory, Moment},
    sign::{SIGNATURE_LEN, SigningKey, VerifyingKey},
};

pub use code::{CodeError, RestoreRequest, TagStart};

const KIND: Kind = Kind {
    title: "gobag restore token",
    version: 1,
    domain: "restore token",
    most_bytes: MAX_TOKEN_LEN,
};

/// A restore token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreToken {
    /// Whose stick.
    pub org: OrgId,
    /// Which one.
    pub bundle: BundleId,
    /// What it lets in, and instead of what.
    pub request: RestoreRequest,
    /// When it was issued, seconds since 1970 UTC; a token counts only if its number is above that of the last one used.
    pub number: u64,
}

/// A token with its signature, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedToken {
    token: RestoreToken,
    signature: [u8; SIGNATURE_LEN],
}

/// Why a token is refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// More bytes than a token has.
    #[error("a restore token has at most {MAX_TOKEN_LEN} bytes")]
    TooLarge,
    /// No token, or one that was cut or altered.
    #[error("not a restore token: {reason}")]
    Malformed {
        /// What is wrong, in words.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("restore token format {found} is newer than {}, the newest this program reads", KIND.version)]
    NewerFormat {
        /// Format version found.
        found: u64,
    },
    /// Of another organisation.
    #[error("the restore token is of another organisation ({found})")]
    OtherOrg {
        /// The organisation found.
        found: OrgId,
    },
    /// For another stick.
    #[error("the restore token is for another stick ({found})")]
    OtherBundle {
        /// The bundle found.
        found: BundleId,
    },
    /// Not signed by the organisation.
    #[error("the restore token is not signed by the organisation of this stick, or was altered")]
    BadSignature,
    /// For another state of the same stick.
    #[error("the restore token is for another state of this stick (change {}, header {})", wanted.sequence, wanted.generation)]
    OtherMoment {
        /// What the token lets in.
        wanted: RestoreRequest,
    },
    /// It was used here, or a later one was.
    #[error("the restore token was used already, or a newer one was")]
    Used,
    /// More was seen here than IT knew of.
    #[error("this stick was seen here in a later state than the restore token may undo")]
    TooEarly,
}

impl TokenError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "token.too-large",
            Self::Malformed { .. } => "token.malformed",
            Self::NewerFormat { .. } => "token.newer-format",
            Self::OtherOrg { .. } => "token.other-org",
            Self::OtherBundle { .. } => "token.other-bundle",
            Self::BadSignature => "token.bad-signature",
            Self::OtherMoment { .. } => "token.other-moment",
            Self::Used => "token.used",
            Self::TooEarly => "token.too-early",
        }
    }
}

impl RestoreToken {
    /// The token as text, signed.
    pub fn sign(&self, key: &SigningKey) -> String {
        KIND.sign(&self.text(), key)
    }

    /// What is signed.
    fn text(&self) -> String {
        let request = &self.request;
        KIND.text(&[
            ("org", &self.org),
            ("bundle", &self.bundle),
            ("generation", &request.generation),
            ("sequence", &request.sequence),
            ("tag", &request.tag),
            ("seen-generation", &request.seen_generation),
            ("seen-sequence", &request.seen_sequence),
            ("number", &self.number),
        ])
    }

    /// Whether this token lets in what a stick shows, `found`, although `memory` has seen more.
    pub fn admits(&self, memory: &Memory, found: &Moment) -> Result<(), TokenError> {
        let (request, seen) = (&self.request, &memory.moment);
        let is_it = (request.generation, request.sequence) == (found.generation, found.sequence)
            && request.tag == TagStart::of(&found.tag);
        if !is_it {
            return Err(TokenError::OtherMoment { wanted: *request });
        }
        if self.number <= memory.restored {
            return Err(TokenError::Used);
        }
        if seen.generation > request.seen_generation || seen.sequence > request.seen_sequence {
            return Err(TokenError::TooEarly);
        }
        Ok(())
    }
}

impl SignedToken {
    /// Reads the text of a token; believes nothing of it yet.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let mut lines = KIND.open(text)?;
        let (org, bundle) = (OrgId::parse, BundleId::parse);
        // In the order of the text: each call reads the next line.
        let token = RestoreToken {
            org: org(lines.value("org")?).ok_or_else(|| malformed("`org` is no id"))?,
            bundle: bundle(lines.value("bundle")?).ok_or_else(|| malformed("`bundle` is no id"))?,
            request: RestoreRequest {
                generation: lines.number("generation")?,
                sequence: lines.number("sequence")?,
                tag: parse_hex(lines.value("tag")?)
                    .map(TagStart)
                    .ok_or_else(|| malformed("`tag` is no tag"))?,
                seen_generation: lines.number("seen-generation")?,
                seen_sequence: lines.number("seen-sequence")?,
            },
            number: lines.number("number")?,
        };
        let signature = lines.signature()?;
        Ok(Self { token, signature })
    }

    /// The token, if it is signed for `bundle` by its organisation.
    pub fn verify(
        self,
        org: OrgId,
        bundle: BundleId,
        publisher: &VerifyingKey,
    ) -> Result<RestoreToken, TokenError> {
        let token = self.token;
        if token.org != org {
            return Err(TokenError::OtherOrg { found: token.org });
        }
        if token.bundle != bundle {
            return Err(TokenError::OtherBundle { found: token.bundle });
        }
        match publisher.verifies(KIND.domain, token.text().as_bytes(), &self.signature) {
            true => Ok(token),
            false => Err(TokenError::BadSignature),
        }
    }
}

impl From<LetterError> for TokenError {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::TooLarge => Self::TooLarge,
            LetterError::Malformed { reason } => Self::Malformed { reason },
            LetterError::NewerFormat { found } => Self::NewerFormat { found },
        }
    }
}

#[cfg(test)]
mod tests;
