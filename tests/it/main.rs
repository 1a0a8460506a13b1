//! The one integration binary: what only several crates together can show.

mod histories;
