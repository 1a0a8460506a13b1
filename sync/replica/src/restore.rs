//! A point written out: each pack is fetched once, in whatever order, and its blocks go where they belong.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use gobag_bundle::Volume;
use gobag_format::{
    digest::Digest,
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::UnitDecoder,
    replica::{IndexRun, Target},
    wiped::Wiped,
};

use crate::{
    error::ReadError,
    remote::Remote,
    view::{View, read_pack},
};

const BLOCK: u64 = BLOCK_LEN as u64;

/// How far a restore is.
#[derive(Debug, Default)]
pub struct Restoring {
    /// Bytes of data that the point has.
    pub total_bytes: AtomicU64,
    /// Bytes written so far.
    pub done_bytes: AtomicU64,
    /// Set by whoever wants it to end.
    pub stop: AtomicBool,
}

/// Writes what a point says over volumes that are as their bases (zeros where there is none): `place` gives the volume to
/// write to. Nothing is written where the base counts.
pub fn restore<'v, R: Remote>(
    view: &View<R>,
    place: impl Fn(VolumeId) -> Option<&'v dyn Volume>,
    restoring: &Restoring,
) -> Result<(), ReadError> {
    let find = |id: VolumeId| place(id).ok_or(ReadError::NoPlace { volume: id.0 });
    let mut packs: HashMap<Digest, Vec<IndexRun>> = HashMap::new();
    let mut order = Vec::new();
    let mut total = 0;
    for run in view.runs() {
        let run = run?;
        match run.target {
            Target::Base => {}
            Target::Zero => {
                let volume = find(run.volume)?;
                let end = (run.end() * BLOCK).min(volume.size_bytes());
                let from = (run.first_block * BLOCK).min(end);
                volume.trim(from, end - from).map_err(ReadError::Write)?;
            }
            Target::Pack(id) => {
                total += run.blocks * BLOCK;
                packs.entry(id).or_insert_with(|| {
                    order.push(id);
                    Vec::new()
                });
                if let Some(runs) = packs.get_mut(&id) {
                    runs.push(run);
                }
            }
        }
    }
    restoring.total_bytes.store(total, Ordering::Relaxed);
    let mut decoder = UnitDecoder::new();
    for id in order {
        if restoring.stop.load(Ordering::Relaxed) {
            return Err(ReadError::Stopped);
        }
        let pack = view.pack(id)?;
        for run in packs.remove(&id).unwrap_or_default() {
            let mut data = Wiped::new(vec![0; (run.blocks * BLOCK) as usize]);
            read_pack(&pack, &mut decoder, run.volume, run.first_block, &mut data)?;
            let volume = find(run.volume)?;
            let offset = run.first_block * BLOCK;
            // The last block of a volume may be shorter than others.
            let inside = volume.size_bytes().saturating_sub(offset).min(data.len() as u64);
            volume
                .write_at(offset, &data[..inside as usize])
                .map_err(ReadError::Write)?;
            restoring
                .done_bytes
                .fetch_add(data.len() as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}
