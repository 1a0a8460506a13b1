//! The one integration binary: what only several crates together can show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bundles;
mod checkpoints;
mod ciphers;
mod company;
mod daily;
mod damage;
mod decoders;
mod doors;
mod exfat;
mod exhaustive;
mod failures;
mod histories;
mod modes;
mod probe;
mod reader;
mod replica;
mod resume;
mod rollback;
mod secrets;
mod snapshots;
mod space;
mod stick;
mod threads;
mod update;
mod vectors;
mod worn;
