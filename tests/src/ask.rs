//! What the person who runs the tests asked for, through environment variables.

#![expect(
    clippy::disallowed_methods,
    reason = "tests are asked through their environment"
)]

use std::env;

/// `GOBAG_SEED`: run only this one.
pub fn seed() -> Option<u64> {
    env::var("GOBAG_SEED")
        .ok()
        .map(|text| text.parse().expect("GOBAG_SEED is a number"))
}

/// How many seeds to run: `usual`, or what `GOBAG_LONG` says; 1 stands for a hundred times the usual.
pub fn seeds(usual: u64) -> u64 {
    match env::var("GOBAG_LONG").ok().map(|text| text.parse::<u64>()) {
        None => usual,
        Some(Ok(0 | 1)) => usual * 100,
        Some(Ok(seeds)) => seeds,
        Some(Err(_)) => panic!("GOBAG_LONG is a number"),
    }
}

/// Whether the run is the usual one: nobody asked for one seed or for another number of them.
pub fn is_usual() -> bool {
    ["GOBAG_SEED", "GOBAG_LONG", "GOBAG_FROM"]
        .iter()
        .all(|name| env::var_os(name).is_none())
}

/// `GOBAG_FROM`: the first seed of a long run.
pub fn first_seed() -> u64 {
    env::var("GOBAG_FROM")
        .ok()
        .map_or(0, |text| text.parse().expect("GOBAG_FROM is a number"))
}

/// Whether somebody watches a long run (`GOBAG_PROGRESS`).
pub fn wants_progress() -> bool {
    env::var_os("GOBAG_PROGRESS").is_some()
}

/// Whether `need` (such as `fuse`, `qemu`, `root`) is there. Where it is not, says so and returns false, so that
/// the test can leave; panics when `GOBAG_REQUIRE` lists it.
pub fn has(need: &str, there: bool) -> bool {
    let required = env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        there || !required.split(',').any(|word| word.trim() == need),
        "GOBAG_REQUIRE names {need}, which is missing"
    );
    if !there {
        eprintln!("skipped: no {need} here");
    }
    there
}
