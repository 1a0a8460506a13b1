//! One side of a pass as it is changed: a folder, or a workspace.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use gobag_files::{Attribute, Changes, FilesError, Known, Reading, Root, Scan, Source, Staged, Stamp};
use gobag_format::ids::PointId;
use gobag_reconcile::{File, RelPath};
use gobag_workspace::{FileReader, Former, StoreError, WorkspaceError};
use thiserror::Error;

/// The stamp of a file, and whether it would change with the file.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) stamp: Stamp,
    pub(crate) lasts: bool,
}

/// Why something of a side cannot be read or changed.
#[derive(Debug, Error)]
pub(crate) enum SideError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl SideError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Files(error) => error.code(),
            Self::Workspace(error) => error.code(),
        }
    }

    /// Whether a folder has no room.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Files(error) if error.is_full())
    }

    /// What ends the pass: nothing else of the workspace will do either. What is missing there concerns one file.
    pub(crate) fn ends_the_pass(self) -> Result<Self, WorkspaceError> {
        match self {
            Self::Workspace(error @ WorkspaceError::Store(StoreError::Missing)) => Ok(error.into()),
            Self::Workspace(error @ WorkspaceError::Store(_)) => Err(error),
            error => Ok(error),
        }
    }
}

/// A file of a side, being read.
pub(crate) struct Opened {
    from: Origin,
    pub(crate) mtime: (i64, u32),
    pub(crate) mode: u32,
}

/// Where its bytes come from.
enum Origin {
    Folder(Reading),
    Workspace(FileReader),
}

impl Opened {
    pub(crate) fn of_workspace(from: FileReader, mtime: (i64, u32), mode: u32) -> Self {
        let from = Origin::Workspace(from);
        Self { from, mtime, mode }
    }

    /// Says what is where it goes: of a workspace only what differs is got.
    pub(crate) fn beside(&mut self, former: impl FnOnce() -> Option<Reading>) {
        if let Origin::Workspace(reader) = &mut self.from {
            reader.beside(|| Some(Box::new(Here(former()?))));
        }
    }

    /// What was wrong with where it comes from, and not with where it goes.
    pub(crate) fn take_error(&mut self) -> Option<WorkspaceError> {
        match &mut self.from {
            Origin::Folder(_) => None,
            Origin::Workspace(reader) => reader.take_error(),
        }
    }

    /// Ends reading; whether nobody wrote to it since it was opened.
    pub(crate) fn end(self) -> bool {
        match self.from {
            Origin::Folder(reading) => reading.finish().is_ok(),
            // A point never changes.
            Origin::Workspace(_) => true,
        }
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.from {
            Origin::Folder(reading) => reading.read(buffer),
            Origin::Workspace(reader) => reader.read(buffer),
        }
    }
}

impl Source for Opened {
    fn skip_hole(&mut self) -> io::Result<u64> {
        match &mut self.from {
            Origin::Folder(reading) => reading.skip_hole(),
            Origin::Workspace(reader) => reader.skip_zeros(),
        }
    }

    fn attributes(&self) -> Vec<Attribute> {
        match &self.from {
            Origin::Folder(reading) => reading.attributes(),
            Origin::Workspace(_) => Vec::new(),
        }
    }
}

/// A file of a folder that another version of it is to replace.
struct Here(Reading);

impl Former for Here {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(bytes, at)
    }
}

/// Something made.
pub(crate) struct Made {
    /// What is not in its place yet; none: all comes into its place at once.
    pub(crate) staged: Option<Staged>,
    /// Whether all that belongs to the file came with it.
    pub(crate) has_attributes: bool,
}

impl From<Staged> for Made {
    fn from(staged: Staged) -> Self {
        Self {
            has_attributes: staged.has_attributes(),
            staged: Some(staged),
        }
    }
}

/// A side of a pass. Marks it gives are of what was put there; none: it has none, or somebody was faster.
pub(crate) trait Target {
    /// Opens a file to be read.
    fn open(&self, path: &RelPath) -> Result<Opened, SideError>;
    /// Opens the file that what comes to `path` replaces, or that was set aside for it: less of it may have to be got.
    fn former(&self, _: &RelPath) -> Option<Reading> {
        None
    }
    /// What comes to `path` will resemble what was set aside from there.
    fn resembles(&mut self, _: &RelPath, _aside: &RelPath) {}
    /// Writes what is to come to `path`, where there has to be what is expected; it has to be `file`.
    fn make_file(
        &mut self,
        path: &RelPath,
        expect: Option<&Known>,
        file: &File,
        from: &mut dyn Source,
        mtime: (i64, u32),
        mode: u32,
    ) -> Result<Made, SideError>;
    /// The same with a link.
    fn make_link(&mut self, path: &RelPath, expect: Option<&Known>, text: &[u8]) -> Result<Made, SideError>;
    /// Puts what was made in its place, all of it or each for itself.
    fn place(&mut self, made: Vec<Placing>) -> Result<Vec<Placed>, SideError>;
    /// Makes a folder; one that is there already is as good.
    fn make_folder(&mut self, path: &RelPath) -> Result<(), SideError>;
    /// Removes a folder if it is empty.
    fn remove_folder(&mut self, path: &RelPath) -> Result<(), SideError>;
    /// Takes away what is expected to be there; a folder keeps it as a version, a workspace in its earlier points.
    fn remove(&mut self, path: &RelPath, expect: &Known) -> Result<(), SideError>;
    /// Gives what is at `from` the path `to`, at which nothing may be.
    fn rename(&mut self, from: &RelPath, to: &RelPath, expect: &Known) -> Result<Option<Mark>, SideError>;
    /// Says whether its owner may run it.
    fn set_executable(
        &mut self,
        path: &RelPath,
        executable: bool,
        expect: &Known,
    ) -> Result<Option<Mark>, SideError>;
    /// Makes durable all that was done.
    fn flush(&mut self) -> Result<(), SideError>;
    /// Whether what was there before is durable, whatever becomes of what was done.
    fn has_points(&self) -> bool {
        false
    }
    /// Whether what is at `path` is not durable yet.
    fn is_pending(&self, _: &RelPath) -> bool {
        false
    }
    /// The newest point that was seen, of a workspace.
    fn point(&self) -> Option<(u64, PointId)> {
        None
    }
}

/// Something made, and what has to be in its place before.
pub(crate) struct Placing {
    pub(crate) made: Made,
    pub(crate) expect: Option<Known>,
}

/// What became of it.
pub(crate) type Placed = Result<Option<Mark>, SideError>;

/// A folder as a side.
pub(crate) struct Folder<'a> {
    root: &'a Root,
    changes: Changes<'a>,
    scan: &'a Scan,
    aside: BTreeMap<RelPath, RelPath>,
}

impl<'a> Folder<'a> {
    pub(crate) fn begin(root: &'a Root, scan: &'a Scan, run: &str, owner: &str) -> Result<Self, FilesError> {
        let changes = Changes::begin(root, run, owner)?;
        Ok(Self {
            root,
            changes,
            scan,
            aside: BTreeMap::new(),
        })
    }

    fn mark(&self, stamp: Stamp) -> Mark {
        let lasts = self.scan.lasting_made(&stamp).is_some();
        Mark { stamp, lasts }
    }
}

impl Target for Folder<'_> {
    fn open(&self, path: &RelPath) -> Result<Opened, SideError> {
        let reading = Reading::open(self.root, path)?;
        let (mtime, mode) = (reading.stamp().mtime, reading.mode());
        let from = Origin::Folder(reading);
        Ok(Opened { from, mtime, mode })
    }

    fn former(&self, path: &RelPath) -> Option<Reading> {
        Reading::open(self.root, self.aside.get(path).unwrap_or(path)).ok()
    }

    fn resembles(&mut self, path: &RelPath, aside: &RelPath) {
        self.aside.insert(path.clone(), aside.clone());
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
        let replaces = expect.is_some();
        Ok(self
            .changes
            .stage(path, file, mtime, mode, from, replaces)?
            .into())
    }

    fn make_link(&mut self, path: &RelPath, _: Option<&Known>, text: &[u8]) -> Result<Made, SideError> {
        Ok(self.changes.stage_link(path, text)?.into())
    }

    fn place(&mut self, made: Vec<Placing>) -> Result<Vec<Placed>, SideError> {
        let (staged, expected): (Vec<_>, Vec<_>) = made
            .into_iter()
            .filter_map(|one| Some((one.made.staged?, one.expect)))
            .unzip();
        let ready = self.changes.flush(staged)?;
        let place = |(ready, expect): (_, Option<Known>)| {
            let stamp = self.changes.place(ready, expect.as_ref())?;
            Ok(stamp.map(|stamp| self.mark(stamp)))
        };
        Ok(ready.into_iter().zip(expected).map(place).collect())
    }

    fn make_folder(&mut self, path: &RelPath) -> Result<(), SideError> {
        Ok(self.changes.make_folder(path)?)
    }

    fn remove_folder(&mut self, path: &RelPath) -> Result<(), SideError> {
        Ok(self.changes.remove_folder(path)?)
    }

    fn remove(&mut self, path: &RelPath, expect: &Known) -> Result<(), SideError> {
        Ok(self.changes.remove(path, expect)?)
    }

    fn rename(&mut self, from: &RelPath, to: &RelPath, expect: &Known) -> Result<Option<Mark>, SideError> {
        let stamp = self.changes.rename(from, to, expect)?;
        Ok(Some(self.mark(stamp)))
    }

    fn set_executable(
        &mut self,
        path: &RelPath,
        executable: bool,
        expect: &Known,
    ) -> Result<Option<Mark>, SideError> {
        let stamp = self.changes.set_executable(path, executable, expect)?;
        Ok(Some(self.mark(stamp)))
    }

    fn flush(&mut self) -> Result<(), SideError> {
        let _ = self.changes.flush(Vec::new())?;
        Ok(())
    }
}
