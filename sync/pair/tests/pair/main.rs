//! Two real folders, kept the same by real passes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the users who change the folders"
)]

mod cases;
mod files;
mod filtered;
mod killed;
mod lab;
mod names;
mod odd;
mod trouble;
