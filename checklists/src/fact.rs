//! One measured value, or the reason why there is none.
//!
//! "Could not look" is never folded into "no": a tired person is told what is *wrong* only when it is, and the company
//! sees how many answers are guesses. Each value says where it comes from and who could have forged it, because
//! all of this is self-report.

use serde::{Deserialize, Serialize};

/// What is known about one property of the computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Fact<T> {
    /// Measured.
    Known(Known<T>),
    /// Could not be measured; says nothing about the property itself.
    Unknown {
        /// Why, in words.
        reason: String,
    },
    /// The question makes no sense on this computer.
    NotApplicable {
        /// Why, in words.
        reason: String,
    },
}

/// A measured value with its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// Where it was read: a path, a call, or a command.
    pub source: String,
    /// The rights it was read with.
    pub privilege: Privilege,
    /// The least powerful party on that computer that could have made it up.
    pub forgeable_by: Forger,
}

/// The rights a measurement was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// Those of an ordinary user.
    User,
    /// Those of the administrator.
    Administrator,
}

/// Who could have forged a measurement, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forger {
    /// The user, for instance with a different program on the search path.
    User,
    /// Only the administrator of the computer.
    Administrator,
    /// Only a changed kernel or hypervisor.
    Kernel,
}

impl<T> Fact<T> {
    /// A value that an ordinary user can read from the kernel, and that only a changed kernel could forge.
    pub fn from_kernel(value: T, source: impl Into<String>) -> Self {
        Self::known(value, source, Privilege::User, Forger::Kernel)
    }

    /// A measured value.
    pub fn known(value: T, source: impl Into<String>, privilege: Privilege, forgeable_by: Forger) -> Self {
        Self::Known(Known {
            value,
            source: source.into(),
            privilege,
            forgeable_by,
        })
    }

    /// No value, for this reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }

    /// The question does not apply, for this reason.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable {
            reason: reason.into(),
        }
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(&known.value),
            Self::Unknown { .. } | Self::NotApplicable { .. } => None,
        }
    }
}

impl<T> Default for Fact<T> {
    /// Nobody looked: the honest default for a fact that an older program did not record.
    fn default() -> Self {
        Self::unknown("not looked at")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_states_survive_json() {
        for fact in [
            Fact::from_kernel(7_u32, "/proc/x"),
            Fact::unknown("no answer within 3 s"),
            Fact::not_applicable("no processor of this kind"),
        ] {
            let text = serde_json::to_string(&fact).expect("writes");
            assert_eq!(
                serde_json::from_str::<Fact<u32>>(&text).expect("reads"),
                fact,
                "{text}"
            );
        }
    }

    #[test]
    fn nobody_looked_is_unknown_not_no() {
        assert_eq!(Fact::<bool>::default().value(), None);
    }

    #[test]
    fn the_weakest_forger_orders_first() {
        assert!(Forger::User < Forger::Administrator && Forger::Administrator < Forger::Kernel);
    }
}
