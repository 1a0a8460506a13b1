//! Renewal tokens: each renewal takes one and gives the next, so that two copies of a stick betray each other.
//!
//! Tokens are numbered, and only the server can make one. A stick that shows a token that was taken already is a copy that was left behind, or the copy
//! that went ahead was another one. Which of the two is honest nobody can tell, so both are stopped and IT is asked. Two things look the same and are not:
//!
//! * the answer to a renewal was lost on its way. Then the stick asks again with the same token *and the same request number*, and gets the same
//!   answer, for a token follows from what was asked;
//! * the server was put back to an earlier state. Then the stick shows a token with a number that is still to come, and is believed: the server
//!   made it.
//!
//! Whoever judges has checked first that the stick with the right key asks.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};

use crate::{crypto::Key, digest::Digest, ids::BundleId};

/// What a token's text begins with.
const PREFIX: &str = "gbr_";
/// Bytes of its number and of its salt; 32 that only the server can make of both come after them.
const NUMBER: usize = 8;
const SALT: usize = 8;

/// A renewal token; whoever has it, and the stick's key, can renew once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RenewalToken(String);

impl RenewalToken {
    /// What a server keeps of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for RenewalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RenewalToken(…)")
    }
}

/// Makes the tokens of one stick, and knows them again.
pub struct Mint(Key);

impl Mint {
    /// For a stick of a tenant, with the secret of the server.
    pub fn new(secret: &Key, tenant: &str, bundle: BundleId) -> Self {
        let tenant = Digest::of(tenant.as_bytes());
        Self(secret.derive("renewal tokens", &[&tenant.0[..], &bundle.0].concat()))
    }

    /// The token of this number that `after` leads to: other words, another token.
    pub fn token(&self, number: u64, after: &[u8]) -> RenewalToken {
        let salt = self.0.derive("renewal salt", &number.to_le_bytes()).mac(after);
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend_from_slice(&salt.as_bytes()[..SALT]);
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(mac.as_bytes());
        RenewalToken(format!("{PREFIX}{}", BASE64.encode(bytes)))
    }

    /// The number of a token that this server made for this stick.
    fn number(&self, token: &RenewalToken) -> Option<u64> {
        let bytes = BASE64.decode(token.0.strip_prefix(PREFIX)?).ok()?;
        let (said, mac) = bytes.split_at_checked(NUMBER + SALT)?;
        let mac = blake3::Hash::from_bytes(mac.try_into().ok()?);
        // Hashes are compared in constant time.
        let number = said.first_chunk().map(|number| u64::from_le_bytes(*number));
        number.filter(|_| self.mac(said) == mac)
    }

    fn mac(&self, said: &[u8]) -> blake3::Hash {
        self.0.derive("renewal mac", &[]).mac(said)
    }
}

/// What a server knows of the renewals of one stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewals {
    /// Number of the token that counts.
    pub number: u64,
    /// The token that counts.
    pub current: Digest,
    /// The one before it, and the request that took it.
    pub taken: Option<(Digest, [u8; 16])>,
    /// Two copies were seen; IT has to decide.
    pub suspended: bool,
}

/// What a server does with a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Renews, and gives out this token.
    Renew {
        /// The next one.
        next: RenewalToken,
        /// The server did not remember that it had made the token that was shown: it was put back to an earlier state.
        server_was_behind: bool,
    },
    /// Gives the last answer once more, with its token.
    Again(RenewalToken),
    /// Two copies exist.
    CloneSuspected,
    /// Not a token of this stick.
    Unknown,
}

impl Renewals {
    /// Of a stick that was just enrolled, with the first token, whose number is `number`.
    pub fn new(number: u64, first: &RenewalToken) -> Self {
        Self {
            number,
            current: first.digest(),
            taken: None,
            suspended: false,
        }
    }

    /// Judges a renewal by the stick with the right key. What it changes has to be kept before it is answered.
    pub fn renew(&mut self, mint: &Mint, shown: &RenewalToken, request: [u8; 16]) -> Answer {
        let Some(number) = mint.number(shown) else {
            return Answer::Unknown;
        };
        if self.suspended {
            return Answer::CloneSuspected;
        }
        let digest = shown.digest();
        let next = mint.token(number.saturating_add(1), &[&digest.0[..], &request].concat());
        let server_was_behind = number > self.number;
        if digest == self.current || server_was_behind {
            self.taken = Some((digest, request));
            self.current = next.digest();
            self.number = number.saturating_add(1);
            return Answer::Renew {
                next,
                server_was_behind,
            };
        }
        if self.taken == Some((digest, request)) {
            return Answer::Again(next);
        }
        self.suspended = true;
        Answer::CloneSuspected
    }
}
