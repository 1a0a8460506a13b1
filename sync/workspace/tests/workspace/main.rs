//! A workspace against a model of it, with stores that lie, fail and are shared.
#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod ahead;
mod former;
mod lab;
mod sweep;
mod tree;
mod trouble;
mod wire;
