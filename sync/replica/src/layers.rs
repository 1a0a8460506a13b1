//! The index as layers: what is new goes on top, and a layer that is not much longer than what lies on it is merged with it.
//!
//! So there are few layers (each has more than twice the runs of all above it together), and an entry is rewritten about once for
//! each doubling of what was written since: a log-structured merge tree, with one difference: all of a layer's packs are its
//! own, so a pack of which nothing is left after a merge is needed by no layer at all.

use std::{cell::RefCell, collections::HashSet};

use gobag_format::{
    digest::Digest,
    ids::{PointId, VolumeId},
    limits::MAX_REPLICA_LAYERS,
    replica::{
        HeadLayer, HeadPart, IndexPart, IndexRun, IndexWriter, Kind, ReplicaHead, ReplicaKeys, Target,
    },
};
use gobag_protocol::ids::ObjectId;

use crate::{
    error::{ReadError, SendError},
    overlay::overlay,
    parts::{Parts, Runs},
    remote::Archive,
    uploads::Uploads,
};

/// Bytes of an index part before sealing.
const PART_LEN: usize = 1 << 20;

/// How many of the newest layers become one, given their runs, newest first.
fn merged(runs: &[u64]) -> usize {
    let mut count = runs.len().min(1);
    let mut sum: u64 = runs.iter().take(count).sum();
    while count < runs.len()
        && (runs[count] <= sum.saturating_mul(2) || runs.len() - count >= MAX_REPLICA_LAYERS)
    {
        sum = sum.saturating_add(runs[count]);
        count += 1;
    }
    count
}

/// What a pass works with.
pub(crate) struct Layering<'a> {
    pub(crate) remote: &'a dyn Archive,
    pub(crate) keys: &'a ReplicaKeys,
    pub(crate) parts: &'a Parts,
    pub(crate) point: PointId,
}

impl Layering<'_> {
    /// Puts `fresh` on top of the layers of the point before and merges what has to be. Returns the layers of `head`, and which
    /// objects they no longer need.
    pub(crate) fn put_on(
        &self,
        fresh: Vec<IndexRun>,
        before: &[HeadLayer],
        head: &ReplicaHead,
        uploads: &mut Uploads<'_>,
    ) -> Result<(Vec<HeadLayer>, Vec<ObjectId>), SendError> {
        if fresh.is_empty() {
            return Ok((before.to_vec(), Vec::new()));
        }
        let mut runs = vec![fresh.len() as u64];
        runs.extend(before.iter().map(|layer| layer.runs));
        let count = merged(&runs);
        let (old, stay) = before.split_at(count - 1);
        let lies_lowest = stay.is_empty();
        let is_there = |volume: VolumeId| head.volumes.iter().any(|there| there.id == volume);
        // Below the lowest layer there is nothing that a run of the base could hide.
        let counts = |run: &IndexRun| is_there(run.volume) && !(lies_lowest && run.target == Target::Base);
        // A pack's runs may lie apart: which are left is known at the end alone.
        let (had, mut left) = (RefCell::new(HashSet::new()), HashSet::new());
        let note = |run: &Result<IndexRun, ReadError>| {
            let pack = run.as_ref().ok().and_then(pack_of);
            had.borrow_mut().extend(pack);
        };
        let mut all: Runs<'_> = Box::new(fresh.into_iter().map(Ok));
        for layer in old {
            let runs = self.parts.runs(self.remote, self.keys, layer).inspect(note);
            all = Box::new(overlay(all, runs));
        }
        let mut writer = LayerWriter {
            layering: self,
            uploads,
            part: IndexWriter::default(),
            layer: HeadLayer {
                runs: 0,
                parts: Vec::new(),
            },
        };
        for run in all {
            let run = run?;
            if counts(&run) {
                left.extend(pack_of(&run));
                writer.push(run)?;
            }
        }
        let merged = writer.finish()?;
        let parts = old.iter().flat_map(|layer| &layer.parts).map(|part| part.id);
        let gone = had.into_inner().into_iter().filter(|pack| !left.contains(pack));
        let dropped = parts.chain(gone).map(ObjectId).collect();
        let layers = Some(merged).filter(|layer| layer.runs > 0);
        Ok((layers.into_iter().chain(stay.iter().cloned()).collect(), dropped))
    }
}

/// The pack that a run lies in.
pub(crate) fn pack_of(run: &IndexRun) -> Option<Digest> {
    match run.target {
        Target::Pack(pack) => Some(pack),
        Target::Zero | Target::Base => None,
    }
}

struct LayerWriter<'a, 'u> {
    layering: &'a Layering<'a>,
    uploads: &'a mut Uploads<'u>,
    part: IndexWriter,
    layer: HeadLayer,
}

impl LayerWriter<'_, '_> {
    fn push(&mut self, run: IndexRun) -> Result<(), SendError> {
        if self.part.len() >= PART_LEN {
            self.end_part()?;
        }
        self.part.push(run);
        Ok(())
    }

    fn end_part(&mut self) -> Result<(), SendError> {
        let Some((volume, first_block)) = self.part.first() else {
            return Ok(());
        };
        let (plain, runs) = self.part.finish();
        let sealed = self.layering.keys.seal(Kind::Index, self.layering.point, &plain);
        let id = self.uploads.push(sealed)?;
        let part = IndexPart::decode(&plain).map_err(ReadError::from)?;
        self.layering.parts.keep(id, part);
        self.layer.runs += u64::from(runs);
        self.layer.parts.push(HeadPart {
            id,
            volume,
            first_block,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<HeadLayer, SendError> {
        self.end_part()?;
        Ok(self.layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_grow_like_powers_and_are_rewritten_seldom() {
        // A point a minute with 256 scattered blocks, for ten weeks: all blocks different, the hardest case.
        let (mut layers, mut rewritten, mut most) = (Vec::new(), 0, 0);
        let points = 100_000;
        for _ in 0..points {
            layers.insert(0, 256u64);
            let count = merged(&layers);
            let sum: u64 = layers.drain(..count).sum();
            rewritten += sum;
            layers.insert(0, sum);
            most = most.max(layers.len());
        }
        assert!(most <= 20, "{most} layers");
        assert!(
            rewritten / (256 * points) <= 20,
            "each entry is written {} times",
            rewritten / (256 * points)
        );
    }

    #[test]
    fn there_are_never_more_layers_than_a_head_takes() {
        // Each just too long to be merged.
        let mut runs: Vec<u64> = vec![1];
        for _ in 0..MAX_REPLICA_LAYERS {
            let sum = runs.iter().fold(0, |sum: u64, runs| sum.saturating_add(*runs));
            runs.push(sum.saturating_mul(2).saturating_add(1));
        }
        assert!(runs.len() - merged(&runs) < MAX_REPLICA_LAYERS);
        assert_eq!(merged(&[]), 0);
        assert_eq!(merged(&[5]), 1);
        assert_eq!(merged(&[5, 11, 1]), 1);
        assert_eq!(merged(&[5, 10, 30]), 3);
    }
}
