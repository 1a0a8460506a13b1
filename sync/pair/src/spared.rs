//! What was renamed to a name that the other side cannot have: it is deleted there by nobody.
//!
//! It is known again as the same file, by its stamp, or else by its content. It stays under its old name on the other side for as long as it is there under the
//! new one. Links, and empty files of a workspace, are not known again.

use std::collections::{HashMap, HashSet};

use gobag_files::{Below, FilesError, Root, Stamp, content_while};
use gobag_format::Monitor;
use gobag_reconcile::{Content, File, Item, Notice, Operation, Plan, RelPath, Side, Unknown};

use crate::{Pair, PairError, base::at};

/// A file that was left alone for its name.
pub(crate) struct Renamed {
    pub(crate) path: RelPath,
    pub(crate) len: u64,
    /// In a folder.
    pub(crate) stamp: Option<Stamp>,
    /// In a workspace.
    pub(crate) content: Option<Content>,
}

impl Pair {
    /// Takes from the plan the removals of what the other side has under a name that was left alone.
    pub(crate) fn spare(&self, plan: &mut Plan, monitor: &dyn Monitor) -> Result<(), PairError> {
        // Before anything more is left alone.
        let [left, right] = [Side::Left, Side::Right].map(|on| self.spared(plan, on, monitor));
        take(plan, Side::Left, &left?);
        take(plan, Side::Right, &right?);
        Ok(())
    }

    /// What is not to be removed on this side.
    fn spared(&self, plan: &Plan, on: Side, monitor: &dyn Monitor) -> Result<HashSet<RelPath>, PairError> {
        let has = on.other();
        let tops = plan.notices.iter().filter_map(|notice| match notice {
            Notice::Left {
                path,
                on,
                why: Unknown::Name | Unknown::NameClash,
            } if *on == has => Some(path),
            _ => None,
        });
        let mut tops = tops.peekable();
        if tops.peek().is_none() {
            return Ok(HashSet::new());
        }
        let mut removed = Removed::of(plan, on);
        removed.note_stamps(self, has)?;
        for top in tops {
            let (files, closed) = self.below(has, top)?;
            for folder in closed {
                removed.spare_below(&folder, folder == *top);
            }
            for file in files {
                let found = match removed.by_stamp(&file) {
                    Some(found) => Some(found),
                    None if removed.has_length(file.len) => {
                        removed.by_content(file.len, self.content(has, &file, monitor)?)
                    }
                    None => None,
                };
                removed.spare(found);
            }
        }
        Ok(removed.spared)
    }

    fn folder(&self, side: Side) -> Option<&Root> {
        match side {
            Side::Left => Some(&self.left),
            Side::Right => self.right.folder(),
        }
    }

    /// The files there, and what cannot be looked into.
    fn below(&self, side: Side, path: &RelPath) -> Result<(Vec<Renamed>, Vec<RelPath>), PairError> {
        let Some(root) = self.folder(side) else {
            return Ok((self.right.files_below(path)?, Vec::new()));
        };
        let below = Below::look(root, path);
        let files = below.files.into_iter().map(|(path, stamp)| Renamed {
            path,
            len: stamp.size,
            stamp: Some(stamp),
            content: None,
        });
        Ok((files.collect(), below.closed))
    }

    /// None: it cannot be read now.
    fn content(
        &self,
        side: Side,
        file: &Renamed,
        monitor: &dyn Monitor,
    ) -> Result<Option<Content>, PairError> {
        let Some(root) = self.folder(side) else {
            return Ok(file.content);
        };
        match content_while(root, &file.path, &|| !monitor.is_cancelled()) {
            Ok(Some(content)) => Ok(Some(content)),
            Ok(None) => Err(PairError::Ended),
            Err(FilesError::File { .. } | FilesError::Changed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Files that are to go on a side, each until it is found again.
struct Removed<'a> {
    files: Vec<Option<(&'a RelPath, &'a File)>>,
    by_stamp: HashMap<Key, usize>,
    by_len: HashMap<u64, Vec<usize>>,
    spared: HashSet<RelPath>,
}

/// What of a stamp stays where a file is renamed.
type Key = (u64, (i64, u32), u64);

fn key(stamp: &Stamp) -> Key {
    (stamp.size, stamp.mtime, stamp.ino)
}

impl<'a> Removed<'a> {
    fn of(plan: &'a Plan, on: Side) -> Self {
        // Where something else comes, or a folder for it, it has to give way.
        let comes = plan.operations.iter().filter_map(|operation| match operation {
            Operation::Put { to: side, path, .. }
            | Operation::MakeFolder { on: side, path }
            | Operation::Move {
                on: side, to: path, ..
            } if *side == on => Some(path),
            _ => None,
        });
        let comes: HashSet<&RelPath> = comes.collect();
        let gives_way = |path: &RelPath| {
            std::iter::successors(Some(path.clone()), RelPath::parent).any(|above| comes.contains(&above))
        };
        let files = plan.operations.iter().filter_map(|operation| match operation {
            Operation::Remove {
                on: side,
                path,
                item: Item::File(file),
            } if *side == on && !gives_way(path) => Some(Some((path, file))),
            _ => None,
        });
        let files: Vec<_> = files.collect();
        let mut by_len: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, (_, file)) in files.iter().flatten().enumerate() {
            by_len.entry(file.len).or_default().push(index);
        }
        Self {
            files,
            by_stamp: HashMap::new(),
            by_len,
            spared: HashSet::new(),
        }
    }

    /// The stamps that they had on the side where they were renamed.
    fn note_stamps(&mut self, pair: &Pair, has: Side) -> Result<(), PairError> {
        for (index, (path, _)) in self.files.iter().flatten().enumerate() {
            let known = pair.base.get(path)?;
            let stamp = known.and_then(|known| known.stamps[at(has)]);
            self.by_stamp.extend(stamp.map(|stamp| (key(&stamp), index)));
        }
        Ok(())
    }

    fn by_stamp(&self, file: &Renamed) -> Option<usize> {
        self.by_stamp.get(&key(file.stamp.as_ref()?)).copied()
    }

    fn has_length(&self, len: u64) -> bool {
        len > 0 && self.of_length(len).next().is_some()
    }

    fn of_length(&self, len: u64) -> impl Iterator<Item = (usize, &File)> {
        let indexes = self.by_len.get(&len).into_iter().flatten();
        indexes.filter_map(|&index| Some((index, self.files[index]?.1)))
    }

    /// One of this content; any of the length where nobody knows the content.
    fn by_content(&self, len: u64, content: Option<Content>) -> Option<usize> {
        let is = |file: &File| content.is_none_or(|content| content == file.content);
        self.of_length(len)
            .find_map(|(index, file)| is(file).then_some(index))
    }

    fn spare(&mut self, index: Option<usize>) {
        if let Some((path, _)) = index.and_then(|index| self.files[index].take()) {
            self.spared.insert(path.clone());
        }
    }

    /// What may be in a folder that cannot be looked into: all that was in one of that name; anything, where the folder itself has the new name.
    fn spare_below(&mut self, folder: &RelPath, is_anything: bool) {
        for index in 0..self.files.len() {
            let may_be = |(path, _): (&RelPath, &File)| {
                is_anything || path.names().any(|name| Some(name) == folder.name())
            };
            if self.files[index].is_some_and(may_be) {
                self.spare(Some(index));
            }
        }
    }
}

/// Takes these removals from the plan, with those of the folders that they are in.
fn take(plan: &mut Plan, on: Side, spared: &HashSet<RelPath>) {
    if spared.is_empty() {
        return;
    }
    let folders: HashSet<RelPath> = spared
        .iter()
        .flat_map(|path| std::iter::successors(path.parent(), RelPath::parent))
        .collect();
    plan.operations.retain(|operation| match operation {
        Operation::Remove { on: side, path, .. } => *side != on || !spared.contains(path),
        Operation::RemoveFolder { on: side, path } => *side != on || !folders.contains(path),
        _ => true,
    });
    // The other side has not lost all.
    let gone = &mut plan.gone_at_top[at(on.other())];
    *gone = gone.saturating_sub(1);
    let mut paths: Vec<&RelPath> = spared.iter().collect();
    paths.sort();
    plan.notices.extend(paths.into_iter().map(|path| Notice::Left {
        path: path.clone(),
        on,
        why: Unknown::Renamed,
    }));
}
