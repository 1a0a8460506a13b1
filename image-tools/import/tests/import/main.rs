//! Real images through the whole crate, compared with what the usual programs make of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod disks;
mod files;
