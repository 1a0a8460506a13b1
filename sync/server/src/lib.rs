//! `gobag-server`, the company's side: objects and points of many sticks, of any number of tenants. Contract:
//! `docs/sync-protocol.md`. It can read nothing of what sticks store.
//!
//! * [`config`], [`clock`]: what is known from outside; [`args`] and [`commands`]: what IT types
//! * [`serve`]: ports, connections, the orderly end; [`tls`]: the CA and certificates; [`lease`]: leases and their key; [`identity`]: who asks
//! * [`routes`]: one file per group of addresses; [`body`]: bodies with an end; [`refusal`]: no, as an answer
//! * [`store`]: what is kept, one file per thing; [`retention`]: which points go; [`probe`]: whether a bucket may be trusted with it
//! * [`backup`]: a server in a folder, and back
//! * [`news`]: waiting for a newer point
//! * [`rates`]: how often one may ask; [`metrics`]: what was done, in numbers
//! * `testing`, a feature of that name: a real server for the tests of its clients

mod app;
mod args;
pub mod backup;
mod body;
pub mod clock;
mod commands;
pub mod config;
mod error;
mod identity;
pub mod lease;
mod metrics;
mod news;
pub mod probe;
mod rates;
pub mod refusal;
pub mod retention;
mod routes;
mod secret;
pub mod serve;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;

pub use args::run;
