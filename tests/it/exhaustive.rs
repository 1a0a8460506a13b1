//! Every short workload, cut at every write and flush, with every subset of what was in the cache.
//!
//! Nearly all crash bugs need no more than three operations on a fresh log. Here all sequences of up to four run, on
//! an honest medium and on one whose flushes lie. Each is cut at each of its writes and flushes; on the lying medium at
//! those of its last operation only, for a cut before that is one of a shorter sequence, which runs too. After each cut
//! every combination of arrived and lost writes is tried while there are at most ten, else a selection, and each write
//! torn besides. The store must then show a single moment, on an honest medium not before the last confirmed one;
//! opening once more must show the same.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use gobag_bundle::{
    VolumeError,
    store::{StoreError, StoreMode},
};
use gobag_tests::{
    model::{Model, Op},
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Fate, Faults, SimMedium},
    sweep::each,
    work,
};

const KINDS: u64 = 6;
/// With more unsynced writes than this, subsets are drawn instead of listed.
const ALL_SUBSETS: usize = 10;
/// So many are drawn; every beginning, and all but any one write, are always among them.
const DRAWN: usize = 64;

/// One operation of a workload.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Overwrite,
    Unaligned,
    Trim,
    Flush,
    Reopen,
}

/// The `number`-th workload: all of one step come first, then all of two, and so on.
fn workload(mut number: u64) -> Vec<Step> {
    let mut len = 1;
    while number >= KINDS.pow(len) {
        number -= KINDS.pow(len);
        len += 1;
    }
    let digits = (0..len).map(|place| number / KINDS.pow(place) % KINDS);
    digits
        .map(|digit| match digit {
            0 => Step::Write,
            1 => Step::Overwrite,
            2 => Step::Unaligned,
            3 => Step::Trim,
            4 => Step::Flush,
            _ => Step::Reopen,
        })
        .collect()
}

fn workloads_up_to(len: u32) -> u64 {
    (1..=len).map(|len| KINDS.pow(len)).sum()
}

impl Step {
    fn op(self, rng: &mut Rng) -> Option<Op> {
        let mut write = |offset, len| {
            let data = work::draw_data(rng, len);
            Some(Op::Write {
                volume: 0,
                offset,
                data,
            })
        };
        match self {
            Self::Write => write(0, 4096),
            Self::Overwrite => write(0, 8192),
            Self::Unaligned => write(3000, 6000),
            Self::Trim => Some(Op::Trim {
                volume: 0,
                offset: 0,
                len: 4096,
            }),
            Self::Flush => Some(Op::Flush),
            Self::Reopen => None,
        }
    }
}

/// What was left when the workload ended or was cut.
struct Left {
    medium: Arc<SimMedium>,
    model: Model,
    finished: bool,
    /// Operations of the medium before the last step began.
    before_last: u64,
}

/// Runs the steps on a copy of `fresh`, cut at operation `cut` of the medium, flushes lying or not.
fn run(rig: &Rig, fresh: &SimMedium, steps: &[Step], cut: u64, lies: bool) -> Left {
    let medium = Arc::new(fresh.copy());
    let first = medium.operations();
    let faults = Faults {
        cut_at: first.checked_add(cut),
        lies_from: lies.then_some(first),
        ..Faults::default()
    };
    medium.set_faults(faults.clone());
    // The same data whatever the cut, so that the same operations come before it.
    let mut rng = Rng::new(steps.len() as u64);
    let mut left = Left {
        medium: medium.clone(),
        model: rig.model(),
        finished: false,
        before_last: 0,
    };
    let Some(mut session) = open(rig, &medium) else {
        return left;
    };
    for (nth, step) in steps.iter().enumerate() {
        if nth + 1 == steps.len() && nth > 0 {
            left.before_last = medium.operations() - first;
        }
        let Some(op) = step.op(&mut rng) else {
            let closed = session.store.close();
            drop(session);
            if closed.is_err() {
                assert!(medium.is_gone(), "close fails only when cut");
                return left;
            }
            left.model.confirm(left.model.newest());
            medium.next_session();
            medium.set_faults(faults.clone());
            match open(rig, &medium) {
                Some(next) => session = next,
                None => return left,
            }
            continue;
        };
        left.model.apply(&op);
        match session.run(&op) {
            Ok(()) if matches!(op, Op::Flush) => left.model.confirm(left.model.newest()),
            Ok(()) => {}
            Err(VolumeError::Medium(_)) if medium.is_gone() => return left,
            Err(error) => panic!("{steps:?}: {error}"),
        }
    }
    left.finished = true;
    left
}

fn open(rig: &Rig, medium: &Arc<SimMedium>) -> Option<Session> {
    match rig.open(medium, StoreMode::Keep, false) {
        Ok(session) => Some(session),
        Err(StoreError::Medium { .. }) if medium.is_gone() => None,
        Err(error) => panic!("open: {error}"),
    }
}

/// Every fate of `count` unsynced writes that is tried.
fn fates(count: usize, rng: &mut Rng) -> Vec<Vec<Fate>> {
    let pick = |bits: u64| {
        let fate = |nth| {
            if bits >> nth & 1 == 1 {
                Fate::Kept
            } else {
                Fate::Lost
            }
        };
        (0..count).map(fate).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = if count <= ALL_SUBSETS {
        (0..1 << count).map(pick).collect()
    } else {
        let drawn = (0..DRAWN).map(|_| pick(rng.next()));
        let beginnings = (0..=count).map(|end| pick((1 << end) - 1));
        let holes = (0..count).map(|hole| pick(!(1 << hole)));
        drawn.chain(beginnings).chain(holes).collect()
    };
    // Each write torn, the others there: of those before it half a batch is worth nothing.
    for torn in 0..count {
        let mut fates = pick(u64::MAX);
        fates[torn] = Fate::Torn(rng.next());
        all.push(fates.clone());
        fates[torn] = Fate::Garbage(rng.next());
        all.push(fates);
    }
    all
}

/// Reboots with these fates and checks what is there.
fn check(rig: &Rig, left: &Left, fates: &[Fate], lies: bool, again: bool) {
    let medium = Arc::new(left.medium.crash_with(fates));
    let session = match rig.open(&medium, StoreMode::Keep, lies) {
        Ok(session) => session,
        Err(StoreError::NoCheckpoint { .. }) if lies => return,
        Err(error) => panic!("open: {error}"),
    };
    let seen = session.look();
    let whole = seen.iter().all(|seen| !seen.hashes.contains(&None));
    assert!(whole || lies, "I4: a block is damaged");
    let floor = if lies { 0 } else { left.model.floor() };
    let found = left.model.locate(&seen, 0);
    assert!(found >= Some(floor), "I1, I2: found {found:?}, confirmed {floor}");
    if again {
        drop(session);
        medium.next_session();
        let again = rig.open(&medium, StoreMode::Keep, lies);
        let again = again.unwrap_or_else(|error| panic!("opening again: {error}"));
        assert!(again.look() == seen, "I7: opening again shows something else");
    }
}

/// All workloads of up to `len` steps; returns how many crash states were looked at.
fn exhaust(len: u32, lies: bool) -> u64 {
    let states = AtomicU64::new(0);
    each(workloads_up_to(len), |number| {
        let steps = workload(number);
        let (rig, fresh) = Rig::new(number, geometry(8, 128, 64, 40), 3 << 12, 4096);
        let mut rng = Rng::new(number);
        let uncut = run(&rig, &fresh, &steps, u64::MAX, lies);
        assert!(uncut.finished, "{steps:?} does not end");
        // On an honest medium flushes keep the states few, and nothing has to be left out.
        let first = if lies { uncut.before_last } else { 0 };
        for cut in first.. {
            let left = run(&rig, &fresh, &steps, cut, lies);
            for (nth, fates) in fates(left.medium.unsynced(), &mut rng).iter().enumerate() {
                check(&rig, &left, fates, lies, nth % 7 == 0);
                states.fetch_add(1, Ordering::Relaxed);
            }
            if left.finished {
                break;
            }
        }
    });
    states.into_inner()
}

#[test]
fn every_cut_of_every_short_workload_leaves_a_confirmed_moment() {
    let states = exhaust(4, false);
    eprintln!("{states} crash states");
    assert!(states > 20_000, "only {states} crash states");
}

#[test]
fn every_cut_on_a_lying_medium_leaves_a_moment() {
    let states = exhaust(4, true);
    eprintln!("{states} crash states");
    assert!(states > 100_000, "only {states} crash states");
}

#[test]
fn workloads_are_all_different() {
    let all: std::collections::HashSet<String> = (0..workloads_up_to(4))
        .map(|number| format!("{:?}", workload(number)))
        .collect();
    assert_eq!(all.len(), 6 + 36 + 216 + 1296);
}
