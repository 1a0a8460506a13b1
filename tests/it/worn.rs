//! A store in daily wear, cut at *every* write of one act: while it cleans, writes checkpoints, trims, goes back to the
//! base, closes, opens.
//!
//! Random cuts meet these by luck; here they are sought out. A store is worked until segments are emptied all the time.
//! Then an act is carried out once uncut, to learn how many writes it makes, and again on a copy for each of them, cut
//! there. What each cut interrupted is counted, so that this test cannot quietly stop seeing what it is about.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use gobag_bundle::{
    VolumeError,
    medium::FileRef,
    store::{StoreError, StoreMode},
};
use gobag_format::ids::VolumeId;
use gobag_tests::{
    model::{Model, Op},
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Damage, Fate, Faults, SimMedium},
    sweep::sweep,
    work,
};

const SIZES: [u64; 2] = [50 << 12, 45 << 12];
/// Cuts of one act are at most so many; a longer one is cut at places drawn from all of it.
const MOST_CUTS: u64 = 40;

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Opening, which replays and may write a checkpoint.
    Open,
    /// A few blocks and a flush.
    Write,
    /// So much that segments have to be emptied.
    Burst,
    Trim,
    Reset,
    Close,
    /// Beginning to note what a replica has not got, which is a checkpoint.
    Track,
}

const ACTS: [Act; 7] = [
    Act::Open,
    Act::Write,
    Act::Burst,
    Act::Trim,
    Act::Reset,
    Act::Close,
    Act::Track,
];

/// What the medium was being used for when it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum During {
    Checkpoint,
    /// After blocks were read out of segments to be emptied, before anything else.
    Cleaning,
    Log,
}

pub(crate) type Tally = Mutex<BTreeMap<(Act, During), u64>>;

struct Worn {
    rig: Rig,
    medium: Arc<SimMedium>,
    model: Model,
}

impl Worn {
    /// A store after a few hundred operations, left without being closed.
    fn new(seed: u64) -> Self {
        let (rig, medium) = Rig::new(seed, geometry(12, 128, 96, 60), SIZES[0], SIZES[1]);
        let mut worn = Self {
            model: rig.model(),
            rig,
            medium,
        };
        let mut rng = Rng::new(seed);
        let session = worn.rig.open_sound(&worn.medium);
        for _ in 0..150 {
            let op = work::draw(&mut rng, &SIZES);
            worn.run_all(&session, &[op, Op::Flush])
                .unwrap_or_else(|error| panic!("{error}"));
        }
        worn.model.forget_history();
        worn
    }

    fn copy(&self) -> Self {
        let medium = Arc::new(self.medium.copy());
        medium.next_session();
        Self {
            rig: self.rig.clone(),
            medium,
            model: self.model.clone(),
        }
    }

    /// Carries out operations; one that is refused as full did nothing, or a part.
    fn run_all(&mut self, session: &Session, ops: &[Op]) -> Result<(), VolumeError> {
        for op in ops {
            let before = self.model.newest();
            self.model.apply(op);
            match session.run(op) {
                Ok(()) => {
                    if matches!(op, Op::Flush | Op::Reset { .. }) {
                        self.model.confirm(self.model.newest());
                    }
                }
                Err(VolumeError::Full) => {
                    let seen = session.look();
                    let point = self
                        .model
                        .locate(&seen, before)
                        .expect("a refused write leaves a moment");
                    self.model.go_back(point, &seen);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn open(&self) -> Option<Session> {
        match self.rig.open(&self.medium, StoreMode::Keep, false) {
            Ok(session) => Some(session),
            Err(StoreError::Medium { .. }) if self.medium.is_gone() => None,
            Err(error) => panic!("open: {error}"),
        }
    }

    /// Carries out `act`, cut at its `cut`-th write or flush; returns how many it made.
    fn act(&mut self, act: Act, seed: u64, cut: Option<u64>) -> u64 {
        let mut rng = Rng::new(seed);
        let arm = |medium: &SimMedium| {
            medium.take_read();
            let now = medium.operations();
            medium.set_faults(Faults {
                cut_at: cut.map(|cut| now + cut),
                ..Faults::default()
            });
            now
        };
        let mut first = arm(&self.medium);
        if act != Act::Open {
            self.medium.set_faults(Faults::default());
        }
        let Some(session) = self.open() else { return 0 };
        if act != Act::Open {
            first = arm(&self.medium);
        }
        let mut write = |blocks: u64| {
            let volume = rng.below(2) as usize;
            let offset = rng.below(SIZES[volume] / 4096 - blocks) << 12;
            let data = work::draw_data(&mut rng, (blocks << 12) as usize);
            Op::Write { volume, offset, data }
        };
        let done = match act {
            Act::Open => Ok(()),
            Act::Write => self.run_all(&session, &[write(3), Op::Flush]),
            Act::Burst => {
                let ops: Vec<Op> = (0..6).flat_map(|_| [write(8), Op::Flush]).collect();
                self.run_all(&session, &ops)
            }
            Act::Trim => {
                let trim = |volume, offset, len| Op::Trim { volume, offset, len };
                self.run_all(
                    &session,
                    &[trim(0, 5 << 12, 9 << 12), trim(1, 100, 30_000), Op::Flush],
                )
            }
            Act::Reset => self.run_all(&session, &[write(2), Op::Reset { volume: 0 }]),
            Act::Close => {
                let written = self.run_all(&session, &[write(2)]);
                let closed = session.store.close();
                if closed.is_ok() {
                    self.model.confirm(self.model.newest());
                }
                written.and(closed.map_err(VolumeError::from))
            }
            Act::Track => session.store.track(0, VolumeId(2)).map_err(VolumeError::from),
        };
        match done {
            Ok(()) => {}
            Err(VolumeError::Medium(_)) if self.medium.is_gone() => {}
            Err(error) => panic!("{act:?}: {error}"),
        }
        self.medium.operations() - first
    }

    /// What the cut interrupted; `None` if the act was over before.
    fn during(&self) -> Option<During> {
        Some(match self.medium.cut_in()? {
            FileRef::Checkpoint(_) => During::Checkpoint,
            _ if self
                .medium
                .take_read()
                .iter()
                .any(|file| matches!(file, FileRef::Segment(_))) =>
            {
                During::Cleaning
            }
            _ => During::Log,
        })
    }

    /// Reboots by the luck of `fates` and expects a moment no earlier than the last confirmed one, twice.
    fn check(&self, medium: SimMedium, place: &str) {
        let medium = Arc::new(medium);
        let seen = self.rig.open_sound(&medium).look();
        assert!(
            seen.iter().all(|seen| !seen.hashes.contains(&None)),
            "{place}: a block is damaged"
        );
        let found = self.model.locate(&seen, 0);
        assert!(
            found >= Some(self.model.floor()),
            "{place}: found {found:?}, confirmed {}",
            self.model.floor()
        );
        medium.next_session();
        let again = self.rig.open_sound(&Arc::new(medium.crash_with(&[]))).look();
        assert!(again == seen, "{place}: opening again shows something else");
    }
}

/// One worn store, each act cut at each of its writes.
pub(crate) fn cut_everywhere(seed: u64, tally: &Tally) {
    let worn = Worn::new(seed);
    let mut rng = Rng::new(seed ^ 0x776f_726e);
    for act in ACTS {
        let luck = rng.next();
        let writes = worn.copy().act(act, luck, None);
        let step = writes.div_ceil(MOST_CUTS).max(1);
        for cut in (rng.below(step)..writes).step_by(step as usize) {
            let mut cut_short = worn.copy();
            cut_short.act(act, luck, Some(cut));
            let place = format!("seed {seed}: {act:?} cut at {cut} of {writes}");
            if let Some(during) = cut_short.during() {
                *tally.lock().unwrap().entry((act, during)).or_default() += 1;
            }
            let unsynced = cut_short.medium.unsynced();
            for fate in [Fate::Lost, Fate::Kept] {
                cut_short.check(cut_short.medium.crash_with(&vec![fate; unsynced]), &place);
            }
            cut_short.check(cut_short.medium.crash(&mut rng, Damage::default()), &place);
        }
    }
}

#[test]
fn a_worn_store_is_cut_at_every_write_of_every_act() {
    let tally = Tally::default();
    sweep(50, |seed| cut_everywhere(seed, &tally)).had_cuts(10_000);
    let tally = tally.into_inner().unwrap();
    eprintln!("cut places by act and by what was being done: {tally:?}");
    let during = |wanted| {
        let counts = tally.iter().filter(|((_, during), _)| *during == wanted);
        counts.map(|(_, count)| count).sum::<u64>()
    };
    for wanted in [During::Checkpoint, During::Cleaning, During::Log] {
        assert!(
            !gobag_tests::ask::is_usual() || during(wanted) >= 500,
            "too few cuts during {wanted:?}: {tally:?}"
        );
    }
}

/// At 99 % full every write still finds room, and every medium error on the way costs nothing.
#[test]
fn cleaning_at_99_percent_full_never_wedges() {
    sweep(30, |seed| {
        let mut rng = Rng::new(seed);
        let quota = rng.within(100..=400);
        let (rig, mut medium) = Rig::new(seed, geometry(24, 128, 96, quota), 4096, quota << 12);
        // 99 of 100 blocks are in use, once and for all; what follows overwrites them.
        let used = quota * 99 / 100;
        let mut worn = Worn {
            model: rig.model(),
            rig,
            medium: medium.clone(),
        };
        for life in 0..4 {
            let session = worn.open().expect("nothing is cut while opening");
            let cut = medium.operations() + rng.within(50..=600);
            medium.set_faults(Faults {
                cut_at: (life < 3).then_some(cut),
                fail_once: (0..rng.below(6))
                    .map(|_| medium.operations() + rng.below(400))
                    .collect(),
                ..Faults::default()
            });
            for round in 0..400 {
                let blocks = rng.within(1..=3);
                let op = Op::Write {
                    volume: 1,
                    offset: rng.below(used - blocks) << 12,
                    data: work::draw_data(&mut rng, (blocks << 12) as usize),
                };
                worn.model.apply(&op);
                for op in [op, Op::Flush] {
                    if !insist(
                        &session,
                        &op,
                        &medium,
                        &format!("seed {seed} life {life} round {round}"),
                    ) {
                        break;
                    }
                    if matches!(op, Op::Flush) {
                        worn.model.confirm(worn.model.newest());
                    }
                }
                if medium.is_gone() {
                    break;
                }
            }
            drop(session);
            medium = Arc::new(medium.crash(&mut rng, Damage::default()));
            let seen = worn.rig.open_sound(&medium).look();
            let point = worn
                .model
                .locate(&seen, worn.model.floor())
                .expect("a moment not before the last confirmed");
            worn.model.go_back(point, &seen);
            worn.model.forget_history();
            medium.next_session();
            worn.medium = medium.clone();
        }
    });
}

/// Makes an operation again until it works; false when the medium was cut. "Full" or no end is a failure.
fn insist(session: &Session, op: &Op, medium: &SimMedium, place: &str) -> bool {
    for _ in 0..20 {
        match session.run(op) {
            Ok(()) => return true,
            Err(VolumeError::Medium(_)) if medium.is_gone() => return false,
            Err(VolumeError::Medium(_)) => {}
            Err(error) => panic!("{place}: {error}"),
        }
    }
    panic!("{place}: does not succeed")
}
