//! Changes of a folder that lose nothing, whoever works in it meanwhile and wherever they are cut off.
//!
//! 1. What is to come is written into our folder, on the same file system, compared with its digest on the way, and made durable ([`Changes::flush`]).
//! 2. What is there is compared with what is expected to be.
//! 3. It is linked into the version store, and exchanged with what is to come in one step. What came out of its place has to be what was linked; if
//!    somebody was faster, both are exchanged back. Where a file system knows neither links nor exchanges, what is there is moved to the version
//!    store first, and back if it was not the expected; the place is empty for a moment then.
//! 4. A second flush, after which the caller notes it.
//!
//! Cut off before 3, nothing has changed. Cut off in it, what came out of its place is among what is being made, whence the owner's next
//! [`Changes::begin`] moves it to the version store; anybody's next, if the owner comes only once. Deleted is only what was made here and is not complete, or did not come into its place.

use std::{
    cell::Cell,
    io::{self, Seek, SeekFrom, Write},
    os::fd::{AsFd, OwnedFd},
};

use gobag_reconcile::{Content, File, Item, Name, RelPath};
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, XattrFlags, fchmod,
        fsetxattr, fstat, fsync, futimens, linkat, mkdirat, openat, readlinkat, renameat, renameat_with,
        statat, symlinkat, syncfs, unlinkat,
    },
    io::Errno,
};

use crate::{
    FilesError, Known, Root, Source, Stamp, content_of,
    hash::{Attribute, Piece, pieces},
    root::subfolder,
    stage,
};

/// Being written, to come in the place of something; gone when a run begins.
const PART: &str = "part-";
/// The same of what comes where nothing is: nothing of anybody else's gets its name.
const NEW: &str = "new-";
/// How what was being made is called in the version store.
pub(crate) const RESCUED: &str = "interrupted-";
/// Complete, and perhaps what was in a place before.
const READY: &str = "ready-";

/// The changes of one run.
pub struct Changes<'a> {
    root: &'a Root,
    /// The run's folder in the version store.
    run: String,
    owner: String,
    stage: OwnedFd,
    versions: OwnedFd,
    serial: Cell<u64>,
}

/// What is to come, complete, and not yet durable.
#[must_use]
pub struct Staged {
    name: String,
    path: RelPath,
    /// What it was when it was complete.
    stamp: Stamp,
    /// Whether all that belongs to the file came with it.
    has_attributes: bool,
}

impl Staged {
    /// Whether it has the attributes of what it came from; else the file system does not take them.
    pub fn has_attributes(&self) -> bool {
        self.has_attributes
    }
}

/// What is to come, durable.
#[must_use]
pub struct Ready(Staged);

impl Drop for Changes<'_> {
    fn drop(&mut self) {
        // Its folder goes if nothing is left in it.
        let _ = self.root.end_stage(&self.owner);
    }
}

impl<'a> Changes<'a> {
    /// Begins a run, whose replaced and removed files are kept under the name `run`: the time, so that people find them.
    ///
    /// What is to come is made apart from that of others: no two runs at a time may have the same `owner`.
    pub fn begin(root: &'a Root, run: &str, owner: &str) -> Result<Self, FilesError> {
        let failed = FilesError::root(root.path());
        let (run, owner) = (run.replace('/', "-"), owner.replace('/', "-"));
        let changes = Self {
            root,
            stage: stage::take(root, &owner).map_err(&failed)?,
            versions: root.versions().map_err(&failed)?,
            run,
            owner,
            serial: Cell::new(0),
        };
        changes.sweep(&changes.stage).map_err(&failed)?;
        for (owner, stage) in stage::abandoned(root, &changes.owner).map_err(&failed)? {
            changes.sweep(&stage).map_err(&failed)?;
            let _ = root.end_stage(&owner);
        }
        Ok(changes)
    }

    /// What an interrupted run left behind in this folder, which is ours alone.
    fn sweep(&self, stage: &OwnedFd) -> Result<(), Errno> {
        for entry in rustix::fs::Dir::read_from(stage)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let is_part = [PART, NEW].iter().any(|part| name.starts_with(part.as_bytes()));
            if is_part && unlinkat(stage, name, AtFlags::empty()).is_ok() {
                continue;
            }
            self.rescue(stage, name)?;
        }
        Ok(())
    }

    /// Puts something that is being made, and may be what somebody wrote, into the version store.
    fn rescue(&self, stage: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        let path = RelPath::new(&[RESCUED.as_bytes(), name].concat()).map_err(|_| Errno::INVAL)?;
        self.keep(&path, |versions, kept| self.shift(stage, name, versions, kept))
            .map(drop)
    }

    /// Writes what is to come to `path`; it has to be `file`. Who may do what with it is as with the file that it `replaces`, or else as `mode` says, but for
    /// who may run it.
    pub fn stage(
        &self,
        path: &RelPath,
        file: &File,
        mtime: (i64, u32),
        mode: u32,
        from: &mut dyn Source,
        replaces: bool,
    ) -> Result<Staged, FilesError> {
        let failed = |errno| FilesError::of("write", path, errno);
        let name = self.name(if replaces { PART } else { NEW });
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.stage, &name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        let mut to = std::fs::File::from(fd);
        let copied = copy(from, &mut to, file.len);
        let found = copied.map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)));
        if found.as_ref().ok() != Some(&Some(file.content)) {
            unlinkat(&self.stage, &name, AtFlags::empty()).map_err(failed)?;
            found?;
            return Err(FilesError::OtherContent { path: path.clone() });
        }
        let set = |(name, value): &Attribute| fsetxattr(&to, name, value, XattrFlags::empty());
        // Each for itself: one that is too long is no reason to lose the others. While its owner may write to it.
        let refused = from.attributes().iter().filter(|one| set(one).is_err()).count();
        if self.root.has_modes() {
            let was = replaces.then(|| self.mode_at(path)).flatten();
            let mode = with_run(was.unwrap_or(mode), file.executable);
            fchmod(&to, Mode::from_raw_mode(mode)).map_err(failed)?;
        }
        // Some file systems have no times that early or late: then it has the time of now, and nothing depends on it.
        let time = Timespec {
            tv_sec: mtime.0,
            tv_nsec: mtime.1.into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let _ = futimens(&to, &times);
        let staged = match replaces {
            true => self.complete(path, &name)?,
            false => Staged {
                name,
                path: path.clone(),
                stamp: Stamp::of(&fstat(&to).map_err(failed)?),
                has_attributes: true,
            },
        };
        Ok(Staged {
            has_attributes: refused == 0,
            ..staged
        })
    }

    /// Who may do what with the file at `path`, if there is one.
    fn mode_at(&self, path: &RelPath) -> Option<u32> {
        let folder = self.root.open_parent(path).ok()?;
        let stat = statat(folder, path.name()?, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file.then_some(stat.st_mode & 0o777)
    }

    /// Makes a link that is to come to `path`.
    pub fn stage_link(&self, path: &RelPath, text: &[u8]) -> Result<Staged, FilesError> {
        let name = self.name(PART);
        symlinkat(text, &self.stage, &name).map_err(|errno| FilesError::of("make link", path, errno))?;
        self.complete(path, &name)
    }

    fn complete(&self, path: &RelPath, part: &str) -> Result<Staged, FilesError> {
        let failed = |errno| FilesError::of("write", path, errno);
        let name = self.name(READY);
        self.shift(&self.stage, part.as_bytes(), &self.stage, name.as_bytes())
            .map_err(failed)?;
        let stat = statat(&self.stage, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        Ok(Staged {
            name,
            path: path.clone(),
            stamp: Stamp::of(&stat),
            has_attributes: true,
        })
    }

    /// Makes all of them durable, with whatever was changed before.
    pub fn flush(&self, staged: Vec<Staged>) -> Result<Vec<Ready>, FilesError> {
        let failed = |errno| FilesError::of("flush", &RelPath::root(), errno);
        syncfs(self.root.top()).map_err(failed)?;
        // A program that serves a file system (exfat-fuse, NTFS-3G) hears of this alone, and flushes all of it.
        match fsync(self.root.top()) {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(failed(errno)),
        }
        Ok(staged.into_iter().map(Ready).collect())
    }

    /// Puts it in its place, where there has to be what is expected, or nothing. Gives its stamp, if nobody was faster with something else.
    pub fn place(&self, ready: Ready, expect: Option<&Known>) -> Result<Option<Stamp>, FilesError> {
        let staged = ready.0;
        let placed = self.place_at(&staged, expect);
        if placed.is_err() {
            let name = staged.name.as_bytes();
            // It is complete and can come again, if it is what was made: a place that somebody else was at may have given theirs.
            let left = match is(&self.stage, name, &staged.stamp) {
                Ok(true) => unlinkat(&self.stage, name, AtFlags::empty()),
                Ok(false) => self.rescue(&self.stage, name),
                Err(_) => Ok(()),
            };
            if let Err(errno) = left {
                tracing::warn!(path = %staged.path, %errno, "something is left among what is being made");
            }
        }
        placed
    }

    fn place_at(&self, staged: &Staged, expect: Option<&Known>) -> Result<Option<Stamp>, FilesError> {
        let Staged {
            name, path, stamp, ..
        } = staged;
        let failed = |errno| FilesError::of("put", path, errno);
        if !is(&self.stage, name.as_bytes(), stamp).map_err(failed)? {
            return Err(FilesError::OtherContent { path: path.clone() });
        }
        let folder = self.root.open_parent(path).map_err(failed)?;
        let at = path.name().ok_or_else(|| failed(Errno::INVAL))?;
        match expect {
            None => self
                .shift(&self.stage, name.as_bytes(), &folder, at)
                .map_err(failed)?,
            Some(expect) => {
                let was = self.check(&folder, at, path, expect)?;
                match self.exchange(name, &folder, at, path, &was) {
                    Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::MLINK) => {
                        self.take(&folder, at, path, &was)?;
                        self.shift(&self.stage, name.as_bytes(), &folder, at)
                            .map_err(failed)?;
                    }
                    other => other.map_err(failed)?,
                }
            }
        }
        let found = Stamp::of(&statat(&folder, at, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?);
        Ok(found.is_same_file(stamp).then_some(found))
    }

    /// Exchanges what is ready with what is in its place, which is in the version store by then.
    fn exchange(
        &self,
        name: &str,
        folder: &OwnedFd,
        at: &[u8],
        path: &RelPath,
        was: &Stamp,
    ) -> Result<(), Errno> {
        let (versions, kept) = self.keep(path, |versions, kept| {
            linkat(folder, at, versions, kept, AtFlags::empty())
        })?;
        let undo = || unlinkat(&versions, &kept[..], AtFlags::empty());
        if !is(&versions, &kept, was)? {
            undo()?;
            return Err(Errno::EXIST);
        }
        let swap = || renameat_with(&self.stage, name, folder, at, RenameFlags::EXCHANGE);
        if let Err(errno) = swap() {
            undo()?;
            return Err(errno);
        }
        if is(&self.stage, name.as_bytes(), was)? {
            return unlinkat(&self.stage, name, AtFlags::empty());
        }
        // Somebody put another file there after the look at it.
        swap()?;
        undo()?;
        Err(Errno::EXIST)
    }

    /// Moves what is at `path` to the version store; it has to be what is expected.
    pub fn remove(&self, path: &RelPath, expect: &Known) -> Result<(), FilesError> {
        let failed = |errno| FilesError::of("remove", path, errno);
        let folder = self.root.open_parent(path).map_err(failed)?;
        let at = path.name().ok_or_else(|| failed(Errno::INVAL))?;
        let was = self.check(&folder, at, path, expect)?;
        self.take(&folder, at, path, &was)
    }

    fn take(&self, folder: &OwnedFd, at: &[u8], path: &RelPath, was: &Stamp) -> Result<(), FilesError> {
        let failed = |errno| FilesError::of("keep a version of", path, errno);
        let taken = self.keep(path, |versions, kept| self.shift(folder, at, versions, kept));
        let (versions, kept) = taken.map_err(failed)?;
        if is(&versions, &kept, was).map_err(failed)? {
            return Ok(());
        }
        // Somebody put another file there after the look at it. If there is a third one by now, this one is safe where it is.
        let _ = self.shift(&versions, &kept, folder, at);
        Err(FilesError::Changed { path: path.clone() })
    }

    /// Gives what is at `from` the path `to`, at which nothing may be; it has to be what is expected. Gives its stamp.
    pub fn rename(&self, from: &RelPath, to: &RelPath, expect: &Known) -> Result<Stamp, FilesError> {
        let failed = |errno| FilesError::of("move", from, errno);
        let (folder, target) = (
            self.root.open_parent(from).map_err(failed)?,
            self.root.open_parent(to).map_err(failed)?,
        );
        let (Some(at), Some(new)) = (from.name(), to.name()) else {
            return Err(failed(Errno::INVAL));
        };
        let was = self.check(&folder, at, from, expect)?;
        match self.is_one_name(from, to)? {
            true => self.respell(&folder, at, new).map_err(failed)?,
            false => self.shift(&folder, at, &target, new).map_err(failed)?,
        }
        let stamp = Stamp::of(&statat(&target, new, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?);
        if stamp.is_same_file(&was) {
            return Ok(stamp);
        }
        let _ = self.shift(&target, new, &folder, at);
        Err(FilesError::Changed { path: from.clone() })
    }

    /// Whether both are one to the file system, which then says of the second that something is there.
    fn is_one_name(&self, from: &RelPath, to: &RelPath) -> Result<bool, FilesError> {
        let name = |path: &RelPath| Name::new(path.name().unwrap_or_default()).ok();
        match (name(from), name(to)) {
            (Some(one), Some(other)) if from.parent() == to.parent() => self.root.is_one_name(&one, &other),
            _ => Ok(false),
        }
    }

    /// Gives something another of its names by way of a third, which people would see if it is cut off there.
    fn respell(&self, folder: &OwnedFd, at: &[u8], new: &[u8]) -> Result<(), Errno> {
        let mut number = 1;
        let between = loop {
            let between = format!("gobag-renaming-{number}");
            match self.shift(folder, at, folder, between.as_bytes()) {
                Err(Errno::EXIST) if number < 1000 => number += 1,
                Err(errno) => return Err(errno),
                Ok(()) => break between,
            }
        };
        let done = self.shift(folder, between.as_bytes(), folder, new);
        if done.is_err() {
            let _ = self.shift(folder, between.as_bytes(), folder, at);
        }
        done
    }

    /// Makes a folder; one that is there already is as good.
    pub fn make_folder(&self, path: &RelPath) -> Result<(), FilesError> {
        let failed = |errno| FilesError::of("make folder", path, errno);
        let folder = self.root.open_parent(path).map_err(failed)?;
        let at = path.name().ok_or_else(|| failed(Errno::INVAL))?;
        match mkdirat(&folder, at, Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) => {
                let stat = statat(&folder, at, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => Ok(()),
                    _ => Err(FilesError::Changed { path: path.clone() }),
                }
            }
            made => made.map_err(failed),
        }
    }

    /// Removes a folder that is empty; another stays, and that is an error.
    pub fn remove_folder(&self, path: &RelPath) -> Result<(), FilesError> {
        let failed = |errno| match errno {
            Errno::NOTEMPTY => FilesError::Changed { path: path.clone() },
            _ => FilesError::of("remove folder", path, errno),
        };
        let folder = self.root.open_parent(path).map_err(failed)?;
        let at = path.name().ok_or_else(|| failed(Errno::INVAL))?;
        unlinkat(&folder, at, AtFlags::REMOVEDIR).map_err(failed)
    }

    /// Says whether its owner may run the file at `path`; its content has to be what is expected. Gives its stamp.
    pub fn set_executable(
        &self,
        path: &RelPath,
        executable: bool,
        expect: &Known,
    ) -> Result<Stamp, FilesError> {
        let failed = |errno| FilesError::of("change", path, errno);
        let folder = self.root.open_parent(path).map_err(failed)?;
        let at = path.name().ok_or_else(|| failed(Errno::INVAL))?;
        let was = self.check(&folder, at, path, expect)?;
        let file = self
            .root
            .open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW)
            .map_err(failed)?;
        let stat = fstat(&file).map_err(failed)?;
        if !Stamp::of(&stat).is_same_file(&was) {
            return Err(FilesError::Changed { path: path.clone() });
        }
        if !self.root.has_modes() {
            return Ok(was);
        }
        let mode = with_run(stat.st_mode & 0o7777, executable);
        fchmod(&file, Mode::from_raw_mode(mode)).map_err(failed)?;
        Ok(Stamp::of(&fstat(&file).map_err(failed)?))
    }

    /// Whether what is there is what is expected; gives its stamp.
    fn check(
        &self,
        folder: &OwnedFd,
        at: &[u8],
        path: &RelPath,
        expect: &Known,
    ) -> Result<Stamp, FilesError> {
        let failed = |errno| FilesError::of("look at", path, errno);
        let stat = statat(folder, at, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let stamp = Stamp::of(&stat);
        let is_expected = match (&expect.item, FileType::from_raw_mode(stat.st_mode)) {
            (Item::Folder, kind) => kind == FileType::Directory,
            (Item::Link(text), FileType::Symlink) => {
                readlinkat(folder, at, Vec::new()).map_err(failed)?.as_bytes() == &text[..]
            }
            (Item::File(_), FileType::RegularFile) if expect.stamp == Some(stamp) => true,
            (Item::File(file), FileType::RegularFile) => {
                let (found, read) = content_of(self.root, path)?;
                (found.content, found.len, read.ino) == (file.content, file.len, stamp.ino)
            }
            _ => false,
        };
        match is_expected {
            true => Ok(stamp),
            false => Err(FilesError::Changed { path: path.clone() }),
        }
    }

    /// Gives `keep` a place in the version store where nothing is: under this run the path it had; another run's name if something is in the way.
    fn keep(
        &self,
        path: &RelPath,
        keep: impl Fn(&OwnedFd, &[u8]) -> Result<(), Errno>,
    ) -> Result<(OwnedFd, Vec<u8>), Errno> {
        let name = path.name().ok_or(Errno::INVAL)?;
        let mut attempt = 0;
        loop {
            let run = match attempt {
                0 => self.run.clone(),
                _ => format!("{}-{attempt}", self.run),
            };
            let kept = self.version_folder(&run, path).and_then(|folder| {
                keep(&folder, name)?;
                Ok((folder, name.to_vec()))
            });
            match kept {
                Err(Errno::EXIST | Errno::NOTDIR) if attempt < 1000 => attempt += 1,
                other => return other,
            }
        }
    }

    fn version_folder(&self, run: &str, path: &RelPath) -> Result<OwnedFd, Errno> {
        let mut folder = subfolder(self.versions.as_fd(), run.as_bytes())?;
        for name in path.parent().unwrap_or_default().names() {
            folder = subfolder(folder.as_fd(), name)?;
        }
        Ok(folder)
    }

    /// Moves it to where nothing is. Where the file system cannot be asked for that in one step, by a second name, and the first goes by way of our own folder, so
    /// that nobody's is taken away who put another file there meanwhile. Where there are no second names, an empty file takes the place first: nobody's is
    /// covered, but who writes into that very file in the moment that it is there.
    fn shift(&self, folder: &OwnedFd, at: &[u8], to: &OwnedFd, new: &[u8]) -> Result<(), Errno> {
        match renameat_with(folder, at, to, new, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            other => return other,
        }
        match linkat(folder, at, to, new, AtFlags::empty()) {
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) if is_folder(folder, at)? => {
                return match statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
                    // A folder covers at most one that is empty.
                    Err(Errno::NOENT) => renameat(folder, at, to, new),
                    Err(errno) => Err(errno),
                    Ok(_) => Err(Errno::EXIST),
                };
            }
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let flags =
                    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                drop(openat(to, new, flags, Mode::RUSR | Mode::WUSR)?);
                let moved = renameat(folder, at, to, new);
                if moved.is_err() {
                    let _ = unlinkat(to, new, AtFlags::empty());
                }
                return moved;
            }
            linked => linked?,
        }
        let first = self.name(READY);
        renameat(folder, at, &self.stage, &first)?;
        let ino = |folder: &OwnedFd, name: &[u8]| Ok(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino);
        if ino(&self.stage, first.as_bytes())? == ino(to, new)? {
            return unlinkat(&self.stage, &first, AtFlags::empty());
        }
        // Somebody else's: back where it was, or, if there is a third by now, into the version store.
        match linkat(&self.stage, &first, folder, at, AtFlags::empty()) {
            Ok(()) => unlinkat(&self.stage, &first, AtFlags::empty())?,
            Err(_) => self.rescue(&self.stage, first.as_bytes())?,
        }
        Err(Errno::EXIST)
    }

    fn name(&self, kind: &str) -> String {
        self.serial.set(self.serial.get() + 1);
        format!("{kind}{}", self.serial.get())
    }
}

fn is_folder(folder: &OwnedFd, at: &[u8]) -> Result<bool, Errno> {
    let stat = statat(folder, at, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn is(folder: &OwnedFd, at: &[u8], was: &Stamp) -> Result<bool, Errno> {
    let stat: Stat = statat(folder, at, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Stamp::of(&stat).is_same_file(was))
}

/// Who may read it may run it, or nobody may.
fn with_run(mode: u32, executable: bool) -> u32 {
    match executable {
        true => mode | (mode & 0o444) >> 2,
        false => mode & !0o111,
    }
}

/// Copies at most `len` bytes, zeros as holes, and gives what they are; none if there are more or fewer.
fn copy(from: &mut dyn Source, to: &mut std::fs::File, len: u64) -> io::Result<Option<Content>> {
    let mut copied = 0;
    let (_, content) = pieces(from, len, &mut |piece| {
        let (count, data) = match piece {
            Piece::Hole(count) => (count, None),
            Piece::Data(data) => (
                data.len() as u64,
                data.iter().any(|byte| *byte != 0).then_some(data),
            ),
        };
        copied += count;
        if copied > len {
            return Ok(false);
        }
        match data {
            Some(data) => to.write_all(data)?,
            None => drop(to.seek(SeekFrom::Start(copied))?),
        }
        Ok(true)
    })?;
    to.set_len(copied.min(len))?;
    Ok((copied == len).then_some(content))
}
