//! The top of a folder that is kept the same as another, and what is ours in it.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use gobag_reconcile::RelPath;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, mkdirat, open, openat, openat2},
    io::Errno,
};

use crate::{FilesError, Stamp, limits};

/// What is ours at the top of a root: its marker, what is being made, the version store. No part of what is kept the same.
pub const OURS: &str = ".gobag-sync";

const MARKER: &str = "root";
const STAGE: &str = "stage";
const VERSIONS: &str = "versions";

/// By what a root is known again, wherever it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootId(pub [u8; 16]);

impl RootId {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("gobag-sync root 1\n")?.trim_end();
        if digits.len() != 32 || !digits.is_ascii() {
            return None;
        }
        let mut id = [0; 16];
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// A folder that is kept the same as another, open.
pub struct Root {
    path: PathBuf,
    top: OwnedFd,
    ours: OwnedFd,
    id: RootId,
    /// The device it is on: what is mounted below is not entered.
    device: u64,
}

impl Root {
    /// Opens the folder at `path`, which has to be there. Where it was not one of ours yet, it becomes one by the name `fresh`; where `expect` is given, it
    /// has to be that one: a drive that is not mounted, or another one in its place, is an error and never an empty folder.
    pub fn open(path: &Path, fresh: RootId, expect: Option<RootId>) -> Result<Self, FilesError> {
        let failed = |errno: Errno| FilesError::Root {
            path: path.to_owned(),
            source: errno.into(),
        };
        let top = open(path, folder_flags() & !OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
        let other = || FilesError::OtherRoot {
            path: path.to_owned(),
        };
        let known = match openat(&top, OURS, folder_flags(), Mode::empty()) {
            Ok(ours) => marker(&ours).map_err(failed)?.map(|id| (ours, id)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(failed(errno)),
        };
        let (ours, id) = match (known, expect) {
            (Some((_, id)), Some(expect)) if id != expect => return Err(other()),
            (None, Some(_)) => return Err(other()),
            (Some(known), _) => known,
            (None, None) => (make(&top, fresh).map_err(failed)?, fresh),
        };
        let device = rustix::fs::fstat(&top).map_err(failed)?.st_dev;
        let path = path.to_owned();
        Ok(Self {
            path,
            top,
            ours,
            id,
            device,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// By what it is known again.
    pub fn id(&self) -> RootId {
        self.id
    }

    pub(crate) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// Where what is to come is made.
    pub(crate) fn stage(&self) -> Result<OwnedFd, Errno> {
        subfolder(self.ours.as_fd(), STAGE.as_bytes())
    }

    /// Where what was is kept.
    pub(crate) fn versions(&self) -> Result<OwnedFd, Errno> {
        subfolder(self.ours.as_fd(), VERSIONS.as_bytes())
    }

    /// Opens what is at `path` below it, and follows no link on the way.
    pub(crate) fn open_at(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let bytes = match path.as_bytes() {
            b"" => b".",
            bytes => bytes,
        };
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        openat2(&self.top, bytes, flags | OFlags::CLOEXEC, Mode::empty(), beneath)
    }

    /// The folder that `path` is in.
    pub(crate) fn open_parent(&self, path: &RelPath) -> Result<OwnedFd, Errno> {
        self.open_at(&path.parent().unwrap_or_default(), folder_flags())
    }

    /// What time it is by the clock of the file system: the change of a file that was made just now.
    pub(crate) fn now(&self) -> Result<(i64, u32), Errno> {
        let stage = self.stage()?;
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let clock = openat(&stage, "clock", flags, Mode::RUSR | Mode::WUSR)?;
        rustix::io::write(&clock, b".")?;
        let stamp = Stamp::of(&rustix::fs::fstat(&clock)?);
        Ok(stamp.ctime)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Root({})", self.path.display())
    }
}

pub(crate) fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Opens a folder in another, which is made if it is not there.
pub(crate) fn subfolder(within: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    match mkdirat(within, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => openat(within, name, folder_flags(), Mode::empty()),
        Err(errno) => Err(errno),
    }
}

fn marker(ours: &OwnedFd) -> Result<Option<RootId>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(ours, MARKER, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let mut text = String::new();
    let read = file.take(limits::MARKER as u64).read_to_string(&mut text);
    Ok(read.ok().and_then(|_| RootId::parse(&text)))
}

fn make(top: &OwnedFd, id: RootId) -> Result<OwnedFd, Errno> {
    let ours = subfolder(top.as_fd(), OURS.as_bytes())?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(openat(&ours, "root.new", flags, Mode::RUSR | Mode::WUSR)?);
    let written: io::Result<()> = write!(file, "gobag-sync root 1\n{id}\n").and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rustix::fs::renameat(&ours, "root.new", &ours, MARKER)?;
    rustix::fs::fsync(&ours)?;
    rustix::fs::fsync(top)?;
    Ok(ours)
}
