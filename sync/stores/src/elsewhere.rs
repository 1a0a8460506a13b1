//! A workspace that is kept elsewhere, as a store of packs and heads.
//!
//! A point, step by step, so that it is there whole or not at all:
//!
//! 1. its packs were put, each under its digest, and read back;
//! 2. all of them are still there, and the head it is built on is the one that was given out;
//! 3. *conditional*: the head is made if there is none of its generation; *single-writer*: this member is the one who writes, there is no head of the generation,
//!    and the head is written under a name that says what is in it;
//! 4. the head is read back; *single-writer*: it is still this member who writes, and there is no other head of the generation. Else it is taken away again.
//!
//! Cut off before 3 is done, there is no point; an answer that got lost in 3 is found out by reading. Where two write at once all the same, because one took over
//! while the other was between 3 and 4, both see it in 4; what one of them does not see any more, the memory of the newest point does (`PutBack`).

mod points;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use gobag_format::{crypto::Random, digest::Digest, ids::WorkspaceId};
use gobag_workspace::{NewHead, Store, StoreError, StoredHead, StoredPoint};

use crate::{Access, Claim, ElsewhereError, Me, Mode, Proof, calls::Calls, claim, limits, marker, proof};

/// What waits until so many bytes may go.
type Pace = Box<dyn Fn(usize) + Send + Sync>;

/// A workspace elsewhere.
pub struct Elsewhere {
    calls: Calls,
    workspace: WorkspaceId,
    me: Me,
    mode: Mode,
    random: Arc<dyn Random>,
    pace: Option<Pace>,
    /// Whether this store was proved, by this member: before that nothing is published under conditions.
    is_proved: AtomicBool,
    /// Whether this member was seen to be the one who writes. Looked at again with each point.
    is_writer: AtomicBool,
    /// The newest head that was given out, or made.
    newest: Mutex<Option<(u64, Digest)>>,
}

impl Elsewhere {
    /// Begins a workspace in a place that has none: proves the store if it is of a kind that may honour conditions. One that does not is refused, unless
    /// `single_writer` says that one member shall write; it is the only way at the other kinds.
    pub fn make(
        access: &Access,
        workspace: WorkspaceId,
        single_writer: bool,
        random: &dyn Random,
    ) -> Result<(Mode, Option<Proof>), ElsewhereError> {
        let calls = access.calls()?;
        let (mode, proof) = match single_writer || !access.may_be_conditional() {
            true => (Mode::SingleWriter, None),
            false => (Mode::Conditional, Some(proof::prove(&calls, random)?)),
        };
        marker::make(&calls, workspace, mode)?;
        Ok((mode, proof))
    }

    /// Opens one that is there. `is_proved` says whether this member has proved it before.
    pub fn open(
        access: &Access,
        workspace: WorkspaceId,
        me: Me,
        is_proved: bool,
        random: Arc<dyn Random>,
    ) -> Result<Self, ElsewhereError> {
        let calls = access.calls()?;
        let mode = marker::read(&calls, workspace)?;
        Ok(Self {
            calls,
            workspace,
            me,
            mode,
            random,
            pace: None,
            is_proved: AtomicBool::new(is_proved),
            is_writer: AtomicBool::new(false),
            newest: Mutex::new(None),
        })
    }

    /// What is asked before bytes are sent; it waits.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = Some(pace);
    }

    /// How it is written.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Proves that the store keeps to conditions; none where one member writes, for there none are asked.
    pub fn prove(&self) -> Result<Option<Proof>, ElsewhereError> {
        if self.mode == Mode::SingleWriter {
            return Ok(None);
        }
        let proof = proof::prove(&self.calls, &*self.random)?;
        self.is_proved.store(true, Relaxed);
        Ok(Some(proof))
    }

    /// Who writes, where one does; none: nobody yet.
    pub fn writer(&self) -> Result<Option<Claim>, ElsewhereError> {
        claim::read(&self.calls)
    }

    /// Whether this member is that one.
    pub fn is_mine(&self, claim: &Claim) -> bool {
        claim.member == self.me.member
    }

    /// Makes this member the one who writes. Only where the other one has ended: what that one is about to publish may come to nothing.
    pub fn take_over(&self) -> Result<(), ElsewhereError> {
        claim::take(&self.calls, &self.me)
    }

    /// Fails if the place does not have this workspace (any more): a share that is not mounted takes what is put, and looks empty.
    fn is_there(&self) -> Result<(), ElsewhereError> {
        marker::read(&self.calls, self.workspace).map(drop)
    }

    /// Fails unless this member may put something.
    fn may_write(&self) -> Result<(), ElsewhereError> {
        match self.mode {
            Mode::Conditional if !self.is_proved.load(Relaxed) => self.prove().map(drop),
            Mode::Conditional => Ok(()),
            Mode::SingleWriter if self.is_writer.load(Relaxed) => Ok(()),
            Mode::SingleWriter => {
                self.is_there()?;
                // The first who has something to write.
                claim::begin(&self.calls, &self.me)?;
                self.is_writer.store(true, Relaxed);
                Ok(())
            }
        }
    }

    /// Puts bytes, and looks whether they are what is there.
    fn put_whole(&self, path: &str, bytes: &[u8]) -> Result<(), ElsewhereError> {
        // A store that cut it short may not do so again.
        for _ in 0..2 {
            self.calls.write(path, bytes)?;
            if self.calls.read(path, bytes.len())?.as_deref() == Some(bytes) {
                return Ok(());
            }
        }
        Err(ElsewhereError::Altered)
    }
}

fn pack_path(pack: Digest) -> String {
    let name = pack.to_string();
    format!("packs/{}/{name}", &name[..2])
}

impl Store for Elsewhere {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        let newest = self.find_newest()?;
        if newest.is_none() {
            self.is_there()?;
        }
        *self.seen() = newest
            .as_ref()
            .map(|newest| (newest.generation, Digest::of(&newest.head)));
        Ok(newest)
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.heads_of(generation)?.into_iter().next())
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        Ok(self.points_before(before)?)
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        let path = pack_path(pack);
        let read = match range {
            Some(range) => self
                .calls
                .read_range(&path, u64::from(range.start)..u64::from(range.end))?,
            None => self.calls.read(&path, limits::PACK)?,
        };
        read.ok_or(StoreError::Missing)
    }

    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.calls.is_folder() {
            self.is_there()?;
        }
        self.may_write()?;
        if let Some(pace) = &self.pace {
            pace(bytes.len());
        }
        Ok(self.put_whole(&pack_path(pack), bytes)?)
    }

    /// Earlier points are what a file was before, and nobody says which of them to keep.
    fn lets_go(&self) -> bool {
        false
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        self.is_there()?;
        self.may_write()?;
        for pack in &new.adds {
            if self.calls.len(&pack_path(*pack))?.is_none() {
                return Err(StoreError::Gone);
            }
        }
        let seen = *self.seen();
        if let Some((generation, digest)) = seen
            && generation + 1 == new.generation
            && !self
                .heads_of(generation)?
                .iter()
                .any(|head| Digest::of(head) == digest)
        {
            // Somebody put the store back meanwhile.
            return Err(StoreError::Raced);
        }
        match self.mode {
            Mode::Conditional => self.publish_conditional(new)?,
            Mode::SingleWriter => self.publish_alone(new)?,
        }
        *self.seen() = Some((new.generation, Digest::of(&new.head)));
        Ok(())
    }
}
