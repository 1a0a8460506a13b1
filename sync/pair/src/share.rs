//! A workspace as the right side of a pair.

use std::{
    cmp::Ordering,
    collections::HashSet,
    io::{self, Read},
};

use gobag_files::{Base as _, FILTER, FilesError, Found, Known, Scan, Scope, Source, Stamp, is_ours};
use gobag_format::{
    ids::PointId,
    workspace::{EntryKind, WorkspaceError as Format},
};
use gobag_reconcile::{Content, File, Item, Name, RelPath, Side, Unknown};
use gobag_workspace::{Workspace, WorkspaceError, path_of};

use crate::{
    PairError,
    base::Base,
    side::{Made, Mark, Opened, Placed, Placing, SideError, Target},
};

/// Folders in folders that are followed, as with a folder.
const DEPTH: usize = 256;
/// Bytes of patterns, as with a folder.
const PATTERNS: u64 = 1 << 20;

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
            return Err(WorkspaceError::Format(Format::Damaged).into());
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
            _ if path.depth() > DEPTH => Some(Unknown::Unreadable),
            _ if self.scope.filter.leaves_out(&path, item.is_folder()) => {
                self.filtered(path, item.is_folder(), was)?;
                return Ok(());
            }
            None if name.as_ref().is_some_and(is_refused) => Some(Unknown::Name),
            _ => None,
        };
        if let Some(why) = unknown {
            self.scan.found.insert(path.clone(), Found::Unknown(why));
            self.pass_over(path, true);
            return Ok(());
        }
        if let Item::File(file) = &item {
            self.scan.files += 1;
            self.scan.bytes = self.scan.bytes.saturating_add(file.len);
        }
        if was.is_none_or(|was| was.item != item) {
            self.scan.found.insert(path, Found::Item(item, Stamp::default()));
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
            self.scan.found.insert(path, Found::Gone);
        }
        Ok(())
    }

    fn pass_over(&mut self, path: RelPath, is_folder: bool) {
        if is_folder {
            self.passed_over.insert(path);
        }
    }

    /// As with a folder's scan: what a filter leaves out takes no room, unless it was known, or something else by that name would not be left out.
    fn filtered(&mut self, path: RelPath, is_folder: bool, was: Option<Known>) -> Result<(), PairError> {
        if let Some(was) = &was {
            let files = files_known(self.base, &path, &was.item)?;
            self.scan.found.insert(path.clone(), Found::Filtered(files));
        } else if !self.scope.filter.leaves_out(&path, !is_folder) {
            let unknown = Found::Unknown(Unknown::Filtered);
            self.scan.found.insert(path.clone(), unknown);
        }
        self.pass_over(path, true);
        Ok(())
    }
}

fn files_known(base: &Base, path: &RelPath, item: &Item) -> Result<u64, PairError> {
    if !item.is_folder() {
        return Ok(1);
    }
    let mut files = 0;
    for (name, known) in base.side(Side::Right).children(path)? {
        files += files_known(base, &path.join(&name), &known.item)?;
    }
    Ok(files)
}

/// The text of a workspace's own file of patterns.
pub(crate) fn patterns(workspace: &Workspace) -> Result<Vec<u8>, PairError> {
    let path = RelPath::new(FILTER.as_bytes()).unwrap_or_default();
    let mut text = Vec::new();
    if let Some(kind @ EntryKind::File { .. }) = workspace.find(&path)?.map(|entry| entry.kind) {
        let mut reader = workspace.read(&kind);
        let read = reader.by_ref().take(PATTERNS + 1).read_to_end(&mut text);
        if let Some(error) = reader.take_error() {
            return Err(error.into());
        }
        if read.is_err() || text.len() as u64 > PATTERNS {
            // Nothing is carried over that somebody may have left out.
            return Err(WorkspaceError::Format(Format::Damaged).into());
        }
    }
    Ok(text)
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
    fn open(&self, path: &RelPath) -> Result<Opened, SideError> {
        match self.0.readable(path)? {
            Some(kind @ EntryKind::File { mtime, mode, .. }) => {
                Ok(Opened::of_workspace(self.0.read(&kind), mtime, mode))
            }
            _ => Err(changed(path)),
        }
    }

    fn make_file(
        &mut self,
        path: &RelPath,
        expect: Option<&Known>,
        file: &File,
        from: &mut dyn Source,
        mtime: (i64, u32),
        mode: u32,
    ) -> Result<Made, SideError> {
        self.check(path, expect.map(|known| &known.item))?;
        self.check_folder(path)?;
        // There is no place for them in a workspace.
        let has_attributes = from.attributes().is_empty();
        match self.0.put_file(path, file, mtime, mode, &mut Plain(from)) {
            Err(WorkspaceError::OtherContent) => Err(FilesError::OtherContent { path: path.clone() }.into()),
            put => Ok(put.map(|()| Made {
                staged: None,
                has_attributes,
            })?),
        }
    }

    fn make_link(&mut self, path: &RelPath, expect: Option<&Known>, text: &[u8]) -> Result<Made, SideError> {
        self.check(path, expect.map(|known| &known.item))?;
        self.check_folder(path)?;
        self.0.put_entry(path, EntryKind::Link(text.to_vec()))?;
        Ok(Made {
            staged: None,
            has_attributes: true,
        })
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

    fn has_points(&self) -> bool {
        true
    }

    fn point(&self) -> Option<(u64, PointId)> {
        self.0.point()
    }
}

/// Bytes and nothing else.
struct Plain<'a>(&'a mut dyn Source);

impl Read for Plain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
