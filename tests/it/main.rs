//! The one integration binary: what only several crates together can show.

mod exhaustive;
mod failures;
mod histories;
mod modes;
mod reader;
mod resume;
mod space;
mod stick;
mod threads;
