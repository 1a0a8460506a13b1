//! Replication of a stick's volumes: what is sent, in which order, and how it is read back.
//!
//! ```text
//! session's store ─▶ snapshot ─▶ pass ─▶ change packs ┐
//!                                  │                  ├─▶ remote ─▶ view ─▶ restored volumes, or served as they are
//!                                  └──▶ index layers ─┘
//! ```
//!
//! - [`sender`]: one pass after the other, each ending with a point that the server keeps; owns what the stick must note.
//! - [`overlay`], [`mod@differences`]: index layers laid over each other, and compared; pure.
//! - [`choose`]: which point somebody means; [`view`], [`mod@restore`]: a point as blocks.
//! - [`runner`]: passes by themselves while a session lasts, and what they tell of themselves; [`allowance`]: what may be sent when, and how fast;
//!   [`behind`]: whether the company's copy falls behind.
//! - [`remote`]: what a server must be able to do; [`company`]: the company's, through `gobag-client`.

pub mod allowance;
pub mod behind;
pub mod choose;
pub mod company;
pub mod differences;
mod error;
mod layers;
pub mod overlay;
mod parts;
pub mod remote;
pub mod restore;
pub mod runner;
pub mod sender;
mod uploads;
pub mod view;

pub use company::{Archived, Company};
pub use error::{ReadError, SendError};
pub use remote::{Archive, Remote, RemoteError, StoredPoint};
pub use restore::restore;
pub use sender::{Pass, Passed, Sender};
pub use view::{ReplicaVolume, View};
