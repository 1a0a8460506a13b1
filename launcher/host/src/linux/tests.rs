//! Every recording in `fixtures/linux` gives exactly the facts beside it, and a computer of which less is known never looks
//! better.

use std::path::PathBuf;

use gobag_checklists::{Findings, HostFacts, Mode, Obstacle, Requirements, Verdict, evaluate};
use proptest::prelude::*;

use crate::capture::{Capture, Recorded};
use crate::gather::replay;
use crate::probe::Scene;

/// Name, recording, facts.
fn fixtures() -> Vec<(String, String, PathBuf)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux"));
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("a folder").path())
        .map(|path| {
            let recording = std::fs::read_to_string(path.join("captures.json")).expect("a recording");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, recording, path.join("facts.json"))
        })
        .collect();
    all.sort();
    all
}

fn facts(recorded: Recorded) -> HostFacts {
    let scene = Scene::of(recorded);
    let probes = &super::PROBES;
    HostFacts {
        operating_system: (probes.operating_system)(&scene),
        cpu: (probes.cpu)(&scene),
        memory: (probes.memory)(&scene),
        release: (probes.release)(&scene),
        secure_boot: (probes.secure_boot)(&scene),
        storage: (probes.storage)(&scene),
        confinement: (probes.confinement)(&scene),
        firewall: (probes.firewall)(&scene),
        products: (probes.products)(&scene),
        updates: (probes.updates)(&scene),
        remote_control: (probes.remote_control)(&scene),
        screen_lock: (probes.screen_lock)(&scene),
        clock: (probes.clock)(&scene),
        stick: (probes.stick)(&scene),
        power: (probes.power)(&scene),
        network: (probes.network)(&scene),
        gathered_at_s: scene.about.now_s,
        ..HostFacts::default()
    }
}

fn judged(facts: &HostFacts) -> Findings {
    evaluate(&Requirements::default(), facts, Mode::Container, &[])
}

fn keys(recording: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(recording).expect("JSON");
    let captures = document["captures"].as_object().expect("captures");
    captures.keys().cloned().collect()
}

/// `cargo run -p gobag-host --example replay FOLDER` prints facts; they are read by a person before they go beside a recording.
#[test]
fn every_fixture_gives_exactly_its_facts() {
    for (name, recording, path) in fixtures() {
        let found = replay(&recording).expect("replays");
        let mut shown = serde_json::to_value(&found).expect("writes");
        // What no recording can tell is not beside it.
        shown
            .as_object_mut()
            .expect("an object")
            .retain(|_, fact| fact["reason"] != "not looked at");
        let expected = std::fs::read_to_string(path).expect("facts beside it");
        let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(shown, expected, "{name}");
        let recorded = Recorded::read(&recording).expect("reads");
        assert_eq!(facts(recorded), found, "{name}: in threads and without");
    }
}

/// Each look refused, one after the other: no rule that did not pass before passes now.
#[test]
fn p25_what_is_refused_never_makes_a_computer_look_better() {
    for (name, recording, _) in fixtures() {
        let recorded = Recorded::read(&recording).expect("reads");
        let before = judged(&facts(recorded.clone()));
        for key in keys(&recording) {
            let refused = Capture::failed(Obstacle::NoPermission, format!("{key}: refused"));
            let after = judged(&facts(recorded.clone().with(&key, refused)));
            for (before, after) in before.findings.iter().zip(&after.findings) {
                assert!(
                    before.verdict == Verdict::Pass || after.verdict != Verdict::Pass,
                    "{name} without {key}: {after:?}"
                );
            }
        }
    }
}

#[test]
fn p32_line_ends_marks_and_wide_letters_change_nothing_or_make_it_unknown() {
    for (name, recording, _) in fixtures() {
        let recorded = Recorded::read(&recording).expect("reads");
        let before = judged(&facts(recorded.clone()));
        let document: serde_json::Value = serde_json::from_str(&recording).expect("JSON");
        for (key, capture) in document["captures"].as_object().expect("captures") {
            let Some(lines) = capture.as_array() else { continue };
            let lines: Vec<&str> = lines.iter().filter_map(serde_json::Value::as_str).collect();
            let wide = |text: String| {
                text.encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect::<Vec<u8>>()
            };
            for bytes in [
                lines.join("\r\n").into_bytes(),
                [b"\xef\xbb\xbf".to_vec(), lines.join("\n").into_bytes()].concat(),
                [b"\xff\xfe".to_vec(), wide(lines.join("\r\n"))].concat(),
            ] {
                let after = judged(&facts(recorded.clone().with(key, Capture::Bytes(bytes))));
                for (before, after) in before.findings.iter().zip(&after.findings) {
                    assert!(
                        before.verdict == after.verdict || after.verdict != Verdict::Pass,
                        "{name}, {key}: {after:?}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any look can hold anything.
    #[test]
    fn no_bytes_in_any_look_make_it_panic(
        which in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        text in "\\PC{0,80}",
    ) {
        for (_, recording, _) in fixtures() {
            let recorded = Recorded::read(&recording).expect("reads");
            let keys = keys(&recording);
            let key = &keys[which.index(keys.len())];
            let _ = facts(recorded.clone().with(key, Capture::Bytes(bytes.clone())));
            let _ = facts(recorded.with(key, Capture::of(text.clone())));
        }
    }
}
