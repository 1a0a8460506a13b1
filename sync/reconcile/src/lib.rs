//! What has to be done so that two trees of files are the same, and nothing is lost: pure, without files, clock or randomness.
//!
//! ```text
//! scan of the stick's side ─┐
//! what both had last time ──┼─▶ merged tree ─▶ plan ─▶ operations, in an order in which each can be done alone
//! scan of the company's ────┘                   └───▶ notices, and holds: why nothing may be done before somebody agrees
//! ```
//!
//! The *base* is what both sides had when they were last the same, path by path. A side that is as the base has nothing to say; so:
//!
//! | the stick's | the company's | becomes |
//! |---|---|---|
//! | as base | as base | nothing |
//! | changed | as base | the stick's |
//! | as base | changed | the company's |
//! | changed | changed to the same | base: it |
//! | changed | changed to something else | the company's keeps the name, the stick's is beside it under a name of its own, on both |
//! | deleted | as base | deleted on the other side, whose copy goes to its version store |
//! | deleted | changed | the change survives and comes back, with a notice |
//! | folder deleted | something changed in it | the folder stays, and in it what changed |
//! | folder in place of a file | changed file | the folder keeps the name, the file is beside it |
//! | given another name that the other side takes for the same (`Case`, `case`) | anything | it has that name on both, and is compared as one |
//! | several that the other side takes for one name | anything | one is kept the same, the others are left alone |
//! | unknown on a side | anything | nothing, there and below; nothing is taken as deleted |
//! | no base | both have it | equal: base; different: as two changes. Nothing is deleted |
//!
//! Times decide nothing. What is deleted is compared with the base before: see [`Operation::Remove`].

mod conflict;
mod fold;
mod hold;
mod item;
mod merge;
mod moves;
mod path;
mod plan;

pub use conflict::ConflictNames;
pub use fold::{composed, fold_key};
pub use hold::{Hold, HoldLimits, Lately, Totals, holds};
pub use item::{Content, File, Item};
pub use merge::{Merged, Seen, Unknown};
pub use path::{BadName, Name, RelPath};
pub use plan::{Notice, Operation, Plan, Side, plan};
