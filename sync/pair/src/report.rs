//! What a pass found and did.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use gobag_files::BadPattern;
use gobag_reconcile::{Hold, Notice, Operation, Side, Unknown};

/// What was done on one side, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Files and links that came.
    pub put: u64,
    /// Bytes in them.
    pub put_bytes: u64,
    /// Those of them that came in the place of something.
    pub replaced: u64,
    /// Files and links that were moved.
    pub moved: u64,
    /// Files and links that went into the version store.
    pub removed: u64,
    /// Bytes in them.
    pub removed_bytes: u64,
    /// Folders that were made or removed.
    pub folders: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, operation: &Operation) {
        match operation {
            Operation::Put { item, expect, .. } => {
                self.put += 1;
                self.put_bytes += item.len();
                self.replaced += u64::from(expect.is_some());
            }
            Operation::Rename { .. } | Operation::Move { .. } | Operation::SetAside { .. } => self.moved += 1,
            Operation::Remove { item, .. } => {
                self.removed += 1;
                self.removed_bytes += item.len();
            }
            Operation::MakeFolder { .. } | Operation::RemoveFolder { .. } => self.folders += 1,
            Operation::Agree { .. } | Operation::Forget { .. } => {}
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.put += other.put;
        self.put_bytes += other.put_bytes;
        self.replaced += other.replaced;
        self.moved += other.moved;
        self.removed += other.removed;
        self.removed_bytes += other.removed_bytes;
        self.folders += other.folders;
    }
}

/// Something that people are to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "notice")]
#[non_exhaustive]
pub enum Told {
    /// Both sides changed it.
    Conflict {
        /// What one side's is.
        path: String,
        /// Where the other one's is.
        copy: String,
        /// Whose that is.
        whose: Side,
    },
    /// It was deleted on one side, and is back, for the other had changed it.
    Restored {
        /// The path.
        path: String,
    },
    /// Nothing was done with it.
    Left {
        /// The path.
        path: String,
        /// `unreadable`, `special`, `busy`, `filtered`, `name-clash`, `name`, `renamed`.
        why: String,
    },
    /// It came without what its user keeps of it beside its content (extended attributes): the other file system does not take that.
    Attributes {
        /// The path.
        path: String,
    },
    /// The filter is not what it was. Nothing is deleted because of it.
    Filter {
        /// So many files that were kept the same are left alone from now on.
        left_alone: u64,
    },
    /// A line that is no pattern, and leaves nothing out.
    Pattern {
        /// In whose file: `left`, `right`; none: it was given for this pass.
        from: Option<String>,
        /// Which line.
        line: u64,
        /// What is wrong with it.
        text: String,
    },
}

impl Told {
    pub(crate) fn of(notice: &Notice) -> Self {
        match notice {
            Notice::Conflict { path, copy, whose } => Self::Conflict {
                path: path.to_string(),
                copy: copy.to_string(),
                whose: *whose,
            },
            Notice::Restored { path, .. } => Self::Restored {
                path: path.to_string(),
            },
            Notice::Left { path, why, .. } => Self::Left {
                path: path.to_string(),
                why: why_of(*why).to_owned(),
            },
            _ => Self::Left {
                path: String::new(),
                why: "unknown".to_owned(),
            },
        }
    }

    /// Whether the next look finds nothing of it any more.
    pub(crate) fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Restored { .. } | Self::Attributes { .. }
        )
    }

    pub(crate) fn of_pattern(bad: &BadPattern) -> Self {
        Self::Pattern {
            from: bad.from.map(|side| side.to_string()),
            line: bad.line,
            text: bad.why.clone(),
        }
    }
}

fn why_of(why: Unknown) -> &'static str {
    match why {
        Unknown::Unreadable => "unreadable",
        Unknown::Special => "special",
        Unknown::Busy => "busy",
        Unknown::Filtered => "filtered",
        Unknown::NameClash => "name-clash",
        Unknown::Name => "name",
        Unknown::Renamed => "renamed",
        _ => "unknown",
    }
}

/// What could not be done; it is tried again with the next pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The path.
    pub path: String,
    /// A stable word.
    pub code: String,
    /// What went wrong.
    pub text: String,
}

/// What a pass found and did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Files on the left side.
    pub left_files: u64,
    /// Files on the right side.
    pub right_files: u64,
    /// Done on the left side.
    pub left: Counts,
    /// Done on the right side.
    pub right: Counts,
    /// For people.
    pub notices: Vec<Told>,
    /// Why no more was done; empty: all was, as far as it could be.
    pub holds: Vec<Hold>,
    /// What could not be done.
    pub failures: Vec<Failure>,
    /// What both had last was damaged and put aside, so nothing was deleted.
    pub base_lost: bool,
    /// Only what would be done.
    pub dry_run: bool,
    /// Somebody ended it; the next pass goes on.
    pub ended: bool,
    /// A side had no more room, or took hardly anything: not everything was tried.
    pub is_cut: bool,
    /// So many that a side had no room for were not tried.
    pub untried: u64,
}

impl Report {
    pub(crate) fn count(&mut self, operation: &Operation) {
        let side = match operation {
            Operation::Rename { on, .. }
            | Operation::SetAside { on, .. }
            | Operation::MakeFolder { on, .. }
            | Operation::Move { on, .. }
            | Operation::Remove { on, .. }
            | Operation::RemoveFolder { on, .. } => *on,
            Operation::Put { to, .. } => *to,
            Operation::Agree { .. } | Operation::Forget { .. } => return,
        };
        match side {
            Side::Left => self.left.add(operation),
            Side::Right => self.right.add(operation),
        }
    }

    /// What a part of a pass and the one after it come to. What could not be done in the first was tried again in the second, or is not yet.
    pub(crate) fn and(mut self, next: Self) -> Self {
        self.notices.retain(Told::lasts);
        self.notices.extend(next.notices);
        self.left += next.left;
        self.right += next.right;
        Self {
            notices: self.notices,
            left: self.left,
            right: self.right,
            is_cut: self.is_cut || next.is_cut,
            untried: self.untried + next.untried,
            ..next
        }
    }

    /// Whether everything was done that could be.
    pub(crate) fn is_over(&self) -> bool {
        self.holds.is_empty() && !self.dry_run && !self.ended
    }

    /// Whether both are the same now, as far as they can be.
    pub fn is_in_step(&self) -> bool {
        self.is_over() && self.failures.is_empty()
    }
}
