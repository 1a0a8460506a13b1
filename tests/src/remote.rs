//! A server for replicas in memory, as `docs/sync-protocol.md` wants one, that can fail, forget answers and be put back.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use gobag_protocol::{
    ids::ObjectId,
    points::{BookmarkKind, MadePoint, NewPoint, Part},
};
use gobag_replica::{Archive, Remote, RemoteError, StoredPoint};

use crate::rng::Rng;

/// See the module's documentation.
pub struct MemoryRemote(Mutex<Kept>);

/// Everything a server keeps.
#[derive(Clone)]
pub struct Kept {
    objects: HashMap<ObjectId, Vec<u8>>,
    points: Vec<NewPoint>,
    pruned: HashSet<u64>,
    /// Bytes of objects that were handed over.
    pub received_bytes: u64,
    faults: Option<(Rng, u64)>,
}

/// Answers that get lost, on the way there or back.
#[derive(PartialEq)]
enum Fault {
    None,
    Asking,
    Answering,
}

impl Default for MemoryRemote {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRemote {
    /// One that has nothing yet.
    pub fn new() -> Self {
        Self(Mutex::new(Kept {
            objects: HashMap::new(),
            points: Vec::new(),
            pruned: HashSet::new(),
            received_bytes: 0,
            faults: None,
        }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on so many requests in a thousand fail.
    pub fn set_faults(&self, seed: u64, per_mille: u64) {
        self.kept().faults = Some((Rng::new(seed), per_mille));
    }

    /// A backup of everything.
    pub fn back_up(&self) -> Kept {
        self.kept().clone()
    }

    /// Puts a backup back.
    pub fn put_back(&self, kept: Kept) {
        *self.kept() = kept;
    }

    /// Bytes of objects handed over so far.
    pub fn received_bytes(&self) -> u64 {
        self.kept().received_bytes
    }

    /// The points, oldest first: generation, whether complete.
    pub fn points(&self) -> Vec<(u64, bool)> {
        let kept = self.kept();
        let points = kept
            .points
            .iter()
            .filter(|point| !kept.pruned.contains(&point.generation));
        points.map(|point| (point.generation, point.complete)).collect()
    }

    /// Kinds of the points' bookmarks, oldest first.
    pub fn bookmarks(&self) -> Vec<BookmarkKind> {
        let kept = self.kept();
        let bookmarks = kept.points.iter().flat_map(|point| point.bookmarks.iter());
        bookmarks.map(|bookmark| bookmark.kind).collect()
    }

    /// Forgets all points but these, and all objects that none of these needs.
    pub fn prune(&self, keep: &[u64]) {
        let kept = &mut *self.kept();
        let mut needed: HashSet<ObjectId> = HashSet::new();
        let mut live: HashSet<ObjectId> = HashSet::new();
        for point in &kept.points {
            live.extend(point.adds.iter());
            point.drops.iter().for_each(|id| {
                live.remove(id);
            });
            if keep.contains(&point.generation) {
                needed.extend(&live);
            } else {
                kept.pruned.insert(point.generation);
            }
        }
        kept.objects.retain(|id, _| needed.contains(id));
    }

    /// Loses all objects, and no point.
    pub fn lose_objects(&self) {
        self.kept().objects.clear();
    }

    /// Loses the shortest object of at least so many bytes; whether there was one.
    pub fn lose_one_of(&self, least_len: usize) -> bool {
        let kept = &mut *self.kept();
        let long = kept
            .objects
            .iter()
            .filter(|(_, sealed)| sealed.len() >= least_len)
            .min_by_key(|(_, sealed)| sealed.len());
        let lost = long.map(|(id, _)| *id);
        lost.is_some_and(|id| kept.objects.remove(&id).is_some())
    }

    /// Loses this object; whether it was there.
    pub fn lose(&self, id: ObjectId) -> bool {
        self.kept().objects.remove(&id).is_some()
    }

    /// Objects that the newest point needs.
    pub fn live_objects(&self) -> usize {
        self.kept().live().len()
    }

    fn fault(&self) -> Fault {
        let Some((rng, per_mille)) = &mut self.kept().faults else {
            return Fault::None;
        };
        match (rng.below(1000) < *per_mille, rng.chance(50)) {
            (false, _) => Fault::None,
            (true, true) => Fault::Asking,
            (true, false) => Fault::Answering,
        }
    }

    /// Carries out a request, unless it or its answer gets lost.
    fn answer<T>(&self, request: impl FnOnce(&mut Kept) -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        let fault = self.fault();
        if fault == Fault::Asking {
            return Err(lost());
        }
        let answer = request(&mut self.kept());
        match fault {
            Fault::Answering => Err(lost()),
            _ => answer,
        }
    }
}

impl Kept {
    fn live(&self) -> HashSet<ObjectId> {
        let mut live = HashSet::new();
        for point in &self.points {
            live.extend(point.adds.iter().copied());
            point.drops.iter().for_each(|id| {
                live.remove(id);
            });
        }
        live
    }

    fn stored(&self, nth: usize) -> Option<StoredPoint> {
        let point = self.points.get(nth)?;
        (!self.pruned.contains(&point.generation)).then(|| StoredPoint {
            generation: point.generation,
            time_s: point.generation * 60,
            head: point.head.as_slice().to_vec(),
        })
    }

    fn publish(&mut self, new: &NewPoint) -> Result<MadePoint, RemoteError> {
        let made = |generation| MadePoint {
            generation,
            time_s: generation * 60,
        };
        if let Some(before) = self.points.iter().find(|point| point.request == new.request) {
            assert_eq!(before, new, "one request, two contents");
            return Ok(made(before.generation));
        }
        if new.generation != self.points.len() as u64 + 1 {
            return Err(RemoteError::OtherGeneration);
        }
        if new.after != self.points.last().map(|point| point.request) {
            return Err(RemoteError::OtherGeneration);
        }
        let live = self.live();
        if let Some(id) = new.adds.iter().find(|id| !self.objects.contains_key(id)) {
            return Err(RemoteError::Missing { what: id.to_string() });
        }
        // What these two say would be a mistake of the sender.
        assert!(new.adds.iter().all(|id| !live.contains(id)), "added again");
        assert!(
            new.drops.iter().all(|id| live.contains(id)),
            "dropped, and never there"
        );
        // No point of these tests has parts.
        let counts = (Some(new.adds.len() as u64), Some(new.drops.len() as u64));
        assert_eq!((new.all_adds, new.all_drops), counts);
        self.points.push(new.clone());
        Ok(made(new.generation))
    }
}

impl Archive for MemoryRemote {
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError> {
        self.answer(|kept| Ok(kept.points.len().checked_sub(1).and_then(|nth| kept.stored(nth))))
    }

    fn point(&self, generation: u64) -> Result<Option<StoredPoint>, RemoteError> {
        self.answer(|kept| {
            Ok(generation
                .checked_sub(1)
                .and_then(|nth| kept.stored(nth as usize)))
        })
    }

    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError> {
        self.answer(|kept| {
            kept.objects
                .get(&id)
                .cloned()
                .ok_or_else(|| RemoteError::Missing { what: id.to_string() })
        })
    }
}

impl Remote for MemoryRemote {
    fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), RemoteError> {
        self.answer(|kept| {
            assert_eq!(ObjectId::of(sealed), id);
            kept.received_bytes += sealed.len() as u64;
            kept.objects.insert(id, sealed.to_vec());
            Ok(())
        })
    }

    fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        self.answer(|kept| {
            let missing = ids.iter().filter(|id| !kept.objects.contains_key(id));
            Ok(missing.copied().collect())
        })
    }

    fn part(&self, _part: &Part) -> Result<(), RemoteError> {
        unimplemented!("no stick of these tests has so many objects")
    }

    fn publish(&self, point: &NewPoint) -> Result<MadePoint, RemoteError> {
        self.answer(|kept| kept.publish(point))
    }
}

fn lost() -> RemoteError {
    RemoteError::Offline("the network was cut".into())
}
