//! The block socket: volumes over NBD, for hosts without FUSE and for programs that speak NBD themselves.
//!
//! Spoken is the fixed newstyle of the NBD protocol with flush, FUA, trim, write zeroes and block sizes, in simple
//! replies. Structured replies would add the offset of a read error and maps of holes; QEMU and the copying tools work
//! without either, and a volume is a log, which has no holes to tell. Encryption (NBD's TLS) is left out: a private
//! Unix socket is only reachable for its owner, and loopback TCP carries nothing that its two ends do not know.
//!
//! - [`wire`]: the numbers and the fixed structures; pure.
//! - [`handshake`]: from the first byte to a chosen volume.
//! - [`transmission`]: requests of one connection, several at a time.
//! - [`address`]: where a door is, and the connections that come to it.
//! - [`room`]: who is at the door; bounds and the end of every client.
//! - [`door`]: listening, and ending in good order.
//! - [`rehearsal`]: one client without a door.

mod address;
mod door;
mod handshake;
mod rehearsal;
mod room;
#[cfg(test)]
mod tests;
mod transmission;
mod wire;

pub use address::Address;
pub use door::{BlockSocket, CloseError, SocketError, SocketOptions, listen};
pub use rehearsal::rehearse;
