//! Container images: the OCI image layout, and what `docker save` writes.
//!
//! Both end in the same thing, a list of layers with their digests and a configuration. An image is only believed as
//! far as its digests carry: every blob is read through once and compared before anything looks into it (the one
//! exception are `index.json` and `manifest.json`, which nothing refers to), every layer is compared again, packed and
//! unpacked, whenever it is read.

mod blobs;
mod digest;
mod docker;
mod layer;
mod layout;
mod model;

use std::path::{Path, PathBuf};

use gobag_format::Monitor;
use serde::Serialize;

pub(crate) use self::blobs::{Blobs, looks_like_image_archive};
pub use self::digest::DigestMismatch;
use crate::entry::{Layer, ReadError};

/// Which of several images, and for which computer.
#[derive(Clone, Debug)]
pub struct ImageChoice {
    /// Name, tag or digest of the image; needed only when there are several.
    pub reference: Option<String>,
    /// Operating system as OCI names it.
    pub os: String,
    /// Architecture as OCI names it.
    pub architecture: String,
}

impl Default for ImageChoice {
    /// The only image, for Linux on x86-64.
    fn default() -> Self {
        Self {
            reference: None,
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
        }
    }
}

/// How the image wants to be started, from its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContainerEntry {
    /// Program and first arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments, or the program when there is no entrypoint.
    pub command: Vec<String>,
    /// Environment as `NAME=value`.
    pub environment: Vec<String>,
    /// User and group as `user[:group]`, names or numbers; empty means root.
    pub user: String,
    /// Where to start; empty means `/`.
    pub working_dir: String,
}

/// An image found in a layout or archive.
pub(crate) struct Image {
    /// The layers, the lowest first.
    pub(crate) layers: Vec<Box<dyn Layer>>,
    pub(crate) entry: ContainerEntry,
    /// The name it was found under.
    pub(crate) name: Option<String>,
}

/// Why there is no image to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// A blob or archive cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A part is not there.
    #[error("{} has no `{name}`", path.display())]
    Missing {
        /// The layout or archive.
        path: PathBuf,
        /// The missing member.
        name: String,
    },
    /// A document does not parse.
    #[error("`{name}` in {} is not understood", path.display())]
    Document {
        /// The layout or archive.
        path: PathBuf,
        /// The document.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Parts contradict each other.
    #[error("image in {} is inconsistent: {what}", path.display())]
    Inconsistent {
        /// The layout or archive.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A layer is of a type that cannot be read, such as an encrypted one.
    #[error("image in {} has a layer of unsupported type `{media_type}`", path.display())]
    UnsupportedLayer {
        /// The layout or archive.
        path: PathBuf,
        /// The type.
        media_type: String,
    },
    /// No image has the name or platform that was asked for.
    #[error("{} has no image {wanted}; it has {available}", path.display())]
    NotFound {
        /// The layout or archive.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// There are several images and none was chosen.
    #[error("{} has several images: {available}", path.display())]
    Ambiguous {
        /// The layout or archive.
        path: PathBuf,
        /// What there is.
        available: String,
    },
    /// A number is beyond what is accepted.
    #[error("{}: {what} exceeds the limit of {limit}", path.display())]
    Limit {
        /// The layout or archive.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl OciError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Missing { .. } => "import.oci-part-missing",
            Self::Document { .. } => "import.oci-document",
            Self::Inconsistent { .. } => "import.oci-inconsistent",
            Self::UnsupportedLayer { .. } => "import.oci-layer-type",
            Self::NotFound { .. } => "import.oci-image-not-found",
            Self::Ambiguous { .. } => "import.oci-image-ambiguous",
            Self::Limit { .. } => "import.limit",
        }
    }

    fn inconsistent(path: &Path, what: impl Into<String>) -> Self {
        Self::Inconsistent {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

/// Opens the image that `choice` means and compares all its digests.
pub(crate) fn open_layout(
    blobs: Blobs,
    choice: &ImageChoice,
    monitor: &dyn Monitor,
) -> Result<Image, OciError> {
    layout::open(blobs, choice, monitor)
}

/// The same for an archive in docker's own form.
pub(crate) fn open_docker(
    blobs: Blobs,
    choice: &ImageChoice,
    monitor: &dyn Monitor,
) -> Result<Image, OciError> {
    docker::open(blobs, choice, monitor)
}

impl ImageChoice {
    fn describe(&self) -> String {
        match &self.reference {
            Some(name) => format!("`{name}` for {}/{}", self.os, self.architecture),
            None => format!("for {}/{}", self.os, self.architecture),
        }
    }
}

#[cfg(test)]
mod tests;
