//! What the stick and the server know of each other: asked when sending begins, when an answer is odd, and in quiet moments.
//!
//! The stick notes a point in its ledger, and only then counts what was sent up to it as received. When sending begins, the noted
//! point has to be on the server, as this stick made it: else the server was put back, and what changed since the newest point that both
//! know counts as not sent. What the server has beyond that point may be this stick's, sent before a crash, or that of another copy of
//! it: those blocks are sent again, so that the replica becomes this stick's state either way.

use std::{cmp::Ordering, collections::BTreeSet};

use gobag_bundle::EscrowFile;
use gobag_format::{
    digest::Digest,
    ledger::NotedPoint,
    replica::{HeadLayer, IndexRun, ReplicaError, ReplicaHead},
};
use gobag_protocol::ids::{ObjectId, RequestId};

use super::{Progress, Sender, Tip};
use crate::{
    differences::differences,
    error::{ReadError, SendError},
    layers::pack_of,
    overlay::overlay,
    remote::{Remote, RemoteError, StoredPoint},
};

/// How often a part may be missing before it counts as lost: the first time the server may just have been put back.
const MISSED_IS_LOST: u32 = 1;

impl<R: Remote> Sender<R> {
    /// Asks the server what it has, and doubts on the stick what it may not have.
    pub(super) fn begin(&mut self, progress: &Progress) -> Result<Option<Tip>, SendError> {
        self.source.track()?;
        let newest = self.remote.newest()?;
        let mut tip = newest.map(|point| self.open(&point)).transpose()?;
        if let Some(tip) = tip.as_mut()
            && self.missed > MISSED_IS_LOST
        {
            tracing::warn!("the server has lost a part of the replica; everything is sent again");
            tip.head.layers.clear();
            // As a point that this stick did not make: then everything is.
            (self.made, tip.head.point) = (None, self.source.draw());
        }
        let common = self.common(tip.as_ref(), self.made)?;
        let common = match common {
            Some(head) => Some(head),
            // What was sent since the stick noted a point is not there, or not for sure.
            None => {
                self.source.reclaim();
                (self.made, self.unnoted) = (None, None);
                self.common(tip.as_ref(), self.source.noted()?)?
            }
        };
        match (&tip, common) {
            (Some(tip), Some(common)) => self.doubt_between(&common, &tip.head, progress)?,
            _ => self.doubt_since_known(tip.as_ref(), progress)?,
        }
        Ok(tip)
    }

    /// The point that the stick noted is not there: what changed since the newest one that it noted and that is there counts as not
    /// sent; where there is none, everything does.
    fn doubt_since_known(&self, tip: Option<&Tip>, progress: &Progress) -> Result<(), SendError> {
        if let Some(tip) = tip {
            for noted in self.source.noted_before()? {
                progress.go_on()?;
                if let (Some(segment_use), Some(head)) =
                    (noted.segment_use, self.common(Some(tip), Some(noted))?)
                {
                    self.source.doubt_since(segment_use);
                    return self.doubt_between(&head, &tip.head, progress);
                }
            }
        }
        self.source.doubt_all();
        Ok(())
    }

    /// The head of a point that this stick made, if the server has it as it was.
    fn common(&self, tip: Option<&Tip>, own: Option<NotedPoint>) -> Result<Option<ReplicaHead>, SendError> {
        let (Some(tip), Some(own)) = (tip, own) else {
            return Ok(None);
        };
        let head = match own.generation.cmp(&tip.generation) {
            Ordering::Greater => None,
            Ordering::Equal => Some(tip.head.clone()),
            Ordering::Less => {
                let point = self.remote.point(own.generation)?;
                point
                    .map(|point| self.open(&point))
                    .transpose()?
                    .map(|tip| tip.head)
            }
        };
        Ok(head.filter(|head| head.point == own.point))
    }

    /// Counts as not sent whatever the index of two points does not say in the same words. Also what only the earlier one
    /// says: it may have become the base's, of which the lowest layer does not speak.
    fn doubt_between(
        &self,
        earlier: &ReplicaHead,
        later: &ReplicaHead,
        progress: &Progress,
    ) -> Result<(), SendError> {
        // The layers that lie below all others in both are the same.
        let both = earlier.layers.iter().rev().zip(later.layers.iter().rev());
        let same = both.take_while(|(one, other)| one == other).count();
        let above = |head: &ReplicaHead| -> Vec<HeadLayer> {
            let count = head.layers.len() - same;
            head.layers.iter().take(count).cloned().collect()
        };
        let (earlier, later) = (above(earlier), above(later));
        let runs = |layers| self.parts.overlaid(&self.remote, &self.keys, layers);
        let watched = runs(&earlier).map(|run| match progress.go_on() {
            Ok(()) => Ok(run?),
            Err(stopped) => Err(stopped),
        });
        let later = runs(&later).map(|run| Ok(run?));
        let compared = differences(watched, later, |volume, first_block, blocks| {
            self.source.doubt(volume, first_block, blocks);
        });
        match compared {
            // Pruned since, or lost: then nothing is known of the difference.
            Err(SendError::Read(error)) if is_lost(&error) => {
                self.source.doubt_all();
                Ok(())
            }
            compared => compared,
        }
    }

    fn open(&self, point: &StoredPoint) -> Result<Tip, ReadError> {
        let head = ReplicaHead::open(&self.keys, self.source.bundle(), None, &point.head)?;
        Ok(Tip {
            generation: point.generation,
            request: RequestId(head.point.0),
            head,
        })
    }

    /// Asks for the packs of one part of the newest point's index whether the server has them all, and counts as not sent what lay in
    /// those it has lost; returns how many. For quiet moments: each call takes another part. Where the part itself is missing, what is known of the
    /// server is forgotten: it may have been put back.
    pub fn look_after(&mut self) -> Result<usize, SendError> {
        let Some(Some(tip)) = &self.known else {
            return Ok(0);
        };
        if let Some(escrow) = tip.head.escrow {
            self.look_after_escrow(escrow)?;
        }
        let layers = &tip.head.layers;
        let mut parts = (0..)
            .zip(layers)
            .flat_map(|(layer, of)| of.parts.iter().map(move |part| (layer, part.id)));
        let count = layers.iter().map(|layer| layer.parts.len()).sum();
        let Some((layer, id)) = self.next_look.checked_rem(count).and_then(|nth| parts.nth(nth)) else {
            return Ok(0);
        };
        let (above, _) = layers.split_at(layer);
        let (runs, lost) = match self.lost_of(id, above) {
            Err(SendError::Read(error)) if is_lost(&error) => {
                // Twice in a row, though the server was asked anew between: it is lost, and the next pass begins on an empty index.
                if std::mem::replace(&mut self.look_missed, true) {
                    self.missed = MISSED_IS_LOST + 1;
                }
                self.known = None;
                return Err(error.into());
            }
            looked => looked?,
        };
        for run in runs {
            self.source.doubt(run.volume, run.first_block, run.blocks);
        }
        (self.next_look, self.look_missed) = (self.next_look.wrapping_add(1), false);
        Ok(lost)
    }

    /// What counts of a part of the index and lay in packs that the server has not got, and how many these are. What a layer `above` says of
    /// those blocks was sent since: the packs go when the layers are merged.
    fn lost_of(&self, id: Digest, above: &[HeadLayer]) -> Result<(Vec<IndexRun>, usize), SendError> {
        let part = self.parts.get(&self.remote, &self.keys, id)?;
        let packs: BTreeSet<Digest> = part.runs.iter().filter_map(pack_of).collect();
        let ids: Vec<ObjectId> = packs.into_iter().chain([id]).map(ObjectId).collect();
        let missing: BTreeSet<ObjectId> = self.remote.missing(&ids)?.into_iter().collect();
        if missing.contains(&ObjectId(id)) {
            // This one is remembered; whoever recovers has to fetch it.
            return Err(ReadError::from(RemoteError::Missing { what: id.to_string() }).into());
        }
        if missing.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let above = self.parts.overlaid(&self.remote, &self.keys, above);
        let (mut runs, mut lost) = (Vec::new(), BTreeSet::new());
        for run in overlay(above, part.runs.iter().map(|run| Ok::<_, ReadError>(*run))) {
            let run = run?;
            // No layer names another one's packs.
            if let Some(pack) = pack_of(&run).filter(|pack| missing.contains(&ObjectId(*pack))) {
                runs.push(run);
                lost.insert(pack);
            }
        }
        Ok((runs, lost.len()))
    }

    /// Puts the escrow file again if the server has lost it: without it nobody opens the replica. It is part of the points as it is.
    fn look_after_escrow(&self, escrow: Digest) -> Result<(), SendError> {
        if self.remote.missing(&[ObjectId(escrow)])?.is_empty() {
            return Ok(());
        }
        match self.source.escrow() {
            EscrowFile::Whole(file) if Digest::of(&file) == escrow => {
                tracing::warn!("the company has lost the stick's escrow file; it is sent again");
                Ok(self.remote.put(ObjectId(escrow), &file)?)
            }
            _ => {
                tracing::warn!(
                    "the company has lost the stick's escrow file, and the stick has not got it either"
                );
                Ok(())
            }
        }
    }
}

/// Whether the server no longer has what it had.
pub(super) fn is_lost(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::Remote(RemoteError::Missing { .. })
            | ReadError::OtherObject
            | ReadError::Damaged(ReplicaError::Damaged)
    )
}
