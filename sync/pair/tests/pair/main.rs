//! Real passes over real folders, and over a workspace on a real server.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the users who change the folders"
)]

mod away;
mod beside;
mod book;
mod dice;
mod disk;
mod elsewhere;
mod endpoints;
mod files;
mod filtered;
mod folders;
mod killed;
mod lab;
mod line;
mod medium;
mod members;
mod memory_fs;
mod names;
mod odd;
mod odd_member;
mod office;
mod others;
mod postgres;
mod pulled;
mod races;
mod share;
mod sim;
mod slices;
mod trouble;
mod workspace;
