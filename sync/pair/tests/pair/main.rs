//! Real passes over real folders, and over a workspace on a real server.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the users who change the folders"
)]

mod beside;
mod book;
mod files;
mod filtered;
mod folders;
mod killed;
mod lab;
mod names;
mod odd;
mod office;
mod share;
mod trouble;
mod workspace;
