//! The system's randomness.

use gobag_format::crypto::Random;
use rustix::rand::{GetRandomFlags, getrandom};

/// What the kernel draws.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        let mut filled = 0;
        while filled < out.len() {
            // Nothing safe can be done without it.
            filled +=
                getrandom(&mut out[filled..], GetRandomFlags::empty()).expect("the system gives randomness");
        }
    }
}
