//! `gobag-sync`: two folders that are kept the same. One file per command; what they do is in `gobag-pair` and `gobag-files`.
#![cfg(target_os = "linux")]

mod args;
mod conflicts;
mod elsewhere;
mod environment;
mod error;
mod holds;
mod member;
mod news;
mod other;
mod pair;
mod passing;
mod progress;
mod random;
mod restore;
mod status;
mod sync;
mod text;
mod time;
mod units;
mod versions;
mod watch;
mod watcher;
mod who;
mod workspace;

pub use args::run;
