//! Reading a file to its end, and knowing that it was one file all the while.

use std::{
    fs,
    io::{self, Read},
    os::fd::OwnedFd,
};

use gobag_reconcile::{Content, File, RelPath};
use rustix::{
    fs::{FileType, OFlags, fstat},
    io::Errno,
};

use crate::{FilesError, Root, Stamp, limits};

/// A file being read.
pub struct Reading {
    file: fs::File,
    stamp: Stamp,
    /// Who may do what with it.
    mode: u32,
    path: RelPath,
}

impl Reading {
    /// Opens the file at `path`; a pipe or device is refused without being opened for long.
    pub fn open(root: &Root, path: &RelPath) -> Result<Self, FilesError> {
        let failed = |errno| FilesError::of("read", path, errno);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let file = root.open_at(path, flags).map_err(failed)?;
        let stat = fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FilesError::Changed { path: path.clone() });
        }
        Ok(Self {
            stamp: Stamp::of(&stat),
            // What the file system does not know, it says of all alike.
            mode: if root.has_modes() {
                stat.st_mode & 0o777
            } else {
                0o644
            },
            file: file.into(),
            path: path.clone(),
        })
    }

    /// What it was when it was opened.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Who may do what with it.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Fails if it was written to since it was opened: what was read is then no content that it ever had.
    pub fn finish(self) -> Result<Stamp, FilesError> {
        let failed = |errno| FilesError::of("read", &self.path, errno);
        match Stamp::of(&fstat(&self.file).map_err(failed)?) == self.stamp {
            true => Ok(self.stamp),
            false => Err(FilesError::Changed { path: self.path }),
        }
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

/// Reads the file at `path` to its end: what is in it, and the stamp that it had all the while.
pub fn content_of(root: &Root, path: &RelPath) -> Result<(File, Stamp), FilesError> {
    let mut reading = Reading::open(root, path)?;
    let executable = reading.mode & 0o100 != 0;
    let size = reading.stamp.size;
    let found = digest(&mut reading, size).map_err(|errno| FilesError::of("read", path, errno))?;
    let stamp = reading.finish()?;
    Ok((File { executable, ..found }, stamp))
}

/// What is in a file that nobody writes to.
pub(crate) fn content(file: OwnedFd) -> Result<File, Errno> {
    let stat = fstat(&file)?;
    let found = digest(&mut fs::File::from(file), Stamp::of(&stat).size)?;
    let executable = stat.st_mode & 0o100 != 0;
    Ok(File { executable, ..found })
}

fn digest(from: &mut dyn Read, size: u64) -> Result<File, Errno> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer =
        vec![0; usize::try_from(size).map_or(limits::BUFFER, |size| limits::BUFFER.min(size + 1))];
    let mut len = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
    let content = Content(*hasher.finalize().as_bytes());
    Ok(File {
        content,
        len,
        executable: false,
    })
}
