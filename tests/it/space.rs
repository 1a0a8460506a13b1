//! Full is said before the log wedges; cleaning makes room for as long as there is something to give up.

use std::sync::Arc;

use gobag_bundle::{Volume as _, VolumeError};
use gobag_format::{header::LogGeometry, ids::VolumeId, limits::BLOCK_LEN};
use gobag_tests::{
    model::Op,
    rig::{Rig, Session, geometry},
    rng::Rng,
};

const BLOCK: u64 = BLOCK_LEN as u64;

fn write(volume: usize, block: u64, blocks: u64, rng: &mut Rng) -> Op {
    let mut data = vec![0; (blocks * BLOCK) as usize];
    rng.fill(&mut data);
    Op::Write {
        volume,
        offset: block * BLOCK,
        data,
    }
}

/// Writes new blocks until the store says full; returns how many it took.
fn fill(session: &Session, blocks: u64, run: u64, rng: &mut Rng) -> u64 {
    let mut taken = 0;
    for block in (0..blocks / run).map(|nth| nth * run) {
        match session.run(&write(1, block, run, rng)) {
            Ok(()) => taken += run,
            Err(VolumeError::Full) => return taken,
            Err(error) => panic!("{error}"),
        }
        if rng.chance(30) {
            session.run(&Op::Flush).unwrap();
        }
    }
    panic!("never full")
}

fn geometries() -> Vec<LogGeometry> {
    vec![
        geometry(8, 128, 96, 40),
        geometry(16, 128, 96, 90),
        geometry(12, 256, 96, 200),
        geometry(8, 1024, 96, 600),
        geometry(64, 128, 96, 700),
        LogGeometry::plan(1000, 4000, 1 << 20),
        LogGeometry::plan(6000, 20_000, 4 << 20),
    ]
}

#[test]
fn a_full_store_still_overwrites_trims_and_goes_on() {
    for geometry in geometries() {
        for run in [1, 3, 16] {
            let mut rng = Rng::new(geometry.quota_blocks + run);
            let blocks = geometry.quota_blocks * 2;
            let (rig, medium) = Rig::new(1, geometry, BLOCK, blocks * BLOCK);
            let mut session = rig.open_sound(&medium);
            let taken = fill(&session, blocks, run, &mut rng);
            // Room is promised in blocks; nothing may be refused earlier.
            assert!(
                taken + run > geometry.quota_blocks,
                "{geometry:?}: full after {taken}"
            );
            session.run(&Op::Flush).unwrap();
            for round in 0..300 {
                // Everywhere, in pieces that leave holes in the units.
                let block = rng.below(taken);
                let op = write(1, block, rng.within(1..=5).min(taken - block), &mut rng);
                session
                    .run(&op)
                    .unwrap_or_else(|error| panic!("{geometry:?} round {round}: {error}"));
                if rng.chance(60) {
                    session
                        .run(&Op::Flush)
                        .unwrap_or_else(|error| panic!("{geometry:?} round {round}: {error}"));
                }
                assert!(matches!(
                    session.run(&write(1, taken, run, &mut rng)),
                    Err(VolumeError::Full)
                ));
                if rng.chance(3) {
                    session.store.close().unwrap();
                    drop(session);
                    medium.next_session();
                    session = rig.open_sound(&medium);
                }
            }
            session
                .run(&Op::Trim {
                    volume: 1,
                    offset: 0,
                    len: run * BLOCK,
                })
                .unwrap();
            session.run(&write(1, taken, run, &mut rng)).unwrap();
            session.run(&Op::Flush).unwrap();
            session.store.reset(VolumeId(2)).unwrap();
            fill(&session, blocks, run, &mut rng);
            session.store.close().unwrap();
        }
    }
}

#[test]
fn resetting_for_ever_needs_no_room() {
    let (rig, medium) = Rig::new(1, geometry(8, 128, 96, 40), 40 * BLOCK, 40 * BLOCK);
    let session = rig.open_sound(&medium);
    let mut rng = Rng::new(1);
    session.run(&write(0, 0, 30, &mut rng)).unwrap();
    for round in 0..1000 {
        let reset = session.store.reset(VolumeId(2));
        reset.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    session.run(&write(1, 0, 10, &mut rng)).unwrap();
    session.run(&Op::Flush).unwrap();
}

/// A guest's file system trims a hundred thousand holes in one go.
#[test]
fn many_small_trims_fit() {
    let volume = 200_000 * BLOCK;
    let mut planned = LogGeometry::plan(60, 200_000, 128 << 10);
    planned.segments = 16;
    let (rig, medium) = Rig::new(1, planned, BLOCK, volume);
    let session = rig.open_sound(&medium);
    let mut rng = Rng::new(1);
    session.run(&write(1, 0, 40, &mut rng)).unwrap();
    session.run(&Op::Flush).unwrap();
    for hole in 0..100_000 {
        let trimmed = session.volumes[1].trim(hole * 2 * BLOCK, BLOCK);
        trimmed.unwrap_or_else(|error| panic!("hole {hole}: {error}"));
    }
    session.run(&Op::Flush).unwrap();
    drop(session);
    let session = rig.open_sound(&Arc::new(medium.crash_with(&[])));
    let mut block = [1; BLOCK_LEN];
    session.volumes[1].read_at(0, &mut block).unwrap();
    assert_eq!(block, [0; BLOCK_LEN]);
    assert_eq!(session.store.status().used_bytes, 20 * BLOCK);
}
