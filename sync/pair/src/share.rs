//! A workspace as the right side of a pair.

mod scan;

use std::io::{self, Read};

use gobag_files::{FilesError, Known, Source};
use gobag_format::{ids::PointId, workspace::EntryKind};
use gobag_reconcile::{ConflictNames, File, Item, RelPath};
use gobag_workspace::{Workspace, WorkspaceError, item_of};

use crate::side::{Made, Mark, Opened, Placed, Placing, SideError, Target};
pub(crate) use scan::{patterns, scan};

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
        // Of two versions of a file the one that goes beside the other.
        let like = ConflictNames::former(path);
        match self
            .0
            .put_file(path, like.as_ref(), file, mtime, mode, &mut Plain(from))
        {
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

    fn is_pending(&self, path: &RelPath) -> bool {
        self.0.is_pending(path)
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
