//! Files that may be created and replaced: IT's repository, and a stick while it is being made.
//!
//! A file that others may be looking for appears whole or not at all: it is written under a temporary name,
//! synced, renamed, and the folder is synced.

#![expect(
    clippy::disallowed_methods,
    reason = "this crate writes to sticks and repositories, through this module"
)]

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use gobag_checklists::regular;
use gobag_format::Monitor;
use gobag_format::crypto::{Random, random_bytes};
use rustix::fs::OFlags;
use thiserror::Error;

/// Something could not be done with a file.
#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was tried: a verb, or a verb and a word.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::NotFound => "file.missing",
            io::ErrorKind::PermissionDenied => "file.denied",
            io::ErrorKind::StorageFull => "file.no-space",
            _ => "file.io",
        }
    }
}

/// Gives an I/O result its path.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|error| FileError {
            action,
            path: path.to_owned(),
            source: error.into(),
        })
    }
}

/// Reads a whole file of at most `limit` bytes; `None` when it is longer.
pub(crate) fn read_limited(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
    let file = regular::open(path).at("open", path)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .at("read", path)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// Puts `bytes` at `path`, whole or not at all, durably; replaces what is there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .at("create a file in", folder)?;
    temporary.write_all(bytes).at("write", path)?;
    temporary.as_file().sync_all().at("sync", path)?;
    temporary.persist(path).at("put in place", path)?;
    sync_folder(folder)
}

/// Writes a file that nobody looks for yet.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = File::create_new(path).at("create", path)?;
    file.write_all(bytes).at("write", path)?;
    file.sync_all().at("sync", path)
}

/// Writes a file of `len` bytes end to end, replacing what is there, from the pieces that `next` gives for
/// each offset; `None` when `next` gave up. Not atomic: for files that count only once something else names
/// them.
pub(crate) fn write_whole(
    path: &Path,
    len: u64,
    mut next: impl FnMut(u64) -> Option<Vec<u8>>,
) -> Result<Option<()>, FileError> {
    let mut file = create_over(path)?;
    let mut at = 0;
    while at < len {
        let Some(piece) = next(at) else { return Ok(None) };
        file.write_all(&piece).at("write", path)?;
        at += piece.len() as u64;
    }
    file.sync_all().at("sync", path)?;
    Ok(Some(()))
}

/// Begins a file anew in its place. A stick that comes back may have a link there, to some file of IT's, or a pipe that nobody reads: neither is
/// followed or waited for.
fn create_over(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .at("create", path)?;
    if !file.metadata().at("look at", path)?.is_file() {
        let other = io::Error::new(io::ErrorKind::InvalidData, "something else is in its place");
        return Err(other).at("create", path);
    }
    file.set_len(0).at("shorten", path)?;
    Ok(file)
}

/// Refuses folders of a bundle that are links: they could lead anywhere.
fn refuse_links(file: &Path) -> Result<(), FileError> {
    for folder in file.ancestors().skip(1).take(2) {
        let found = folder.symlink_metadata();
        if found.is_ok_and(|found| found.is_symlink()) {
            let link = io::Error::new(io::ErrorKind::InvalidData, "it is a symbolic link");
            return Err(link).at("use", folder);
        }
    }
    Ok(())
}

/// Size of the pieces in which files are pre-written.
const NOISE_PIECE: usize = 4 << 20;

/// Writes a file full of bytes that nothing can tell from sealed ones, and its folder; `None` when it was cancelled.
pub(crate) fn prewrite(
    path: &Path,
    len: u64,
    random: &dyn Random,
    monitor: &dyn Monitor,
) -> Result<Option<()>, FileError> {
    refuse_links(path)?;
    make_folder(path.parent().unwrap_or(path))?;
    let mut noise = blake3::Hasher::new_keyed(&random_bytes(random)).finalize_xof();
    let mut piece = vec![0; NOISE_PIECE];
    write_whole(path, len, |at| {
        if monitor.is_cancelled() {
            return None;
        }
        let take = NOISE_PIECE.min((len - at) as usize);
        noise.fill(&mut piece[..take]);
        monitor.advance(take as u64);
        Some(piece[..take].to_vec())
    })
}

/// A file written end to end under its final name, replacing what is there. Not atomic: for files that count
/// only once something else names them.
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins the file; `executable` asks for a program, where the file system knows such a thing.
    pub(crate) fn create(path: &Path, executable: bool) -> Result<Self, FileError> {
        let file = create_over(path)?;
        if executable {
            // exFAT and its kin refuse, and need no such thing.
            let _ = file.set_permissions(Permissions::from_mode(0o755));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what is written so far durable.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().at("sync", &self.path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file under its final name whose wrong pieces are overwritten in place. Right bytes stay where they are: whoever
/// uses the file meanwhile is only ever better off. For files that count only once something else names them, and for
/// mending one that does.
pub(crate) struct PatchedFile {
    path: PathBuf,
    file: File,
    held: Vec<u8>,
}

impl PatchedFile {
    /// Opens the file, or begins it.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let options = || {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                // A link on a stick could lead to a file of IT.
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)
        };
        Ok(Self {
            path: path.to_owned(),
            file: options().at("open", path)?,
            held: Vec::new(),
        })
    }

    /// Makes sure that `piece` stands at `at`; returns the bytes that had to be written.
    pub(crate) fn put(&mut self, at: u64, piece: &[u8]) -> Result<u64, FileError> {
        self.held.resize(piece.len(), 0);
        // What cannot be read is written.
        if self.file.read_exact_at(&mut self.held, at).is_ok() && self.held == piece {
            return Ok(0);
        }
        self.file.write_all_at(piece, at).at("write", &self.path)?;
        Ok(piece.len() as u64)
    }

    /// Cuts off what stands behind `len`.
    pub(crate) fn end_at(&self, len: u64) -> Result<(), FileError> {
        if self.file.metadata().at("look at", &self.path)?.len() == len {
            return Ok(());
        }
        self.file.set_len(len).at("shorten", &self.path)
    }

    /// Makes what is written so far durable.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().at("sync", &self.path)
    }
}

/// Makes a folder and its parents.
pub(crate) fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).at("make folder", path)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .at("sync", path)
}

/// Names in a folder that are valid UTF-8, sorted; empty when the folder is missing.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.at("list", folder)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.at("list", folder)?.file_name();
        names.extend(name.to_str().map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Renames within one file system; the caller syncs the folders that matter.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).at("rename", from)
}

/// Deletes a file.
pub(crate) fn delete(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).at("delete", path)
}

/// Deletes a folder and all in it.
pub(crate) fn delete_folder(path: &Path) -> Result<(), FileError> {
    fs::remove_dir_all(path).at("delete", path)
}
