//! Randomness fixed by a seed: fast, repeatable, and no use for secrets.

use std::sync::Mutex;

use gobag_format::crypto::Random;

/// SplitMix64: every seed gives a good stream, also 0, 1, 2.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own that the next numbers here do not touch.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// 64 random bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "an endless stream is no use as an iterator here"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of `range`.
    pub fn within(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut chunks = out.chunks_exact_mut(8);
        for chunk in &mut chunks {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        let rest = chunks.into_remainder();
        let last = self.next().to_le_bytes();
        let len = rest.len();
        rest.copy_from_slice(&last[..len]);
    }
}

/// The finaliser of SplitMix64: spreads every bit of `word` over all.
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A 64-bit hash of a block of bytes; equal bytes, equal hash, and nobody attacks it.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut lanes = [1u64, 2, 3, 4];
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
            let word = u64::from_le_bytes([
                word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7],
            ]);
            *lane = (*lane ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
    }
    let tail = chunks
        .remainder()
        .iter()
        .fold(bytes.len() as u64, |sum, byte| mix(sum ^ u64::from(*byte)));
    lanes.iter().fold(tail, |sum, lane| mix(sum ^ lane))
}

/// [`Rng`] as the randomness that keys and salts are drawn from.
pub struct FixedRandom(Mutex<Rng>);

impl FixedRandom {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(seed)))
    }
}

impl Random for FixedRandom {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().expect("no test panics while drawing").fill(out);
    }
}
