//! Manifests: what an image version is made of, signed by IT (`docs/format.md`, "Manifest").
//!
//! ```text
//! header (64 bytes) | sealed: payload length, signature, JSON payload, padding
//! ```
//!
//! Two guarantees that must not be mixed up: it opens, so somebody with the image's key wrote it; the
//! signature holds, so IT released it. Somebody who stole a passphrase has the first and not the second.
//! The signature covers the payload's exact bytes, so an older program can check a newer manifest with
//! fields it does not know.

mod boot;
mod check;
mod key;
mod model;
mod seal;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::ids::ImageId;
use crate::limits::MAX_MANIFEST_LEN;

pub use boot::BootWay;
pub use check::is_name;
pub use key::{IMAGE_KEY_FILE_LEN, open_image_key, seal_image_key};
pub use model::{
    Boot, ContainerEntry, DirectKernel, Features, Firmware, Manifest, PackEntry, VolumeEntry, VolumeKind,
};
pub use seal::{OpenedManifest, Trust, open, parse, seal};

/// The format version written, and the newest read.
pub const MANIFEST_FORMAT: u32 = 1;
/// Longest image or volume name, bytes.
pub const MAX_NAME_LEN: usize = 64;

/// Why a manifest could not be made or was refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file does not begin like a manifest, or ends too early.
    #[error("not a manifest")]
    NotAManifest,
    /// More bytes than a manifest may have.
    #[error("manifest of {len} bytes is larger than {MAX_MANIFEST_LEN}, the most this program reads")]
    TooLarge {
        /// Length found, bytes.
        len: u64,
    },
    /// A newer program wrote it.
    #[error("manifest format {found} is newer than {supported}, the newest this program reads")]
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Newest format version this program reads.
        supported: u32,
    },
    /// It needs something this program does not know.
    #[error("image needs `{name}`, which this program does not know")]
    UnknownFeature {
        /// The feature's name.
        name: String,
    },
    /// The file belongs to another image version.
    #[error("manifest of image {expected} is expected here, not of {found}")]
    OtherImage {
        /// The image asked for.
        expected: ImageId,
        /// The id found.
        found: ImageId,
    },
    /// The file is not the one that was recorded.
    #[error("manifest is not the one recorded for image {image}")]
    NotTheRecorded {
        /// The image asked for.
        image: ImageId,
    },
    /// The seal does not open.
    #[error("manifest: wrong key or damaged data")]
    Sealed,
    /// It opens, and IT did not sign it.
    #[error("manifest is not signed by the organisation this stick trusts")]
    BadSignature,
    /// An older version than one that was in use already.
    #[error("manifest of version {found} is older than version {minimum}, which was in use already")]
    RolledBack {
        /// Version found.
        found: u64,
        /// Lowest acceptable version.
        minimum: u64,
    },
    /// Signed, and still not what a manifest may say.
    #[error("manifest cannot be used: {reason}")]
    Invalid {
        /// What is wrong, in words.
        reason: String,
    },
}

impl ManifestError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAManifest => "manifest.not-a-manifest",
            Self::TooLarge { .. } => "manifest.too-large",
            Self::NewerFormat { .. } => "manifest.newer-format",
            Self::UnknownFeature { .. } => "manifest.unknown-feature",
            Self::OtherImage { .. } => "manifest.other-image",
            Self::NotTheRecorded { .. } => "manifest.not-the-recorded",
            Self::Sealed => "manifest.sealed",
            Self::BadSignature => "manifest.bad-signature",
            Self::RolledBack { .. } => "manifest.rolled-back",
            Self::Invalid { .. } => "manifest.invalid",
        }
    }
}
