//! A memory may be behind the stick and never ahead of it: whatever is cut when, an honest stick is not refused.

use std::{path::PathBuf, sync::Arc};

use gobag_bundle::{Secret, medium::FileRef, store::StoreMode};
use gobag_format::{
    limits::HEADER_SLOT_LEN,
    memory::{Moment, Remember},
};
use gobag_tests::{
    model::Op,
    rig::{Rig, geometry},
    rng::{FixedRandom, Rng},
    sim::{Damage, Faults},
    sweep::sweep,
    work,
};

use super::{
    NEW, SIZES,
    remembered::{Files, Notes, Opening, day, set_passphrase},
};
use crate::{
    damage::stick::{files, put},
    reader,
    stick::{PASSPHRASE, Stick, ambient, unlock},
};

const VOLUMES: [u64; 2] = [40 << 12, 40 << 12];

fn moment((sequence, tag): (u64, [u8; 16])) -> Moment {
    Moment {
        generation: 0,
        sequence,
        tag,
    }
}

/// The last record that a store names is never beyond what any cut leaves, also while writes and flushes fail: everything a
/// memory is told comes from there.
#[test]
fn what_is_told_to_a_memory_survives_every_cut() {
    sweep(60, |seed| {
        let (rig, mut medium) = Rig::new(seed, geometry(12, 128, 96, 90), VOLUMES[0], VOLUMES[1]);
        let mut rng = Rng::new(seed);
        let mut told = Moment::default();
        for _ in 0..4 {
            let Ok(session) = rig.open(&medium, StoreMode::Keep, false) else {
                panic!("an honest medium does not open");
            };
            let found = moment(session.store.last_record());
            assert_eq!(told.judge(&found), Ok(()), "told before it was cut");
            told = found;
            for _ in 0..40 {
                if rng.chance(10) {
                    let next = medium.operations() + rng.below(6);
                    medium.set_faults(Faults {
                        fail_once: [next].into(),
                        flush_forgets: rng.chance(50),
                        ..Faults::default()
                    });
                }
                let op = work::draw(&mut rng, &VOLUMES);
                // A failure is the guest's to hear of; the memory hears of what counts.
                let _ = session.run(&op).and_then(|()| session.run(&Op::Flush));
                let last = moment(session.store.last_record());
                assert_eq!(told.judge(&last), Ok(()), "the store itself went back");
                told = last;
                let after = Arc::new(medium.crash(&mut rng, Damage::default()));
                let again = rig.open_sound(&after);
                let found = moment(again.store.last_record());
                assert_eq!(told.judge(&found), Ok(()), "told {told:?}, found {found:?}");
            }
            drop(session);
            // Half the time it is cut, half the time only the program ends.
            if rng.chance(50) {
                medium = Arc::new(medium.crash(&mut rng, Damage::default()));
            }
            medium.set_faults(Faults::default());
            medium.next_session();
        }
    })
    .had_cuts(60 * 4 * 40);
}

/// A killed change of the header, or an erase block that died: one copy of the newest header is all there is of it. While
/// another could be the last to say so, a memory does not go by it.
#[test]
fn a_header_that_one_file_holds_is_not_remembered() {
    let (stick, notes) = (Stick::remembered(71, SIZES, Remember::Token), Notes::default());
    let mut rng = Rng::new(71);
    day(&stick, &notes, &mut rng, 20);
    let before = files(stick.path());
    set_passphrase(&stick, PASSPHRASE, NEW, &Notes::default());
    let after = files(stick.path());
    let [first, second] = [0, 1].map(|file| FileRef::Header(file).path());
    // What a change had written to this file when it was killed.
    let begun = |name: &PathBuf| {
        let (old, new) = (&before[name], &after[name]);
        [&new[..HEADER_SLOT_LEN], &old[HEADER_SLOT_LEN..]].concat()
    };
    let header = |one: Vec<u8>, other: Vec<u8>| Files::from([(first.clone(), one), (second.clone(), other)]);
    let dead = vec![0; before[&first].len()];
    let states = [
        (header(begun(&first), before[&second].clone()), 1),
        (header(before[&first].clone(), begun(&second)), 1),
        (header(begun(&first), begun(&second)), 2),
        (header(after[&first].clone(), dead.clone()), 2),
        (header(dead.clone(), after[&second].clone()), 2),
        (header(after[&first].clone(), after[&second].clone()), 2),
    ];
    for (number, (state, expected)) in states.iter().enumerate() {
        let notes = Notes::default();
        put(stick.path(), state);
        let opening = Opening {
            passphrase: NEW,
            ..Opening::default()
        };
        let mut open = opening.open(&stick, &notes).unwrap();
        let remembered = || open.witness.known().unwrap().moment.generation;
        // At once, while it is at work, and at its end.
        let mut seen = vec![remembered()];
        for _ in 0..2 {
            reader::work(&open.session, &mut rng, 5);
            open.session.remember();
            seen.push(remembered());
        }
        open.session.close().unwrap();
        seen.push(open.witness.known().unwrap().moment.generation);
        drop(open);
        assert_eq!(seen, [*expected; 4], "state {number}");
        // Whichever file dies then, the stick is an honest one.
        let pages = notes.pages().written.clone();
        for file in [&first, &second] {
            notes.pages().written.clone_from(&pages);
            put(stick.path(), state);
            put(stick.path(), &Files::from([(file.clone(), dead.clone())]));
            let opens = |passphrase: &&&[u8]| {
                let random = ambient(Arc::new(FixedRandom::new(1)));
                unlock(stick.path(), &Secret::Passphrase(passphrase), false, random).is_ok()
            };
            if let Some(passphrase) = [NEW, PASSPHRASE].iter().find(opens) {
                let opening = Opening {
                    passphrase,
                    ..Opening::default()
                };
                assert_eq!(
                    opening.code(&stick, &notes),
                    "ok",
                    "state {number} without {file:?}"
                );
            }
        }
    }
}

/// The program dies at any moment: the stick is as it was then, and the memory as it was then or at any time before.
#[test]
fn a_crash_between_the_stick_s_flush_and_the_memory_s_write_refuses_nobody() {
    let (stick, notes) = (Stick::remembered(70, SIZES, Remember::Token), Notes::default());
    let mut rng = Rng::new(70);
    let mut times: Vec<(Files, Option<Vec<u8>>)> = Vec::new();
    let name = {
        let open = Opening::default().open(&stick, &notes).unwrap();
        drop(open);
        notes.pages().written.keys().next().unwrap().clone()
    };
    for _ in 0..2 {
        let mut open = Opening::default().open(&stick, &notes).unwrap();
        times.push((files(stick.path()), notes.page()));
        for _ in 0..2 {
            reader::work(&open.session, &mut rng, 20);
            times.push((files(stick.path()), notes.page()));
            open.session.remember();
            times.push((files(stick.path()), notes.page()));
        }
        open.session.close().unwrap();
        times.push((files(stick.path()), notes.page()));
    }
    let put_back = |stick_at: usize, memory_at: usize| {
        put(stick.path(), &times[stick_at].0);
        let mut pages = notes.pages();
        match &times[memory_at].1 {
            Some(page) => pages.written.insert(name.clone(), page.clone()),
            None => pages.written.remove(&name),
        };
    };
    let last = times.len() - 1;
    for stick_at in 0..=last {
        for memory_at in [0, stick_at.saturating_sub(1), stick_at] {
            put_back(stick_at, memory_at);
            let code = Opening::default().code(&stick, &notes);
            assert_eq!(code, "ok", "stick of {stick_at}, memory of {memory_at}");
        }
        // The memory does go on: at the end it sees every stick of a session before.
        if stick_at <= last / 2 {
            put_back(stick_at, last);
            let code = Opening::default().code(&stick, &notes);
            assert_eq!(code, "memory.earlier-state", "stick of {stick_at}");
        }
    }
}
