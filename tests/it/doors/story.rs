//! Random operations through a door, on a store on a simulated stick, against plain buffers.
//!
//! One seed is one stick with several lives. A life ends in good order, with the program killed (nothing more is
//! written, the system's cache stays), or with the power cut, now or in the middle of some operation to come (what no
//! flush covered arrives in part, as it likes). After each the volumes must hold exactly one moment of their past, at or
//! after the last one that the door confirmed; after an end in good order, the last.

use std::sync::Arc;

use gobag_bundle::Volume;
use gobag_mount::Export;
use gobag_tests::{
    model::{Model, Op},
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Damage, Faults, SimMedium},
    sweep::sweep,
    work::draw_data,
};

use super::{Client, Kind};

/// 20 × 5,000 operations, at each door.
const SEEDS: u64 = 20;
const OPERATIONS: u64 = 5_000;
/// Operations in the longest life.
const LIFE: u64 = 700;
/// Writes under way at once.
const TOGETHER: u64 = 6;

const NAMES: [&str; 2] = ["system.img", "home.img"];
const BLOCK: u64 = 4096;

#[test]
fn files_read_as_a_plain_buffer_also_after_crashes() {
    play(Kind::Files);
}

#[test]
fn a_block_socket_reads_as_a_plain_buffer_also_after_crashes() {
    play(Kind::Socket);
}

#[test]
fn a_loopback_door_reads_as_a_plain_buffer_also_after_crashes() {
    if Kind::Loopback.is_here() {
        // The same code behind another socket: a fourth is enough.
        sweep(SEEDS / 4, |seed| Story::new(Kind::Loopback, seed).play());
    }
}

fn play(kind: Kind) {
    if kind.is_here() {
        sweep(SEEDS, |seed| Story::new(kind, seed).play());
    }
}

struct Story {
    kind: Kind,
    rig: Rig,
    medium: Arc<SimMedium>,
    model: Model,
    sizes: Vec<u64>,
    rng: Rng,
    /// Whether the power may be cut at any operation of this life.
    is_endangered: bool,
}

impl Story {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6e62_6400);
        let (over_base, bare) = (220, 120);
        // Room for everything: this is about doors, not about full sticks.
        let geometry = geometry(64, 128, 96, 400);
        let (rig, medium) = Rig::new(rng.next(), geometry, over_base << 12, (bare << 12) + 1000);
        Self {
            kind,
            model: rig.model(),
            sizes: rig.volumes.iter().map(|volume| volume.size_bytes).collect(),
            rig,
            medium,
            rng,
            is_endangered: false,
        }
    }

    fn play(&mut self) {
        let (mut left, mut from) = (OPERATIONS, 0);
        while left > 0 {
            let session = self.rig.open_sound(&self.medium);
            self.check(&session, from);
            let len = self.rng.within(1..=LIFE).min(left);
            left -= len;
            from = self.live(session, len);
        }
        let session = self.rig.open_sound(&self.medium);
        self.check(&session, from);
    }

    /// What is there must be a moment of the past, not before point `from`.
    fn check(&mut self, session: &Session, from: usize) {
        let seen = session.look();
        let Some(point) = self.model.locate(&seen, from) else {
            match self.model.locate(&seen, 0) {
                Some(earlier) => panic!("{:?}: only point {earlier} of {from} is there", self.kind),
                None => panic!("{:?}: a mixture was recovered", self.kind),
            }
        };
        self.model.go_back(point, &seen);
        self.model.forget_history();
    }

    /// A life of `len` operations; the first point at which the next may begin.
    fn live(&mut self, session: Session, len: u64) -> usize {
        let Session { store, volumes } = session;
        let exports = NAMES.iter().zip(volumes).map(|(name, volume)| {
            let volume: Arc<dyn Volume> = Arc::new(volume);
            Export::volume(*name, volume)
        });
        let mut door = self.kind.open(exports.collect());
        let mut client = door.client(&NAMES);
        let end = self.rng.below(3);
        self.is_endangered = end == 0;
        if self.is_endangered {
            let now = self.medium.operations();
            let faults = Faults {
                cut_at: Some(now + self.rng.below(len / 2 + 1)),
                ..Faults::default()
            };
            self.medium.set_faults(faults);
        }
        for _ in 0..len {
            if !self.act(&mut *client) {
                assert!(self.medium.is_gone(), "{:?}: an error out of nothing", self.kind);
                break;
            }
        }
        if end == 1 {
            drop(client);
            door.close();
            drop(door);
            store.close().unwrap();
            self.medium.next_session();
            return self.model.newest();
        }
        let next = match end {
            0 => self.medium.crash(&mut self.rng, Damage::default()),
            _ if self.rng.chance(50) => self.medium.crash(&mut self.rng, Damage::default()),
            _ => self.medium.copy(),
        };
        // From here on the old life reaches nothing any more, however long its threads take to end.
        self.medium.set_gone(true);
        drop((client, door, store));
        next.next_session();
        self.medium = Arc::new(next);
        self.model.floor()
    }

    /// One operation; whether the door did it.
    fn act(&mut self, client: &mut dyn Client) -> bool {
        let volume = self.rng.below(2) as usize;
        let (offset, len) = self.range(volume);
        match self.rng.below(100) {
            0..40 => {
                let data = draw_data(&mut self.rng, len);
                let done = client.write(volume, offset, &data);
                self.apply(Op::Write { volume, offset, data }, done.is_ok(), false)
            }
            40..72 => {
                let mut data = vec![0xaa; len];
                let done = client.read(volume, offset, &mut data);
                let wanted = &self.model.content(volume)[offset as usize..][..len];
                assert!(
                    done.is_err() || data == wanted,
                    "{:?}: {len} bytes at {offset} of volume {volume} read wrong",
                    self.kind
                );
                done.is_ok()
            }
            72..80 => {
                let trim = self.rng.chance(50);
                let len = len as u64;
                let done = client.clear(volume, offset, len, trim);
                self.apply(Op::Trim { volume, offset, len }, done.is_ok(), false)
            }
            80..92 => {
                let done = client.flush(volume);
                self.apply(Op::Flush, done.is_ok(), true)
            }
            92..97 => {
                let data = draw_data(&mut self.rng, len);
                let done = client.write_durably(volume, offset, &data);
                self.apply(Op::Write { volume, offset, data }, done.is_ok(), true)
            }
            _ if self.is_endangered => {
                let done = client.flush(volume);
                self.apply(Op::Flush, done.is_ok(), true)
            }
            _ => self.write_together(client, volume),
        }
    }

    fn apply(&mut self, op: Op, is_done: bool, is_durable: bool) -> bool {
        self.model.apply(&op);
        if is_done && is_durable {
            self.model.confirm(self.model.newest());
        }
        is_done
    }

    /// Their order is the door's business, so what a crash among them leaves cannot be foretold: the medium must answer
    /// until they are flushed.
    fn write_together(&mut self, client: &mut dyn Client, volume: usize) -> bool {
        let part = self.sizes[volume] / TOGETHER;
        let writes: Vec<(u64, Vec<u8>)> = (0..TOGETHER)
            .map(|nth| {
                let offset = self.rng.below(part);
                let len = self.rng.within(1..=20_000).min(part - offset) as usize;
                (nth * part + offset, draw_data(&mut self.rng, len))
            })
            .collect();
        client.write_together(volume, &writes).unwrap();
        client.flush(volume).unwrap();
        for (offset, data) in writes {
            self.model.apply(&Op::Write { volume, offset, data });
        }
        self.model.confirm(self.model.newest());
        true
    }

    /// As guests choose them: mostly few whole blocks, sometimes odd, sometimes long.
    fn range(&mut self, volume: usize) -> (u64, usize) {
        let (rng, size) = (&mut self.rng, self.sizes[volume]);
        let (offset, len) = match rng.below(100) {
            0..40 => (rng.below(size / BLOCK) * BLOCK, BLOCK),
            40..70 => (rng.below(size), rng.within(1..=6000)),
            70..96 => (rng.below(size / BLOCK) * BLOCK, rng.within(1..=8) * BLOCK),
            _ => (rng.below(size), rng.within(1..=128 << 10)),
        };
        (offset, len.min(size - offset) as usize)
    }
}
