//! Bytes and cryptography of the bundle: what `docs/format.md` says, as code.
//!
//! Owns every layout and every use of a key. Touches no file, clock, environment or thread: bytes come in,
//! bytes go out, randomness is an argument ([`crypto::Random`]). Nothing here trusts its input: each decoder checks
//! lengths against [`limits`] before it allocates, and anything sealed is authenticated before it is parsed.

pub mod agree;
pub mod card;
pub mod checkpoint;
pub mod chunk;
pub mod crypto;
pub mod digest;
pub mod envelope;
pub mod escrow;
pub mod header;
pub mod ids;
pub mod keyslot;
pub mod lease;
pub mod ledger;
mod letter;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod map;
pub mod memory;
mod monitor;
pub mod officer;
pub mod org;
pub mod pack;
mod reader;
pub mod replica;
pub mod sign;
mod spoken;
#[cfg(test)]
mod testing;
pub mod token;
pub mod waiver;
pub mod wiped;
pub mod workspace;

pub use monitor::{Monitor, Silent};
