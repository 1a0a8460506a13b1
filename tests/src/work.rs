//! Random operations as a guest makes them.

use crate::{model::Op, rng::Rng};
use gobag_format::limits::BLOCK_LEN;

const BLOCK: u64 = BLOCK_LEN as u64;

/// An operation on volumes of the given sizes.
pub fn draw(rng: &mut Rng, sizes: &[u64]) -> Op {
    let volume = rng.below(sizes.len() as u64) as usize;
    let size = sizes[volume];
    match rng.below(100) {
        0..60 => {
            let (offset, len) = draw_range(rng, size);
            let data = draw_data(rng, len as usize);
            Op::Write { volume, offset, data }
        }
        60..72 => {
            let (offset, len) = draw_range(rng, size);
            Op::Trim { volume, offset, len }
        }
        72..73 => Op::Reset { volume },
        _ => Op::Flush,
    }
}

/// A range as guests choose them: mostly a few whole blocks, sometimes odd, sometimes long.
fn draw_range(rng: &mut Rng, size: u64) -> (u64, u64) {
    let (offset, len) = match rng.below(100) {
        0..35 => (rng.below(size / BLOCK) * BLOCK, BLOCK),
        35..55 => (rng.below(size), rng.within(1..=5000)),
        55..88 => (rng.below(size / BLOCK) * BLOCK, rng.within(1..=16) * BLOCK),
        _ => (rng.below(size), rng.within(1..=200 << 10)),
    };
    (offset, len.min(size - offset))
}

/// Bytes that compress well, hardly, or are zero.
pub fn draw_data(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    match rng.below(10) {
        0..6 => rng.fill(&mut data),
        6..9 => {
            let mut word = [0; 8];
            rng.fill(&mut word);
            for (at, byte) in data.iter_mut().enumerate() {
                *byte = word[at % 8] ^ (at / 512) as u8;
            }
        }
        _ => {}
    }
    data
}
