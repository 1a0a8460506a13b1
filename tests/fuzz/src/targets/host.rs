//! What a computer says of itself: looks at each system, recordings, results that people send in; and by what it is judged.
//!
//! A look's input is three parts: which fixture, which look of it, and the bytes that it gives instead. So the fuzzer meets the parsers,
//! and not JSON. Probes run in threads of their own, as in the program, so the memory that is measured is the reader's alone; a
//! capture's own limits hold the rest.

use std::sync::LazyLock;

use gobag_checklists::{
    Coverage, HostFacts, Mode, Requirements, ResultFile, RuleId, Verdict, coverage::SignedBy, evaluate,
};
use gobag_host::replay;
use serde_json::{Value, json};

/// Longer looks are a hundred lines of the same kind.
const LONGEST_SEED: usize = 4096;

/// Every rule there is, required in every mode, and nothing unknown is let pass.
static STRICT: LazyLock<Requirements> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../checklists/src/checklist/strict.json"))
        .expect("requirements")
});

macro_rules! fixtures {
    ($($path:literal),* $(,)?) => {
        LazyLock::new(|| {
            [$(include_str!(concat!("../../../../launcher/host/fixtures/", $path))),*]
                .map(|text| serde_json::from_str(text).expect("a recording"))
                .to_vec()
        })
    };
}

static LINUX: LazyLock<Vec<Value>> = fixtures![
    "linux/debian-12-luks-lvm/captures.json",
    "linux/ubuntu-24.04/captures.json",
    "linux/fedora-40-btrfs/captures.json",
    "linux/arch-mirror/captures.json",
    "linux/debian-12-no-systemd/captures.json",
];
static WINDOWS: LazyLock<Vec<Value>> = fixtures![
    "windows/home-pc.json",
    "windows/two-scanners.json",
    "windows/server-2022.json",
    "windows/old-pc.json",
];
static MACOS: LazyLock<Vec<Value>> = fixtures![
    "macos/sequoia.json",
    "macos/sequoia-neglected.json",
    "macos/ventura-t2.json"
];

/// A look at a Linux computer.
pub(super) fn linux(input: &[u8]) {
    look(&LINUX, input);
}

pub(super) fn linuxes() -> Vec<Vec<u8>> {
    looks(&LINUX)
}

/// A look at a Windows computer.
pub(super) fn windows(input: &[u8]) {
    look(&WINDOWS, input);
}

pub(super) fn windowses() -> Vec<Vec<u8>> {
    looks(&WINDOWS)
}

/// A look at a Mac.
pub(super) fn macos(input: &[u8]) {
    look(&MACOS, input);
}

pub(super) fn macoses() -> Vec<Vec<u8>> {
    looks(&MACOS)
}

fn look(fixtures: &[Value], input: &[u8]) {
    let [fixture, key, given @ ..] = input else { return };
    let mut recording = fixtures[usize::from(*fixture) % fixtures.len()].clone();
    let captures = recording["captures"].as_object_mut().expect("captures");
    let nth = usize::from(*key) % captures.len();
    let capture = captures.values_mut().nth(nth).expect("there");
    let hex: String = given.iter().map(|byte| format!("{byte:02x}")).collect();
    *capture = json!({ "hex": hex });
    let text = recording.to_string();
    let facts = replay(&text).expect("a fixture with another capture");
    assert_eq!(
        facts,
        replay(&text).expect("as before"),
        "read differently the second time"
    );
    judge(&facts);
}

/// What each look of each fixture really gave.
fn looks(fixtures: &[Value]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (fixture, recording) in (0..).zip(fixtures) {
        let captures = recording["captures"].as_object().expect("captures");
        for (key, capture) in (0..=u8::MAX).zip(captures.values()) {
            let lines = capture.as_array().map(|lines| {
                let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
                lines.join("\n").into_bytes()
            });
            let parts = capture.get("json").map(|parts| parts.to_string().into_bytes());
            let bytes = capture.get("hex").and_then(Value::as_str).map(|hex| {
                let byte = |at: usize| {
                    hex.get(at..at + 2)
                        .and_then(|two| u8::from_str_radix(two, 16).ok())
                };
                (0..hex.len()).step_by(2).filter_map(byte).collect()
            });
            if let Some(given) = lines
                .or(parts)
                .or(bytes)
                .filter(|given| given.len() <= LONGEST_SEED)
            {
                seeds.push([&[fixture, key][..], &given].concat());
            }
        }
    }
    seeds
}

/// Whoever requires everything lets nobody in of whom something is not known.
fn judge(facts: &HostFacts) {
    for mode in [Mode::Vm, Mode::Container, Mode::RemoteOnly] {
        let findings = evaluate(&STRICT, facts, mode, &[]);
        assert_eq!(
            findings,
            evaluate(&STRICT, facts, mode, &[]),
            "judged differently the second time"
        );
        let unknown = findings
            .findings
            .iter()
            .find(|finding| finding.verdict == Verdict::Unknown);
        assert!(unknown.is_none() || !findings.fit, "{mode}: {unknown:?} and fit");
    }
}

/// A whole recording.
pub(super) fn recording(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(facts) = replay(text) {
        assert_eq!(facts, replay(text).expect("as before"));
        judge(&facts);
    }
}

pub(super) fn recordings() -> Vec<Vec<u8>> {
    let shortened = |recording: &Value| {
        let mut recording = recording.clone();
        let captures = recording["captures"].as_object_mut().expect("captures");
        let keep: Vec<String> = captures.keys().take(8).cloned().collect();
        captures.retain(|key, capture| keep.contains(key) && capture.to_string().len() < 300);
        recording.to_string().into_bytes()
    };
    [&LINUX, &WINDOWS, &MACOS]
        .map(|system| shortened(&system[0]))
        .to_vec()
}

/// What IT requires, as JSON.
pub(super) fn requirements(input: &[u8]) {
    let Ok(requirements) = serde_json::from_slice::<Requirements>(input) else {
        return;
    };
    let written = serde_json::to_string(&requirements).expect("writes");
    let again: Requirements = serde_json::from_str(&written).expect("what we write we can read");
    assert_eq!(serde_json::to_string(&again).expect("writes"), written);
    if requirements.validate().is_err() {
        return;
    }
    // Of this computer nothing is known.
    let nobody = HostFacts::default();
    for mode in &requirements.modes {
        for finding in evaluate(&requirements, &nobody, *mode, &[]).findings {
            let needs_no_look = finding.rule == RuleId::ModeOffered;
            assert!(finding.verdict != Verdict::Pass || needs_no_look, "{finding:?}");
        }
    }
}

pub(super) fn many_requirements() -> Vec<Vec<u8>> {
    let write = |requirements: &Requirements| serde_json::to_vec(requirements).expect("writes");
    let mut short = STRICT.clone();
    short.policy.rules.retain(|rule, _| rule.starts_with("antivirus"));
    vec![
        b"{}".to_vec(),
        write(&Requirements::default()),
        write(&short),
        br#"{"policy":{"end_of_life":[{"system":"debian","version":"12","until":"2028-06-30"}]}}"#.to_vec(),
    ]
}

/// Results of many computers; `0xFF`, which is in no text, stands between them.
pub(super) fn coverage(input: &[u8]) {
    let files: Vec<ResultFile> = input
        .split(|byte| *byte == 0xff)
        .enumerate()
        .map(|(nth, content)| ResultFile {
            name: format!("{nth}.json"),
            content: Ok(content.to_vec()),
            signed_by: SignedBy::default(),
        })
        .collect();
    for requirements in [None, Some(&*STRICT)] {
        let coverage = Coverage::of(&files, requirements);
        let again = Coverage::of(&files, requirements);
        assert_eq!(coverage.html(), again.html());
        assert!(!coverage.html().contains("<script"));
        for line in coverage.csv().lines() {
            assert!(!line.starts_with(['=', '+', '@', '\t']), "a formula: {line}");
        }
        let counted = serde_json::to_value(&coverage).expect("writes")["computers"].as_u64();
        assert!(counted.expect("a number") <= files.len() as u64);
    }
}

pub(super) fn coverages() -> Vec<Vec<u8>> {
    let one = br#"{"pseudonym":"0011223344556677","decision":{"mode":"vm","findings":[{"mode":"vm","fit":true,"findings":[{"rule":"cpu.cores","verdict":"warn","severity":"warn","title":"x"}]}]},"facts":{"gathered_at_s":1795219200}}"#;
    let other = br#"{"decision":{"mode":null,"findings":[{"mode":"vm","fit":false,"on_unknown":"fail","findings":[{"rule":"vm.qemu","verdict":"fail","severity":"require"}]}]},"facts":{}}"#;
    vec![one.to_vec(), [&one[..], &[0xff], other].concat(), b"{}".to_vec()]
}
