//! Bundles and repositories: the only crate that writes to a stick.

pub mod medium;
pub mod store;
mod volume;

pub use volume::{Volume, VolumeError};
