//! `gobag-sync`: two folders that are kept the same, by a program of its own. The commands are in `gobag-commands`; here is who this computer is to the company.
#![cfg(target_os = "linux")]

mod args;
mod elsewhere;
mod environment;
mod member;
mod workspace;

pub use args::run;
