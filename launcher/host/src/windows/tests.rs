//! Whole computers: recordings in `fixtures/windows`, and what the rules make of them.

use gobag_checklists::safety::{
    Confinement, Firewall, Power, ProductKind, SecureBoot, SecurityProduct, Signatures, StorageRole, Tristate,
};
use gobag_checklists::{Fact, Obstacle, RuleId, Verdict};
use proptest::prelude::*;

use super::documents as query;
use crate::capture::Capture;
use crate::judged::{RULES, facts, keys, scene, verdict, verdicts};
use crate::probe::Scene;

const HOME_PC: &str = include_str!("../../fixtures/windows/home-pc.json");
const TWO_SCANNERS: &str = include_str!("../../fixtures/windows/two-scanners.json");
const FAKE_SCANNER: &str = include_str!("../../fixtures/windows/fake-scanner.json");
const STOPPED: &str = include_str!("../../fixtures/windows/security-center-stopped.json");
const SERVER: &str = include_str!("../../fixtures/windows/server-2022.json");
const OLD_PC: &str = include_str!("../../fixtures/windows/old-pc.json");

const ALL: [&str; 6] = [HOME_PC, TWO_SCANNERS, FAKE_SCANNER, STOPPED, SERVER, OLD_PC];

/// The PC that is as it should be, with another answer to one query.
pub(super) fn home_pc_with(name: &str, answer: &str) -> Scene {
    scene(HOME_PC, &[(&format!("query {name}"), Capture::of(answer))])
}

fn products(scene: &Scene) -> Vec<SecurityProduct> {
    match facts(scene).products {
        Fact::Known(known) => known.value,
        other => panic!("{other:?}"),
    }
}

/// Names, and whether they run and are genuine.
fn short(products: &[SecurityProduct]) -> Vec<(&str, &'static str, &'static str)> {
    let word = |tristate: &Tristate| match tristate {
        Tristate::Yes => "yes",
        Tristate::No => "no",
        Tristate::Unknown { .. } => "?",
    };
    let one = |product: &'_ SecurityProduct| (word(&product.running), word(&product.genuine));
    products
        .iter()
        .map(|product| {
            let (running, genuine) = one(product);
            (product.name.as_str(), running, genuine)
        })
        .collect()
}

#[test]
fn every_fixture_gives_exactly_its_facts() {
    crate::judged::assert_exact_facts("windows");
}

#[test]
fn a_pc_as_it_should_be_is_read_completely() {
    let scene = scene(HOME_PC, &[]);
    let facts = facts(&scene);
    let system = facts.operating_system.value().expect("known");
    assert_eq!(
        (system.name.as_str(), system.kernel.as_str()),
        ("Windows 10 Home 22H2", "10.0.19045.5131")
    );
    let release = facts.release.value().expect("known");
    assert_eq!(
        (release.system.as_str(), release.version.as_str()),
        ("windows", "10.0.19045.5131")
    );
    assert_eq!(facts.secure_boot.value(), Some(&SecureBoot::On));
    let storage = facts.storage.value().expect("known");
    let places: Vec<_> = storage
        .iter()
        .map(|one| (one.place.as_str(), one.role, one.encrypted.clone()))
        .collect();
    assert_eq!(
        places,
        [
            ("C:", StorageRole::Files, Tristate::Yes),
            ("E:", StorageRole::Removable, Tristate::No)
        ]
    );
    let on = Firewall {
        name: Some("Windows Firewall".to_owned()),
        configured: Tristate::Yes,
        enforced: Tristate::Yes,
    };
    assert_eq!(facts.firewall.value(), Some(&on));
    let defender = SecurityProduct {
        name: "Windows Defender".to_owned(),
        kind: ProductKind::Antivirus,
        running: Tristate::Yes,
        genuine: Tristate::Yes,
        signatures: Signatures::Aged { days: 0 },
    };
    assert_eq!(facts.products.value(), Some(&vec![defender]));
    let updates = facts.updates.value().expect("known");
    assert_eq!(updates.age_days, Some(2));
    assert_eq!(
        (&updates.automatic, &updates.restart_pending),
        (&Tristate::Yes, &Tristate::No)
    );
    let lock = facts.screen_lock.value().expect("known");
    assert_eq!((lock.locks, lock.after_s), (true, Some(600)));
    let power = Power {
        on_mains: true,
        battery_percent: Some(87),
    };
    assert_eq!(facts.power.value(), Some(&power));
    assert!(matches!(
        facts.confinement,
        Fact::<Confinement>::NotApplicable { .. }
    ));
    for rule in RULES.into_iter().filter(|rule| *rule != RuleId::SystemConfined) {
        assert_eq!(verdict(&scene, rule), Verdict::Pass, "{rule}");
    }
}

#[test]
fn p2_p3_p5_p6_numbers_of_wmi_that_are_not_on_and_current_do_not_pass() {
    let with = |state: i64| {
        let list = format!(r#"{{"products": [{{"name": "Windows Defender", "state": {state}}}]}}"#);
        let failed = Capture::failed(Obstacle::NotWorking, "class not registered");
        scene(
            HOME_PC,
            &[
                ("query wsc.antivirus", failed.clone()),
                ("query wmi.defender", failed),
                ("query wmi.antivirus", Capture::of(list)),
            ],
        )
    };
    assert_eq!(
        verdict(&with(397_568), RuleId::AntivirusActive),
        Verdict::Pass,
        "P1"
    );
    for (state, expected) in [
        (397_584, Verdict::Fail),
        (393_488, Verdict::Fail),
        (401_664, Verdict::Fail),
        (0, Verdict::Unknown),
        (-1, Verdict::Unknown),
        (0x0104_1000, Verdict::Unknown),
        (0x04_F000, Verdict::Unknown),
    ] {
        assert_eq!(
            verdict(&with(state), RuleId::AntivirusActive),
            expected,
            "{state}"
        );
    }
}

#[test]
fn p7_a_scanner_that_is_off_does_not_spoil_one_that_is_on() {
    let both = scene(TWO_SCANNERS, &[]);
    let expected = [("Windows Defender", "no", "?"), ("ESET Security", "yes", "yes")];
    assert_eq!(short(&products(&both)), expected);
    assert_eq!(verdict(&both, RuleId::AntivirusActive), Verdict::Pass);
    // The same through WMI.
    let failed = Capture::failed(Obstacle::NotWorking, "class not registered");
    let through_wmi = scene(TWO_SCANNERS, &[("query wsc.antivirus", failed)]);
    assert_eq!(short(&products(&through_wmi)), expected);
    assert_eq!(verdict(&through_wmi, RuleId::AntivirusActive), Verdict::Pass);
}

#[test]
fn p8_a_stopped_security_center_is_unknown_whatever_it_said_before() {
    let stopped = scene(STOPPED, &[]);
    assert!(matches!(facts(&stopped).products, Fact::Unknown { .. }));
    assert_eq!(verdict(&stopped, RuleId::AntivirusActive), Verdict::Unknown);
    // The same computer with the service: what it lists counts again.
    let health = Capture::of(r#"{"antivirus": {"result": 0, "health": 0}}"#);
    let running = scene(STOPPED, &[("query wsc.health", health)]);
    assert_eq!(verdict(&running, RuleId::AntivirusActive), Verdict::Pass);
}

#[test]
fn p9_windows_server_is_asked_in_another_way() {
    let server = scene(SERVER, &[]);
    assert_eq!(
        short(&products(&server)),
        [
            ("Microsoft Defender Antivirus", "yes", "yes"),
            ("CrowdStrike Falcon", "yes", "yes")
        ]
    );
    assert_eq!(verdict(&server, RuleId::AntivirusActive), Verdict::Pass);
    let release = facts(&server).release;
    assert_eq!(release.value().expect("known").system, "windows-server");
    assert!(matches!(facts(&server).power, Fact::NotApplicable { .. }));
    // Without Defender and without services nobody can say that there is none.
    let gone = Capture::failed(Obstacle::Missing, "not found");
    let bare = [
        ("query wmi.defender", gone),
        ("query services", Capture::of(r#"{"services": []}"#)),
    ];
    assert_eq!(
        verdict(&scene(SERVER, &bare), RuleId::AntivirusActive),
        Verdict::Unknown
    );
}

#[test]
fn p10_a_name_without_a_signed_program_is_not_protection() {
    let fake = scene(FAKE_SCANNER, &[]);
    assert_eq!(
        short(&products(&fake)),
        [
            ("Windows Defender", "no", "?"),
            ("Totally Fine Antivirus", "yes", "no")
        ]
    );
    let verdict_of = |scene: &Scene| verdict(scene, RuleId::AntivirusActive);
    assert_eq!(verdict_of(&fake), Verdict::Fail, "container mode; vm mode warns");
    let with = |name: &str, signature: &str| {
        let list = format!(
            r#"{{"result": 0, "products": [{{"name": "{name}", "state": 0, "signatures": 1, "signature": {signature}}}]}}"#
        );
        scene(FAKE_SCANNER, &[("query wsc.antivirus", Capture::of(list))])
    };
    for (name, signature, expected) in [
        // A program of Microsoft's under another name: anybody has one.
        (
            "Totally Fine Antivirus",
            r#"{"status": "valid", "signer": "Microsoft Windows"}"#,
            Verdict::Fail,
        ),
        (
            "Totally Fine Antivirus",
            r#"{"status": "invalid", "signer": "Fine Ltd"}"#,
            Verdict::Fail,
        ),
        (
            "Totally Fine Antivirus",
            r#"{"status": "unreadable"}"#,
            Verdict::Unknown,
        ),
        ("Totally Fine Antivirus", "null", Verdict::Unknown),
        (
            "Totally Fine Antivirus",
            r#"{"status": "valid", "signer": "Somebody Else GmbH"}"#,
            Verdict::Unknown,
        ),
        (
            "Totally Fine Antivirus",
            r#"{"status": "valid", "signer": "Fine Software Ltd"}"#,
            Verdict::Pass,
        ),
        // A maker that is known must run its own service, whatever program is named.
        (
            "CrowdStrike Falcon Sensor",
            r#"{"status": "valid", "signer": "CrowdStrike, Inc."}"#,
            Verdict::Fail,
        ),
    ] {
        assert_eq!(verdict_of(&with(name, signature)), expected, "{name} {signature}");
    }
}

#[test]
fn p10_a_service_with_the_right_name_and_another_signer_is_not_genuine() {
    for (signature, genuine) in [
        (r#"{"status": "valid", "signer": "CrowdStrike, Inc."}"#, "yes"),
        (r#"{"status": "valid", "signer": "Somebody Else GmbH"}"#, "no"),
        (r#"{"status": "unsigned"}"#, "no"),
        (r#"{"status": "unreadable"}"#, "?"),
        ("null", "?"),
    ] {
        let services = format!(
            r#"{{"services": [{{"name": "csfalconservice", "state": 4, "start": 2, "signature": {signature}}}]}}"#
        );
        let server = scene(SERVER, &[("query services", Capture::of(services))]);
        let found = products(&server);
        let falcon = short(&found).pop().expect("listed");
        assert_eq!(falcon, ("CrowdStrike Falcon", "yes", genuine), "{signature}");
    }
}

#[test]
fn p11_the_network_in_use_decides() {
    assert_eq!(
        verdict(&scene(OLD_PC, &[]), RuleId::FirewallActive),
        Verdict::Warn
    );
    let services = Capture::failed(Obstacle::NoPermission, "denied");
    let unseen = scene(HOME_PC, &[("query services", services)]);
    assert_eq!(verdict(&unseen, RuleId::FirewallActive), Verdict::Unknown);
    let off = r#"{"services": [{"name": "MpsSvc", "state": 1, "start": 4}, {"name": "BFE", "state": 4}]}"#;
    assert_eq!(
        verdict(&home_pc_with(query::SERVICES, off), RuleId::FirewallActive),
        Verdict::Warn
    );
    // Another maker's, that Security Center lists.
    let list = r#"{"result": 0, "products": [{"name": "ESET Firewall", "state": 0, "signatures": 1,
        "signature": {"status": "valid", "signer": "ESET, spol. s r.o."}}]}"#;
    let other = scene(OLD_PC, &[("query wsc.firewalls", Capture::of(list))]);
    let firewall = facts(&other).firewall;
    let firewall = firewall.value().expect("known");
    assert_eq!(
        (firewall.name.as_deref(), &firewall.configured),
        (Some("ESET Firewall"), &Tristate::Yes)
    );
    assert!(matches!(firewall.enforced, Tristate::Unknown { .. }));
}

#[test]
fn p12_drives_of_the_old_pc() {
    let old = facts(&scene(OLD_PC, &[]));
    let storage = old.storage.value().expect("known");
    assert_eq!(storage[0].encrypted, Tristate::No);
    for unseen in &storage[1..] {
        assert!(matches!(unseen.encrypted, Tristate::Unknown { .. }), "{unseen:?}");
    }
    for value in ["3", "4", "5", "6", "0", "7", "8", "", "An"] {
        let drive =
            format!(r#"{{"volumes": [{{"place": "C:", "drive_type": 3, "protection": "{value}"}}]}}"#);
        let scene = home_pc_with(query::VOLUMES, &drive);
        assert_eq!(
            verdict(&scene, RuleId::DiskEncrypted),
            Verdict::Unknown,
            "{value}"
        );
    }
}

#[test]
fn p13_secure_boot_by_the_registry() {
    for (answer, expected) in [
        (
            r#"{"key": true, "enabled": 1, "firmware": 2}"#,
            Some(SecureBoot::On),
        ),
        // What a firmware in Setup Mode leaves there.
        (
            r#"{"key": true, "enabled": 0, "firmware": 2}"#,
            Some(SecureBoot::Off),
        ),
        (r#"{"key": true, "enabled": 2, "firmware": 2}"#, None),
        (r#"{"key": true, "firmware": 2}"#, None),
        (r#"{"key": false, "firmware": 2}"#, None),
    ] {
        let fact = facts(&home_pc_with(query::SECURE_BOOT, answer)).secure_boot;
        assert!(!matches!(fact, Fact::NotApplicable { .. }), "{answer}");
        assert_eq!(fact.value().copied(), expected, "{answer}");
    }
    for bios in [r#"{"key": false, "firmware": 1}"#, r#"{"key": false}"#] {
        let fact = facts(&home_pc_with(query::SECURE_BOOT, bios)).secure_boot;
        assert!(matches!(fact, Fact::NotApplicable { .. }), "{bios}");
    }
    let refused = Capture::failed(Obstacle::NoPermission, "access is denied");
    let fact = facts(&scene(HOME_PC, &[("query secure-boot", refused)])).secure_boot;
    assert!(matches!(fact, Fact::Unknown { .. }));
}

#[test]
fn p14_a_definition_of_last_week_does_not_make_an_old_system_recent() {
    let old = scene(OLD_PC, &[]);
    let found = facts(&old).updates;
    assert_eq!(found.value().expect("known").age_days, Some(200));
    assert_eq!(verdict(&old, RuleId::UpdatesRecent), Verdict::Warn);
    assert_eq!(
        verdict(&scene(HOME_PC, &[]), RuleId::UpdatesRecent),
        Verdict::Pass
    );
}

#[test]
fn updates_that_come_by_themselves_need_both_services() {
    let automatic = |services: &str| {
        let found = facts(&home_pc_with(query::SERVICES, services)).updates;
        found.value().expect("known").automatic.clone()
    };
    for (first, second, expected) in [(3, 2, true), (4, 2, false), (3, 4, false)] {
        let services = format!(
            r#"{{"services": [{{"name": "wuauserv", "state": 1, "start": {first}}}, {{"name": "UsoSvc", "state": 4, "start": {second}}}]}}"#
        );
        // Security Center goes on saying "good", as it was seen to do.
        assert_eq!(automatic(&services) == Tristate::Yes, expected, "{services}");
    }
    assert_eq!(automatic(r#"{"services": []}"#), Tristate::No);
}

#[test]
fn p32_answers_in_another_encoding_or_of_another_kind_do_not_pass() {
    for (key, rule) in [
        (query::VOLUMES, RuleId::DiskEncrypted),
        (query::FIREWALL_PROFILES, RuleId::FirewallActive),
        (query::ANTIVIRUS, RuleId::AntivirusActive),
        (query::UPDATE_HISTORY, RuleId::UpdatesRecent),
    ] {
        for answer in [
            "Schutzstatus: Der Schutz ist aktiviert.\r\n",
            "\u{feff}{}",
            "[]",
            "{}",
            "null",
            "1",
            "\"1\"",
        ] {
            let changes = match key {
                // Its second source must not help here.
                query::ANTIVIRUS => vec![
                    ("query wsc.antivirus", Capture::of(answer)),
                    ("query wmi.antivirus", Capture::of(answer)),
                ],
                _ => vec![],
            };
            let recorded = match changes.is_empty() {
                true => home_pc_with(key, answer),
                false => scene(HOME_PC, &changes),
            };
            assert_eq!(verdict(&recorded, rule), Verdict::Unknown, "{key} {answer:?}");
        }
    }
}

#[test]
fn p33_an_answer_of_ten_megabytes_is_unknown() {
    let flood = "1".repeat(10 << 20);
    for (key, rule) in [
        (query::VOLUMES, RuleId::DiskEncrypted),
        (query::SECURE_BOOT, RuleId::BootSecure),
        (query::HEALTH, RuleId::AntivirusActive),
    ] {
        assert_eq!(
            verdict(&home_pc_with(key, &flood), rule),
            Verdict::Unknown,
            "{key}"
        );
    }
}

#[test]
fn nothing_seen_is_nothing_passed() {
    let empty = r#"{"format": 1, "system": "windows", "now_s": 1731600000, "captures": {}}"#;
    for (rule, verdict) in RULES.iter().zip(verdicts(&scene(empty, &[]), &RULES)) {
        // Windows has no confinement that could be on, so that rule does not apply to it.
        if *rule != RuleId::SystemConfined {
            assert_eq!(verdict, Verdict::Unknown, "{rule}");
        }
    }
}

fn any_capture() -> impl Strategy<Value = Capture> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..120).prop_map(Capture::Bytes),
        Just(Capture::of("{}")),
        Just(Capture::failed(Obstacle::NotWorking, "it failed")),
        Just(Capture::failed(Obstacle::Missing, "not there")),
        Just(Capture::failed(Obstacle::TimedOut, "no answer")),
        (any::<i64>(), any::<i64>(), "\\PC{0,12}").prop_map(|(a, b, text)| {
            let (number, other) = (a % 9, b);
            Capture::of(
                serde_json::json!({
                    "result": number, "current": other, "key": number % 2 == 0, "products": [{"name": text,
                    "state": other, "signatures": number}], "services": [{"name": text, "state": number}],
                    "volumes": [{"place": text, "drive_type": number, "protection": text}], "entries": [{"title": text,
                    "date_s": other, "operation": number, "result": number}], "version": text,
                    "mains": other, "flags": other, "percent": other, "active": true, "secure": true, "timeout_s": other,
                })
                .to_string(),
            )
        }),
    ]
}

proptest! {
    /// Unknown never passes: a computer that fails a rule does not pass it because one of the answers broke.
    #[test]
    fn a_broken_answer_never_turns_a_failure_into_a_pass(
        which in 0..ALL.len(), key in any::<prop::sample::Index>(), capture in any_capture(),
    ) {
        let recording = ALL[which];
        let keys = keys(recording);
        let before = verdicts(&scene(recording, &[]), &RULES);
        let after = verdicts(&scene(recording, &[(key.get(&keys).as_str(), capture)]), &RULES);
        for ((rule, before), after) in RULES.iter().zip(before).zip(after) {
            prop_assert!(before == Verdict::Pass || after != Verdict::Pass, "{rule}: {before:?} became {after:?}");
        }
    }
}
