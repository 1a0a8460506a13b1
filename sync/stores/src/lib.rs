//! A workspace that is kept elsewhere than at the company's server, as a [`Store`](gobag_workspace::Store): in a folder (also a mounted share), in an S3
//! bucket, in a folder behind SFTP or WebDAV. Owns the network of these, through OpenDAL; for SFTP that starts the user's own `ssh`.
//!
//! ```text
//! gobag-workspace                which workspace this is, and in which of two ways it is written      marker
//! packs/ab/<BLAKE3>              packs; a name says what is in it                                     elsewhere
//! heads/<group>/<generation>     heads, each made only if it is not there (conditional)               heads
//! heads/<group>/<generation>-<BLAKE3>   heads by the one who writes (single-writer)
//! writers/<number>-<member>      who that is: the highest number counts                               claim
//! ```
//!
//! *Conditional* is a store only if it was proved that it refuses what a condition forbids ([`Proof`]); everywhere else one member writes. Nothing is ever written
//! over, save by the same bytes, and whatever is put is read back before a head names it: weak stores say "done" of what they cut short.
//!
//! Knows no folders of users and no keys of workspaces.
#![cfg(target_os = "linux")]

mod calls;
mod claim;
mod elsewhere;
mod error;
mod heads;
mod limits;
mod marker;
mod open;
mod proof;

pub use claim::Claim;
pub use elsewhere::Elsewhere;
pub use error::ElsewhereError;
pub use marker::Mode;
pub use open::{Access, Me};
pub use proof::Proof;
