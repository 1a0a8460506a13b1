//! The whole, on the computer that runs the tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use gobag_checklists::{Ability, Fact, HostFacts, Obstacle};

use super::*;

fn options() -> GatherOptions {
    GatherOptions::new(None, "/tmp".into())
}

/// What must be there according to `GOBAG_REQUIRE`; without it, a test says that it was skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what must not be skipped"
)]
fn required(what: &str) -> bool {
    std::env::var("GOBAG_REQUIRE").is_ok_and(|list| list.split(',').any(|word| word == what))
}

#[test]
fn every_fact_is_looked_at_and_survives_json() {
    let facts = gather(&GatherOptions {
        prove_accelerators: false,
        ..options()
    });
    let text = serde_json::to_string(&facts).expect("writes");
    assert!(!text.contains("not looked at"), "{text}");
    assert_eq!(serde_json::from_str::<HostFacts>(&text).expect("reads"), facts);
    for known in [
        facts.cpu.value().is_some(),
        facts.memory.value().is_some(),
        facts.temp_space.value().is_some(),
    ] {
        assert!(known, "{text}");
    }
}

#[test]
fn without_a_proof_nothing_is_claimed() {
    let facts = gather(&GatherOptions {
        prove_accelerators: false,
        ..options()
    });
    assert_eq!(facts.emulation, Fact::unknown("not tried, as asked"));
    assert!(!matches!(facts.acceleration.value(), Some(Ability::Yes { .. })));
}

#[test]
fn without_qemu_there_is_a_reason() {
    let facts = gather(&GatherOptions {
        qemu: Some("/nowhere/qemu".into()),
        ..options()
    });
    assert!(matches!(
        facts.qemu.value(),
        Some(Ability::No {
            obstacle: Obstacle::Missing,
            ..
        })
    ));
    assert!(
        !matches!(facts.emulation.value(), Some(Ability::Yes { .. })),
        "{:?}",
        facts.emulation
    );
}

#[test]
fn emulation_is_proved_by_a_guest() {
    let started = Instant::now();
    let facts = gather(&options());
    match facts.emulation.value() {
        Some(Ability::Yes { with }) => assert!(with.instructions_per_second > 1_000_000, "{with:?}"),
        other if required("qemu") => panic!("{other:?}"),
        other => println!("skipped: emulation is not usable here: {other:?}"),
    }
    let longest = options().proof_deadline + PROBE_DEADLINE;
    assert!(
        started.elapsed() <= longest + PROBE_DEADLINE,
        "took {:?}",
        started.elapsed()
    );
}

#[test]
fn a_hypervisor_that_hangs_costs_its_deadline_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let hanging = folder.path().join("qemu");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&hanging)
        .expect("made");
    file.write_all(b"#!/bin/sh\nexec sleep 1000\n").expect("written");
    drop(file);
    let started = Instant::now();
    let facts = gather(&GatherOptions {
        qemu: Some(hanging),
        proof_deadline: Duration::from_millis(100),
        ..options()
    });
    assert!(
        started.elapsed() < PROBE_DEADLINE * 2,
        "took {:?}",
        started.elapsed()
    );
    assert!(
        matches!(
            facts.qemu.value(),
            Some(Ability::No {
                obstacle: Obstacle::TimedOut,
                ..
            })
        ),
        "{:?}",
        facts.qemu
    );
    assert!(
        matches!(facts.emulation.value(), Some(Ability::No { .. })),
        "{:?}",
        facts.emulation
    );
}

#[test]
fn fuse_and_namespaces_are_usable_where_they_must_be() {
    let facts = gather(&GatherOptions {
        prove_accelerators: false,
        ..options()
    });
    let fuse = matches!(facts.fuse.value(), Some(Ability::Yes { .. }));
    let namespaces = matches!(facts.user_namespaces.value(), Some(Ability::Yes { .. }));
    for (what, usable) in [("fuse", fuse), ("userns", namespaces)] {
        assert!(usable || !required(what), "{what}: {facts:?}");
        if !usable {
            println!("skipped: {what} is not usable here");
        }
    }
}
