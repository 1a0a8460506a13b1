//! For tests: what the rules say of a recorded computer.

use gobag_checklists::{HostFacts, Mode, Requirements, RuleId, Verdict, evaluate};

use crate::capture::{Capture, Recorded};
use crate::probe::{self, Scene};

/// The rules about protection that Windows and macOS answer.
pub(crate) const RULES: [RuleId; 8] = [
    RuleId::BootSecure,
    RuleId::DiskEncrypted,
    RuleId::SystemConfined,
    RuleId::FirewallActive,
    RuleId::AntivirusActive,
    RuleId::UpdatesRecent,
    RuleId::UpdatesRestart,
    RuleId::SystemSupported,
];

/// The recording, with other captures in some places.
pub(crate) fn scene(recording: &str, changes: &[(&str, Capture)]) -> Scene {
    let recorded = Recorded::read(recording).expect("a recording");
    let change = |recorded: Recorded, (key, capture): &(&str, Capture)| recorded.with(key, capture.clone());
    Scene::of(changes.iter().fold(recorded, change))
}

/// The facts of protection, all of them read here and now.
pub(crate) fn facts(scene: &Scene) -> HostFacts {
    let probes = probe::of(scene.about.system);
    HostFacts {
        operating_system: (probes.operating_system)(scene),
        release: (probes.release)(scene),
        secure_boot: (probes.secure_boot)(scene),
        storage: (probes.storage)(scene),
        confinement: (probes.confinement)(scene),
        firewall: (probes.firewall)(scene),
        products: (probes.products)(scene),
        updates: (probes.updates)(scene),
        screen_lock: (probes.screen_lock)(scene),
        power: (probes.power)(scene),
        gathered_at_s: scene.about.now_s,
        ..HostFacts::default()
    }
}

/// Every recording `fixtures/FOLDER/NAME.json` gives exactly the facts in `NAME.facts.json`. With `GOBAG_BLESS=1` these are written;
/// a person reads what changed.
#[expect(
    clippy::disallowed_methods,
    reason = "writes down what a test expects, when asked to"
)]
pub(crate) fn assert_exact_facts(folder: &str) {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the fixtures");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let is_recording = |path: &std::path::PathBuf| !path.to_string_lossy().ends_with(".facts.json");
    for path in files.filter(is_recording) {
        let recording = std::fs::read_to_string(&path).expect("a recording");
        let mut shown = serde_json::to_value(crate::replay(&recording).expect("replays")).expect("writes");
        // What no recording can tell is not beside it.
        shown
            .as_object_mut()
            .expect("an object")
            .retain(|_, fact| fact["reason"] != "not looked at");
        let beside = path.with_extension("facts.json");
        if std::env::var_os("GOBAG_BLESS").is_some() {
            let text = serde_json::to_string_pretty(&shown).expect("writes") + "\n";
            std::fs::write(&beside, text).expect("written");
        }
        let expected = std::fs::read_to_string(&beside).expect("facts beside it; GOBAG_BLESS=1 writes them");
        let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(shown, expected, "{}", path.display());
    }
}

/// How one rule comes out in container mode, where the host's protection weighs most.
pub(crate) fn verdict(scene: &Scene, rule: RuleId) -> Verdict {
    verdicts(scene, &[rule])[0]
}

/// How rules come out.
pub(crate) fn verdicts(scene: &Scene, rules: &[RuleId]) -> Vec<Verdict> {
    let findings = evaluate(&Requirements::default(), &facts(scene), Mode::Container, &[]);
    let of = |rule: &RuleId| findings.get(*rule).expect("a rule of this mode").verdict;
    rules.iter().map(of).collect()
}

/// Every look of a recording, by its key.
pub(crate) fn keys(recording: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(recording).expect("JSON");
    let captures = document["captures"].as_object().expect("captures");
    captures.keys().cloned().collect()
}
