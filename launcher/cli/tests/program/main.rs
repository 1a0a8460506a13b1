//! The program as a person with a stick uses it: the real binary, real bundles, what it prints and its exit codes; and a
//! real guest in the real QEMU whose stick is pulled out while it writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod company;
mod doors;
#[path = "../../../engine/tests/guest/initrd.rs"]
mod initrd;
mod judged;
#[path = "../../../engine/tests/guest/kernel.rs"]
mod kernel;
mod killed;
mod line;
mod mounts;
mod named;
mod phoned;
mod program;
mod pulled;
mod remembered;
#[path = "../../../engine/tests/guest/require.rs"]
mod require;
mod screen;
mod secrets;
mod shares;
mod signed;
mod stick;
mod synced;
mod transcripts;
