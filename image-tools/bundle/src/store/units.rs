//! From a batch's blocks to units and back: compressing on all cores, in order, while earlier ones are written.

use std::{num::NonZeroUsize, thread};

use crossbeam_channel::{Receiver, bounded};
use gobag_format::{
    crypto::OpenError,
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::{UnitDecoder, UnitEncoder},
    wiped::Wiped,
};

use crate::{parallel::all_cores, pool::Pool};

/// Below this many bytes threads cost more than they bring.
const PARALLEL_FROM: usize = 512 * 1024;
/// Units each thread may be ahead of the writer: together a record or more.
const AHEAD: usize = 16;

/// A unit ready for sealing.
pub(super) struct Unit {
    pub(super) volume: VolumeId,
    pub(super) first_block: u64,
    pub(super) blocks: u8,
    /// Codec byte and data.
    pub(super) payload: Wiped,
}

/// Consecutive blocks of one aligned 64 KiB that will be one unit.
pub(super) struct Run<'a> {
    pub(super) volume: VolumeId,
    pub(super) first_block: u64,
    pub(super) data: &'a [u8],
}

impl Run<'_> {
    pub(super) fn encode(&self, encoder: &mut UnitEncoder) -> Unit {
        Unit {
            volume: self.volume,
            first_block: self.first_block,
            blocks: (self.data.len() / BLOCK_LEN) as u8,
            payload: encoder.encode(self.data),
        }
    }
}

/// The units of a batch, encoded or still to be.
pub(super) enum Units<'a> {
    /// To be compressed.
    Blocks(Vec<Run<'a>>),
    /// As they were read for copying.
    Ready(Vec<Unit>),
}

impl Units<'_> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Blocks(runs) => runs.len(),
            Self::Ready(units) => units.len(),
        }
    }

    /// Most bytes their payloads can take.
    pub(super) fn most_bytes(&self) -> usize {
        match self {
            Self::Blocks(runs) => runs.iter().map(|run| run.data.len() + 1).sum(),
            Self::Ready(units) => units.iter().map(|unit| unit.payload.len()).sum(),
        }
    }

    /// Hands the units to `take` in order, compressing a few ahead of it on all cores when there is enough to do.
    pub(super) fn hand_to<R>(
        self,
        encoders: &Pool<UnitEncoder>,
        take: impl FnOnce(&mut dyn Iterator<Item = Unit>) -> R,
    ) -> R {
        let runs = match self {
            Self::Ready(units) => return take(&mut units.into_iter()),
            Self::Blocks(runs) => runs,
        };
        let bytes: usize = runs.iter().map(|run| run.data.len()).sum();
        let workers = all_cores();
        if bytes < PARALLEL_FROM || workers == NonZeroUsize::MIN {
            return encoders.with(|encoder| take(&mut runs.iter().map(|run| run.encode(encoder))));
        }
        thread::scope(|scope| {
            // Each worker has every n-th unit, so taking from them in turn keeps the order.
            let (runs, workers) = (&runs, workers.get());
            let queues: Vec<Receiver<Unit>> = (0..workers)
                .map(|first| {
                    let (sender, receiver) = bounded(AHEAD);
                    scope.spawn(move || {
                        encoders.with(|encoder| {
                            for run in runs.iter().skip(first).step_by(workers) {
                                if sender.send(run.encode(encoder)).is_err() {
                                    // The writer has met an error.
                                    return;
                                }
                            }
                        });
                    });
                    receiver
                })
                .collect();
            let unit = |nth: usize| {
                let unit = queues[nth % workers].recv();
                unit.expect("a worker hands over each of its units unless it panicked itself")
            };
            take(&mut (0..runs.len()).map(unit))
        })
    }
}

/// The blocks of a unit's payload.
pub(super) fn decode(decoders: &Pool<UnitDecoder>, payload: &[u8]) -> Result<Wiped, OpenError> {
    decoders.with(|decoder| decoder.decode(payload))
}
