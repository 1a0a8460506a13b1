//! What libraries must not take from thin air: randomness and the time.

use std::sync::Arc;

use gobag_format::crypto::Random;

use crate::store::Clock;

/// Randomness and clock, handed in by programs.
#[derive(Clone)]
pub struct Ambient {
    /// Source of keys, salts and ids.
    pub random: Arc<dyn Random>,
    /// Seconds since 1970 UTC.
    pub clock: Clock,
}

impl Ambient {
    /// The operating system's.
    pub fn system() -> Self {
        Self {
            random: Arc::new(SystemRandom),
            clock: Arc::new(system_clock),
        }
    }
}

/// The operating system's random source.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        let mut filled = 0;
        while filled < out.len() {
            // Without randomness nothing safe can be done; the trait asks for a panic.
            let got = rustix::rand::getrandom(&mut out[filled..], rustix::rand::GetRandomFlags::empty());
            filled += got.expect("the system has a random source");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock, for programs to hand in"
)]
fn system_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
