//! `gobag-sync`: two folders that are kept the same. One file per command; what they do is in `gobag-pair` and `gobag-files`.
#![cfg(target_os = "linux")]

mod args;
mod error;
mod pair;
mod progress;
mod sync;
mod time;
mod versions;

pub use args::run;
