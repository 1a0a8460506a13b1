//! Whole Macs: recordings in `fixtures/macos`, and what the rules make of them.

use std::sync::{Arc, Mutex};

use gobag_checklists::safety::{
    Confinement, Power, ProductKind, SecureBoot, SecurityProduct, Signatures, Tristate,
};
use gobag_checklists::{Fact, Mode, Obstacle, Requirements, RuleId, Verdict, evaluate};
use proptest::prelude::*;

use super::plist;
use crate::capture::{Capture, Host};
use crate::judged::{RULES, facts, keys, scene, verdict, verdicts};
use crate::probe::Scene;

const SEQUOIA: &str = include_str!("../../fixtures/macos/sequoia.json");
const NEGLECTED: &str = include_str!("../../fixtures/macos/sequoia-neglected.json");
const VENTURA: &str = include_str!("../../fixtures/macos/ventura-t2.json");

const CSRUTIL: &str = "program /usr/bin/csrutil status";
const SPCTL: &str = "program /usr/sbin/spctl --status";
const SETTINGS: &str = "file /var/db/SystemPolicyConfiguration/SystemPolicy-prefs.plist";
const FDESETUP: &str = "program /usr/bin/fdesetup status";
const PROFILER: &str = "program /usr/sbin/system_profiler -json SPFirewallDataType";
const CONTROL: &str = "program /usr/libexec/ApplicationFirewall/socketfilterfw --getglobalstate";
const BRIDGE: &str = "program /usr/sbin/system_profiler -json SPiBridgeDataType";
const VERSION: &str = "program /usr/bin/sw_vers -productVersion";
const EXTENSIONS: &str = "program /usr/bin/systemextensionsctl list";

fn with(key: &str, text: &str) -> Scene {
    scene(SEQUOIA, &[(key, Capture::of(text))])
}

fn failed() -> Capture {
    Capture::failed(Obstacle::NotWorking, "it ended with exit status: 1")
}

fn products(scene: &Scene) -> Vec<SecurityProduct> {
    match facts(scene).products {
        Fact::Known(known) => known.value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_fixture_gives_exactly_its_facts() {
    crate::judged::assert_exact_facts("macos");
}

#[test]
fn a_mac_as_it_should_be_is_read_completely() {
    let scene = scene(SEQUOIA, &[]);
    let facts = facts(&scene);
    let release = facts.release.value().expect("known");
    assert_eq!(
        (release.system.as_str(), release.version.as_str()),
        ("macos", "15.1")
    );
    let system = facts.operating_system.value().expect("known");
    assert_eq!(
        (system.name.as_str(), system.kernel.as_str()),
        ("macOS 15.1", "24.1.0")
    );
    assert_eq!(facts.secure_boot.value(), Some(&SecureBoot::On));
    let confined = Confinement::Enforced {
        by: "System Integrity Protection, Gatekeeper".to_owned(),
    };
    assert_eq!(facts.confinement.value(), Some(&confined));
    let xprotect = SecurityProduct {
        name: "XProtect 5282".to_owned(),
        kind: ProductKind::Antivirus,
        running: Tristate::Yes,
        genuine: Tristate::Yes,
        signatures: Signatures::Aged { days: 3 },
    };
    assert_eq!(facts.products.value(), Some(&vec![xprotect]));
    let updates = facts.updates.value().expect("known");
    assert_eq!((updates.age_days, &updates.automatic), (Some(0), &Tristate::Yes));
    let power = Power {
        on_mains: true,
        battery_percent: Some(95),
    };
    assert_eq!(facts.power.value(), Some(&power));
    // macOS does not say whether it waits for a restart, nor Apple when a release ends.
    for rule in RULES {
        let expected = match rule {
            RuleId::UpdatesRestart | RuleId::SystemSupported => Verdict::Unknown,
            _ => Verdict::Pass,
        };
        assert_eq!(verdict(&scene, rule), expected, "{rule}");
    }
}

#[test]
fn an_older_mac_is_read_from_its_older_places() {
    let facts = facts(&scene(VENTURA, &[]));
    assert_eq!(facts.secure_boot.value(), Some(&SecureBoot::Reduced));
    let firewall = facts.firewall.value().expect("known");
    assert_eq!(
        (&firewall.configured, &firewall.enforced),
        (&Tristate::Yes, &Tristate::Yes)
    );
    let power = facts.power.value().expect("known");
    assert_eq!((power.on_mains, power.battery_percent), (false, Some(41)));
    let all = facts.products.value().expect("known");
    let names: Vec<_> = all
        .iter()
        .map(|one| (one.name.as_str(), one.running.clone()))
        .collect();
    assert_eq!(
        names,
        [
            ("XProtect 5278", Tristate::Yes),
            ("CrowdStrike Falcon", Tristate::Yes),
            ("SentinelOne", Tristate::Yes)
        ]
    );
    assert_eq!(all[1].genuine, Tristate::Yes);
    assert!(
        matches!(all[2].genuine, Tristate::Unknown { .. }),
        "a label proves nothing"
    );
}

#[test]
fn p16_p17_only_a_disk_that_is_encrypted_altogether_passes() {
    for (text, expected) in [
        ("FileVault is On.\n", Verdict::Pass),
        (
            "FileVault is On.\nEncryption in progress: Percent completed = 12.5\n",
            Verdict::Unknown,
        ),
        (
            "FileVault is On.\nEncryption in progress: percent completed = 12.5\n",
            Verdict::Unknown,
        ),
        (
            "FileVault is On.\nEncryption in progress: Pending\n",
            Verdict::Unknown,
        ),
        (
            "FileVault is On.\nEncryption in progress: Percent completed = 255\n",
            Verdict::Unknown,
        ),
    ] {
        assert_eq!(
            verdict(&with(FDESETUP, text), RuleId::DiskEncrypted),
            expected,
            "{text}"
        );
    }
    for text in [
        "FileVault is Off.\nDeferred enablement appears to be active for user 'someone'.\n",
        "FileVault is Off.\n",
        "FileVault is On.\nDecryption in progress: Percent completed = 40\n",
    ] {
        let verdict = verdict(&with(FDESETUP, text), RuleId::DiskEncrypted);
        assert!(
            matches!(verdict, Verdict::Warn | Verdict::Fail | Verdict::Info),
            "{text}: {verdict:?}"
        );
    }
}

#[test]
fn p18_integrity_protection_in_part_or_unknown_does_not_pass() {
    let found = |text: &str| facts(&with(CSRUTIL, text)).confinement;
    let custom = "System Integrity Protection status: enabled (Custom Configuration).\n";
    assert!(matches!(
        found(custom).value(),
        Some(Confinement::Permissive { .. })
    ));
    let off = "System Integrity Protection status: disabled.\n";
    assert_eq!(found(off).value(), Some(&Confinement::None));
    for text in [custom, off] {
        let verdict = verdict(&with(CSRUTIL, text), RuleId::SystemConfined);
        assert!(
            !matches!(verdict, Verdict::Pass | Verdict::Unknown),
            "{text}: {verdict:?}"
        );
    }
    let unknown = "System Integrity Protection status: unknown.\n";
    assert_eq!(
        verdict(&with(CSRUTIL, unknown), RuleId::SystemConfined),
        Verdict::Unknown
    );
    assert_eq!(
        verdict(&scene(NEGLECTED, &[]), RuleId::SystemConfined),
        Verdict::Unknown
    );
}

/// docs/host-checks.md, "Public rule sets compared": a rule that looks for the word "enabled" finds it among the parts.
#[test]
fn a_public_rule_takes_integrity_protection_in_part_for_the_whole() {
    let public = |text: &str| text.contains("enabled");
    let in_part = "System Integrity Protection status: enabled (Custom Configuration).\n";
    let Ok(unknown) = scene(NEGLECTED, &[])
        .host
        .program("/usr/bin/csrutil", &["status"])
        .text()
    else {
        panic!("recorded");
    };
    for text in [in_part, &unknown] {
        assert!(public(text));
        assert_ne!(
            verdict(&with(CSRUTIL, text), RuleId::SystemConfined),
            Verdict::Pass,
            "{text}"
        );
    }
}

/// docs/host-checks.md, "Public rule sets compared": `spctl` is Gatekeeper's program, and mends nothing here.
#[test]
fn advice_about_integrity_protection_names_no_program_of_another_thing() {
    let off = with(CSRUTIL, "System Integrity Protection status: disabled.\n");
    let findings = evaluate(&Requirements::default(), &facts(&off), Mode::Container, &[]);
    let finding = findings.get(RuleId::SystemConfined).expect("a rule of this mode");
    let advice = finding.what_to_do.as_deref().expect("it does not pass");
    assert!(!advice.contains("spctl"), "{advice}");
}

#[test]
fn p19_modes_of_the_firewall_and_stale_settings() {
    let profile = |mode: &str| {
        let text = format!(r#"{{"SPFirewallDataType": [{{"spfirewall_globalstate": "{mode}"}}]}}"#);
        scene(SEQUOIA, &[(PROFILER, Capture::of(text)), (CONTROL, failed())])
    };
    let configured = |scene: &Scene| {
        let fact = facts(scene).firewall;
        fact.value().map(|firewall| firewall.configured.clone())
    };
    for (mode, expected) in [
        ("spfirewall_globalstate_limit_connections", Some(Tristate::Yes)),
        ("spfirewall_globalstate_block_all", Some(Tristate::Yes)),
        ("spfirewall_globalstate_allow_all", Some(Tristate::No)),
        ("spfirewall_globalstate_something_new", None),
        ("", None),
    ] {
        assert_eq!(configured(&profile(mode)), expected, "{mode}");
    }
    // A mode that is not known stays unknown, whatever the other program says.
    let strange = r#"{"SPFirewallDataType": [{"spfirewall_globalstate": "new"}]}"#;
    assert_eq!(
        verdict(&with(PROFILER, strange), RuleId::FirewallActive),
        Verdict::Unknown
    );
    // The settings file says "on" and is from before the update to macOS 15.
    let neglected = scene(NEGLECTED, &[]);
    assert_eq!(configured(&neglected), Some(Tristate::No));
    let nothing_else = scene(NEGLECTED, &[(PROFILER, failed()), (CONTROL, failed())]);
    assert_eq!(verdict(&nothing_else, RuleId::FirewallActive), Verdict::Unknown);
    // The two programs do not agree.
    let torn = with(CONTROL, "Firewall is disabled. (State = 0)\n");
    assert_eq!(verdict(&torn, RuleId::FirewallActive), Verdict::Unknown);
}

#[test]
fn p20_gatekeepers_settings_that_were_never_written_mean_on() {
    let asked = scene(SEQUOIA, &[(SPCTL, failed())]);
    assert_eq!(verdict(&asked, RuleId::SystemConfined), Verdict::Pass);
    // There, and not to be read: nobody knows.
    let refused = Capture::failed(Obstacle::NoPermission, "permission denied");
    let unreadable = scene(SEQUOIA, &[(SPCTL, failed()), (SETTINGS, refused)]);
    assert_eq!(verdict(&unreadable, RuleId::SystemConfined), Verdict::Unknown);
    // `spctl` speaks, and says something else.
    let strange = with(SPCTL, "Bewertungen aktiviert\n");
    assert_eq!(verdict(&strange, RuleId::SystemConfined), Verdict::Unknown);
    let off = with(SPCTL, "assessments disabled\n");
    assert!(matches!(
        facts(&off).confinement.value(),
        Some(Confinement::Permissive { .. })
    ));
    // In the place of an older release nothing counts.
    let older = "file /var/db/SystemPolicy-prefs.plist";
    let misplaced = scene(
        SEQUOIA,
        &[(SPCTL, failed()), (SETTINGS, failed()), (older, failed())],
    );
    assert_eq!(verdict(&misplaced, RuleId::SystemConfined), Verdict::Unknown);
}

#[test]
fn p21_xprotect_is_read_where_macos_reads_it() {
    let neglected = scene(NEGLECTED, &[]);
    let found = products(&neglected);
    // A public rule asks for 2162 or more in the old place, and finds it.
    let old = "/Library/Apple/System/Library/CoreServices/XProtect.bundle/Contents/Info.plist";
    let stale = plist::value(neglected.host.as_ref(), old, "CFBundleShortVersionString");
    assert_eq!(stale, Ok(plist::Value::Text("5282".to_owned())));
    assert_eq!(
        found[0].name, "XProtect 5272",
        "5282 lies in the place that macOS 15 does not use"
    );
    assert_eq!(found[0].signatures, Signatures::Aged { days: 120 });
    let on = scene(
        NEGLECTED,
        &[
            (SPCTL, Capture::of("assessments enabled\n")),
            (SETTINGS, Capture::failed(Obstacle::Missing, "none")),
        ],
    );
    assert_eq!(products(&on)[0].running, Tristate::Yes);
    assert_eq!(verdict(&on, RuleId::AntivirusActive), Verdict::Fail, "too old");
    // On macOS 13 the same place is the one in use.
    assert_eq!(products(&scene(VENTURA, &[]))[0].name, "XProtect 5278");
    let future = "program /usr/bin/stat -f %m /var/protected/xprotect/XProtect.bundle/Contents/Info.plist";
    assert_eq!(
        verdict(&with(future, "1893456000\n"), RuleId::AntivirusActive),
        Verdict::Unknown
    );
}

#[test]
fn levels_of_secure_boot() {
    for (text, expected) in [
        (
            r#"{"SPiBridgeDataType": [{"ibridge_secure_boot": "Full Security"}]}"#,
            Some(SecureBoot::On),
        ),
        (
            r#"{"SPiBridgeDataType": [{"ibridge_secure_boot": "Reduced Security"}]}"#,
            Some(SecureBoot::Reduced),
        ),
        (
            r#"{"SPiBridgeDataType": [{"ibridge_secure_boot": "Permissive Security"}]}"#,
            Some(SecureBoot::Off),
        ),
        (
            r#"{"SPiBridgeDataType": [{"ibridge_secure_boot": "Vollständig"}]}"#,
            None,
        ),
        (r#"{"SPiBridgeDataType": [{}]}"#, None),
        ("SPiBridgeDataType:", None),
    ] {
        assert_eq!(
            facts(&with(BRIDGE, text)).secure_boot.value().copied(),
            expected,
            "{text}"
        );
    }
    let neither = facts(&with(BRIDGE, r#"{"SPiBridgeDataType": []}"#)).secure_boot;
    assert!(matches!(neither, Fact::NotApplicable { .. }));
}

#[test]
fn a_system_extension_counts_with_its_makers_team_only() {
    for (team, state, running, genuine) in [
        ("X9E956P446", "[activated enabled]", Tristate::Yes, Tristate::Yes),
        ("AAAAAAAAAA", "[activated enabled]", Tristate::Yes, Tristate::No),
        (
            "X9E956P446",
            "[activated waiting for user]",
            Tristate::No,
            Tristate::Yes,
        ),
        (
            "X9E956P446",
            "[terminated waiting to uninstall on reboot]",
            Tristate::No,
            Tristate::Yes,
        ),
    ] {
        let line =
            format!("*\t*\t{team}\tcom.crowdstrike.falcon.Agent (7.18/184.07)\tFalcon Sensor\t{state}\n");
        let found = products(&with(EXTENSIONS, &line));
        assert_eq!(
            (&found[1].running, &found[1].genuine),
            (&running, &genuine),
            "{team} {state}"
        );
    }
    for line in [
        "com.crowdstrike.falcon.Agent [activated enabled]\n",
        "",
        "\t\t\t\t\t\n",
    ] {
        assert_eq!(products(&with(EXTENSIONS, line)).len(), 1, "{line:?}");
    }
}

#[test]
fn p32_every_encoding_is_read_and_every_translation_is_unknown() {
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    for (key, text, rule) in [
        (
            CSRUTIL,
            "System Integrity Protection status: enabled.\n",
            RuleId::SystemConfined,
        ),
        (SPCTL, "assessments enabled\n", RuleId::SystemConfined),
        (FDESETUP, "FileVault is On.\n", RuleId::DiskEncrypted),
        (
            CONTROL,
            "Firewall is enabled. (State = 1)\n",
            RuleId::FirewallActive,
        ),
    ] {
        for bytes in [
            text.replace('\n', "\r\n").into_bytes(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            wide(text),
            [b"\xff\xfe".to_vec(), wide(text)].concat(),
        ] {
            let same = scene(SEQUOIA, &[(key, Capture::Bytes(bytes))]);
            assert_eq!(verdict(&same, rule), Verdict::Pass, "{key}");
        }
        for other in ["Der Schutz ist aktiviert.\n", "有効\n", "\u{feff}", ""] {
            assert_eq!(
                verdict(&with(key, other), rule),
                Verdict::Unknown,
                "{key} {other:?}"
            );
        }
    }
}

#[test]
fn p33_an_answer_of_ten_megabytes_is_unknown() {
    for (key, line, rule) in [
        (
            CSRUTIL,
            "System Integrity Protection status: enabled.\n",
            RuleId::SystemConfined,
        ),
        (FDESETUP, "FileVault is On.\n", RuleId::DiskEncrypted),
        (PROFILER, "{\"SPFirewallDataType\": [", RuleId::FirewallActive),
        (VERSION, "15.1.", RuleId::AntivirusActive),
    ] {
        let flood = line.repeat((10 << 20) / line.len());
        assert_eq!(verdict(&with(key, &flood), rule), Verdict::Unknown, "{key}");
    }
}

/// A Mac that notes which programs were asked for.
struct Noting {
    inner: Arc<dyn Host>,
    programs: Mutex<Vec<String>>,
}

impl Host for Noting {
    fn file(&self, path: &str) -> Capture {
        self.inner.file(path)
    }
    fn list(&self, path: &str) -> Capture {
        self.inner.list(path)
    }
    fn link(&self, path: &str) -> Capture {
        self.inner.link(path)
    }
    fn program(&self, path: &str, args: &[&str]) -> Capture {
        self.programs
            .lock()
            .expect("held by nobody")
            .push(path.to_owned());
        self.inner.program(path, args)
    }
    fn query(&self, name: &str) -> Capture {
        self.inner.query(name)
    }
}

/// A `csrutil` on the search path is never found: the real one is named by where it is, and so is every other program. That a live
/// host takes no other names is tested in `capture::live`.
#[test]
fn p34_programs_are_named_by_where_they_are() {
    let scene = scene(NEGLECTED, &[(SPCTL, failed())]);
    let noting = Arc::new(Noting {
        inner: scene.host.clone(),
        programs: Mutex::default(),
    });
    let _ = facts(&Scene {
        host: noting.clone(),
        about: scene.about,
    });
    let programs = noting.programs.lock().expect("held by nobody");
    assert!(programs.contains(&"/usr/bin/csrutil".to_owned()));
    let of_the_system = ["/usr/bin/", "/usr/sbin/", "/usr/libexec/", "/bin/"];
    for program in programs.iter() {
        assert!(
            of_the_system.iter().any(|folder| program.starts_with(folder)),
            "{program}"
        );
    }
}

#[test]
fn nothing_seen_is_nothing_passed() {
    let empty = r#"{"format": 1, "system": "macos", "now_s": 1731600000, "captures": {}}"#;
    for (rule, verdict) in RULES.iter().zip(verdicts(&scene(empty, &[]), &RULES)) {
        assert_eq!(verdict, Verdict::Unknown, "{rule}");
    }
}

fn any_capture() -> impl Strategy<Value = Capture> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..120).prop_map(Capture::Bytes),
        "\\PC{0,60}".prop_map(Capture::of),
        ("[a-zA-Z .():=0-9]{0,40}", 0..4_usize)
            .prop_map(|(text, lines)| Capture::of((text + "\n").repeat(lines))),
        Just(Capture::of("{}")),
        Just(Capture::failed(Obstacle::NotWorking, "it failed")),
        Just(Capture::failed(Obstacle::TimedOut, "no answer")),
    ]
}

proptest! {
    /// Unknown never passes: a Mac that fails a rule does not pass it because one of the answers broke. (A settings file that
    /// is missing is no broken answer: see P20.)
    #[test]
    fn a_broken_answer_never_turns_a_failure_into_a_pass(
        which in 0..3_usize, key in any::<prop::sample::Index>(), capture in any_capture(),
    ) {
        let recording = [SEQUOIA, NEGLECTED, VENTURA][which];
        // A version of digits alone would be an answer, and lead to other places.
        let keys: Vec<_> = keys(recording).into_iter().filter(|key| key != VERSION).collect();
        let before = verdicts(&scene(recording, &[]), &RULES);
        let after = verdicts(&scene(recording, &[(key.get(&keys).as_str(), capture)]), &RULES);
        for ((rule, before), after) in RULES.iter().zip(before).zip(after) {
            prop_assert!(before == Verdict::Pass || after != Verdict::Pass, "{rule}: {before:?} became {after:?}");
        }
    }
}
