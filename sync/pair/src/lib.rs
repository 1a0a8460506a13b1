//! A folder that is kept the same as another, or as a workspace: what both had last, and one pass after the other.
//!
//! ```text
//! both roots ─▶ two scans against the base ─▶ merged ─▶ plan ─▶ holds? ─▶ operations in batches ─▶ base
//! ```
//!
//! The base is a SQLite database in our folder of the left root. A batch is done in this order, so that it can be cut anywhere: what is to come is made
//! and flushed; everything is changed; both file systems are flushed; then the base says so. What was done and is not in the base yet is found the same on both
//! sides by the next pass, and noted. In a workspace a batch is a point.
//!
//! What passes came to is in the same database, for people to look at ([`Book`]).
#![cfg(target_os = "linux")]

mod apply;
mod aside;
mod base;
mod book;
mod compare;
mod error;
mod filters;
mod history;
mod look;
mod memory;
mod names;
mod noting;
mod paced;
mod pages;
mod pass;
mod report;
mod right;
mod share;
mod side;
mod spared;
mod steady;

pub use book::{Book, Keep};
pub use error::PairError;
pub use gobag_files::RootId;
pub use history::{Agreement, Conflict, LeftAlone, Notes, Outcome, Past};
pub use pages::pages;
pub use pass::{Options, Pace, Pair, SLICE, SLICE_OF_WORKSPACE};
pub use report::{Counts, Failure, Report, Told};
pub use right::Other;
