//! What the fuzzer found, given to every target again on an ordinary build.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{collections::BTreeSet, fs};

use gobag_fuzz::{TARGETS, Target, corpus};

/// Inputs of one target; a corpus that came to nothing would make its test say nothing.
fn replay(target: &Target) {
    let stored = corpus::load(target).unwrap();
    assert!(!stored.is_empty(), "{} has no corpus", target.name);
    for input in target.seeds().iter().chain(&stored) {
        target.check(input);
    }
}

/// Every stored input with each of its bytes changed and each end cut off would take hours; a few of each do not.
fn vary(target: &Target) {
    for (nth, mut input) in corpus::load(target).unwrap().into_iter().enumerate() {
        let len = input.len();
        for at in [nth * 7, nth * 131 + 1].map(|at| at % len.max(1)) {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << (nth % 8);
                target.check(&input);
            }
            target.check(&input[..at.min(len)]);
        }
    }
}

#[test]
fn every_stored_input_keeps_the_promises() {
    TARGETS.iter().for_each(replay);
}

#[test]
fn so_do_their_neighbours() {
    TARGETS.iter().for_each(vary);
}

#[test]
fn every_file_belongs_to_a_target() {
    let names = |target: &Target| format!("{}.zst", target.name);
    let known: BTreeSet<String> = TARGETS.iter().map(names).collect();
    let files = fs::read_dir(corpus::folder()).unwrap();
    let found: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, known);
}

#[test]
fn packing_keeps_every_input_once() {
    let inputs = vec![vec![3, 2], vec![], vec![1], vec![3, 2]];
    let bytes = zstd::stream::decode_all(&corpus::pack(inputs).unwrap()[..]).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 3, 2]);
}

#[test]
fn a_target_that_takes_too_much_memory_is_caught() {
    let mut frugal = Target::named("checkpoint").unwrap().clone();
    frugal.max_memory = 1000;
    let seed = frugal.seeds().remove(0);
    assert!(std::panic::catch_unwind(|| frugal.check(&seed)).is_err());
}
