//! Read-only and throwaway sessions leave nothing behind; a closed store is closed.

use std::sync::Arc;

use gobag_bundle::{Volume as _, store::StoreMode};
use gobag_format::ids::VolumeId;
use gobag_tests::{
    model::Op,
    rig::{Rig, geometry},
    rng::Rng,
    sim::SimMedium,
    work,
};

fn worked_with(seed: u64) -> (Rig, Arc<SimMedium>) {
    let (rig, medium) = Rig::new(seed, geometry(16, 128, 96, 90), 60 << 12, 80 << 12);
    let session = rig.open_sound(&medium);
    let mut rng = Rng::new(seed);
    for _ in 0..60 {
        let _ = session.run(&work::draw(&mut rng, &[60 << 12, 80 << 12]));
    }
    session.run(&Op::Flush).unwrap();
    drop(session);
    medium.next_session();
    (rig, medium)
}

#[test]
fn a_read_only_store_refuses_everything_that_writes() {
    let (rig, medium) = worked_with(1);
    let before = medium.operations();
    let session = rig.open(&medium, StoreMode::ReadOnly, false).unwrap();
    let seen = session.look();
    assert!(session.store.reset(VolumeId(1)).is_err());
    assert!(session.store.track(0, VolumeId(1)).is_err());
    assert!(session.volumes[0].write_at(0, &[1]).is_err());
    assert!(session.volumes[0].trim(0, 4096).is_err());
    session.store.flush().unwrap();
    session.store.resume().unwrap();
    session.store.close().unwrap();
    assert!(seen == session.look());
    assert_eq!(medium.operations(), before);
}

#[test]
fn a_throwaway_session_leaves_no_trace() {
    for seed in 0..40 {
        let (rig, medium) = worked_with(seed);
        let untouched = Arc::new(medium.copy());
        let session = rig.open(&medium, StoreMode::Throwaway, false).unwrap();
        let mut rng = Rng::new(seed ^ 99);
        for _ in 0..30 {
            let _ = session.run(&work::draw(&mut rng, &[60 << 12, 80 << 12]));
        }
        // Never refused, and never kept.
        session.store.track(0, VolumeId(2)).unwrap();
        session.store.reset(VolumeId(1)).unwrap();
        session.store.close().unwrap();
        drop(session);
        medium.next_session();
        untouched.next_session();
        let (after, want) = (rig.open_sound(&medium), rig.open_sound(&untouched));
        assert_eq!(after.store.recovery(), want.store.recovery());
        assert!(after.store.snapshot(0, u64::MAX).unwrap().runs().is_empty());
        assert!(after.look() == want.look());
    }
}

/// What a throwaway session wrote may be overwritten by itself: it works on for as long as its changes fit.
#[test]
fn a_throwaway_session_can_go_on_for_long() {
    let (rig, medium) = worked_with(1);
    let session = rig.open(&medium, StoreMode::Throwaway, false).unwrap();
    let mut rng = Rng::new(5);
    for round in 0..400 {
        let op = Op::Write {
            volume: 1,
            offset: 0,
            data: work::draw_data(&mut rng, 3 << 12),
        };
        session.run(&op).unwrap();
        session
            .run(&Op::Flush)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[test]
fn a_closed_store_refuses_writes() {
    let (rig, medium) = worked_with(1);
    let session = rig.open_sound(&medium);
    session
        .run(&Op::Write {
            volume: 1,
            offset: 0,
            data: vec![1; 4096],
        })
        .unwrap();
    session.store.close().unwrap();
    let before = medium.operations();
    assert!(session.volumes[1].write_at(0, &[2; 4096]).is_err());
    assert!(session.volumes[1].trim(0, 4096).is_err());
    assert!(session.store.reset(VolumeId(1)).is_err());
    session.store.flush().unwrap();
    session.store.close().unwrap();
    assert_eq!(medium.operations(), before);
    drop(session);
    medium.next_session();
    let session = rig.open_sound(&medium);
    assert!(session.store.recovery().clean);
    let mut byte = [0];
    session.volumes[1].read_at(0, &mut byte).unwrap();
    assert_eq!(byte, [1]);
}
