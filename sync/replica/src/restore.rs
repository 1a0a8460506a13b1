//! A point written out: each pack is fetched once, in whatever order, and its blocks go where they belong.

use std::collections::HashMap;

use gobag_bundle::Volume;
use gobag_format::{
    Monitor,
    digest::Digest,
    ids::VolumeId,
    limits::BLOCK_LEN,
    log::UnitDecoder,
    replica::{IndexRun, Target},
    wiped::Wiped,
};

use crate::{
    error::ReadError,
    remote::Archive,
    view::{View, read_pack},
};

const BLOCK: u64 = BLOCK_LEN as u64;

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
    let mut decoder = UnitDecoder::new();
    for id in order {
        if monitor.is_cancelled() {
            return Err(ReadError::Stopped);
        }
        let pack = view.pack(id)?;
        for run in packs.remove(&id).unwrap_or_default() {
            let mut data = Wiped::new(vec![0; (run.blocks * BLOCK) as usize]);
            read_pack(&pack, &mut decoder, run.volume, run.first_block, &mut data)?;
            let Some(volume) = place(run.volume) else { continue };
            let offset = run.first_block * BLOCK;
            // The last block of a volume may be shorter than others.
            let inside = volume.size_bytes().saturating_sub(offset).min(data.len() as u64);
            volume
                .write_at(offset, &data[..inside as usize])
                .map_err(ReadError::Write)?;
            monitor.advance(data.len() as u64);
        }
    }
    Ok(())
}
