//! A real server on a loopback port, and lines to it that break where a test says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod broken;
mod bucket;
#[path = "../../../server/tests/server/moto.rs"]
mod moto;
mod requests;
mod site;
mod trust;
mod workspaces;
