//! Real folders: what scans tell of them, and that changes lose nothing.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the users who change the folders"
)]

mod changing;
mod lab;
mod scanning;
mod storing;
