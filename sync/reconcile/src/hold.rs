//! Why a plan is not carried out before somebody has agreed: it takes away or changes more than people do by hand.

use std::collections::BTreeSet;

use serde::Serialize;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "hold")]
#[non_exhaustive]
pub enum Hold {
    /// Nothing is left on a side that had something.
    Emptied {
        /// Which.
        #[serde(serialize_with = "shown")]
        side: Side,
    },
    /// Many files would be deleted.
    Deleted {
        /// On which side.
        #[serde(serialize_with = "shown")]
        side: Side,
        /// So many.
        files: u64,
        /// Bytes in them.
        bytes: u64,
    },
    /// Many files would be replaced.
    Changed {
        /// On which side.
        #[serde(serialize_with = "shown")]
        side: Side,
        /// So many.
        files: u64,
    },
}

fn shown<S: serde::Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(side)
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
            found.push(Hold::Emptied { side: side.other() });
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
