//! Being a member of workspaces at the company's server: who one is there, which workspaces' keys one has, and the server as a
//! [`Store`](gobag_workspace::Store). Of workspaces that are kept elsewhere: where, and what it takes to get in.
//!
//! ```text
//! enrolment letter ─▶ Membership::enrol ─┐                            ┌─▶ connect: a certificate that counts ─▶ ServerStore
//! workspace letter ─▶ Membership::join ──┴─▶ member.json, for its owner alone
//! ```
#![cfg(target_os = "linux")]

mod error;
mod kept;
mod membership;
mod server;

pub use error::MemberError;
pub use kept::{Elsewhere, Joined, Proved};
pub use membership::{Known, Membership};
pub use server::ServerStore;
