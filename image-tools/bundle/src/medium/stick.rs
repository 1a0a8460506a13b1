//! A bundle in a folder of a mounted file system.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{Advice, FlockOperation, OFlags, fadvise, flock};

use super::{FileRef, Medium};

/// Name of the bundle's folder on a stick.
pub const BUNDLE_FOLDER: &str = "GOBAG";

/// An open file. Its size does not change while it is open: nothing in daily use resizes, and nobody else may write.
struct Opened {
    file: File,
    len: u64,
}

/// The files of a bundle, opened on first use and held open. Unless it only peeks, it holds an exclusive lock
/// on the first header file for as long as it lives, so that two launchers never write to one stick.
pub struct StickMedium {
    state: Mutex<State>,
    writable: bool,
}

struct State {
    folder: PathBuf,
    open: HashMap<FileRef, Arc<Opened>>,
    /// Whether files may be opened only while the lock is held.
    exclusive: bool,
}

impl StickMedium {
    /// Opens the bundle in `stick`, the stick's root folder; `WouldBlock` when another program has it open.
    pub fn open(stick: &Path, writable: bool) -> io::Result<Self> {
        let medium = Self {
            state: Mutex::new(State::locked(stick.join(BUNDLE_FOLDER), writable)?),
            writable,
        };
        Ok(medium)
    }

    /// Opens the bundle in `stick` for reading without the lock; only for looking at what never changes.
    pub fn peek(stick: &Path) -> Self {
        let state = State {
            folder: stick.join(BUNDLE_FOLDER),
            open: HashMap::new(),
            exclusive: false,
        };
        Self {
            state: Mutex::new(state),
            writable: false,
        }
    }

    /// The files of a bundle in the making, in its own folder: nobody else knows of it yet, so no lock.
    pub(crate) fn unfinished(folder: &Path) -> Self {
        let state = State {
            folder: folder.to_owned(),
            open: HashMap::new(),
            exclusive: false,
        };
        Self {
            state: Mutex::new(state),
            writable: true,
        }
    }

    /// Continues on the same bundle found again at `stick`; every file is opened afresh. The caller must
    /// check that it is the same bundle in the same state before anything is written.
    pub fn reattach(&self, stick: &Path) -> io::Result<()> {
        {
            // The lock of the lost mount dies with its file; release it before asking for it again, for the
            // stick may have come back at the very same place.
            let mut state = self.lock();
            state.open.clear();
        }
        let fresh = State::locked(stick.join(BUNDLE_FOLDER), self.writable)?;
        *self.lock() = fresh;
        Ok(())
    }

    /// The bundle's folder as it is reached now.
    pub fn folder(&self) -> PathBuf {
        self.lock().folder.clone()
    }

    /// Forgets an open file that is about to be made anew.
    pub(crate) fn close(&self, file: FileRef) {
        self.lock().open.remove(&file);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, file: FileRef) -> io::Result<Arc<Opened>> {
        let mut state = self.lock();
        if state.exclusive && !state.open.contains_key(&FileRef::Header(0)) {
            // A re-attachment failed after the lock was given up; somebody else may have the stick by now.
            *state = State::locked(state.folder.clone(), self.writable)?;
        }
        self.file_of(&mut state, file)
    }

    fn file_of(&self, state: &mut State, file: FileRef) -> io::Result<Arc<Opened>> {
        if let Some(open) = state.open.get(&file) {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(open_file(&state.folder, file, self.writable)?);
        state.open.insert(file, Arc::clone(&opened));
        Ok(opened)
    }
}

impl State {
    fn locked(folder: PathBuf, writable: bool) -> io::Result<Self> {
        let header = open_file(&folder, FileRef::Header(0), writable)?;
        flock(&header.file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self {
            folder,
            open: HashMap::from([(FileRef::Header(0), Arc::new(header))]),
            exclusive: true,
        })
    }
}

impl Drop for State {
    /// The lock ends here, also where a child that was just begun has the file for a moment still: closing it would not end the lock then.
    fn drop(&mut self) {
        if let (true, Some(header)) = (self.exclusive, self.open.get(&FileRef::Header(0))) {
            let _ = flock(&header.file, FlockOperation::Unlock);
        }
    }
}

fn open_file(folder: &Path, file: FileRef, writable: bool) -> io::Result<Opened> {
    let immutable = matches!(
        file,
        FileRef::Pack(_) | FileRef::Manifest(_) | FileRef::Map(..) | FileRef::Escrow(_)
    );
    let path = folder.join(file.path());
    // No stick has links. One that was made by somebody else could lead a program of IT to files of its own.
    for place in [Some(folder), path.parent()].into_iter().flatten() {
        if place.symlink_metadata()?.is_symlink() {
            let text = format!("{} is a symbolic link", place.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    // Nor pipes, which would be waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(writable && !immutable)
        .custom_flags(flags.bits().cast_signed())
        .open(&path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        let text = format!("{} is no regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Opened {
        len: found.len(),
        file,
    })
}

impl Medium for StickMedium {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        Ok(self.file(file)?.len)
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file(file)?.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, file: FileRef, offset: u64, data: &[u8]) -> io::Result<()> {
        let open = self.file(file)?;
        let end = offset
            .checked_add(data.len() as u64)
            .ok_or(io::ErrorKind::InvalidInput)?;
        if end > open.len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "write past the end of a fixed-size file",
            ));
        }
        open.file.write_all_at(data, offset)
    }

    fn flush(&self, file: FileRef) -> io::Result<()> {
        self.file(file)?.file.sync_data()
    }

    fn forget_cached(&self, file: FileRef) -> io::Result<()> {
        fadvise(&self.file(file)?.file, 0, None, Advice::DontNeed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the test makes its own stick")]

    use super::*;

    #[test]
    fn a_stick_that_somebody_took_meanwhile_is_not_touched() {
        let stick = tempfile::tempdir().unwrap();
        for file in [FileRef::Header(0), FileRef::Segment(0)] {
            let path = stick.path().join(BUNDLE_FOLDER).join(file.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [7; 64]).unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let medium = StickMedium::open(stick.path(), true).unwrap();
        medium.write_at(FileRef::Segment(0), 0, b"ours").unwrap();
        // The stick is gone; it was looked for in the wrong place, and the lock is given up.
        assert!(medium.reattach(elsewhere.path()).is_err());
        let other = StickMedium::open(stick.path(), true).unwrap();
        let refused = medium.write_at(FileRef::Segment(0), 0, b"lost");
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(other);
        medium.write_at(FileRef::Segment(0), 0, b"back").unwrap();
        assert_eq!(
            StickMedium::open(stick.path(), true).err().unwrap().kind(),
            io::ErrorKind::WouldBlock
        );
    }
}
