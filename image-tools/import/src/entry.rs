//! The common shape of everything that holds files: a layer is opened, possibly more than once, and gives its entries
//! one by one, always in the same order, so that an entry can be named by its number.

use std::{io, path::PathBuf};

use gobag_format::Monitor;

use crate::{
    oci::DigestMismatch,
    path::{ImagePath, PathProblem},
};

/// A point in time, in seconds and nanoseconds from 1970; the nanoseconds always count forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
}

/// What an entry carries besides its name and content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Permission bits, `0o7777` at most.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified: Timestamp,
    /// Extended attributes and access control lists as pax records (`SCHILY.xattr.user.x`), in their order.
    pub(crate) records: Vec<(String, Vec<u8>)>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// `stored_bytes` is less than `size_bytes` for a sparse file.
    File {
        size_bytes: u64,
        stored_bytes: u64,
    },
    Symlink {
        target: Vec<u8>,
    },
    HardLink {
        target: ImagePath,
    },
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
    Fifo,
}

/// One member of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: ImagePath,
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
}

/// The entries of an opened layer.
pub(crate) trait EntryStream {
    /// The next entry; what was not read of the last one's content is passed over.
    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError>;

    /// Reads content of the current file, holes as zeros; 0 at its end.
    fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Reads what is left and checks what can only be known at the end: digests.
    fn finish(&mut self) -> Result<(), ReadError>;
}

/// Something that holds entries and can be read from the start as often as needed.
pub(crate) trait Layer {
    /// What it is called in a message.
    fn name(&self) -> String;

    /// How many bytes [`Layer::open`]'s stream will report to the monitor, when known.
    fn size_bytes(&self) -> Option<u64>;

    /// Starts reading; the stream reports the bytes it takes in and stops when the monitor says so.
    fn open<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError>;
}

/// Why the entries of an archive, layer or folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file or folder itself cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes of an archive cannot be read or unpacked.
    #[error("cannot read {name}")]
    Unreadable {
        /// The archive or layer.
        name: String,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// Bytes are not those that the image's manifest promises.
    #[error("{name} is not what the image says")]
    Digest {
        /// The archive or layer.
        name: String,
        /// Promised and found.
        source: DigestMismatch,
    },
    /// The archive stops in the middle.
    #[error("{name} ends in the middle of entry {entry}")]
    Truncated {
        /// The archive or layer.
        name: String,
        /// The number of the entry, from 0.
        entry: u64,
    },
    /// A tar header does not make sense.
    #[error("{name}: entry {entry} has a damaged header ({what})")]
    BadHeader {
        /// The archive or layer.
        name: String,
        /// The number of the entry, from 0.
        entry: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The archive uses a kind of entry that no root file system has.
    #[error("{name}: {path} is of an unsupported kind ({kind})")]
    UnsupportedEntry {
        /// The archive or layer.
        name: String,
        /// The entry.
        path: String,
        /// The kind as tar's type letter.
        kind: char,
    },
    /// A path cannot be accepted.
    #[error("{name}: path `{path}` is refused")]
    BadPath {
        /// The archive or layer.
        name: String,
        /// The path, made printable.
        path: String,
        /// Why.
        source: PathProblem,
    },
    /// A hard link leads to nothing, or to a folder.
    #[error("{name}: hard link {path} leads to {target}, which is no file")]
    BrokenHardLink {
        /// The archive or layer.
        name: String,
        /// The link.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// Symbolic links lead in a circle, or too far.
    #[error("{name}: {path} goes through too many symbolic links")]
    SymlinkLoop {
        /// The archive or layer.
        name: String,
        /// The path.
        path: String,
    },
    /// A number in the image is beyond what is accepted (see [`crate::limits`]).
    #[error("{name}: {what} exceeds the limit of {limit}")]
    Limit {
        /// The archive or layer.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A file changed while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The person asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl ReadError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "import.io",
            Self::Unreadable { .. } => "import.archive-unreadable",
            Self::Digest { .. } => "import.digest-mismatch",
            Self::Truncated { .. } => "import.archive-truncated",
            Self::BadHeader { .. } => "import.archive-header",
            Self::UnsupportedEntry { .. } => "import.entry-unsupported",
            Self::BadPath { .. } => "import.path-refused",
            Self::BrokenHardLink { .. } => "import.hard-link-broken",
            Self::SymlinkLoop { .. } => "import.symlink-loop",
            Self::Limit { .. } => "import.limit",
            Self::Changed { .. } => "import.source-changed",
            Self::Cancelled => "import.cancelled",
        }
    }

    /// An error of a stack of readers: what the lower ones meant by it, or else that `name` is unreadable.
    pub(crate) fn from_reader(name: &str, error: io::Error) -> Self {
        let inner = error.get_ref();
        if inner.is_some_and(|inner| inner.is::<Stopped>()) {
            return Self::Cancelled;
        }
        if let Some(mismatch) = inner.and_then(|inner| inner.downcast_ref::<DigestMismatch>()) {
            return Self::Digest {
                name: name.to_owned(),
                source: mismatch.clone(),
            };
        }
        Self::Unreadable {
            name: name.to_owned(),
            source: error,
        }
    }
}

/// How a reader deep in a stack says that the monitor asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
pub(crate) struct Stopped;

/// A reader that reports to the monitor what passes through, and ends in [`Stopped`] when asked to.
pub(crate) struct Metered<'a, R> {
    inner: R,
    monitor: &'a dyn Monitor,
}

impl<'a, R> Metered<'a, R> {
    pub(crate) fn new(inner: R, monitor: &'a dyn Monitor) -> Self {
        Self { inner, monitor }
    }
}

impl<R: io::Read> io::Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.monitor.is_cancelled() {
            return Err(io::Error::other(Stopped));
        }
        let read = self.inner.read(buffer)?;
        self.monitor.advance(read as u64);
        Ok(read)
    }
}

impl<R: io::Seek> io::Seek for Metered<'_, R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }

    fn seek_relative(&mut self, offset: i64) -> io::Result<()> {
        if self.monitor.is_cancelled() {
            return Err(io::Error::other(Stopped));
        }
        self.inner.seek_relative(offset)?;
        self.monitor.advance(offset.try_into().unwrap_or(0));
        Ok(())
    }
}
