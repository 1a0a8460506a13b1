//! A workspace as the right side of a pair.

use std::{cmp::Ordering, collections::HashSet, io::Read};

use gobag_files::{FilesError, Found, Known, Scan, Stamp};
use gobag_format::{
    ids::PointId,
    workspace::{EntryKind, WorkspaceError as Format},
};
use gobag_reconcile::{Content, File, Item, RelPath, Side};
use gobag_workspace::{Workspace, WorkspaceError, path_of};

use crate::{
    PairError,
    base::Base,
    side::{Made, Mark, Placed, Placing, SideError, Source, Target},
};

/// What differs in the newest point from what the base has. Both come in the same order, so neither is in memory as a whole.
pub(crate) fn scan(workspace: &Workspace, base: &Base) -> Result<Scan, PairError> {
    let tree = workspace.tree()?;
    let mut scan = Scan::without_stamps();
    let mut folders = HashSet::from([RelPath::root()]);
    base.in_order(Side::Right, &mut |next| {
        let mut known = next()?;
        tree.for_each(&mut |entry| -> Result<(), PairError> {
            let path = path_of(&entry.key)?;
            // Folders come before what is in them.
            if !folders.contains(&path.parent().unwrap_or_default()) {
                return Err(WorkspaceError::Format(Format::Damaged).into());
            }
            let item = item_of(&entry.kind);
            match &item {
                Item::Folder => drop(folders.insert(path.clone())),
                Item::File(file) => {
                    scan.files += 1;
                    scan.bytes += file.len;
                }
                Item::Link(_) => {}
            }
            while let Some((at, was)) = known.take() {
                match order(&at, &path) {
                    Ordering::Less => {
                        scan.found.insert(at, Found::Gone);
                        known = next()?;
                    }
                    Ordering::Equal => {
                        known = next()?;
                        if was.item != item {
                            scan.found.insert(path, Found::Item(item, Stamp::default()));
                        }
                        return Ok(());
                    }
                    Ordering::Greater => {
                        known = Some((at, was));
                        break;
                    }
                }
            }
            scan.found.insert(path, Found::Item(item, Stamp::default()));
            Ok(())
        })?;
        while let Some((at, _)) = known {
            scan.found.insert(at, Found::Gone);
            known = next()?;
        }
        Ok(())
    })?;
    Ok(scan)
}

/// The order of the tree's keys, and of the base's rows.
fn order(one: &RelPath, other: &RelPath) -> Ordering {
    (one.parent(), one.name()).cmp(&(other.parent(), other.name()))
}

fn item_of(kind: &EntryKind) -> Item {
    match kind {
        EntryKind::Folder => Item::Folder,
        EntryKind::Link(text) => Item::Link(text[..].into()),
        EntryKind::File {
            executable,
            len,
            content,
            ..
        } => Item::File(File {
            content: Content(*content),
            len: *len,
            executable: *executable,
        }),
    }
}

/// A workspace being changed: all that is done is published as one point with [`Target::flush`].
pub(crate) struct Share<'a>(pub(crate) &'a mut Workspace);

impl Share<'_> {
    /// Fails if what is at `path` is not what is expected.
    fn check(&self, path: &RelPath, expect: Option<&Item>) -> Result<(), SideError> {
        let found = self.0.kind(path)?;
        match found.as_ref().map(item_of).as_ref() == expect {
            true => Ok(()),
            false => Err(changed(path)),
        }
    }

    /// Fails if there is no folder for what is to come to `path`.
    fn check_folder(&self, path: &RelPath) -> Result<(), SideError> {
        match path.parent() {
            Some(folder) if !folder.is_root() => match self.0.kind(&folder)? {
                Some(EntryKind::Folder) => Ok(()),
                _ => Err(changed(path)),
            },
            _ => Ok(()),
        }
    }
}

fn changed(path: &RelPath) -> SideError {
    FilesError::Changed { path: path.clone() }.into()
}

impl Target for Share<'_> {
    fn open(&self, path: &RelPath) -> Result<Source, SideError> {
        match self.0.find(path)? {
            Some(entry) => match entry.kind {
                EntryKind::File { mtime, mode, .. } => {
                    Ok(Source::of_workspace(self.0.read(&entry), mtime, mode))
                }
                _ => Err(changed(path)),
            },
            None => Err(changed(path)),
        }
    }

    fn make_file(
        &mut self,
        path: &RelPath,
        expect: Option<&Known>,
        file: &File,
        from: &mut dyn Read,
        mtime: (i64, u32),
        mode: u32,
    ) -> Result<Made, SideError> {
        self.check(path, expect.map(|known| &known.item))?;
        self.check_folder(path)?;
        match self.0.put_file(path, file, mtime, mode, from) {
            Err(WorkspaceError::OtherContent) => Err(FilesError::OtherContent { path: path.clone() }.into()),
            put => Ok(put.map(|()| None)?),
        }
    }

    fn make_link(&mut self, path: &RelPath, expect: Option<&Known>, text: &[u8]) -> Result<Made, SideError> {
        self.check(path, expect.map(|known| &known.item))?;
        self.check_folder(path)?;
        self.0.put_entry(path, EntryKind::Link(text.to_vec()))?;
        Ok(None)
    }

    fn place(&mut self, made: Vec<Placing>) -> Result<Vec<Placed>, SideError> {
        Ok(made.iter().map(|_| Ok(None)).collect())
    }

    fn make_folder(&mut self, path: &RelPath) -> Result<(), SideError> {
        match self.0.kind(path)? {
            Some(EntryKind::Folder) => Ok(()),
            Some(_) => Err(changed(path)),
            None => {
                self.check_folder(path)?;
                Ok(self.0.put_entry(path, EntryKind::Folder)?)
            }
        }
    }

    fn remove_folder(&mut self, path: &RelPath) -> Result<(), SideError> {
        self.check(path, Some(&Item::Folder))?;
        match self.0.is_empty(path)? {
            true => Ok(self.0.remove(path)?),
            false => Err(changed(path)),
        }
    }

    fn remove(&mut self, path: &RelPath, expect: &Known) -> Result<(), SideError> {
        self.check(path, Some(&expect.item))?;
        Ok(self.0.remove(path)?)
    }

    fn rename(&mut self, from: &RelPath, to: &RelPath, expect: &Known) -> Result<Option<Mark>, SideError> {
        self.check(from, Some(&expect.item))?;
        self.check(to, None)?;
        self.check_folder(to)?;
        self.0.rename(from, to)?;
        Ok(None)
    }

    fn set_executable(
        &mut self,
        path: &RelPath,
        executable: bool,
        expect: &Known,
    ) -> Result<Option<Mark>, SideError> {
        self.check(path, Some(&expect.item))?;
        self.0.set_executable(path, executable)?;
        Ok(None)
    }

    fn flush(&mut self) -> Result<(), SideError> {
        Ok(self.0.publish()?)
    }

    fn point(&self) -> Option<(u64, PointId)> {
        self.0.point()
    }
}
