//! Why a plan is not carried out before somebody has agreed: it takes away or changes more than people do by hand.

use std::collections::{BTreeMap, BTreeSet};

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

/// What plans of late did that nobody agreed to: a little at a time is much in the end. Each path counts once, however often it was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// Removed, and the bytes that were in it.
    pub removed: BTreeMap<(Side, RelPath), u64>,
    /// Replaced.
    pub replaced: BTreeSet<(Side, RelPath)>,
    /// So many things at the top, on the left side and on the right side, of which something was removed and the base has nothing any more.
    pub gone_at_top: [u64; 2],
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
    /// Nothing of what was on a side, which was more than one thing, is left there.
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
        /// Besides those that were deleted there lately.
        #[serde(default)]
        earlier: u64,
    },
    /// Many files would be replaced.
    Changed {
        /// On which side.
        side: Side,
        /// So many.
        files: u64,
        /// Besides those that were replaced there lately.
        #[serde(default)]
        earlier: u64,
    },
}

impl Hold {
    /// Whether somebody who agreed to this has agreed to `other`: the same on the same side, and no more of it.
    pub fn covers(&self, other: &Self) -> bool {
        let parts = |hold: &Self| match *hold {
            Self::Emptied { side, files, bytes } => (0, side, files, bytes),
            Self::Deleted {
                side, files, bytes, ..
            } => (1, side, files, bytes),
            Self::Changed { side, files, .. } => (2, side, files, 0),
        };
        let ((kind, side, files, bytes), (its_kind, its_side, its_files, its_bytes)) =
            (parts(self), parts(other));
        (kind, side) == (its_kind, its_side) && files >= its_files && bytes >= its_bytes
    }
}

/// Why this plan has to wait; none: it need not. Moves count as nothing.
pub fn holds(plan: &Plan, base: &Totals, lately: &Lately, limits: &HoldLimits) -> Vec<Hold> {
    let mut found = Vec::new();
    for side in [Side::Left, Side::Right] {
        let mut deleted: BTreeSet<&RelPath> = BTreeSet::new();
        let mut changed: BTreeSet<&RelPath> = BTreeSet::new();
        let (mut bytes, mut moved, mut folders) = (0_u64, 0_u64, 0_u64);
        let mut comes_at_top = false;
        for operation in &plan.operations {
            match operation {
                Operation::Remove { on, item, path } if *on == side => {
                    deleted.insert(path);
                    bytes += item.len();
                }
                Operation::RemoveFolder { on, .. } if *on == side => folders += 1,
                Operation::Move { on, .. } if *on == side => moved += 1,
                Operation::MakeFolder { on, path } if *on == side => comes_at_top |= path.depth() == 1,
                Operation::Put {
                    to,
                    path,
                    expect: None,
                    ..
                } if *to == side => comes_at_top |= path.depth() == 1,
                Operation::Put {
                    to,
                    path,
                    expect: Some(_),
                    ..
                } if *to == side => {
                    changed.insert(path);
                }
                _ => {}
            }
        }
        let files = deleted.len() as u64;
        // By what is there no more, and not by what is to be done: something that is new below it keeps a folder where it is.
        let [on_side, on_other] = [usize::from(side == Side::Right), usize::from(side == Side::Left)];
        let gone_at_top = plan.gone_at_top[on_other];
        // A moment ago; where something else comes in the place of the last thing, it was replaced.
        let lately_gone = if comes_at_top {
            0
        } else {
            lately.gone_at_top[on_side]
        };
        let had_more = base.at_top >= 2 || (base.at_top > 0 && lately_gone > 0);
        let is_renamed = moved > 0 && moved >= files;
        if had_more && gone_at_top >= base.at_top && files + folders > 0 && !is_renamed {
            found.push(Hold::Emptied {
                side: side.other(),
                files,
                bytes,
            });
        }
        let gone = lately.removed.iter();
        let gone = gone.filter(|((on, path), _)| *on == side && !deleted.contains(path));
        let (earlier, earlier_bytes) = gone.fold((0, 0), |(files, sum), (_, bytes)| (files + 1, sum + bytes));
        // As if none of it had been deleted.
        let (all, all_bytes) = (base.files + earlier, base.bytes + earlier_bytes);
        let is_more = |part: u64, percent: u64, whole: u64| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
        };
        let many = is_more(files + earlier, limits.deleted_percent, all)
            || is_more(bytes + earlier_bytes, limits.deleted_bytes_percent, all_bytes);
        if files > 0 && files + earlier > limits.files && many {
            found.push(Hold::Deleted {
                side,
                files,
                bytes,
                earlier,
            });
        }
        let files = changed.len() as u64;
        let replaced = lately.replaced.iter();
        let replaced = replaced.filter(|(on, path)| *on == side && !changed.contains(path));
        let earlier = replaced.count() as u64;
        if files > 0
            && files + earlier > limits.files
            && is_more(files + earlier, limits.changed_percent, all)
        {
            found.push(Hold::Changed { side, files, earlier });
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
        let deleted = |side, files, bytes| Hold::Deleted {
            side,
            files,
            bytes,
            earlier: 0,
        };
        let agreed = deleted(side, 60, 100);
        for (asked, covered) in [
            (agreed, true),
            (deleted(side, 59, 99), true),
            (deleted(side, 61, 1), false),
            (deleted(side, 60, 101), false),
            (deleted(other, 1, 1), false),
            (
                Hold::Changed {
                    side,
                    files: 1,
                    earlier: 0,
                },
                false,
            ),
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
                earlier: 1,
            },
        ] {
            let text = serde_json::to_string(&hold).unwrap();
            assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold, "{text}");
            assert!(text.contains("\"left\"") || text.contains("\"right\""), "{text}");
        }
    }

    #[test]
    fn what_an_older_version_wrote_is_read() {
        let text = r#"{"hold":"deleted","side":"stick","files":60,"bytes":7}"#;
        let hold: Hold = serde_json::from_str(text).unwrap();
        assert!(
            matches!(
                hold,
                Hold::Deleted {
                    files: 60,
                    earlier: 0,
                    ..
                }
            ),
            "{hold:?}"
        );
    }
}
