//! A block volume: what every door serves and a guest sees as a disk.

use std::io;

use thiserror::Error;

/// A disk of fixed size. Offsets and lengths are bytes and need no alignment; reads and writes are whole or
/// an error. All methods may be called from many threads at once.
pub trait Volume: Send + Sync {
    /// Size in bytes; never changes while open.
    fn size_bytes(&self) -> u64;

    /// Whether writes are refused.
    fn is_read_only(&self) -> bool;

    /// Fills `buffer` from `offset`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError>;

    /// Writes `data` at `offset`; it is durable only after the next [`Volume::flush`].
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError>;

    /// Returns once every write acknowledged before this call is on the medium.
    fn flush(&self) -> Result<(), VolumeError>;

    /// Lets the range read as zero; whole blocks inside it give their space back.
    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError>;
}

/// Why a volume refused. After any error the volume stays usable: what was acknowledged is kept, in memory
/// where the medium is gone, and the refused call can be made again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The range does not lie inside the volume.
    #[error("range {offset}+{len} is outside the volume of {size} bytes")]
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// Size of the volume.
        size: u64,
    },
    /// The volume is served read-only.
    #[error("the volume is read-only")]
    ReadOnly,
    /// The stick has no room for another changed block.
    #[error("no space left for changes on the stick")]
    Full,
    /// The medium does not answer: unplugged, or failing.
    #[error("the stick does not answer")]
    Medium(#[source] io::Error),
    /// What the medium returned is not what was written.
    #[error("{what}: wrong key or damaged data")]
    Damaged {
        /// The damaged object in words.
        what: String,
    },
}

impl VolumeError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "volume.out-of-range",
            Self::ReadOnly => "volume.read-only",
            Self::Full => "volume.full",
            Self::Medium(_) => "volume.medium",
            Self::Damaged { .. } => "volume.damaged",
        }
    }
}
