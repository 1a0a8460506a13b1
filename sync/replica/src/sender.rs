//! Sending: pass after pass, each of which ends with a point that the server keeps.
//!
//! A pass takes a snapshot of at most so many bytes. One that holds everything not yet sent makes a *complete* point: every volume as it
//! was at one moment. While more has gathered than one pass takes (the first copy, or after days without a network), passes
//! make points that are not complete, so that what was sent is never sent again, and the last one is.

mod known;

use gobag_bundle::{
    EscrowFile, ReplicaSource,
    store::{Snapshot, SnapshotContent, SnapshotError, SnapshotRun, StoreError},
};
use gobag_format::{
    digest::Digest,
    ids::PointId,
    ledger::NotedPoint,
    limits::{BLOCK_LEN, MAX_COUNT},
    replica::{ChangePackWriter, IndexRun, Kind, ReplicaHead, ReplicaKeys, Target},
};
use gobag_protocol::{
    bounded::{Bounded, TooMany},
    bytes::Sealed,
    ids::{ObjectId, RequestId},
    limits::MAX_POINT_IDS,
    points::{Bookmark, MadePoint, NewPoint, Part},
};

use self::known::is_lost;
pub use crate::uploads::Progress;
use crate::{
    error::SendError,
    layers::Layering,
    parts::Parts,
    remote::{Remote, RemoteError},
    uploads::{Uploads, carry},
};

/// Bytes of a change pack before sealing, about.
const PACK_LEN: usize = 1 << 20;
/// Bytes sent after which the stick notes it.
const NOTE_AFTER: u64 = 64 << 20;
/// How often a point is offered again when no answer came.
const ATTEMPTS: u32 = 3;

/// Most bytes of data that one pass takes, whatever it is asked for: their packs can be named in one point with its parts.
pub const MOST_BYTES: u64 = 64 << 30;

/// What one pass is to do.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Most bytes of data to take.
    pub most_bytes: u64,
    /// Names for the point, whose labels are sealed ([`Sender::label`]). At most
    /// [`MAX_BOOKMARKS`](gobag_protocol::limits::MAX_BOOKMARKS); a point that is not complete gets
    /// none of them.
    pub bookmarks: Vec<Bookmark>,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// There was nothing to send.
    Nothing,
    /// There was nothing to send but blocks that the stick cannot read.
    Unreadable {
        /// How many runs of them.
        runs: usize,
        /// Whether more had changed than it took.
        more: bool,
    },
    /// The server keeps a new point.
    Point {
        /// Its generation.
        generation: u64,
        /// The server's time of it, seconds since 1970 UTC.
        time_s: u64,
        /// Whether it shows the volumes as they were at one moment.
        complete: bool,
        /// Bytes of data in it.
        data_bytes: u64,
        /// Runs of blocks that the stick cannot read: they stay unsent, and as long as there are any no point is complete.
        unreadable: usize,
        /// Whether more had changed than it took.
        more: bool,
    },
}

/// The newest point and what it consists of.
struct Tip {
    generation: u64,
    /// The request that made it.
    request: RequestId,
    head: ReplicaHead,
}

/// What is about to be sent. Dropped instead, it counts as unsent again.
pub struct Taken {
    snapshot: Snapshot,
    known: Option<Tip>,
}

impl Taken {
    /// Whether it shows every volume as it was at one moment.
    pub fn is_complete(&self) -> bool {
        self.snapshot.is_complete()
    }
}

/// Sends one stick's changes to one server.
pub struct Sender<R> {
    source: ReplicaSource,
    remote: R,
    keys: ReplicaKeys,
    parts: Parts,
    /// What is known of the server; `None` until it was asked, and when it has become doubtful.
    known: Option<Option<Tip>>,
    /// The last point this sender made: what the store counts as sent is there.
    made: Option<NotedPoint>,
    /// How often in a row a part of the newest point's index was missing.
    missed: u32,
    /// Which part of the newest point's index [`Sender::look_after`] takes next; counts on from anywhere.
    next_look: usize,
    /// Whether that part was missing the last time.
    look_missed: bool,
    /// Bytes sent since the stick noted a point; `None` if no point was made since.
    unnoted: Option<u64>,
}

impl<R: Remote> Sender<R> {
    /// A sender that has not asked the server yet.
    pub fn new(source: ReplicaSource, remote: R) -> Self {
        // What another sender sent and did not note is nothing that this one can rely on.
        source.reclaim();
        let start = source.draw().0;
        Self {
            keys: source.keys(),
            source,
            remote,
            parts: Parts::new(),
            known: None,
            made: None,
            missed: 0,
            // Sessions are short and may all be: each begins somewhere else.
            next_look: usize::from(start[0]) << 8 | usize::from(start[1]),
            look_missed: false,
            unnoted: None,
        }
    }

    /// Whether a complete point was ever made, as far as is known.
    pub fn is_first_copied(&self) -> bool {
        matches!(&self.known, Some(Some(tip)) if tip.head.copied)
    }

    /// Bytes of changes that were not sent yet.
    pub fn unsent_bytes(&self) -> u64 {
        self.source.unsent_bytes()
    }

    /// The name of a bookmark, for the stick and IT only.
    pub fn label(&self, name: &str) -> Vec<u8> {
        self.keys.seal(Kind::Label, self.source.draw(), name.as_bytes())
    }

    /// Sends what changed and makes a point of it. On an error nothing is lost: what was not sent stays marked, and the next
    /// pass asks the server anew.
    pub fn pass(&mut self, pass: &Pass, progress: &Progress) -> Result<Passed, SendError> {
        let taken = self.take(pass.most_bytes, progress)?;
        self.send(taken, pass.bookmarks.clone(), progress)
    }

    /// Asks the server what it has, if that is not known.
    pub fn ask(&mut self, progress: &Progress) -> Result<(), SendError> {
        if self.known.is_none() {
            self.known = Some(self.begin(progress)?);
        }
        Ok(())
    }

    /// Takes what changed, as it is now. Quick, and without the network, right after [`Sender::ask`].
    pub fn take(&mut self, most_bytes: u64, progress: &Progress) -> Result<Taken, SendError> {
        // Before the snapshot: what is doubted has to be in it.
        self.ask(progress)?;
        let snapshot = self.source.snapshot(most_bytes.min(MOST_BYTES))?;
        Ok(Taken {
            snapshot,
            known: self.known.take().flatten(),
        })
    }

    /// Sends what was taken and makes a point of it, with these names if it shows one moment. See [`Sender::pass`].
    pub fn send(
        &mut self,
        taken: Taken,
        bookmarks: Vec<Bookmark>,
        progress: &Progress,
    ) -> Result<Passed, SendError> {
        let Taken { snapshot, known } = taken;
        progress.begin(snapshot.data_bytes());
        let before = known.as_ref().map(|tip| &tip.head);
        let was_complete = before.is_some_and(|head| head.complete);
        if snapshot.runs().is_empty()
            && (was_complete || !snapshot.is_complete())
            && bookmarks.is_empty()
            && self.has_escrow(before.and_then(|head| head.escrow))
        {
            self.known = Some(known);
            return Ok(Passed::Nothing);
        }
        let Prepared {
            mut new,
            head,
            unreadable,
            moved,
        } = match self.prepare(known.as_ref(), &snapshot, progress) {
            Ok(prepared) => prepared,
            // The server does not have what it had: it was put back, or has lost or damaged something.
            Err(SendError::Read(error)) if is_lost(&error) => {
                self.missed += 1;
                return Err(error.into());
            }
            Err(error) => {
                self.known = Some(known);
                return Err(error);
            }
        };
        if moved.is_empty() && new.adds.is_empty() && !head.complete && !unreadable.is_empty() {
            // Nothing but what cannot be read: nothing new for the server.
            self.known = Some(known);
            return Ok(Passed::Unreadable {
                runs: unreadable.len(),
                more: !snapshot.is_complete(),
            });
        }
        if head.complete {
            new.bookmarks = Bounded::new(bookmarks).map_err(too_much)?;
        }
        // From here on the server may have the point, whatever is heard of it.
        self.known = None;
        let made = offer(&self.remote, &moved, &new)?;
        let (data_bytes, segment_use) = (snapshot.data_bytes(), snapshot.segment_use());
        let more = !snapshot.is_complete();
        snapshot.sent(&unreadable);
        self.missed = 0;
        self.made = Some(NotedPoint {
            generation: new.generation,
            point: head.point,
            sequence: head.moment.sequence,
            segment_use: head.complete.then_some(segment_use),
            knows_before: false,
        });
        let passed = Passed::Point {
            generation: new.generation,
            time_s: made.time_s,
            complete: head.complete,
            data_bytes,
            unreadable: unreadable.len(),
            more,
        };
        self.known = Some(Some(Tip {
            generation: new.generation,
            request: new.request,
            head,
        }));
        let noted = self.unnoted.get_or_insert(0);
        *noted += data_bytes;
        Ok(passed)
    }

    /// Whether so much was sent that the stick should note it.
    pub fn is_note_due(&self) -> bool {
        self.unnoted.is_some_and(|bytes| bytes >= NOTE_AFTER)
    }

    /// Lets the stick note what the server has. To be called when it is due, when sending ends, and every few minutes: what is not
    /// noted is sent again after a crash.
    pub fn note(&mut self) -> Result<(), SendError> {
        if let (Some(_), Some(made)) = (self.unnoted, self.made) {
            self.source.confirm(made)?;
            self.unnoted = None;
        }
        Ok(())
    }

    /// Uploads what a point of this snapshot consists of; returns the point to be made.
    fn prepare(
        &self,
        known: Option<&Tip>,
        snapshot: &Snapshot,
        progress: &Progress,
    ) -> Result<Prepared, SendError> {
        let point = self.source.draw();
        let mut head = self.source.head(point, snapshot);
        let before = known.map(|tip| &tip.head);
        head.copied |= before.is_some_and(|before| before.copied);
        let had = before.and_then(|before| before.escrow);
        let generation = known.map_or(0, |tip| tip.generation) + 1;
        if generation > MAX_COUNT {
            return Err(SendError::Generation);
        }
        let signer = self.source.signing_key()?;
        let (made, adds) = carry(&self.remote, progress, |uploads| {
            let escrow = self.escrow(had, uploads)?;
            let (fresh, unreadable) = self.pack(point, snapshot, uploads)?;
            let layering = Layering {
                remote: &self.remote,
                keys: &self.keys,
                parts: &self.parts,
                point,
            };
            let before = before.map_or(&[][..], |before| &before.layers);
            let (layers, drops) = layering.put_on(fresh, before, &head, uploads)?;
            Ok((layers, escrow, drops, unreadable))
        })?;
        let (layers, escrow, mut drops, unreadable) = made;
        drops.extend(had.filter(|had| Some(*had) != escrow).map(ObjectId));
        (head.layers, head.escrow) = (layers, escrow);
        if !unreadable.is_empty() {
            (head.complete, head.copied) = (false, before.is_some_and(|before| before.copied));
        }
        let request = RequestId(point.0);
        let (adds, drops) = (each_once(adds), each_once(drops));
        let (all_adds, all_drops) = (Some(adds.len() as u64), Some(drops.len() as u64));
        let (moved, adds, drops) = in_parts(request, generation, adds, drops)?;
        let new = NewPoint {
            request,
            generation,
            after: known.map(|tip| tip.request),
            complete: head.complete,
            head: Sealed::new(head.seal(&self.keys, &signer)).map_err(too_much)?,
            adds,
            drops,
            all_adds,
            all_drops,
            bookmarks: Bounded::default(),
        };
        progress.go_on()?;
        Ok(Prepared {
            new,
            head,
            unreadable,
            moved,
        })
    }

    /// Whether the server has the escrow file that the stick has; one that cannot be read changes nothing there.
    fn has_escrow(&self, had: Option<Digest>) -> bool {
        match self.source.escrow() {
            EscrowFile::None => had.is_none(),
            EscrowFile::Whole(file) => had == Some(Digest::of(&file)),
            EscrowFile::Lost => true,
        }
    }

    /// The escrow file's object, uploaded if the server has another one or none.
    fn escrow(&self, had: Option<Digest>, uploads: &mut Uploads<'_>) -> Result<Option<Digest>, SendError> {
        match self.source.escrow() {
            EscrowFile::None => Ok(None),
            EscrowFile::Whole(file) => match Digest::of(&file) {
                id if had == Some(id) => Ok(had),
                _ => uploads.push(file).map(Some),
            },
            EscrowFile::Lost => {
                tracing::warn!("the stick's escrow file cannot be read; the company keeps the one it has");
                Ok(had)
            }
        }
    }

    /// Makes change packs of a snapshot; returns its index, and what the stick cannot read.
    fn pack(
        &self,
        point: PointId,
        snapshot: &Snapshot,
        uploads: &mut Uploads<'_>,
    ) -> Result<(Vec<IndexRun>, Vec<SnapshotRun>), SendError> {
        let mut index: Vec<IndexRun> = Vec::new();
        let mut unreadable = Vec::new();
        let mut writer = ChangePackWriter::default();
        // Runs of the pack in the making, whose name is not known yet.
        let mut open = 0;
        let mut end_pack = |writer: &mut ChangePackWriter, index: &mut [IndexRun], open: &mut usize| {
            if !writer.is_empty() {
                let is_fresh = |run: &&mut IndexRun| run.target == IN_THE_MAKING;
                let blocks: u64 = index[*open..]
                    .iter_mut()
                    .filter(is_fresh)
                    .map(|run| run.blocks)
                    .sum();
                let sealed = self.keys.seal(Kind::Pack, point, &writer.finish());
                let id = uploads.push_data(sealed, blocks * BLOCK_LEN as u64)?;
                let fresh = index[*open..].iter_mut().filter(is_fresh);
                fresh.for_each(|run| run.target = Target::Pack(id));
            }
            *open = index.len();
            Ok::<_, SendError>(())
        };
        for run in snapshot.runs() {
            let target = match run.content() {
                SnapshotContent::Zero => Target::Zero,
                SnapshotContent::Base => Target::Base,
                SnapshotContent::Data => {
                    let unit = match snapshot.unit(run) {
                        Ok(unit) => unit,
                        // A stick that begins to fail: the rest is sent all the more.
                        Err(SnapshotError::Store(StoreError::Damaged { .. })) => {
                            unreadable.push(*run);
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    if writer.exceeds(unit.len(), PACK_LEN) {
                        end_pack(&mut writer, &mut index, &mut open)?;
                    }
                    // A run of data is one unit: at most 16 blocks.
                    writer.push(run.volume, run.first_block, run.blocks as u8, unit);
                    IN_THE_MAKING
                }
            };
            index.push(IndexRun {
                volume: run.volume,
                first_block: run.first_block,
                blocks: run.blocks,
                target,
            });
        }
        end_pack(&mut writer, &mut index, &mut open)?;
        Ok((joined(index), unreadable))
    }
}

/// Offers a point after its parts until there is an answer, or no hope for one. What the server no longer has of the parts is sent again.
fn offer(remote: &impl Remote, parts: &[Part], new: &NewPoint) -> Result<MadePoint, SendError> {
    let send_parts = || parts.iter().try_for_each(|part| remote.part(part));
    send_parts()?;
    let mut attempt = 1;
    loop {
        let error = match remote.publish(new) {
            Ok(made) => return Ok(made),
            Err(error) if attempt == ATTEMPTS => return Err(error.into()),
            Err(error) => error,
        };
        match error {
            RemoteError::Offline(_) => {}
            RemoteError::PartsMissing => send_parts()?,
            error => return Err(error.into()),
        }
        attempt += 1;
    }
}

/// A point about to be made, and what it does not hold.
struct Prepared {
    new: NewPoint,
    head: ReplicaHead,
    unreadable: Vec<SnapshotRun>,
    moved: Vec<Part>,
}

/// Runs with neighbours of the same target as one.
fn joined(runs: Vec<IndexRun>) -> Vec<IndexRun> {
    let mut joined: Vec<IndexRun> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(last)
                if (last.volume, last.end(), last.target) == (run.volume, run.first_block, run.target) =>
            {
                last.blocks += run.blocks;
            }
            _ => joined.push(run),
        }
    }
    joined
}

type Ids = Bounded<ObjectId, MAX_POINT_IDS>;

/// As the server counts them.
fn each_once(mut ids: Vec<ObjectId>) -> Vec<ObjectId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What goes before a point because one request cannot name it all, and the rest.
fn in_parts(
    request: RequestId,
    generation: u64,
    mut adds: Vec<ObjectId>,
    mut drops: Vec<ObjectId>,
) -> Result<(Vec<Part>, Ids, Ids), SendError> {
    let mut parts = Vec::new();
    let split = |ids: &mut Vec<ObjectId>| {
        let rest = ids.split_off(ids.len().min(MAX_POINT_IDS));
        Bounded::new(std::mem::replace(ids, rest)).map_err(too_much)
    };
    while adds.len() > MAX_POINT_IDS || drops.len() > MAX_POINT_IDS {
        parts.push(Part {
            request,
            generation,
            adds: split(&mut adds)?,
            drops: split(&mut drops)?,
        });
    }
    Ok((
        parts,
        Bounded::new(adds).map_err(too_much)?,
        Bounded::new(drops).map_err(too_much)?,
    ))
}

/// Stands for a pack until it is sealed; no object has this name, for none is its own digest.
const IN_THE_MAKING: Target = Target::Pack(Digest([0; 32]));

/// A point has more bookmarks, or a longer head, than the protocol has room for.
fn too_much(error: TooMany) -> SendError {
    SendError::TooMuch(error)
}

#[cfg(test)]
mod tests;
