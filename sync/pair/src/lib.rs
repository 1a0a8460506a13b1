//! Two folders that are kept the same: what both had last, and one pass after the other.
//!
//! ```text
//! both roots ─▶ two scans against the base ─▶ merged ─▶ plan ─▶ holds? ─▶ operations in batches ─▶ base
//! ```
//!
//! The base is a SQLite database in our folder of the left root. A batch is done in this order, so that it can be cut anywhere: what is to come is made
//! and flushed; everything is changed; both file systems are flushed; then the base says so. What was done and is not in the base yet is found the same on both
//! sides by the next pass, and noted.
#![cfg(target_os = "linux")]

mod apply;
mod aside;
mod base;
mod error;
mod filters;
mod pass;
mod report;

pub use error::PairError;
pub use gobag_files::RootId;
pub use pass::{Options, Pair};
pub use report::{Counts, Failure, Report, Told};
