//! What a replica is sent: exact moments, while the guest writes on, through cleaning and crashes.

use std::sync::Arc;

use gobag_bundle::{
    Volume as _,
    medium::FileRef,
    store::{Snapshot, SnapshotContent, SnapshotError, SnapshotRun, StoreError, StoreMode},
};
use gobag_format::{ids::VolumeId, limits::BLOCK_LEN, log::UnitDecoder};
use gobag_tests::{
    model::{Op, Seen},
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Faults, SimMedium},
    work,
};

const SIZES: [u64; 2] = [60 << 12, 80 << 12];
const REPLICA: u8 = 3;
const ALL: u64 = u64::MAX;

fn rig(seed: u64) -> (Rig, Arc<SimMedium>) {
    Rig::new(seed, geometry(16, 128, 96, 90), SIZES[0], SIZES[1])
}

/// A company's copy of both volumes.
struct Copy {
    below: Vec<Vec<u8>>,
    volumes: Vec<Vec<u8>>,
}

impl Copy {
    /// Of a stick on which nothing was written yet: what lies below its volumes.
    fn begin(pristine: &Session) -> Self {
        let below: Vec<Vec<u8>> = pristine.look().into_iter().map(|seen| seen.content).collect();
        for volume in 1..=SIZES.len() as u8 {
            pristine.store.track(REPLICA, VolumeId(volume)).unwrap();
        }
        // Nothing of it is right before it was received.
        let volumes = below.iter().map(|below| vec![0xee; below.len()]).collect();
        Self { below, volumes }
    }

    fn receive(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let mut decoder = UnitDecoder::new();
        // All or nothing: what was received in part is no point.
        let mut volumes = self.volumes.clone();
        for run in snapshot.runs() {
            let nth = usize::from(run.volume.0 - 1);
            let from = run.first_block as usize * BLOCK_LEN;
            let upto = (from + run.blocks as usize * BLOCK_LEN).min(volumes[nth].len());
            match run.content() {
                SnapshotContent::Zero => volumes[nth][from..upto].fill(0),
                SnapshotContent::Base => {
                    volumes[nth][from..upto].copy_from_slice(&self.below[nth][from..upto])
                }
                SnapshotContent::Data => {
                    let unit = decoder.decode(&snapshot.unit(run)?).unwrap();
                    assert_eq!(unit.len(), run.blocks as usize * BLOCK_LEN);
                    volumes[nth][from..upto].copy_from_slice(&unit[..upto - from]);
                }
            }
        }
        self.volumes = volumes;
        Ok(())
    }

    fn is(&self, seen: &[Seen]) -> bool {
        self.volumes
            .iter()
            .zip(seen)
            .all(|(mine, seen)| *mine == seen.content)
    }
}

fn work_on(session: &Session, rng: &mut Rng, operations: u64) {
    for _ in 0..operations {
        // Full is an answer, too.
        let _ = session.run(&work::draw(rng, &SIZES));
    }
}

#[test]
fn a_replica_shows_the_moment_of_the_snapshot_or_is_told_that_it_is_gone() {
    let (mut read, mut gone) = (0, 0);
    for seed in 0..60 {
        let (rig, medium) = rig(seed);
        let session = rig.open_sound(&medium);
        let mut copy = Copy::begin(&session);
        let mut rng = Rng::new(seed);
        for _ in 0..12 {
            work_on(&session, &mut rng, 25);
            let snapshot = session.store.snapshot(REPLICA, ALL).unwrap();
            assert!(snapshot.is_complete());
            let then = session.look();
            // The guest works on before anything is read.
            let meanwhile = rng.below(120);
            work_on(&session, &mut rng, meanwhile);
            match copy.receive(&snapshot) {
                Ok(()) => {
                    assert!(copy.is(&then), "seed {seed}");
                    snapshot.sent(&[]);
                    session.store.confirm(REPLICA);
                    read += 1;
                }
                Err(SnapshotError::Gone) => gone += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
    assert!(
        read > 100 && gone > 20,
        "{read} read, {gone} gone: both must come"
    );
}

#[test]
fn taking_little_at_a_time_comes_to_an_end_and_misses_nothing() {
    for seed in 0..30 {
        let (rig, medium) = rig(seed);
        let session = rig.open_sound(&medium);
        let mut copy = Copy::begin(&session);
        let mut rng = Rng::new(seed);
        work_on(&session, &mut rng, 80);
        let mut steps = 0;
        loop {
            let snapshot = session.store.snapshot(REPLICA, 7).unwrap();
            assert!(snapshot.data_bytes() <= 7 * BLOCK_LEN as u64);
            let (complete, then) = (snapshot.is_complete(), session.look());
            copy.receive(&snapshot).unwrap();
            snapshot.sent(&[]);
            if complete {
                assert!(copy.is(&then), "seed {seed}");
                break;
            }
            steps += 1;
            assert!(steps < 100, "seed {seed}");
            if steps < 5 {
                work_on(&session, &mut rng, 3);
            }
        }
        assert_eq!(session.store.unsent_bytes(REPLICA), 0);
        assert!(is_all_sent(&session, REPLICA), "seed {seed}");
        assert!(session.store.snapshot(REPLICA, ALL).unwrap().runs().is_empty());
    }
}

#[test]
fn what_was_not_confirmed_is_sent_again_after_a_crash_and_no_more_than_that() {
    for seed in 0..40 {
        let (rig, medium) = rig(seed);
        let mut session = rig.open_sound(&medium);
        let mut copy = Copy::begin(&session);
        let mut rng = Rng::new(seed);
        for _ in 0..8 {
            work_on(&session, &mut rng, 20);
            let snapshot = session.store.snapshot(REPLICA, ALL).unwrap();
            copy.receive(&snapshot).unwrap();
            snapshot.sent(&[]);
            if rng.below(2) == 0 {
                session.store.confirm(REPLICA);
            }
            work_on(&session, &mut rng, 5);
            // Cut: what was flushed stays.
            drop(session);
            medium.next_session();
            session = rig.open_sound(&medium);
            let snapshot = session.store.snapshot(REPLICA, ALL).unwrap();
            copy.receive(&snapshot).unwrap();
            assert!(copy.is(&session.look()), "seed {seed}");
            snapshot.sent(&[]);
            session.store.confirm(REPLICA);
        }
        session.store.close().unwrap();
        drop(session);
        medium.next_session();
        let session = rig.open_sound(&medium);
        assert!(session.store.snapshot(REPLICA, ALL).unwrap().runs().is_empty());
    }
}

fn is_all_sent(session: &Session, replica: u8) -> bool {
    let volumes = (1..=SIZES.len() as u8).map(VolumeId);
    session.store.is_all_sent(replica, volumes)
}

#[test]
fn what_becomes_zero_takes_no_room_and_is_a_change_all_the_same() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    Copy::begin(&session);
    session.volumes[1].write_at(0, &[1; BLOCK_LEN]).unwrap();
    session.volumes[1].flush().unwrap();
    session.store.snapshot(REPLICA, ALL).unwrap().sent(&[]);
    assert!(is_all_sent(&session, REPLICA));
    session.volumes[1].trim(0, BLOCK_LEN as u64).unwrap();
    session.volumes[1].flush().unwrap();
    assert_eq!(session.store.unsent_bytes(REPLICA), 0);
    assert!(!is_all_sent(&session, REPLICA));
    // Of a replica that nobody remembers anything for nothing is known.
    assert!(!is_all_sent(&session, REPLICA + 1));
}

#[test]
fn a_snapshot_that_is_given_up_is_taken_again_and_doubt_sends_anew() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    let mut copy = Copy::begin(&session);
    session.volumes[1].write_at(0, &[5; 3 * BLOCK_LEN]).unwrap();
    let first = session.store.snapshot(REPLICA, ALL).unwrap();
    let runs = first.runs().to_vec();
    drop(first);
    let again = session.store.snapshot(REPLICA, ALL).unwrap();
    assert_eq!(again.runs(), runs);
    assert_eq!(again.data_bytes(), 3 * BLOCK_LEN as u64);
    copy.receive(&again).unwrap();
    again.sent(&[]);
    session.store.confirm(REPLICA);
    session.store.doubt(REPLICA, VolumeId(2), 1, 1);
    let doubted = session.store.snapshot(REPLICA, ALL).unwrap();
    let places: Vec<_> = doubted
        .runs()
        .iter()
        .map(|run| (run.volume.0, run.first_block, run.blocks))
        .collect();
    assert_eq!(places, [(2, 1, 1)]);
    copy.receive(&doubted).unwrap();
    assert!(copy.is(&session.look()));
}

/// A block of the snapshot's segment is damaged, not written over: it must not be taken for gone, else the sender would
/// try for ever.
#[test]
fn damage_is_not_taken_for_something_written_over() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    let _ = Copy::begin(&session);
    session
        .run(&Op::Write {
            volume: 1,
            offset: 0,
            data: vec![1; BLOCK_LEN],
        })
        .unwrap();
    let snapshot = session.store.snapshot(REPLICA, ALL).unwrap();
    let run = *snapshot
        .runs()
        .iter()
        .find(|run| run.content() == SnapshotContent::Data)
        .unwrap();
    snapshot.unit(&run).unwrap();
    for segment in 0..16 {
        medium.overwrite(FileRef::Segment(segment), 0, &vec![0xaa; 128 << 10]);
    }
    assert!(matches!(snapshot.unit(&run), Err(SnapshotError::Store(_))));
}

/// A sector that cannot be read is damage like any other, as long as the stick is there.
#[test]
fn a_sector_that_cannot_be_read_is_told_from_a_stick_that_is_gone() {
    let (rig, medium) = rig(1);
    let session = rig.open_sound(&medium);
    let _ = Copy::begin(&session);
    let mut data = vec![0; 8 * BLOCK_LEN];
    Rng::new(1).fill(&mut data);
    session.volumes[1].write_at(0, &data).unwrap();
    session.volumes[1].write_at(20 << 12, &data).unwrap();
    let snapshot = session.store.snapshot(REPLICA, ALL).unwrap();
    let is_data = |run: &&SnapshotRun| run.content() == SnapshotContent::Data;
    let mut unreadable = Vec::new();
    for segment in 0..16 {
        medium.set_faults(Faults {
            bad_byte: Some((FileRef::Segment(segment), 20_000)),
            ..Faults::default()
        });
        for run in snapshot.runs().iter().filter(is_data) {
            match snapshot.unit(run) {
                Ok(_) => {}
                Err(SnapshotError::Store(StoreError::Damaged { .. })) => unreadable.push(*run),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    medium.set_gone(true);
    assert!(matches!(
        snapshot.unit(&unreadable[0]),
        Err(SnapshotError::Store(StoreError::Medium { .. }))
    ));
}

#[test]
fn what_is_doubted_is_so_after_a_crash_too_once_it_was_kept() {
    let (rig, medium) = rig(2);
    let session = rig.open_sound(&medium);
    let _ = Copy::begin(&session);
    session.store.snapshot(REPLICA, ALL).unwrap().sent(&[]);
    session.store.confirm(REPLICA);
    session.store.close().unwrap();
    drop(session);
    for (kept, runs) in [(false, 0), (true, 1)] {
        medium.next_session();
        let session = rig.open_sound(&medium);
        session.store.doubt(REPLICA, VolumeId(2), 3, 2);
        if kept {
            session.store.keep_doubts().unwrap();
        }
        drop(session);
        medium.next_session();
        let session = rig.open_sound(&medium);
        assert_eq!(session.store.snapshot(REPLICA, ALL).unwrap().runs().len(), runs);
        drop(session);
    }
}

/// A part of what is doubted was sent and noted when the newest checkpoint is damaged: the rest is still doubted.
#[test]
fn what_is_doubted_outlives_the_newest_checkpoint() {
    for lost in 0..3 {
        let (rig, medium) = rig(3);
        let session = rig.open_sound(&medium);
        let _ = Copy::begin(&session);
        let mut data = vec![0; 8 * BLOCK_LEN];
        Rng::new(3).fill(&mut data);
        session.volumes[1].write_at(0, &data).unwrap();
        session.store.snapshot(REPLICA, ALL).unwrap().sent(&[]);
        session.store.confirm(REPLICA);
        session.store.close().unwrap();
        drop(session);
        medium.next_session();
        let session = rig.open_sound(&medium);
        session.store.doubt(REPLICA, VolumeId(2), 0, 8);
        session.store.snapshot(REPLICA, 3).unwrap().sent(&[]);
        session.store.keep_doubts().unwrap();
        session.store.confirm(REPLICA);
        drop(session);
        let area = FileRef::Checkpoint(lost);
        medium.overwrite(area, 0, &vec![0xaa; medium.bytes(area).len()]);
        medium.next_session();
        let session = rig.open_sound(&medium);
        let unsent = session.store.unsent_bytes(REPLICA);
        assert!(unsent >= 5 * BLOCK_LEN as u64, "without area {lost}: {unsent}");
    }
}

#[test]
fn a_throwaway_session_confirms_nothing_that_is_kept() {
    let (rig, medium) = rig(2);
    let session = rig.open_sound(&medium);
    let _ = Copy::begin(&session);
    session.store.close().unwrap();
    drop(session);
    medium.next_session();
    let session = rig.open(&medium, StoreMode::Throwaway, false).unwrap();
    session.store.snapshot(REPLICA, ALL).unwrap().sent(&[]);
    session.store.confirm(REPLICA);
    session.store.close().unwrap();
    drop(session);
    medium.next_session();
    let session = rig.open_sound(&medium);
    assert!(!session.store.snapshot(REPLICA, ALL).unwrap().runs().is_empty());
}
