//! The medium a bundle lies on: named files of fixed size that can be read, overwritten in place and flushed.
//!
//! Everything above this trait works on any implementation of it: [`StickMedium`] in production, a simulated
//! stick with a volatile cache in the crash tests. In daily use nothing here creates, renames, resizes or
//! deletes; that is why the trait cannot.

use std::{fmt, io, path::PathBuf};

use gobag_format::ids::{ImageId, PackId};

mod stick;

pub use stick::{BUNDLE_FOLDER, StickMedium};

/// One file of a bundle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FileRef {
    /// Header file 0 or 1.
    Header(u8),
    /// Log segment.
    Segment(u16),
    /// Checkpoint area.
    Checkpoint(u8),
    /// Ledger file 0 or 1.
    Ledger(u8),
    /// Where a stick that wants a share finds its company; 0 or 1.
    Card(u8),
    /// The `n`-th escrow file; a new number each time the recipients change.
    Escrow(u32),
    /// Pack of base chunks.
    Pack(PackId),
    /// Manifest of an image version.
    Manifest(ImageId),
    /// Chunk map of the `n`-th volume of an image version.
    Map(ImageId, u8),
}

impl FileRef {
    /// Where the file lies below the bundle's folder.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.to_string())
    }
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(0) => write!(f, "A/HEADER.GBH"),
            Self::Header(_) => write!(f, "B/HEADER.GBH"),
            Self::Segment(n) => write!(f, "LOG/S{n:05}.GBL"),
            Self::Checkpoint(n) => write!(f, "CKPT/C{n}.GBC"),
            Self::Ledger(n) => write!(f, "LEDGER/L{n}.GBR"),
            Self::Card(0) => write!(f, "A/COMPANY.GBO"),
            Self::Card(_) => write!(f, "B/COMPANY.GBO"),
            Self::Escrow(n) => write!(f, "KEYS/ESCROW{n}.AGE"),
            Self::Pack(id) => write!(f, "PACKS/{id}.GBP"),
            Self::Manifest(id) => write!(f, "IMAGES/{id}.GBM"),
            Self::Map(id, volume) => write!(f, "IMAGES/{id}.{volume}.GBX"),
        }
    }
}

/// Positional access to the files of one bundle. Reads and writes are whole or an error; several threads may
/// call at once. An error says nothing about what reached the medium.
pub trait Medium: Send + Sync {
    /// Size of `file` in bytes.
    fn len(&self, file: FileRef) -> io::Result<u64>;

    /// Fills `buffer` from `offset`; past the end is `UnexpectedEof`.
    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Overwrites at `offset`; past the end is an error, never growth. Durable after [`Medium::flush`].
    fn write_at(&self, file: FileRef, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns once all earlier writes to `file` are durable, as far as the medium tells the truth.
    fn flush(&self, file: FileRef) -> io::Result<()>;

    /// Lets the operating system drop its copy, so that the next read comes from the medium itself.
    fn forget_cached(&self, file: FileRef) -> io::Result<()>;
}

/// Writes `bytes`, makes them durable, and reads back what the medium, not the system's cache, has in their place: whether it kept them.
pub(crate) fn write_kept(medium: &dyn Medium, file: FileRef, offset: u64, bytes: &[u8]) -> io::Result<bool> {
    medium.write_at(file, offset, bytes)?;
    medium.flush(file)?;
    medium.forget_cached(file)?;
    let mut back = vec![0; bytes.len()];
    medium.read_at(file, offset, &mut back)?;
    Ok(back == bytes)
}

/// Makes sure that what is read of a file is on the medium and not only in the system's cache, where a program that was
/// killed may have left it. A flush that fails is made once more: the first may tell of an earlier failure, after which
/// the system drops what it could not write.
pub(crate) fn settle(medium: &dyn Medium, file: FileRef) -> io::Result<()> {
    let settled = medium.flush(file).or_else(|_| medium.flush(file));
    match settled.and_then(|()| medium.forget_cached(file)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
