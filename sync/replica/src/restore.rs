//! A point written out: each pack is fetched once, in whatever order, and its blocks go where they belong.

use std::{collections::HashMap, panic::resume_unwind, thread};

use gobag_bundle::Volume;
use gobag_format::{
    Monitor,
    digest::Digest,
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::UnitDecoder,
    replica::{ChangePack, IndexRun, Target},
    wiped::Wiped,
};

use crate::{
    error::ReadError,
    remote::Archive,
    view::{View, read_pack},
};

const BLOCK: u64 = BLOCK_LEN as u64;
/// Packs fetched at once.
const AT_ONCE: usize = 4;
/// Blocks written at once.
const PIECE: u64 = 256;

/// Writes what a point says over volumes that are as their bases (zeros where there is none): `place` gives the volume to
/// write to, or `None` for one that is not wanted. Nothing is written where the base counts.
pub fn restore<'v, R: Archive>(
    view: &View<R>,
    place: impl Fn(VolumeId) -> Option<&'v dyn Volume>,
    monitor: &dyn Monitor,
) -> Result<(), ReadError> {
    monitor.phase("reading the index", None);
    let mut packs: HashMap<Digest, Vec<IndexRun>> = HashMap::new();
    let mut order = Vec::new();
    let mut total = 0;
    for run in view.runs() {
        let run = run?;
        let Some(volume) = place(run.volume) else { continue };
        match run.target {
            Target::Base => {}
            Target::Zero => {
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
    monitor.phase("restoring", Some(total));
    for some in order.chunks(AT_ONCE) {
        if monitor.is_cancelled() {
            return Err(ReadError::Stopped);
        }
        let fetched: Vec<_> = thread::scope(|scope| {
            let fetching: Vec<_> = some.iter().map(|id| scope.spawn(|| view.pack(*id))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            };
            fetching.into_iter().map(join).collect()
        });
        for (id, pack) in some.iter().zip(fetched) {
            let pack = pack?;
            for run in packs.remove(id).unwrap_or_default() {
                if let Some(volume) = place(run.volume) {
                    write(volume, &pack, run, monitor)?;
                }
            }
        }
    }
    Ok(())
}

/// Writes the blocks of a run, a piece at a time.
fn write(
    volume: &dyn Volume,
    pack: &ChangePack,
    run: IndexRun,
    monitor: &dyn Monitor,
) -> Result<(), ReadError> {
    let mut decoder = UnitDecoder::new();
    let end = run.end().min(volume.size_bytes().div_ceil(BLOCK));
    for first in (run.first_block..end).step_by(PIECE as usize) {
        let blocks = PIECE.min(end - first);
        let mut data = Wiped::new(vec![0; (blocks * BLOCK) as usize]);
        read_pack(pack, &mut decoder, run.volume, first, &mut data)?;
        let offset = first * BLOCK;
        // The last block of a volume may be shorter than others.
        let inside = (volume.size_bytes() - offset).min(data.len() as u64);
        volume
            .write_at(offset, &data[..inside as usize])
            .map_err(ReadError::Write)?;
        monitor.advance(data.len() as u64);
    }
    Ok(())
}
