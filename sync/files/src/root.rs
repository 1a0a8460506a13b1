//! The top of a folder that is kept the same as another, and what is ours in it.

use std::{
    fmt,
    io::{Read as _, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use gobag_reconcile::{Item, Name, RelPath};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, open, openat, openat2},
    io::Errno,
};

use crate::{FilesError, Stamp, limits, names::Names};

/// What is ours at the top of a root: its marker, what is being made, the version store. No part of what is kept the same.
pub const OURS: &str = ".gobag-sync";

const MARKER: &str = "root";
const STAGE: &str = "stage";
const VERSIONS: &str = "versions";
const COUNTERS: &[u8] = b"passes";

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
    /// Whether what is said of who may run a file is kept.
    has_modes: bool,
    names: Names,
}

impl Root {
    /// Opens the folder at `path`, which has to be there. Where it was not one of ours yet, it becomes one by the name `fresh`; where `expect` is given, it
    /// has to be that one: a drive that is not mounted, or another one in its place, is an error and never an empty folder.
    pub fn open(path: &Path, fresh: RootId, expect: Option<RootId>) -> Result<Self, FilesError> {
        let (top, known) = look(path)?;
        let (ours, id) = match (known, expect) {
            (Some(known), None) => known,
            (Some(known), Some(expect)) if known.1 == expect => known,
            (None, None) => (make(&top, fresh).map_err(FilesError::root(path))?, fresh),
            (_, Some(_)) => return Err(other(path)),
        };
        Self::of(path, top, ours, id)
    }

    /// Opens a folder that is one of ours; another is an error.
    pub fn open_known(path: &Path) -> Result<Self, FilesError> {
        match look(path)? {
            (top, Some((ours, id))) => Self::of(path, top, ours, id),
            (_, None) => Err(other(path)),
        }
    }

    fn of(path: &Path, top: OwnedFd, ours: OwnedFd, id: RootId) -> Result<Self, FilesError> {
        let has_modes = keeps_modes(&ours).map_err(FilesError::root(path))?;
        let names = Names::of(ours.as_fd()).map_err(FilesError::root(path))?;
        let path = path.to_owned();
        Ok(Self {
            path,
            top,
            ours,
            id,
            has_modes,
            names,
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

    /// Whether what is said of who may run a file is kept; where it is not, files are what they were, or what they are elsewhere.
    pub fn has_modes(&self) -> bool {
        self.has_modes
    }

    /// Whether there are names that it takes for one: `Case` and `case`.
    pub fn folds_names(&self) -> bool {
        self.names.fold()
    }

    /// Whether it takes both names for one.
    pub fn is_one_name(&self, one: &Name, other: &Name) -> Result<bool, FilesError> {
        let asked = self.names.is_one(one.as_bytes(), other.as_bytes());
        asked.map_err(FilesError::root(&self.path))
    }

    /// Whether nothing in it can have this name.
    pub fn refuses_name(&self, name: &Name) -> Result<bool, FilesError> {
        let asked = self.names.refuses(name.as_bytes());
        asked.map_err(FilesError::root(&self.path))
    }

    /// Whether it lists names in a spelling of its own.
    pub(crate) fn normalises_names(&self) -> bool {
        self.names.normalise()
    }

    /// The name of what is listed by these bytes.
    pub(crate) fn name_of(&self, listed: &[u8]) -> Option<Name> {
        self.names.of_listed(listed)
    }

    /// Whether a file's owner may run it; where the file system does not know, as it was.
    pub(crate) fn is_executable(&self, mode: u32, was: Option<&Item>) -> bool {
        match self.has_modes {
            true => mode & 0o100 != 0,
            false => matches!(was, Some(Item::File(was)) if was.executable),
        }
    }

    /// What was counted here under this name; 0: nothing yet.
    pub fn counter(&self, of: RootId) -> Result<u64, FilesError> {
        let failed = FilesError::root(&self.path);
        let folder = subfolder(self.ours.as_fd(), COUNTERS).map_err(&failed)?;
        let text = small(&folder, &of.to_string())
            .map_err(&failed)?
            .unwrap_or_default();
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// Counts, durably.
    pub fn set_counter(&self, of: RootId, count: u64) -> Result<(), FilesError> {
        let failed = FilesError::root(&self.path);
        let folder = subfolder(self.ours.as_fd(), COUNTERS).map_err(&failed)?;
        replace(&folder, &of.to_string(), &format!("{count}\n")).map_err(failed)
    }

    /// Where `owner` makes what is to come; others may do the same beside it.
    pub(crate) fn stage(&self, owner: &str) -> Result<OwnedFd, Errno> {
        subfolder(self.stages()?.as_fd(), owner.as_bytes())
    }

    /// The folder that those are in.
    pub(crate) fn stages(&self) -> Result<OwnedFd, Errno> {
        subfolder(self.ours.as_fd(), STAGE.as_bytes())
    }

    /// Takes that folder away, if it is empty.
    pub(crate) fn end_stage(&self, owner: &str) -> Result<(), Errno> {
        rustix::fs::unlinkat(self.stages()?, owner, AtFlags::REMOVEDIR)
    }

    /// Where what was is kept.
    pub(crate) fn versions(&self) -> Result<OwnedFd, Errno> {
        subfolder(self.ours.as_fd(), VERSIONS.as_bytes())
    }

    /// Opens what is at `path` below it, and follows no link on the way.
    pub(crate) fn open_at(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_beneath(&self.top, path, flags)
    }

    /// The same in our own folder.
    pub(crate) fn open_ours(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_beneath(&self.ours, path, flags)
    }

    /// The folder that `path` is in.
    pub(crate) fn open_parent(&self, path: &RelPath) -> Result<OwnedFd, Errno> {
        self.open_at(&path.parent().unwrap_or_default(), folder_flags())
    }

    /// What time it is by the clock of the file system: that of a file that was made just now.
    pub(crate) fn now(&self) -> Result<(i64, u32), Errno> {
        probe(&self.ours, "clock", |file| Ok(Stamp::of(&fstat(file)?).ctime))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Root({})", self.path.display())
    }
}

pub(crate) fn open_beneath(folder: &OwnedFd, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
    open_part(folder.as_fd(), path.as_bytes(), flags)
}

/// In as many parts as the system wants.
fn open_part(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let open = |path: &[u8], flags| openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), beneath);
    match path {
        b"" => open(b".", flags),
        _ if path.len() <= limits::PATH => open(path, flags),
        _ => {
            let end = path[..limits::PATH].iter().rposition(|byte| *byte == b'/');
            let end = end.ok_or(Errno::NAMETOOLONG)?;
            let part = open(&path[..end], OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
            open_part(part.as_fd(), &path[end + 1..], flags)
        }
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

/// A folder, and, if it is one of ours, what is ours in it and by what it is known again.
fn look(path: &Path) -> Result<(OwnedFd, Option<(OwnedFd, RootId)>), FilesError> {
    let failed = FilesError::root(path);
    // The folder itself may be named by a link.
    let top = open(path, folder_flags() & !OFlags::NOFOLLOW, Mode::empty()).map_err(&failed)?;
    let known = match openat(&top, OURS, folder_flags(), Mode::empty()) {
        Ok(ours) => marker(&ours).map_err(&failed)?.map(|id| (ours, id)),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(failed(errno)),
    };
    Ok((top, known))
}

fn other(path: &Path) -> FilesError {
    let path = path.to_owned();
    FilesError::OtherRoot { path }
}

fn marker(ours: &OwnedFd) -> Result<Option<RootId>, Errno> {
    Ok(small(ours, MARKER)?.and_then(|text| RootId::parse(&text)))
}

fn make(top: &OwnedFd, id: RootId) -> Result<OwnedFd, Errno> {
    let ours = subfolder(top.as_fd(), OURS.as_bytes())?;
    replace(&ours, MARKER, &format!("gobag-sync root 1\n{id}\n"))?;
    rustix::fs::fsync(top)?;
    Ok(ours)
}

/// A small file of ours; none if there is none, or it is none that we wrote.
fn small(folder: &OwnedFd, name: &str) -> Result<Option<String>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let mut text = String::new();
    let read = std::fs::File::from(file)
        .take(limits::SMALL as u64)
        .read_to_string(&mut text);
    Ok(read.ok().map(|_| text))
}

/// Writes a small file of ours beside its place, and puts it there.
fn replace(folder: &OwnedFd, name: &str, text: &str) -> Result<(), Errno> {
    let beside = format!("{name}.new");
    let mut file = std::fs::File::from(fresh(folder, &beside)?);
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rustix::fs::renameat(folder, &beside, folder, name)?;
    rustix::fs::fsync(folder)
}

/// A new file, whatever was there by that name before.
fn fresh(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut attempts = 0..8;
    loop {
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        match openat(folder, name, flags, Mode::RUSR | Mode::WUSR) {
            // Another pair's pass made one at the same moment.
            Err(Errno::EXIST) if attempts.next().is_some() => {}
            other => return other,
        }
    }
}

/// Asks something of a new file, and removes it.
fn probe<T>(folder: &OwnedFd, name: &str, ask: impl Fn(&OwnedFd) -> Result<T, Errno>) -> Result<T, Errno> {
    let file = fresh(folder, name)?;
    let answer = ask(&file);
    // Another pair's pass may have taken it away.
    let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
    answer
}

/// FAT and shares of Windows say of all files alike who may run them, whatever they are told.
fn keeps_modes(ours: &OwnedFd) -> Result<bool, Errno> {
    probe(ours, "modes", |file| {
        let kept = |mode| -> Result<bool, Errno> {
            // One that cannot even be told keeps none.
            let told = fchmod(file, Mode::from_raw_mode(mode));
            Ok(told.is_ok() && fstat(file)?.st_mode & 0o100 == mode & 0o100)
        };
        Ok(kept(0o700)? && kept(0o600)?)
    })
}
