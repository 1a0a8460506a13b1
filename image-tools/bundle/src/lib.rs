//! Bundles and repositories: the only crate that writes to a stick.

mod volume;

pub use volume::{Volume, VolumeError};
