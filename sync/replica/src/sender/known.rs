//! What the stick and the server know of each other: asked when sending begins, when an answer is odd, and in quiet moments.
//!
//! The stick notes a point in its ledger, and only then counts what was sent up to it as received. When sending begins, the noted
//! point has to be on the server, as this stick made it: else the server was put back, and what changed since the newest point that both
//! know counts as not sent. What the server has beyond that point may be this stick's, sent before a crash, or that of another copy of
//! it: those blocks are sent again, so that the replica becomes this stick's state either way.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use gobag_format::{
    digest::Digest,
    ledger::NotedPoint,
    replica::{HeadLayer, IndexPart, ReplicaError, ReplicaHead},
};
use gobag_protocol::ids::{ObjectId, RequestId};

use super::{Progress, Sender, Tip};
use crate::{
    differences::differences,
    error::{ReadError, SendError},
    layers::pack_of,
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
    /// those it has lost; returns how many. For quiet moments: each call takes another part.
    pub fn look_after(&mut self) -> Result<usize, SendError> {
        let Some(Some(tip)) = &self.known else {
            return Ok(0);
        };
        let parts = || tip.head.layers.iter().flat_map(|layer| &layer.parts);
        let Some(nth) = self.next_look.checked_rem(parts().count()) else {
            return Ok(0);
        };
        let Some(id) = parts().nth(nth).map(|part| part.id) else {
            return Ok(0);
        };
        let (part, missing) = match self.asked_for(id) {
            Err(SendError::Read(error)) if is_lost(&error) => {
                // Twice in a row: it is lost, and the next pass begins on an empty index.
                if std::mem::replace(&mut self.look_missed, true) {
                    (self.missed, self.known) = (MISSED_IS_LOST + 1, None);
                }
                return Err(error.into());
            }
            asked => asked?,
        };
        for run in &part.runs {
            if pack_of(run).is_some_and(|pack| missing.contains(&ObjectId(pack))) {
                self.source.doubt(run.volume, run.first_block, run.blocks);
            }
        }
        (self.next_look, self.look_missed) = (self.next_look.wrapping_add(1), false);
        Ok(missing.len())
    }

    /// A part of the index, and which of its packs the server has not got.
    fn asked_for(&self, id: Digest) -> Result<(Arc<IndexPart>, Vec<ObjectId>), SendError> {
        let part = self.parts.get(&self.remote, &self.keys, id)?;
        let packs: BTreeSet<Digest> = part.runs.iter().filter_map(pack_of).collect();
        let ids: Vec<ObjectId> = packs.into_iter().chain([id]).map(ObjectId).collect();
        let missing = self.remote.missing(&ids)?;
        match missing.contains(&ObjectId(id)) {
            // This one is remembered; whoever recovers has to fetch it.
            true => Err(ReadError::from(RemoteError::Missing { what: id.to_string() }).into()),
            false => Ok((part, missing)),
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
