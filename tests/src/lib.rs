//! What the integration tests share: a simulated medium, a model of what a store must hold, randomness that
//! repeats.
//!
//! Nothing ships from here. The tests themselves are one binary, `it/main.rs`.

pub mod ask;
pub mod model;
pub mod remote;
pub mod rig;
pub mod rng;
pub mod sim;
pub mod sweep;
pub mod work;
