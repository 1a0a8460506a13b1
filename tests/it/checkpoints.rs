//! Any one checkpoint area may be lost, at any moment, and nothing that was confirmed goes with it.

use std::sync::Arc;

use gobag_bundle::medium::FileRef;
use gobag_tests::{
    model::{Model, Op},
    rig::{Rig, Session, geometry},
    rng::Rng,
    sim::{Fate, SimMedium},
    sweep::sweep,
    work,
};

const SIZES: [u64; 2] = [40 << 12, 40 << 12];

fn assert_whole_without(area: u8, rig: &Rig, medium: &SimMedium, model: &Model, rng: &mut Rng) {
    // What was in the cache may have arrived: it must not make the older checkpoints wrong either.
    let fate = if rng.chance(50) { Fate::Kept } else { Fate::Lost };
    let after = Arc::new(medium.crash_with(&vec![fate; medium.unsynced()]));
    let mut noise = vec![0; rig.geometry.checkpoint_len as usize];
    rng.fill(&mut noise);
    after.overwrite(FileRef::Checkpoint(area), 0, &noise);
    let seen = rig.open_sound(&after).look();
    let damaged = seen.iter().any(|seen| seen.hashes.contains(&None));
    assert!(!damaged, "without area {area} blocks are unreadable");
    let found = model.locate(&seen, 0);
    assert!(
        found >= Some(model.floor()),
        "without area {area} point {found:?} is there, {} was confirmed",
        model.floor()
    );
}

fn step(session: &Session, model: &mut Model, rng: &mut Rng) {
    let op = work::draw(rng, &SIZES);
    model.apply(&op);
    session.run(&op).unwrap();
    session.run(&Op::Flush).unwrap();
    model.confirm(model.newest());
}

#[test]
fn one_lost_checkpoint_area_costs_nothing_at_any_moment() {
    sweep(40, |seed| {
        // So little room that segments are emptied and used again all the time.
        let (rig, medium) = Rig::new(seed, geometry(12, 128, 96, 90), SIZES[0], SIZES[1]);
        let (mut model, mut rng) = (rig.model(), Rng::new(seed));
        let session = rig.open_sound(&medium);
        for _ in 0..60 {
            step(&session, &mut model, &mut rng);
            for area in 0..3 {
                assert_whole_without(area, &rig, &medium, &model, &mut rng);
            }
        }
    });
}
