//! Looking at the newest point of a workspace as at a folder.

use std::{cmp::Ordering, collections::HashSet, io::Read as _};

use gobag_files::{
    FILTER, Found, Known, MAX_DEPTH, MAX_FILTER_LEN, Scan, Scope, Stamp, files_known, is_ours,
};
use gobag_format::workspace::{BlobError, EntryKind};
use gobag_reconcile::{Item, Name, RelPath, Side, Unknown};
use gobag_workspace::{Workspace, WorkspaceError, item_of, path_of};

use crate::{PairError, base::Base};

/// What differs in the newest point from what the base has. Both come in the same order, so neither is in memory as a whole.
pub(crate) fn scan(workspace: &Workspace, base: &Base, scope: &Scope<'_>) -> Result<Scan, PairError> {
    let tree = workspace.tree()?;
    let mut walk = Walk {
        base,
        scope,
        scan: Scan::without_stamps(),
        folders: HashSet::from([RelPath::root()]),
        passed_over: HashSet::new(),
    };
    base.in_order(Side::Right, &mut |next| {
        let mut known = next()?;
        tree.for_each(&mut |entry| -> Result<(), PairError> {
            if (scope.is_ended)() {
                return Err(PairError::Ended);
            }
            let path = path_of(&entry.key)?;
            while let Some((at, was)) = known.take() {
                match order(&at, &path) {
                    Ordering::Less => {
                        walk.gone(at, &was)?;
                        known = next()?;
                    }
                    Ordering::Equal => {
                        known = next()?;
                        return walk.one(path, item_of(&entry.kind), Some(was));
                    }
                    Ordering::Greater => {
                        known = Some((at, was));
                        break;
                    }
                }
            }
            walk.one(path, item_of(&entry.kind), None)
        })?;
        while let Some((at, was)) = known {
            walk.gone(at, &was)?;
            known = next()?;
        }
        Ok(())
    })?;
    Ok(walk.scan)
}

struct Walk<'a> {
    base: &'a Base,
    scope: &'a Scope<'a>,
    scan: Scan,
    folders: HashSet<RelPath>,
    /// Folders of which nothing is looked at; both, of the point and of the base.
    passed_over: HashSet<RelPath>,
}

impl Walk<'_> {
    fn one(&mut self, path: RelPath, item: Item, was: Option<Known>) -> Result<(), PairError> {
        let folder = path.parent().unwrap_or_default();
        // Folders come before what is in them.
        if !self.folders.contains(&folder) {
            return Err(WorkspaceError::Format(BlobError::Damaged).into());
        }
        if item.is_folder() {
            self.folders.insert(path.clone());
        }
        let known_folder = was.as_ref().is_some_and(|was| was.item.is_folder());
        if self.passed_over.contains(&folder) {
            self.pass_over(path, item.is_folder() || known_folder);
            return Ok(());
        }
        let name = path.name().and_then(|name| Name::new(name).ok());
        let is_ours = name.as_ref().is_some_and(is_ours);
        let is_refused = |name: &Name| (self.scope.is_refused)(name);
        let unknown = match &was {
            // Nobody puts anything there but who wants to harm.
            _ if is_ours => Some(Unknown::Special),
            // As in a folder, where those of this depth are entered.
            _ if path.depth() > MAX_DEPTH + usize::from(!item.is_folder()) => Some(Unknown::Unreadable),
            _ if self.scope.filter.leaves_out(&path, item.is_folder()) => {
                self.filtered(path, item.is_folder(), was)?;
                return Ok(());
            }
            None if name.as_ref().is_some_and(is_refused) => Some(Unknown::Name),
            _ => None,
        };
        if let Some(why) = unknown {
            self.tell(path.clone(), Found::Unknown(why), was.is_none());
            self.pass_over(path, true);
            return Ok(());
        }
        if let Item::File(file) = &item {
            self.scan.files += 1;
            self.scan.bytes = self.scan.bytes.saturating_add(file.len);
        }
        if was.as_ref().is_none_or(|was| was.item != item) {
            self.tell(path, Found::Item(item, Stamp::default()), was.is_none());
        }
        Ok(())
    }

    fn gone(&mut self, path: RelPath, was: &Known) -> Result<(), PairError> {
        let is_folder = was.item.is_folder();
        if self.passed_over.contains(&path.parent().unwrap_or_default()) {
            self.pass_over(path, is_folder);
        } else if self.scope.filter.leaves_out(&path, is_folder) {
            self.filtered(path, is_folder, Some(was.clone()))?;
        } else {
            self.tell(path, Found::Gone, false);
        }
        Ok(())
    }

    fn tell(&mut self, path: RelPath, found: Found, is_new: bool) {
        self.scan.tell(self.scope.slice, path, found, is_new);
    }

    fn pass_over(&mut self, path: RelPath, is_folder: bool) {
        if is_folder {
            self.passed_over.insert(path);
        }
    }

    /// As with a folder's scan: what a filter leaves out takes no room, unless it was known, or something else by that name would not be left out.
    fn filtered(&mut self, path: RelPath, is_folder: bool, was: Option<Known>) -> Result<(), PairError> {
        if let Some(was) = &was {
            let files = files_known(&mut self.base.side(Side::Right), &path, &was.item)?;
            self.tell(path.clone(), Found::Filtered(files), false);
        } else if !self.scope.filter.leaves_out(&path, !is_folder) {
            let unknown = Found::Unknown(Unknown::Filtered);
            self.tell(path.clone(), unknown, true);
        }
        self.pass_over(path, true);
        Ok(())
    }
}

/// The text of a workspace's own file of patterns.
pub(crate) fn patterns(workspace: &Workspace) -> Result<Vec<u8>, PairError> {
    let path = RelPath::new(FILTER.as_bytes()).unwrap_or_default();
    let mut text = Vec::new();
    if let Some(kind @ EntryKind::File { .. }) = workspace.find(&path)?.map(|entry| entry.kind) {
        let mut reader = workspace.read(&kind);
        let read = reader.by_ref().take(MAX_FILTER_LEN + 1).read_to_end(&mut text);
        if let Some(error) = reader.take_error() {
            return Err(error.into());
        }
        if read.is_err() || text.len() as u64 > MAX_FILTER_LEN {
            // Nothing is carried over that somebody may have left out.
            return Err(WorkspaceError::Format(BlobError::Damaged).into());
        }
    }
    Ok(text)
}

/// The order of the tree's keys, and of the base's rows: of bytes, which is not that of paths (`a b` is before `a/b` here).
fn order(one: &RelPath, other: &RelPath) -> Ordering {
    let folder = |path: &RelPath| path.parent().unwrap_or_default().as_bytes().to_vec();
    (folder(one), one.name()).cmp(&(folder(other), other.name()))
}
