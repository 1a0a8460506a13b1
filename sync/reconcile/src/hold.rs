//! Why a plan is not carried out before somebody has agreed: it takes away or changes more than people do by hand.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Operation, Plan, RelPath, Side};

/// What the base has in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Things at the top.
    pub at_top: u64,
}

/// From when on a plan is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldLimits {
    /// So many files may always be deleted, or changed.
    pub files: u64,
    /// So many percent of the files may be deleted.
    pub deleted_percent: u64,
    /// So many percent of the bytes may be deleted, where it is more files than may always be.
    pub deleted_bytes_percent: u64,
    /// So many percent of the files may be changed.
    pub changed_percent: u64,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self {
            files: 50,
            deleted_percent: 10,
            deleted_bytes_percent: 25,
            changed_percent: 50,
        }
    }
}

/// A reason not to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "hold")]
#[non_exhaustive]
pub enum Hold {
    /// Nothing is left on a side that had something.
    Emptied {
        /// Which.
        side: Side,
        /// So many would be deleted on the other one.
        files: u64,
        /// Bytes in them.
        bytes: u64,
    },
    /// Many files would be deleted.
    Deleted {
        /// On which side.
        side: Side,
        /// So many.
        files: u64,
        /// Bytes in them.
        bytes: u64,
    },
    /// Many files would be replaced.
    Changed {
        /// On which side.
        side: Side,
        /// So many.
        files: u64,
    },
}

impl Hold {
    /// Whether somebody who agreed to this has agreed to `other`: the same on the same side, and no more of it.
    pub fn covers(&self, other: &Self) -> bool {
        let parts = |hold: &Self| match *hold {
            Self::Emptied { side, files, bytes } => (0, side, files, bytes),
            Self::Deleted { side, files, bytes } => (1, side, files, bytes),
            Self::Changed { side, files } => (2, side, files, 0),
        };
        let ((kind, side, files, bytes), (its_kind, its_side, its_files, its_bytes)) =
            (parts(self), parts(other));
        (kind, side) == (its_kind, its_side) && files >= its_files && bytes >= its_bytes
    }
}

/// Why this plan has to wait; none: it need not. Moves count as nothing.
pub fn holds(plan: &Plan, base: &Totals, limits: &HoldLimits) -> Vec<Hold> {
    let mut found = Vec::new();
    for side in [Side::Left, Side::Right] {
        let (mut deleted, mut bytes, mut changed) = (0_u64, 0_u64, 0_u64);
        let mut at_top: BTreeSet<&RelPath> = BTreeSet::new();
        for operation in &plan.operations {
            match operation {
                Operation::Remove { on, item, path } if *on == side => {
                    deleted += 1;
                    bytes += item.len();
                    at_top.extend((path.depth() == 1).then_some(path));
                }
                Operation::RemoveFolder { on, path } if *on == side => {
                    at_top.extend((path.depth() == 1).then_some(path));
                }
                Operation::Put {
                    to, expect: Some(_), ..
                } if *to == side => changed += 1,
                _ => {}
            }
        }
        if base.at_top >= 2 && at_top.len() as u64 >= base.at_top {
            found.push(Hold::Emptied {
                side: side.other(),
                files: deleted,
                bytes,
            });
        }
        let is_more = |part: u64, percent: u64, whole: u64| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
        };
        let many = deleted > limits.files && is_more(deleted, limits.deleted_percent, base.files);
        if many || (deleted > limits.files && is_more(bytes, limits.deleted_bytes_percent, base.bytes)) {
            found.push(Hold::Deleted {
                side,
                files: deleted,
                bytes,
            });
        }
        if changed > limits.files && is_more(changed, limits.changed_percent, base.files) {
            found.push(Hold::Changed { side, files: changed });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_agreed_to_much_agreed_to_less_of_the_same() {
        let (side, other) = (Side::Left, Side::Right);
        let deleted = |side, files, bytes| Hold::Deleted { side, files, bytes };
        let agreed = deleted(side, 60, 100);
        for (asked, covered) in [
            (agreed, true),
            (deleted(side, 59, 99), true),
            (deleted(side, 61, 1), false),
            (deleted(side, 60, 101), false),
            (deleted(other, 1, 1), false),
            (Hold::Changed { side, files: 1 }, false),
            (
                Hold::Emptied {
                    side,
                    files: 1,
                    bytes: 1,
                },
                false,
            ),
        ] {
            assert_eq!(agreed.covers(&asked), covered, "{asked:?}");
        }
        let emptied = |files| Hold::Emptied {
            side,
            files,
            bytes: 0,
        };
        assert!(emptied(5).covers(&emptied(5)) && !emptied(5).covers(&emptied(6)));
    }

    #[test]
    fn what_was_written_down_is_read_again() {
        for hold in [
            Hold::Emptied {
                side: Side::Left,
                files: 3,
                bytes: 4,
            },
            Hold::Changed {
                side: Side::Right,
                files: 2,
            },
        ] {
            let text = serde_json::to_string(&hold).unwrap();
            assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold, "{text}");
            assert!(
                text.contains("\"stick\"") || text.contains("\"company\""),
                "{text}"
            );
        }
    }
}
