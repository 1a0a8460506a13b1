//! From a batch's blocks to units and back: grouping, compressing on all cores, decoding.

use std::{cell::RefCell, thread};

use gobag_format::{
    crypto::OpenError,
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_UNIT_BLOCKS},
    log::{UnitDecoder, UnitEncoder},
};
use zeroize::Zeroizing;

use super::pending::Pending;

/// Below this many bytes threads cost more than they bring.
const PARALLEL_FROM: usize = 512 * 1024;

/// A unit ready for sealing.
pub(super) struct Unit {
    pub(super) volume: VolumeId,
    pub(super) first_block: u64,
    pub(super) blocks: u8,
    /// Codec byte and data.
    pub(super) payload: Zeroizing<Vec<u8>>,
}

/// Consecutive blocks that will be one unit.
pub(super) struct Run {
    pub(super) volume: VolumeId,
    pub(super) first_block: u64,
    pub(super) data: Zeroizing<Vec<u8>>,
}

/// Groups a batch's blocks into runs that stay within one aligned 64 KiB, so that reading one block of a
/// sequentially written file finds its neighbours in the same unit.
pub(super) fn runs(pending: &Pending) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (volume, block, data) in pending.blocks() {
        match runs.last_mut() {
            Some(run) if run.continues_with(volume, block) => run.data.extend_from_slice(&data[..]),
            _ => {
                let mut buffer = Zeroizing::new(Vec::with_capacity(MAX_UNIT_BLOCKS * BLOCK_LEN));
                buffer.extend_from_slice(&data[..]);
                runs.push(Run {
                    volume,
                    first_block: block,
                    data: buffer,
                });
            }
        }
    }
    runs
}

impl Run {
    fn blocks(&self) -> u64 {
        (self.data.len() / BLOCK_LEN) as u64
    }

    fn continues_with(&self, volume: VolumeId, block: u64) -> bool {
        let group = |block: u64| block / MAX_UNIT_BLOCKS as u64;
        volume == self.volume
            && block == self.first_block + self.blocks()
            && group(block) == group(self.first_block)
    }

    fn encode(self, encoder: &mut UnitEncoder) -> Unit {
        Unit {
            volume: self.volume,
            first_block: self.first_block,
            blocks: self.blocks() as u8,
            payload: encoder.encode(&self.data),
        }
    }
}

/// Compresses runs, on all cores when there is enough to do. The order stays.
pub(super) fn encode(runs: Vec<Run>) -> Vec<Unit> {
    let bytes: usize = runs.iter().map(|run| run.data.len()).sum();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    if bytes < PARALLEL_FROM || workers == 1 {
        return encode_here(runs);
    }
    let share = runs.len().div_ceil(workers);
    let mut rest = runs;
    let mut shares = Vec::new();
    while !rest.is_empty() {
        let tail = rest.split_off(share.min(rest.len()));
        shares.push(std::mem::replace(&mut rest, tail));
    }
    thread::scope(|scope| {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| encode_here(share)))
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|units| units.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn encode_here(runs: Vec<Run>) -> Vec<Unit> {
    thread_local! {
        static ENCODER: RefCell<UnitEncoder> = RefCell::new(UnitEncoder::new());
    }
    ENCODER.with_borrow_mut(|encoder| runs.into_iter().map(|run| run.encode(encoder)).collect())
}

/// The blocks of a unit's payload.
pub(super) fn decode(payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    thread_local! {
        static DECODER: RefCell<UnitDecoder> = RefCell::new(UnitDecoder::new());
    }
    DECODER.with_borrow_mut(|decoder| decoder.decode(payload))
}
