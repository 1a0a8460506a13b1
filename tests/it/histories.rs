//! Random histories of a store on a medium that fails: invariants I1 to I7 of the log.
//!
//! One seed is one stick with several lives: open, work, be cut, unplugged, killed or closed, and again. After
//! each the content must be that of a single moment: on an honest medium at or after the last confirmed one; on
//! one that lies or was damaged any earlier one, or an error for single blocks, never wrong bytes.

use std::sync::Arc;

use crate::worn;
use gobag_bundle::{
    Volume as _, VolumeError,
    store::{StoreError, StoreMode},
};
use gobag_format::limits::BLOCK_LEN;
use gobag_tests::{
    model::{Model, Op, Seen},
    rig::{Rig, Session, geometry, is_damage, source},
    rng::Rng,
    sim::{Damage, Faults, SimMedium},
    sweep::sweep,
    work,
};

#[test]
fn honest_media_lose_nothing_confirmed() {
    sweep(1500, |seed| History::new(seed, World::Honest).run()).had_cuts(5000);
}

#[test]
fn failing_media_lose_nothing_confirmed() {
    sweep(1000, |seed| History::new(seed, World::Failing).run()).had_cuts(3500);
}

/// Found long after the others: a look between a failed flush and a crash.
#[test]
fn seeds_that_once_failed() {
    History::new(2138, World::Failing).run();
}

#[test]
fn lying_media_show_an_earlier_moment() {
    sweep(700, |seed| History::new(seed, World::Lying).run()).had_cuts(1500);
}

#[test]
fn damaged_media_show_an_earlier_moment_or_an_error() {
    sweep(700, |seed| History::new(seed, World::Damaged).run()).had_cuts(1500);
}

#[test]
fn media_that_flip_bits_never_show_wrong_bytes() {
    sweep(300, |seed| History::new(seed, World::Flipping).run());
}

const WORLDS: [World; 5] = [
    World::Honest,
    World::Failing,
    World::Lying,
    World::Damaged,
    World::Flipping,
];

/// All worlds in turn, and a worn store, for as long as it is asked to.
#[test]
#[ignore = "the long run: `cargo xtask crash`"]
fn long_run() {
    let tally = worn::Tally::default();
    sweep(1000, |seed| {
        match WORLDS.get(seed as usize % (WORLDS.len() + 1)) {
            Some(world) => History::new(seed, *world).run(),
            None => worn::cut_everywhere(seed, &tally),
        }
    });
}

/// What the medium does beyond losing its cache in a crash.
#[derive(Clone, Copy, PartialEq)]
enum World {
    /// Nothing.
    Honest,
    /// Single writes and flushes fail; the device goes and comes back.
    Failing,
    /// Flushes do nothing, always or from some moment on.
    Lying,
    /// A cut damages what lies around the interrupted write.
    Damaged,
    /// Reads return flipped bits.
    Flipping,
}

struct History {
    world: World,
    rig: Rig,
    medium: Arc<SimMedium>,
    model: Model,
    rng: Rng,
    neighbourhood: u64,
}

/// How a life ended.
#[derive(PartialEq)]
enum End {
    Cut,
    Rest,
    Closed,
    /// Nothing more can be learned from this stick.
    Over,
}

impl History {
    fn new(seed: u64, world: World) -> Self {
        let mut rng = Rng::new(seed ^ 0x6f62_6167);
        let neighbourhood = [64 << 10, 512 << 10][rng.below(2) as usize];
        // An aligned neighbourhood touches at most two of three areas that are longer, and often it is two.
        let area_kib = if world == World::Damaged {
            (neighbourhood >> 10) + 32
        } else {
            96
        };
        let (geometry, over_base, bare) = match rng.below(4) {
            0 => (geometry(12, 128, area_kib, 60), 50, 45),
            1 => (geometry(16, 128, area_kib, 90), 60, 80),
            2 => (geometry(12, 256, area_kib, 200), 150, 120),
            _ => (geometry(32, 128, area_kib, 250), 300, 150),
        };
        let (rig, medium) = Rig::new(rng.next(), geometry, over_base << 12, (bare << 12) + 1000);
        Self {
            world,
            model: rig.model(),
            rig,
            medium,
            rng,
            neighbourhood,
        }
    }

    fn honest(&self) -> bool {
        matches!(self.world, World::Honest | World::Failing)
    }

    fn run(&mut self) {
        for _ in 0..self.rng.within(2..=6) {
            let (end, session) = match self.open() {
                Some(session) => (self.live(&session), Some(session)),
                None => (End::Cut, None),
            };
            drop(session);
            match end {
                End::Over => return,
                // A killed program leaves the cache as it is.
                End::Rest | End::Closed if self.rng.chance(40) => self.medium.next_session(),
                _ => self.crash(),
            }
        }
    }

    fn crash(&mut self) {
        let damaged = self.world == World::Damaged && self.rng.chance(60);
        let damage = Damage {
            neighbourhood: damaged.then_some(self.neighbourhood),
        };
        self.medium = Arc::new(self.medium.crash(&mut self.rng, damage));
    }

    /// What goes wrong in the life to come.
    fn draw_faults(&mut self, cut_within: u64) {
        let now = self.medium.operations();
        let mut faults = Faults::default();
        if self.rng.chance(75) {
            faults.cut_at = Some(now + self.rng.below(cut_within));
        }
        match self.world {
            World::Honest | World::Damaged => {}
            World::Failing => {
                faults.flush_forgets = self.rng.chance(50);
                faults.fail_once = (0..self.rng.below(12))
                    .map(|_| now + self.rng.below(150))
                    .collect();
            }
            World::Lying => {
                faults.lies_from = Some(now + [0, self.rng.below(100)][self.rng.below(2) as usize])
            }
            World::Flipping => faults.flips = [2, 20][self.rng.below(2) as usize],
        }
        self.medium.set_faults(faults);
    }

    /// Opens the store and checks what it holds; `None` when a cut came first.
    fn open(&mut self) -> Option<Session> {
        let mut before = self.rng.chance(20).then(|| self.look_only()).flatten();
        // A look may see what a failed flush left in the cache, and the next crash or failed flush takes it away.
        let settled = self.world != World::Failing || self.medium.is_settled();
        if self.rng.chance(15) {
            self.throw_away();
        }
        if self.rng.chance(30) {
            // The cut may hit the checkpoint that opening writes.
            self.draw_faults(8);
            let opened = self.try_open(StoreMode::Keep);
            if opened.is_none() || self.medium.is_gone() || self.rng.chance(50) {
                self.crash();
            } else {
                self.medium.next_session();
            }
        }
        if !self.honest() {
            // On these a crash meanwhile may have changed what is there.
            before = self.rng.chance(20).then(|| self.look_only()).flatten();
        }
        let session = self.try_open(StoreMode::Keep)?;
        let seen = session.look();
        if let Some(before) = before {
            let same = before == seen;
            assert!(
                same || !settled || self.world == World::Flipping,
                "I7: opening again shows something else"
            );
        }
        self.settle(&seen)?;
        Some(session)
    }

    /// Finds the moment that was recovered and goes on from there.
    fn settle(&mut self, seen: &[Seen]) -> Option<()> {
        let from = if self.honest() { self.model.floor() } else { 0 };
        let Some(point) = self.model.locate(seen, from) else {
            match self.model.locate(seen, 0) {
                Some(earlier) => panic!("I2: only point {earlier} is there, {from} was confirmed"),
                None => panic!("I1: a mixture was recovered"),
            }
        };
        let damaged = seen.iter().any(|seen| seen.hashes.contains(&None));
        assert!(
            !damaged || !self.honest(),
            "I4: a block is damaged on an honest medium"
        );
        if damaged {
            return None;
        }
        self.model.go_back(point, seen);
        if self.honest() {
            self.model.forget_history();
        }
        Some(())
    }

    /// Opens as far as this world allows.
    fn try_open(&mut self, mode: StoreMode) -> Option<Session> {
        for _ in 0..20 {
            match self.rig.open(&self.medium, mode, false) {
                Ok(session) => return Some(session),
                Err(StoreError::Medium { .. }) if self.medium.is_gone() => return None,
                Err(StoreError::Medium { .. }) if self.world == World::Failing => self.medium.next_session(),
                Err(StoreError::EarlierState { .. }) if !self.honest() => {
                    match self.rig.open(&self.medium, mode, true) {
                        Ok(session) => return Some(session),
                        Err(_) if self.medium.is_gone() || self.world == World::Flipping => return None,
                        Err(error) => panic!("an earlier state cannot be opened: {error}"),
                    }
                }
                Err(StoreError::NoCheckpoint { .. })
                    if matches!(self.world, World::Lying | World::Flipping) =>
                {
                    return None;
                }
                Err(_) if self.world == World::Flipping => return None,
                Err(error) => panic!("open: {error}: {}", source(&error)),
            }
        }
        panic!("opening does not succeed")
    }

    /// What a look without writing shows.
    fn look_only(&mut self) -> Option<Vec<Seen>> {
        let before = self.medium.operations();
        let session = self.try_open(StoreMode::ReadOnly)?;
        let seen = session.look();
        let refused = session.volumes[0].write_at(0, &[1]);
        assert!(matches!(refused, Err(VolumeError::ReadOnly)));
        let _ = session.store.close();
        assert_eq!(self.medium.operations(), before, "a read-only store wrote");
        Some(seen)
    }

    /// A session of which nothing may stay.
    fn throw_away(&mut self) {
        let mut faults = Faults::default();
        if self.rng.chance(50) {
            faults.cut_at = Some(self.medium.operations() + self.rng.below(30));
        }
        self.medium.set_faults(faults);
        if let Some(session) = self.try_open(StoreMode::Throwaway) {
            let sizes: Vec<u64> = self.rig.volumes.iter().map(|volume| volume.size_bytes).collect();
            for _ in 0..self.rng.below(40) {
                let op = work::draw(&mut self.rng, &sizes);
                let _ = session.run(&op);
            }
            let _ = session.store.close();
        }
        if self.rng.chance(50) {
            self.medium = Arc::new(self.medium.crash(&mut self.rng, Damage::default()));
        } else {
            self.medium.next_session();
        }
    }

    fn live(&mut self, session: &Session) -> End {
        self.draw_faults(250);
        let sizes: Vec<u64> = self.rig.volumes.iter().map(|volume| volume.size_bytes).collect();
        for _ in 0..self.rng.below(120) {
            if self.rng.chance(12) && !self.check_read(session) {
                return End::Over;
            }
            if self.world == World::Failing && self.rng.chance(3) {
                self.medium.unplug(&mut self.rng);
            }
            let op = work::draw(&mut self.rng, &sizes);
            if let Some(end) = self.act(session, &op) {
                return end;
            }
        }
        if self.rng.chance(60) {
            return End::Rest;
        }
        match session.store.close() {
            Ok(()) => {
                self.model.confirm(self.model.newest());
                End::Closed
            }
            Err(_) if self.medium.is_gone() || self.world != World::Honest => End::Cut,
            Err(error) => panic!("close: {error}"),
        }
    }

    /// One operation, made again until it works, unless the medium was cut.
    fn act(&mut self, session: &Session, op: &Op) -> Option<End> {
        let before = self.model.newest();
        self.model.apply(op);
        let newest = self.model.newest();
        for _ in 0..40 {
            match session.run(op) {
                Ok(()) => {
                    if matches!(op, Op::Flush | Op::Reset { .. }) {
                        self.model.confirm(newest);
                    }
                    return None;
                }
                Err(VolumeError::Full) => {
                    self.medium.set_gone(false);
                    let seen = session.look();
                    if seen.iter().any(|seen| seen.hashes.contains(&None)) {
                        assert!(self.world == World::Flipping, "I4: a block is damaged");
                        return Some(End::Over);
                    }
                    let Some(point) = self.model.locate(&seen, before) else {
                        panic!("a refused operation left a mixture");
                    };
                    self.model.go_back(point, &seen);
                    return None;
                }
                Err(VolumeError::Medium(_)) if self.medium.is_gone() => {
                    if self.world != World::Failing || self.rng.chance(30) {
                        return Some(End::Cut);
                    }
                    self.medium.set_gone(false);
                    if let Err(error) = session.store.resume() {
                        panic!("the same medium is not recognised: {error}");
                    }
                }
                Err(VolumeError::Medium(_)) if self.world == World::Failing => {}
                Err(_) if self.world == World::Flipping => return Some(End::Over),
                Err(error) => panic!("{error}: {}", source(&error)),
            }
        }
        panic!("an operation does not succeed")
    }

    fn check_read(&mut self, session: &Session) -> bool {
        let volume = self.rng.below(2) as usize;
        let size = self.rig.volumes[volume].size_bytes;
        let offset = self.rng.below(size);
        let len = self.rng.within(1..=(size - offset).min(5 * BLOCK_LEN as u64)) as usize;
        let mut bytes = vec![0; len];
        match session.volumes[volume].read_at(offset, &mut bytes) {
            Ok(()) => {
                let want = &self.model.content(volume)[offset as usize..offset as usize + len];
                assert!(
                    bytes == want,
                    "a read of {len} at {offset} of volume {volume} shows wrong bytes"
                );
                true
            }
            Err(_) if self.medium.is_gone() => true,
            Err(error) if is_damage(&error) && self.world == World::Flipping => false,
            Err(error) => panic!("read: {error}: {}", source(&error)),
        }
    }
}
