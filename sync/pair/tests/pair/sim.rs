//! Whole worlds from one number: users of two folders at work, passes of the real program between them, and a server in memory whose line breaks, loses answers,
//! brings requests late or twice, alters bytes and is put back; passes are cut off anywhere, at the same moment as others', and clocks leap. Then the dust settles.
//!
//! Folders are real ones, in memory where the system has that: what the program does in them is one system call after the other with their races and their flags,
//! and a second implementation of these would be what was tested. A seed says all that happens, in what order; `GOBAG_SEED=n` does it again and tells it.

mod pass;
mod server;
mod users;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use gobag_pair::Counts;

use crate::{dice::long, lab::list};
pub(crate) use users::{act, kept, seen};

use pass::CALM;
use world::World;

/// What happens in a world, and whether it ends as it has to.
fn live(world: &Arc<World>) {
    let calm = world.draw(|dice| [4, 15, 60, 400][dice.below(4) as usize]);
    for _ in 0..world.draw(|dice| 3 + dice.below(12)) {
        for _ in 0..world.draw(|dice| dice.below(5)) {
            let member = world.draw(|dice| dice.below(2)) as usize;
            world.user(member);
        }
        let member = world.draw(|dice| dice.below(world.members().end as u64)) as usize;
        match world.draw(|dice| dice.below(30)) {
            0 => world.put_server_back(),
            1 => world.put_folder_back(member, || {
                world.user(member);
                world.pass(member, calm);
            }),
            2 => world.server.deliver(),
            _ => drop(world.pass(member, calm)),
        }
    }
    settle(world);
}

/// Nothing goes wrong any more, nobody does anything, and all is agreed to: then all are the same, and stay so.
fn settle(world: &Arc<World>) {
    world.tell(|| "the dust settles".to_owned());
    world.server.deliver();
    let pass = |member| {
        let report = world.pass(member, CALM).unwrap();
        (
            report.is_in_step(),
            [report.left, report.right] == [Counts::default(); 2],
        )
    };
    let mut rounds = 0;
    loop {
        let round: Vec<_> = world.members().map(pass).collect();
        if round
            .iter()
            .all(|(is_in_step, did_nothing)| *is_in_step && *did_nothing)
        {
            break;
        }
        rounds += 1;
        assert!(rounds < 6, "it does not come to rest");
    }
    assert_eq!(list(&world.at(0)), list(&world.at(1)));
    world.check_settled();
}

/// The world of a seed, whose number is told where it fails; what happened in it. None where it cannot be had.
fn run(seed: u64, disk_fails: bool) -> Option<Vec<String>> {
    let world = World::new(seed, disk_fails)?;
    let lived = catch_unwind(AssertUnwindSafe(|| live(&world)));
    let told = world.told();
    if let Err(panic) = lived {
        println!("it fails with GOBAG_SEED={seed}");
        resume_unwind(panic);
    }
    Some(told)
}

/// So many of them, or those from one to another (`GOBAG_SEED=20000..30000`), or the one that is asked for, told.
fn run_all(many: u64, disk_fails: bool) {
    let asked = std::env::var("GOBAG_SEED").unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().ok();
    let seeds = match (asked.split_once(".."), number(&asked)) {
        (Some((from, to)), _) => number(from).unwrap()..number(to).unwrap(),
        (None, Some(seed)) => {
            let Some(world) = World::new(seed, disk_fails) else {
                return;
            };
            let lived = catch_unwind(AssertUnwindSafe(|| live(&world)));
            world.told().iter().for_each(|line| println!("{line}"));
            return lived.unwrap();
        }
        (None, None) => 0..long(many),
    };
    for seed in seeds.clone() {
        if run(seed, disk_fails).is_none() {
            return;
        }
    }
    println!("{} worlds", seeds.count());
}

#[test]
fn whatever_happens_nothing_is_lost_and_all_become_the_same() {
    run_all(300, false);
}

#[test]
fn on_a_disk_that_fails_or_stops_anywhere_too() {
    run_all(60, true);
}

#[test]
fn one_seed_is_one_world() {
    let mut told = 0;
    for seed in 0..20 {
        let (one, other) = (run(seed, false).unwrap(), run(seed, false).unwrap());
        assert!(one == other, "GOBAG_SEED={seed}");
        told += one.len();
    }
    assert!(told > 500, "{told}");
}
