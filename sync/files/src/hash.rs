//! Reading a file to its end, and knowing that it was one file all the while.
//!
//! The digest is of all that a reader sees, zeros of holes with it; they are not fetched from the file system, and not written to another.

use std::{
    ffi::CString,
    fs,
    io::{self, Read, Seek as _, SeekFrom},
    os::{fd::OwnedFd, unix::fs::FileExt as _},
};

use gobag_reconcile::{Content, File, RelPath};
use rustix::{
    fs::{FileType, OFlags, Stat, fgetxattr, flistxattr, fstat, seek},
    io::Errno,
};

use crate::{FilesError, Root, Stamp, limits};

/// Where content comes from.
pub trait Source: Read {
    /// Goes past zeros that are on no disk, if there are any next, and says how many.
    fn skip_hole(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    /// What users keep of it beside its content (`user.*`), as far as it can be read.
    fn attributes(&self) -> Vec<Attribute> {
        Vec::new()
    }
}

/// An extended attribute of a file: its name and value.
pub type Attribute = (CString, Vec<u8>);

impl Source for &[u8] {}

impl Source for fs::File {
    fn attributes(&self) -> Vec<Attribute> {
        let mut names = vec![0; limits::ATTRIBUTES];
        let Ok(len) = flistxattr(self, &mut names[..]) else {
            return Vec::new();
        };
        let one = |name: &[u8]| {
            let name = CString::new(name).ok()?;
            let mut value = vec![0; limits::ATTRIBUTES];
            let len = fgetxattr(self, &name, &mut value[..]).ok()?;
            value.truncate(len);
            Some((name, value))
        };
        let names = names[..len].split(|byte| *byte == 0);
        let users = names.filter(|name| name.starts_with(b"user."));
        users.filter_map(one).collect()
    }
}

/// A file being read.
pub struct Reading {
    file: fs::File,
    /// Whether much of it is on no disk.
    has_holes: bool,
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
            has_holes: has_holes(&stat),
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

    /// Reads bytes from `at` on, wherever else it is being read; how many.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(bytes, at)
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

impl Source for Reading {
    fn attributes(&self) -> Vec<Attribute> {
        self.file.attributes()
    }

    fn skip_hole(&mut self) -> io::Result<u64> {
        if !self.has_holes {
            return Ok(0);
        }
        let at = self.file.stream_position()?;
        let next = match seek(&self.file, rustix::fs::SeekFrom::Data(at)) {
            Ok(next) => next,
            // None up to the end.
            Err(Errno::NXIO) => self.file.seek(SeekFrom::End(0))?,
            // The file system does not tell, and its zeros are read.
            Err(_) => at,
        };
        Ok(next.saturating_sub(at))
    }
}

/// Only where it is worth it: what a file system says of holes is then no matter of blocks that it has not given to what was just written.
fn has_holes(stat: &Stat) -> bool {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let on_disk = u64::try_from(stat.st_blocks)
        .unwrap_or(u64::MAX)
        .saturating_mul(512);
    size.saturating_sub(on_disk) >= limits::HOLES
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

/// What is in the file at `path`, of which no more is read than it has when it is opened; none: it was ended before its end.
pub fn content_while(
    root: &Root,
    path: &RelPath,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Content>, FilesError> {
    let mut reading = Reading::open(root, path)?;
    let size = reading.stamp.size;
    let (mut len, mut is_ended) = (0, false);
    let (_, content) = pieces(&mut reading, size, &mut |piece| {
        len += match piece {
            Piece::Data(bytes) => bytes.len() as u64,
            Piece::Hole(len) => len,
        };
        is_ended = !goes_on();
        Ok(!is_ended && len <= size)
    })
    .map_err(|error| FilesError::of("read", path, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if is_ended {
        return Ok(None);
    }
    reading.finish()?;
    Ok(Some(content))
}

/// What is in a file that nobody writes to.
pub(crate) fn content(file: OwnedFd) -> Result<File, Errno> {
    let stat = fstat(&file)?;
    let found = digest(&mut fs::File::from(file), Stamp::of(&stat).size)?;
    let executable = stat.st_mode & 0o100 != 0;
    Ok(File { executable, ..found })
}

fn digest(from: &mut dyn Source, size: u64) -> Result<File, Errno> {
    let (len, content) = pieces(from, size, &mut |_| Ok(true))
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(File {
        content,
        len,
        executable: false,
    })
}

/// A part of a file.
pub(crate) enum Piece<'a> {
    /// These bytes.
    Data(&'a [u8]),
    /// So many zeros.
    Hole(u64),
}

/// Reads what is thought to be `size` bytes piece by piece, until `each` says that it is enough; how many there were, and their digest.
pub(crate) fn pieces(
    from: &mut dyn Source,
    size: u64,
    each: &mut dyn FnMut(Piece<'_>) -> io::Result<bool>,
) -> io::Result<(u64, Content)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer =
        vec![0; usize::try_from(size).map_or(limits::BUFFER, |size| limits::BUFFER.min(size + 1))];
    let mut len = 0;
    let mut goes_on = true;
    while goes_on {
        let hole = from.skip_hole()?;
        if hole > 0 {
            // Before they are hashed, which takes long.
            goes_on = each(Piece::Hole(hole))?;
            hash_zeros(&mut hasher, if goes_on { hole } else { 0 });
            len += hole;
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                len += read as u64;
                goes_on = each(Piece::Data(&buffer[..read]))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((len, Content(*hasher.finalize().as_bytes())))
}

fn hash_zeros(hasher: &mut blake3::Hasher, mut count: u64) {
    static ZEROS: [u8; limits::BUFFER] = [0; limits::BUFFER];
    while count > 0 {
        let part = count.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..part as usize]);
        count -= part;
    }
}
