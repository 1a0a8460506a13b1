//! Real images through the whole crate, compared with what the usual programs make of them.

mod common;
mod disks;
mod files;
