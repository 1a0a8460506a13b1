//! Tar archives, read and written.
//!
//! Reading is our own rather than the `tar` crate's, for what root file systems need and that crate does not do:
//! pax records are split by their length (binary attributes may hold newlines), extension headers have a size limit
//! before memory is spent on them, negative and empty numbers are understood, and all four sparse formats of GNU tar
//! are read, so that `tar --sparse` of a golden machine is not silently garbage. Writing encodes headers with that
//! crate.

mod header;
mod pax;
mod read_through;
mod reader;
mod sparse;
mod writer;

pub use read_through::{ArchiveContent, read_archive};
pub(crate) use reader::TarStream;
pub(crate) use writer::TarWriter;

/// Tar's unit.
pub(crate) const BLOCK: usize = 512;

#[cfg(test)]
mod tests;
