//! Test help: randomness that repeats.

use std::sync::Mutex;

use crate::crypto::Random;

/// A stream of bytes fixed by its seed.
pub(crate) struct Fixed(Mutex<blake3::OutputReader>);

impl Fixed {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Mutex::new(blake3::Hasher::new().update(&[seed]).finalize_xof()))
    }
}

impl Random for Fixed {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap().fill(out);
    }
}
