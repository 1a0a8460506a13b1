//! Placeholder.
mod archive;
mod compress;
mod entry;
mod flatten;
pub mod limits;
mod oci;
mod path;
mod tree;
