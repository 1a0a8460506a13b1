//! Words on the wire between sticks, people and the server: what `docs/sync-protocol.md` says, as types.
//!
//! * [`limits`]: the most of everything, so that both sides refuse before they allocate;
//! * [`ids`]: names of objects, lines, tenants and requests; [`bytes`]: sealed bytes in JSON; [`bounded`]: lists with an end;
//! * [`error`]: stable codes, and what a refusal looks like;
//! * [`hello`], [`enrol`], [`lease`], [`letter`], [`workspace_letter`], [`objects`], [`points`], [`people`], [`place`], [`policy`], [`share`], [`workspaces`]: requests and answers.
//!
//! Does no I/O and knows no transport. Unknown fields are ignored, so that a later version can add to what this one reads; what is
//! known is checked while it is read.

pub mod bounded;
pub mod bytes;
pub mod enrol;
pub mod error;
pub mod hello;
pub mod ids;
pub mod lease;
pub mod letter;
pub mod limits;
pub mod objects;
pub mod people;
pub mod place;
pub mod points;
pub mod policy;
pub mod share;
pub mod workspace_letter;
pub mod workspaces;

/// The version of the protocol that these types are.
pub const PROTOCOL: u32 = 1;
