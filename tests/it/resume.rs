//! A stick that comes back is used only when it is the one that went, as it went.

use std::sync::Arc;

use gobag_bundle::{
    VolumeError,
    store::{StoreError, StoreMode},
};
use gobag_format::ids::VolumeId;
use gobag_tests::{
    model::Op,
    rig::{Rig, Session, geometry},
    sim::SimMedium,
};

fn rig(seed: u64) -> (Rig, Arc<SimMedium>) {
    Rig::new(seed, geometry(16, 128, 96, 90), 60 << 12, 80 << 12)
}

fn write(session: &Session, block: u64, byte: u8) {
    let op = Op::Write {
        volume: 1,
        offset: block << 12,
        data: vec![byte; 4096],
    };
    session.run(&op).unwrap();
}

fn keep(session: &Session, block: u64, byte: u8) {
    write(session, block, byte);
    session.run(&Op::Flush).unwrap();
}

/// Lets a write fail because the stick is gone, then puts `other` in its place.
fn swap(medium: &SimMedium, session: &Session, other: &SimMedium) {
    medium.set_gone(true);
    write(session, 9, 9);
    assert!(matches!(session.run(&Op::Flush), Err(VolumeError::Medium(_))));
    medium.become_like(other);
    medium.set_gone(false);
}

fn assert_refused(medium: &SimMedium, session: &Session) {
    let before = medium.operations();
    assert!(matches!(session.store.resume(), Err(StoreError::OtherState)));
    // Also who forgets to ask does no harm.
    assert!(session.run(&Op::Flush).is_err());
    assert!(session.store.reset(VolumeId(1)).is_err());
    assert_eq!(
        medium.operations(),
        before,
        "something was written to the wrong stick"
    );
}

#[test]
fn the_same_stick_goes_on() {
    for opened_only in [true, false] {
        let (rig, medium) = rig(1);
        let session = rig.open_sound(&medium);
        if !opened_only {
            keep(&session, 0, 1);
        }
        let same = medium.copy();
        swap(&medium, &session, &same);
        session.store.resume().unwrap();
        session.run(&Op::Flush).unwrap();
        let seen = session.look();
        let after = Arc::new(medium.crash_with(&[]));
        assert!(rig.open_sound(&after).look() == seen);
    }
}

#[test]
fn an_older_copy_is_refused() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    keep(&session, 0, 1);
    let older = medium.copy();
    keep(&session, 0, 2);
    let newer = medium.copy();
    swap(&medium, &session, &older);
    assert_refused(&medium, &session);
    // And the right one is still welcome.
    medium.become_like(&newer);
    session.store.resume().unwrap();
    session.run(&Op::Flush).unwrap();
}

#[test]
fn an_older_copy_is_refused_also_before_the_first_write() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    keep(&session, 0, 1);
    session.store.close().unwrap();
    drop(session);
    let older = medium.copy();
    medium.next_session();
    let session = rig.open_sound(&medium);
    keep(&session, 0, 2);
    session.store.close().unwrap();
    drop(session);
    medium.next_session();
    let session = rig.open_sound(&medium);
    swap(&medium, &session, &older);
    assert_refused(&medium, &session);
}

#[test]
fn a_copy_with_older_checkpoints_is_refused() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    keep(&session, 0, 1);
    let older = medium.copy();
    session.store.track(0, VolumeId(1)).unwrap();
    swap(&medium, &session, &older);
    assert_refused(&medium, &session);
}

#[test]
fn another_bundle_is_refused() {
    let (mine, medium) = rig(1);
    let (_, theirs) = rig(2);
    for written in [false, true] {
        medium.next_session();
        let session = mine.open_sound(&medium);
        if written {
            keep(&session, 0, 1);
        }
        let right = medium.copy();
        swap(&medium, &session, &theirs);
        assert_refused(&medium, &session);
        medium.become_like(&right);
    }
}

#[test]
fn a_stick_that_was_used_elsewhere_is_refused() {
    for (written_here, closed_there) in [(false, false), (false, true), (true, false), (true, true)] {
        let (rig, medium) = rig(1);
        let session = rig.open_sound(&medium);
        keep(&session, 0, 1);
        session.store.close().unwrap();
        drop(session);
        medium.next_session();
        let session = rig.open_sound(&medium);
        if written_here {
            keep(&session, 0, 2);
        }
        let elsewhere = Arc::new(medium.copy());
        elsewhere.next_session();
        let other = rig.open_sound(&elsewhere);
        keep(&other, 0, 3);
        if closed_there {
            other.store.close().unwrap();
        }
        swap(&medium, &session, &elsewhere);
        assert_refused(&medium, &session);
    }
}

#[test]
fn a_throwaway_session_refuses_a_stick_that_was_used_elsewhere() {
    let (rig, medium) = rig(1);
    let session = rig.open(&medium, StoreMode::Throwaway, false).unwrap();
    keep(&session, 0, 1);
    let elsewhere = Arc::new(medium.copy());
    elsewhere.next_session();
    keep(&rig.open_sound(&elsewhere), 0, 3);
    swap(&medium, &session, &elsewhere);
    assert_refused(&medium, &session);
}

/// A stick that only was looked at elsewhere is the same stick.
#[test]
fn a_stick_that_was_read_elsewhere_goes_on() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    keep(&session, 0, 1);
    let elsewhere = Arc::new(medium.copy());
    elsewhere.next_session();
    rig.open(&elsewhere, StoreMode::ReadOnly, false).unwrap();
    swap(&medium, &session, &elsewhere);
    session.store.resume().unwrap();
    session.run(&Op::Flush).unwrap();
}

/// The segment that holds the last record may be emptied while nothing new is written.
#[test]
fn a_stick_goes_on_after_cleaning() {
    let (rig, medium) = rig(1);
    let mut session = rig.open_sound(&medium);
    for round in 0..120 {
        keep(&session, round % 70, round as u8);
        if round % 5 == 0 {
            drop(session);
            medium.next_session();
            session = rig.open_sound(&medium);
            let same = medium.copy();
            swap(&medium, &session, &same);
            session.store.resume().unwrap();
            session.run(&Op::Flush).unwrap();
        }
    }
}
