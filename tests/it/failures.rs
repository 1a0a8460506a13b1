//! Single failures of the medium, each shown to cost nothing that was confirmed.

use std::sync::Arc;

use gobag_bundle::{
    VolumeError,
    medium::FileRef,
    store::{Store, StoreError, StoreMode},
};
use gobag_tests::{
    model::{Model, Op},
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Fate, Faults, SimMedium},
    work,
};

fn rig(seed: u64) -> (Rig, Arc<SimMedium>, Model) {
    let (rig, medium) = Rig::new(seed, geometry(16, 128, 96, 90), 60 << 12, 80 << 12);
    let model = rig.model();
    (rig, medium, model)
}

fn write(model: &mut Model, session: &Session, rng: &mut Rng, block: u64, blocks: usize) {
    let op = Op::Write {
        volume: 1,
        offset: block << 12,
        data: work::draw_data(rng, blocks << 12),
    };
    model.apply(&op);
    session.run(&op).unwrap();
}

fn confirm(model: &mut Model) {
    model.confirm(model.newest());
}

fn assert_confirmed(rig: &Rig, medium: &Arc<SimMedium>, model: &Model) {
    let seen = rig.open_sound(medium).look();
    assert!(
        seen.iter().all(|seen| !seen.hashes.contains(&None)),
        "a block is damaged"
    );
    let point = model.locate(&seen, 0).expect("a single moment");
    assert!(
        point >= model.floor(),
        "point {point} is back, {} was confirmed",
        model.floor()
    );
}

/// Flushes until it works, at most `tries` times.
fn insist(session: &Session, tries: usize) -> usize {
    (1..=tries)
        .find(|_| session.run(&Op::Flush).is_ok())
        .expect("a flush works in the end")
}

#[test]
fn a_dead_segment_is_passed_over_for_good() {
    for seed in 0..60 {
        let (rig, medium, mut model) = rig(seed);
        let mut rng = Rng::new(seed);
        let session = rig.open_sound(&medium);
        write(&mut model, &session, &mut rng, 0, 3);
        insist(&session, 1);
        confirm(&mut model);
        // The segments in line after the first one.
        medium.set_faults(Faults {
            fail_writes_of: Some(FileRef::Segment(1)),
            ..Faults::default()
        });
        for block in 0..20 {
            write(&mut model, &session, &mut rng, block, 8);
            insist(&session, 10);
            confirm(&mut model);
        }
        drop(session);
        // What the dead segment took of the failed writes may be there or not.
        assert_confirmed(&rig, &Arc::new(medium.crash_with(&[])), &model);
        assert_confirmed(&rig, &Arc::new(medium.crash_with(&[Fate::Kept; 200])), &model);
    }
}

#[test]
fn a_dead_checkpoint_area_is_left_alone() {
    for area in 0..3 {
        let (rig, medium, mut model) = rig(area.into());
        let mut rng = Rng::new(7);
        for _ in 0..3 {
            medium.set_faults(Faults {
                fail_writes_of: Some(FileRef::Checkpoint(area)),
                ..Faults::default()
            });
            let session = rig.open_sound(&medium);
            for _ in 0..60 {
                write(&mut model, &session, &mut rng, 0, 8);
                session.run(&Op::Flush).unwrap();
                confirm(&mut model);
            }
            drop(session);
            let after = Arc::new(medium.crash_with(&[]));
            assert_confirmed(&rig, &after.copy().into(), &model);
            medium.become_like(&after);
            medium.next_session();
        }
    }
}

#[test]
fn an_unreadable_checkpoint_area_is_like_a_damaged_one() {
    for area in 0..3 {
        let (rig, medium, mut model) = rig(area.into());
        let mut rng = Rng::new(7);
        let session = rig.open_sound(&medium);
        for _ in 0..60 {
            write(&mut model, &session, &mut rng, 0, 8);
            session.run(&Op::Flush).unwrap();
            confirm(&mut model);
        }
        drop(session);
        medium.next_session();
        medium.set_faults(Faults {
            fail_reads_of: Some(FileRef::Checkpoint(area)),
            ..Faults::default()
        });
        assert_confirmed(&rig, &medium, &model);
    }
}

/// Cleaning would choose it again and again, for it has the fewest blocks that count.
#[test]
fn an_unreadable_segment_in_use_keeps_no_other_from_being_cleaned() {
    for seed in 0..20 {
        // So short a log that nearly every segment has blocks that count.
        let (rig, medium) = Rig::new(seed, geometry(8, 128, 96, 80), 60 << 12, 80 << 12);
        let mut model = rig.model();
        let mut rng = Rng::new(seed);
        let session = rig.open_sound(&medium);
        noise(&mut model, &session, &mut rng, 0, 2);
        insist(&session, 1);
        confirm(&mut model);
        medium.set_faults(Faults {
            fail_reads_of: Some(FileRef::Segment(0)),
            ..Faults::default()
        });
        for _ in 0..200 {
            for _ in 0..8 {
                let block = 2 + rng.below(78);
                noise(&mut model, &session, &mut rng, block, 1);
            }
            insist(&session, 1);
            confirm(&mut model);
        }
        drop(session);
        assert_confirmed(&rig, &Arc::new(medium.crash_with(&[])), &model);
    }
}

#[test]
fn an_unreadable_free_segment_costs_nothing() {
    for number in 1..16 {
        let (rig, medium, mut model) = rig(number.into());
        let mut rng = Rng::new(7);
        let session = rig.open_sound(&medium);
        write(&mut model, &session, &mut rng, 0, 8);
        session.run(&Op::Flush).unwrap();
        confirm(&mut model);
        drop(session);
        medium.next_session();
        medium.set_faults(Faults {
            fail_reads_of: Some(FileRef::Segment(number)),
            ..Faults::default()
        });
        let session = rig
            .open(&medium, StoreMode::Keep, true)
            .expect("opens when an earlier state is accepted");
        assert_eq!(model.locate(&session.look(), model.floor()), Some(model.newest()));
    }
}

/// A program is killed after its writes, before its flush; the next one reads them from the cache.
#[test]
fn what_recovery_read_from_the_cache_is_made_durable() {
    let (rig, medium, mut model) = rig(1);
    let mut rng = Rng::new(1);
    for round in 0..4 {
        let session = rig.open_sound(&medium);
        medium.set_faults(Faults {
            cut_at: Some(medium.operations() + 1 + round % 2),
            ..Faults::default()
        });
        write(&mut model, &session, &mut rng, 0, 2);
        assert!(session.run(&Op::Flush).is_err());
        drop(session);
        medium.next_session();
        let session = rig.open_sound(&medium);
        write(&mut model, &session, &mut rng, 4, 2);
        session.run(&Op::Flush).unwrap();
        confirm(&mut model);
        drop(session);
        assert_confirmed(&rig, &Arc::new(medium.crash_with(&[])), &model);
        medium.next_session();
    }
}

/// After a failed flush Linux calls the pages clean: they are read back as written, and are not on the medium.
#[test]
fn what_a_failed_flush_gave_up_is_not_believed() {
    for lost in 0..4 {
        let (rig, medium, mut model) = rig(1);
        let mut rng = Rng::new(1);
        let session = rig.open_sound(&medium);
        let now = medium.operations();
        medium.set_faults(Faults {
            fail_once: (now..now + 1 + lost).collect(),
            flush_forgets: true,
            ..Faults::default()
        });
        write(&mut model, &session, &mut rng, 0, 2);
        assert!(session.run(&Op::Flush).is_err());
        drop(session);
        medium.next_session();
        let session = rig.open_sound(&medium);
        write(&mut model, &session, &mut rng, 4, 2);
        session.run(&Op::Flush).unwrap();
        let seen = session.look();
        drop(session);
        let after = Arc::new(medium.crash_with(&[]));
        assert!(rig.open_sound(&after).look() == seen);
    }
}

/// While a stick is away every attempt fails. That must not count against its segments.
#[test]
fn a_long_absence_is_forgotten() {
    let touched_after = |absence: usize| {
        let (rig, medium, mut model) = rig(1);
        let mut rng = Rng::new(1);
        let session = rig.open_sound(&medium);
        for block in [0, 20, 40] {
            write(&mut model, &session, &mut rng, block, 16);
            session.run(&Op::Flush).unwrap();
        }
        write(&mut model, &session, &mut rng, 0, 7);
        medium.set_gone(true);
        for _ in 0..absence {
            assert!(matches!(session.run(&Op::Flush), Err(VolumeError::Medium(_))));
        }
        medium.set_gone(false);
        session.store.resume().unwrap();
        medium.take_touched();
        session.run(&Op::Flush).unwrap();
        confirm(&mut model);
        let touched = medium.take_touched();
        drop(session);
        assert_confirmed(&rig, &Arc::new(medium.crash_with(&[])), &model);
        touched
    };
    let at_once = touched_after(0);
    for absence in [3, 10, 30, 100] {
        assert_eq!(touched_after(absence), at_once, "after {absence} failures");
    }
}

#[test]
fn lost_and_shortened_files_are_damage_and_nothing_else() {
    let (rig, medium, mut model) = rig(3);
    let mut rng = Rng::new(3);
    let session = rig.open_sound(&medium);
    for _ in 0..40 {
        let block = rng.below(60);
        write(&mut model, &session, &mut rng, block, 8);
        session.run(&Op::Flush).unwrap();
    }
    session.store.close().unwrap();
    drop(session);
    medium.next_session();
    let files = (0..16)
        .map(FileRef::Segment)
        .chain((0..3).map(FileRef::Checkpoint));
    for file in files {
        for len in [None, Some(0), Some(4096), Some(60_000)] {
            let worse = Arc::new(medium.copy());
            match len {
                None => worse.lose(file),
                Some(len) => worse.shorten(file, len),
            }
            for mode in [StoreMode::ReadOnly, StoreMode::Keep] {
                let session = match rig.open(&worse, mode, false) {
                    Err(StoreError::Medium { .. }) if mode == StoreMode::Keep => continue,
                    other => other.unwrap_or_else(|error| panic!("{file} {len:?}: {error}")),
                };
                assert!(
                    model.locate(&session.look(), model.newest()).is_some(),
                    "{file} {len:?}"
                );
            }
        }
    }
}

/// What is not data is noise, so that a segment in use looks like one never used.
#[test]
fn nothing_shows_between_the_records() {
    let (rig, medium, mut model) = rig(5);
    let mut rng = Rng::new(5);
    let session = rig.open_sound(&medium);
    for round in 0..80 {
        write(&mut model, &session, &mut rng, round % 60, 1 + round as usize % 9);
        session
            .run(&Op::Trim {
                volume: 0,
                offset: round << 12,
                len: 4096,
            })
            .unwrap_or_default();
        session.run(&Op::Flush).unwrap();
    }
    session.store.close().unwrap();
    let files = (0..16)
        .map(FileRef::Segment)
        .chain((0..3).map(FileRef::Checkpoint));
    for file in files {
        let bytes = medium.bytes(file);
        let zeros = bytes.windows(7).position(|bytes| bytes == [0; 7]);
        assert_eq!(zeros, None, "{file} has zeros");
    }
}

#[test]
fn every_fate_of_a_torn_head_is_survived() {
    let (rig, medium, mut model) = rig(9);
    let mut rng = Rng::new(9);
    let session = rig.open_sound(&medium);
    write(&mut model, &session, &mut rng, 0, 4);
    session.run(&Op::Flush).unwrap();
    confirm(&mut model);
    let now = medium.operations();
    for step in 0..4 {
        let medium = Arc::new(medium.copy());
        medium.set_faults(Faults {
            cut_at: Some(now + step),
            ..Faults::default()
        });
        let mut model = model.clone();
        // The store holds the first medium; a second one is opened on the copy.
        medium.next_session();
        let session = rig.open_sound(&medium);
        medium.set_faults(Faults {
            cut_at: Some(medium.operations() + step),
            ..Faults::default()
        });
        let op = Op::Write {
            volume: 1,
            offset: 0,
            data: vec![7; 9000],
        };
        model.apply(&op);
        session.run(&op).unwrap();
        let _ = session.run(&Op::Flush);
        for seed in 0..40 {
            for fate in [Fate::Lost, Fate::Kept, Fate::Torn(seed), Fate::Garbage(seed)] {
                let after = Arc::new(medium.crash_with(&[fate; 8]));
                assert_confirmed(&rig, &after, &model);
            }
        }
    }
}

/// Whoever formats a log may do it on noise or on an older log.
#[test]
fn a_fresh_log_is_empty() {
    let (rig, medium, model) = rig(11);
    let session = rig.open_sound(&medium);
    assert!(session.store.recovery().clean);
    assert_eq!(model.locate(&session.look(), 0), Some(0));
    let _: &Store = &session.store;
}

/// A batch that goes over into the next segment fails there and is made again, and that is cut: what the first attempt
/// had already flushed was given up, so the head it left behind is no sign of anything lost.
#[test]
fn what_an_attempt_left_behind_that_was_given_up_is_no_loss() {
    let mut cuts = 0;
    for filled in 0..8 {
        for fail in 0..6 {
            for cut in 0.. {
                let seed = (filled * 6 + fail) * 100 + cut;
                let (rig, medium, mut model) = rig(seed);
                let mut rng = Rng::new(seed);
                let session = rig.open_sound(&medium);
                for block in 0..=filled {
                    noise(&mut model, &session, &mut rng, block * 4, 4);
                    insist(&session, 1);
                    confirm(&mut model);
                }
                noise(&mut model, &session, &mut rng, 40, 12);
                medium.set_faults(Faults {
                    fail_once: [medium.operations() + fail].into(),
                    ..Faults::default()
                });
                if session.run(&Op::Flush).is_ok() {
                    break;
                }
                medium.set_faults(Faults {
                    cut_at: Some(medium.operations() + cut),
                    ..Faults::default()
                });
                let is_made_again = session.run(&Op::Flush).is_ok();
                if is_made_again {
                    confirm(&mut model);
                }
                drop(session);
                for fates in [&[][..], &[Fate::Kept; 50], &[Fate::Kept], &[Fate::Kept; 2]] {
                    assert_confirmed(&rig, &Arc::new(medium.crash_with(fates)), &model);
                    cuts += 1;
                }
                if is_made_again {
                    break;
                }
            }
        }
    }
    assert!(cuts > 200, "only {cuts} cuts");
}

/// A write that does not compress.
fn noise(model: &mut Model, session: &Session, rng: &mut Rng, block: u64, blocks: usize) {
    let mut data = vec![0; blocks << 12];
    rng.fill(&mut data);
    let op = Op::Write {
        volume: 1,
        offset: block << 12,
        data,
    };
    model.apply(&op);
    session.run(&op).unwrap();
}
