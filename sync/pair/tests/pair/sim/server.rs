//! A server in memory, and the line to it: answers get lost, requests come late or twice, packs go, and what is kept is put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex},
};

use gobag_format::digest::Digest;
use gobag_workspace::{NewHead, Store, StoreError, StoredHead, StoredPoint};

use super::{pass::Moment, world::World};

#[derive(Default)]
pub(crate) struct Server(Mutex<State>);

#[derive(Default)]
struct State {
    packs: BTreeMap<Digest, Vec<u8>>,
    heads: Vec<NewHead>,
    /// Sent, and not come yet.
    late: Vec<NewHead>,
    /// All that was ever there, for whoever looks whether something is lost.
    every_pack: BTreeMap<Digest, Vec<u8>>,
    every_head: Vec<NewHead>,
}

impl State {
    fn publish(&mut self, new: &NewHead) -> Result<(), StoreError> {
        if self.heads.iter().any(|head| head.point == new.point) {
            return Ok(());
        }
        let last = self.heads.last();
        let (generation, point) = (
            last.map_or(0, |last| last.generation),
            last.map(|last| last.point),
        );
        if (generation + 1, point) != (new.generation, new.after) {
            return Err(StoreError::Raced);
        }
        if !new.adds.iter().all(|pack| self.packs.contains_key(pack)) {
            return Err(StoreError::Gone);
        }
        let named = self.named();
        // As a server refuses it.
        assert!(new.adds.iter().all(|pack| !named.contains(pack)));
        assert!(new.drops.iter().all(|pack| named.contains(pack)));
        // At once: as if nobody kept what was before.
        self.packs.retain(|pack, _| !new.drops.contains(pack));
        self.heads.push(new.clone());
        self.every_head.push(new.clone());
        Ok(())
    }

    /// What the newest point has.
    fn named(&self) -> BTreeSet<Digest> {
        let mut named = BTreeSet::new();
        for head in &self.heads {
            named.extend(&head.adds);
            named.retain(|pack| !head.drops.contains(pack));
        }
        named
    }
}

impl Server {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// What was on its way comes now, or never.
    pub(crate) fn deliver(&self) {
        self.with(|state| {
            for new in std::mem::take(&mut state.late) {
                let _ = state.publish(&new);
            }
        });
    }

    /// How many points there are.
    pub(crate) fn points(&self) -> usize {
        self.with(|state| state.heads.len())
    }

    /// It is again what it was when it had so many points.
    pub(crate) fn put_back(&self, points: usize) {
        self.with(|state| {
            state.heads.truncate(points);
            state.late.clear();
            let named = state.named().into_iter();
            state.packs = named
                .map(|pack| (pack, state.every_pack[&pack].clone()))
                .collect();
        });
    }

    /// Every point that ever was but the first so many.
    pub(crate) fn every_point(&self, after: usize) -> Vec<NewHead> {
        self.with(|state| state.every_head[after..].to_vec())
    }
}

/// The line of a member's pass to the server.
pub(crate) struct Line {
    pub(crate) world: Arc<World>,
    pub(crate) moment: Arc<Moment>,
}

/// What becomes of a request.
enum Fate {
    Done,
    Lost,
    AnswerLost,
    Late,
    Twice,
    Altered,
    Gone,
    Full,
}

impl Line {
    fn fate(&self, what: &str) -> Fate {
        self.world.meanwhile(&self.moment);
        let fate = self.world.draw(|dice| match dice.below(8 * self.moment.calm) {
            0 => Fate::Lost,
            1 => Fate::AnswerLost,
            2 => Fate::Late,
            3 => Fate::Twice,
            4 => Fate::Altered,
            5 if dice.one_in(2) => Fate::Gone,
            6 if dice.one_in(4) => Fate::Full,
            _ => Fate::Done,
        });
        let word = match fate {
            Fate::Done => return fate,
            Fate::Lost => "lost",
            Fate::AnswerLost => "answer lost",
            Fate::Late => "late",
            Fate::Twice => "twice",
            Fate::Altered => "altered",
            Fate::Gone => "gone",
            Fate::Full => "full",
        };
        self.world.tell(|| format!("{what}: {word}"));
        fate
    }

    fn ask<T>(&self, what: &str, ask: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        match self.fate(what) {
            Fate::Lost => Err(offline()),
            Fate::AnswerLost | Fate::Late => {
                self.world.server.with(ask);
                Err(offline())
            }
            _ => Ok(self.world.server.with(ask)),
        }
    }
}

fn offline() -> StoreError {
    StoreError::Offline("the line is cut".into())
}

impl Store for Line {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        self.ask("newest", |state| state.heads.last().map(stored))
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask("head", |state| {
            let found = state.heads.iter().find(|head| head.generation == generation);
            found.map(|head| head.head.clone())
        })
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        self.ask("points", |state| {
            let told = state.heads.iter().rev().map(|head| StoredPoint {
                generation: head.generation,
                made_s: None,
            });
            told.filter(|point| before.is_none_or(|before| point.generation < before))
                .collect()
        })
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        let is_altered = match self.fate("get") {
            Fate::Lost | Fate::AnswerLost | Fate::Late => return Err(offline()),
            fate => matches!(fate, Fate::Altered),
        };
        let mut bytes = self.world.server.with(|state| part(&state.packs, pack, range))?;
        if is_altered {
            let at = self.world.draw(|dice| dice.below(bytes.len().max(1) as u64));
            if let Some(byte) = bytes.get_mut(at as usize) {
                *byte ^= 1;
            }
        }
        Ok(bytes)
    }

    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let fate = self.fate("put");
        if matches!(fate, Fate::Lost) {
            return Err(offline());
        }
        if matches!(fate, Fate::Full) {
            return Err(StoreError::Full("no room".into()));
        }
        assert_eq!(Digest::of(bytes), pack);
        self.world.server.with(|state| {
            state.packs.insert(pack, bytes.to_vec());
            state.every_pack.insert(pack, bytes.to_vec());
        });
        match fate {
            Fate::AnswerLost | Fate::Late => Err(offline()),
            _ => Ok(()),
        }
    }

    fn lets_go(&self) -> bool {
        true
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        let fate = self.fate("publish");
        self.world.server.with(|state| match fate {
            Fate::Lost => Err(offline()),
            Fate::AnswerLost => {
                let _ = state.publish(new);
                Err(offline())
            }
            Fate::Late => {
                state.late.push(new.clone());
                Err(offline())
            }
            Fate::Twice => {
                state.late.push(new.clone());
                state.publish(new)
            }
            Fate::Gone => {
                let named = state.named();
                state.packs.retain(|pack, _| named.contains(pack));
                state.publish(new)
            }
            Fate::Full => Err(StoreError::Full("no room".into())),
            Fate::Done | Fate::Altered => state.publish(new),
        })
    }
}

fn stored(head: &NewHead) -> StoredHead {
    StoredHead {
        generation: head.generation,
        head: head.head.clone(),
    }
}

fn part(
    packs: &BTreeMap<Digest, Vec<u8>>,
    pack: Digest,
    range: Option<Range<u32>>,
) -> Result<Vec<u8>, StoreError> {
    let bytes = packs.get(&pack).ok_or(StoreError::Missing)?;
    let range = range.map_or(0..bytes.len(), |range| range.start as usize..range.end as usize);
    Ok(bytes.get(range).unwrap_or_default().to_vec())
}

/// A point that was, as a store in which it is the newest.
pub(crate) struct Past {
    pub(crate) server: Arc<Server>,
    pub(crate) head: NewHead,
}

impl Store for Past {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        Ok(Some(stored(&self.head)))
    }

    fn head(&self, _: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn points(&self, _: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        Ok(Vec::new())
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        self.server.with(|state| part(&state.every_pack, pack, range))
    }

    fn put(&self, _: Digest, _: &[u8]) -> Result<(), StoreError> {
        Err(offline())
    }

    fn lets_go(&self) -> bool {
        false
    }

    fn publish(&self, _: &NewHead) -> Result<(), StoreError> {
        Err(offline())
    }
}
