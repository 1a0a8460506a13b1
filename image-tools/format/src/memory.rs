//! What somebody outside of a stick remembers of it: the last moment it showed (`docs/format/memory.md`).
//!
//! A stick that was put back whole to an earlier copy is a valid stick; only a memory elsewhere can tell. This module owns
//! the few bytes that such a memory is, sealed under a key of the bundle, and the judgement of what a stick shows against
//! them. Where they are kept (this computer, a server) is the caller's: whoever keeps them learns nothing from them, not
//! even which stick they belong to, and can at most lose them or give back older ones.
//!
//! A memory may lag behind what is durable on the stick, and must never lead: else an honest stick would be refused.

mod file;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::log::ChainTag;

pub use file::{MEMORY_LEN, MemoryError, MemoryKeys, MemoryName};

/// The key in a manifest's policy.
pub const REMEMBER_ON_HOST: &str = "remember_on_host";

/// One moment in the history of a bundle. Both numbers only go up; the tag tells two histories apart that have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Generation of the header.
    pub generation: u64,
    /// Sequence number of the log's last record that counts.
    pub sequence: u64,
    /// Its tag.
    pub tag: ChainTag,
}

/// Whether computers remember a stick, and what lets an earlier state in: IT's choice, in the manifest's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remember {
    /// Nothing stays on a computer.
    #[default]
    Off,
    /// An earlier state is refused unless its user accepts it.
    Ask,
    /// An earlier state is refused unless IT signed a restore token for it.
    Token,
}

/// What is remembered of one bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The latest moment seen.
    pub moment: Moment,
    /// What lets an earlier one in: as the latest moment had it, for the earlier stick may say otherwise.
    pub rule: Remember,
    /// Number of the last restore token used; 0 for none.
    pub restored: u64,
    /// When this was written, seconds since 1970 UTC, by the clock of whoever wrote it.
    pub saved_s: u64,
}

/// The stick does not show what it showed before.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetBack {
    /// Header, log or both are earlier.
    #[error(
        "the stick is in an earlier state than when it was last seen here \
         (change {}, header {}; seen were change {}, header {})",
        found.sequence, found.generation, remembered.sequence, remembered.generation
    )]
    Earlier {
        /// The latest moment seen.
        remembered: Moment,
        /// What the stick shows.
        found: Moment,
    },
    /// As many records, and others.
    #[error(
        "the stick holds other changes than when it was last seen here, from number {} on or before",
        found.sequence
    )]
    Forked {
        /// The latest moment seen.
        remembered: Moment,
        /// What the stick shows.
        found: Moment,
    },
}

impl SetBack {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Earlier { .. } => "memory.earlier-state",
            Self::Forked { .. } => "memory.other-history",
        }
    }

    /// The latest moment seen, and what the stick shows.
    pub fn moments(&self) -> (Moment, Moment) {
        let (Self::Earlier { remembered, found } | Self::Forked { remembered, found }) = self;
        (*remembered, *found)
    }
}

impl Moment {
    /// Compares what a stick shows with this moment, which it showed once.
    ///
    /// A stick that has gone on since is right: whether it went on from this very moment cannot be told from two numbers
    /// and a tag.
    pub fn judge(&self, found: &Self) -> Result<(), SetBack> {
        let (remembered, found) = (*self, *found);
        if found.generation < remembered.generation || found.sequence < remembered.sequence {
            return Err(SetBack::Earlier { remembered, found });
        }
        if found.sequence == remembered.sequence && found.tag != remembered.tag {
            return Err(SetBack::Forked { remembered, found });
        }
        Ok(())
    }
}

impl Remember {
    /// What a manifest's policy says. A word of a later version counts as off, as it does for programs that know none of
    /// this: a computer where nothing was to stay must not be surprised.
    pub fn of_policy(policy: &serde_json::Value) -> Self {
        let said = policy.get(REMEMBER_ON_HOST).and_then(serde_json::Value::as_str);
        said.and_then(Self::parse).unwrap_or_default()
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Off, Self::Ask, Self::Token]
            .into_iter()
            .find(|rule| rule.word() == word)
    }

    /// The word in a policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ask => "ask",
            Self::Token => "token",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn moment(generation: u64, sequence: u64, tag: u8) -> Moment {
        Moment {
            generation,
            sequence,
            tag: [tag; 16],
        }
    }

    #[test]
    fn only_what_is_not_earlier_and_not_another_history_is_right() {
        let seen = moment(5, 100, 7);
        for right in [seen, moment(6, 100, 7), moment(5, 101, 9), moment(9, u64::MAX, 0)] {
            assert_eq!(seen.judge(&right), Ok(()), "{right:?}");
        }
        let code = |found| seen.judge(&found).unwrap_err().code();
        for earlier in [
            moment(4, 100, 7),
            moment(5, 99, 7),
            moment(4, 500, 1),
            moment(50, 99, 1),
        ] {
            assert_eq!(code(earlier), "memory.earlier-state", "{earlier:?}");
        }
        assert_eq!(code(moment(5, 100, 8)), "memory.other-history");
        assert_eq!(code(moment(6, 100, 8)), "memory.other-history");
    }

    #[test]
    fn a_policy_says_one_of_three_words_or_nothing() {
        for (policy, expected) in [
            (json!(null), Remember::Off),
            (json!({"remember_on_host": "off"}), Remember::Off),
            (json!({"remember_on_host": "ask"}), Remember::Ask),
            (json!({"remember_on_host": "token", "x": 1}), Remember::Token),
            (json!({"remember_on_host": "Token"}), Remember::Off),
            (json!({"remember_on_host": true}), Remember::Off),
            (json!({"remember_on_host": "of-a-later-version"}), Remember::Off),
            (json!("token"), Remember::Off),
        ] {
            assert_eq!(Remember::of_policy(&policy), expected, "{policy}");
        }
        // The stricter of two images counts.
        assert!(Remember::Token > Remember::Ask && Remember::Ask > Remember::Off);
    }
}
