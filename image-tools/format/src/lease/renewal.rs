//! Renewal tokens: each renewal takes one and gives the next, so that two copies of a stick betray each other.
//!
//! A stick that shows a token that was taken already is a copy that was left behind, or the copy that went ahead was another one. Which of the two is
//! honest nobody can tell, so both are stopped and IT is asked. One thing looks the same and is not: the answer to a renewal was lost on its way. Then
//! the stick asks again with the same token *and the same request number*, and gets the same answer again, once the number is known.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{Random, random_bytes},
    digest::Digest,
};

/// A renewal token; whoever has it can renew once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RenewalToken(String);

impl RenewalToken {
    /// Draws one.
    pub fn generate(random: &dyn Random) -> Self {
        let bytes: [u8; 32] = random_bytes(random);
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What a server keeps of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl std::fmt::Debug for RenewalToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RenewalToken(…)")
    }
}

/// What a server knows of the renewals of one stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewals {
    /// The token that counts.
    pub current: Digest,
    /// The one before it, and the request that took it.
    pub taken: Option<(Digest, [u8; 16])>,
    /// Two copies were seen; IT has to decide.
    pub suspended: bool,
}

/// What a server does with a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Renews, and gives out the next token.
    Renew,
    /// Gives the last answer once more.
    Again,
    /// Two copies exist.
    CloneSuspected,
    /// Not a token of this stick, or none that it had lately.
    Unknown,
}

impl Renewals {
    /// Of a stick that was just enrolled.
    pub fn new(first: &RenewalToken) -> Self {
        Self {
            current: first.digest(),
            taken: None,
            suspended: false,
        }
    }

    /// Judges a renewal; where it renews, `next` is the token that counts from now on.
    pub fn renew(&mut self, shown: &RenewalToken, request: [u8; 16], next: &RenewalToken) -> Answer {
        let shown = shown.digest();
        if self.suspended {
            return Answer::CloneSuspected;
        }
        if shown == self.current {
            self.taken = Some((shown, request));
            self.current = next.digest();
            return Answer::Renew;
        }
        match self.taken {
            Some((taken, by)) if taken == shown && by == request => Answer::Again,
            Some((taken, _)) if taken == shown => {
                self.suspended = true;
                Answer::CloneSuspected
            }
            _ => Answer::Unknown,
        }
    }
}
