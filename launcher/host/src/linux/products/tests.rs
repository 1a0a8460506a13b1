//! Products by systemd's word and by processes.

use gobag_checklists::safety::ProductKind;

use super::*;
use crate::linux::testing::{Bare, bare};

fn units_key() -> String {
    format!("query units {}", catalog::units().join(","))
}

fn processes_key() -> String {
    format!("query processes {}", catalog::processes().join(","))
}

fn units(active: &[(&str, &str)]) -> String {
    let loaded: Vec<String> = active
        .iter()
        .map(|(name, active)| {
            format!("{{\"name\":\"{name}\",\"load\":\"loaded\",\"active\":\"{active}\",\"sub\":\"x\"}}")
        })
        .collect();
    let files: Vec<String> = active
        .iter()
        .map(|(name, _)| format!("{{\"path\":\"/lib/systemd/system/{name}\",\"state\":\"enabled\"}}"))
        .collect();
    format!(
        "{{\"loaded\":[{}],\"files\":[{}]}}",
        loaded.join(","),
        files.join(",")
    )
}

const ROOTS: &str = "{\"owner\":0,\"mode\":493,\"size\":1,\"changed_s\":1}";
const ANNAS: &str = "{\"owner\":1000,\"mode\":493,\"size\":1,\"changed_s\":1}";

/// A unit with its file and its program, all of them the administrator's.
fn installed(bare: Bare, unit: &str, program: &str) -> Bare {
    let file = format!("/lib/systemd/system/{unit}");
    let folder = program.rsplit_once('/').expect("a path").0;
    bare.text(
        &format!("file {file}"),
        &format!("[Service]\nExecStart=-{program} --foreground\n"),
    )
    .json(&format!("query stat {file}"), ROOTS)
    .json("query stat /lib/systemd/system", ROOTS)
    .json(&format!("query stat {program}"), ROOTS)
    .json(&format!("query stat {folder}"), ROOTS)
}

fn clamav(active: &str, updater: &str) -> Bare {
    let bare = bare().json(
        &units_key(),
        &units(&[
            ("clamav-daemon.service", active),
            ("clamav-freshclam.service", updater),
        ]),
    );
    let bare = installed(bare, "clamav-daemon.service", "/usr/sbin/clamd");
    installed(bare, "clamav-freshclam.service", "/usr/bin/freshclam")
}

fn products(bare: Bare) -> Vec<SecurityProduct> {
    probe(&bare.scene()).value().expect("known").clone()
}

#[test]
fn clamav_runs_if_both_its_services_do() {
    for (scanner, updater, expected) in [
        ("active", "active", Tristate::Yes),
        ("active", "inactive", Tristate::No),
        ("failed", "active", Tristate::No),
        ("activating", "active", Tristate::No),
    ] {
        let products = products(clamav(scanner, updater));
        assert_eq!(products.len(), 1);
        assert_eq!(products[0].running, expected, "{scanner} {updater}");
        assert_eq!(products[0].genuine, Tristate::Yes);
        assert_eq!(products[0].kind, ProductKind::Antivirus);
    }
}

#[test]
fn nothing_found_by_systemd_is_an_empty_list_and_without_systemd_it_is_unknown() {
    let processes = "{\"others_visible\":true,\"found\":[]}";
    let none = bare().json(&units_key(), "{}").json(&processes_key(), processes);
    assert_eq!(products(none), []);
    // P25.
    let silent = bare().json(&processes_key(), processes);
    assert!(matches!(probe(&silent.scene()), Fact::Unknown { .. }));
}

#[test]
fn p26_a_process_that_a_user_called_falcon_sensor_is_not_genuine() {
    let found = "{\"others_visible\":true,\"found\":[\
                 {\"name\":\"falcon-sensor\",\"executable\":\"/home/user1/falcon-sensor\",\"owner\":1000}]}";
    for bare in [bare(), bare().json(&units_key(), "{}")] {
        let products = products(bare.json(&processes_key(), found));
        assert_eq!(products[0].name, "CrowdStrike Falcon");
        assert_eq!(products[0].genuine, Tristate::No);
    }
}

#[test]
fn p27_two_scanners_do_not_make_an_updater() {
    let process =
        |name: &str| format!("{{\"name\":\"{name}\",\"executable\":\"/usr/sbin/{name}\",\"owner\":0}}");
    let found = |names: &[&str]| {
        let list: Vec<String> = names.iter().map(|name| process(name)).collect();
        format!("{{\"others_visible\":true,\"found\":[{}]}}", list.join(","))
    };
    for (names, expected) in [
        (&["clamd", "clamd"][..], Tristate::No),
        (&["clamd", "freshclam", "freshclam"], Tristate::Yes),
        (&["freshclam"], Tristate::No),
    ] {
        let bare = bare()
            .json(&processes_key(), &found(names))
            .json("query stat /usr/sbin/clamd", ROOTS)
            .json("query stat /usr/sbin/freshclam", ROOTS)
            .json("query stat /usr/sbin", ROOTS);
        let products = products(bare);
        assert_eq!(products[0].running, expected, "{names:?}");
        assert_eq!(products[0].genuine, Tristate::Yes);
    }
}

#[test]
fn a_program_that_somebody_else_can_change_is_not_genuine() {
    let program = "query stat /usr/sbin/clamd";
    assert_eq!(
        products(clamav("active", "active").json(program, ANNAS))[0].genuine,
        Tristate::No
    );
    let writable = ROOTS.replace("493", "511");
    assert_eq!(
        products(clamav("active", "active").json(program, &writable))[0].genuine,
        Tristate::No
    );
    let folder = "query stat /usr/sbin";
    assert_eq!(
        products(clamav("active", "active").json(folder, ANNAS))[0].genuine,
        Tristate::No
    );
}

#[test]
fn without_systemd_a_program_that_cannot_be_seen_is_not_called_genuine() {
    let found = "{\"others_visible\":true,\"found\":[{\"name\":\"clamd\",\"owner\":110},{\"name\":\"freshclam\",\"owner\":110}]}";
    let products = products(bare().json(&processes_key(), found));
    assert_eq!(products[0].running, Tristate::Yes);
    assert!(matches!(products[0].genuine, Tristate::Unknown { .. }));
}

#[test]
fn what_is_installed_and_not_seen_running_does_not_run_or_is_unknown_under_hidepid() {
    for (visible, expected_no) in [(true, true), (false, false)] {
        let processes = format!("{{\"others_visible\":{visible},\"found\":[]}}");
        let bare = bare()
            .json(&processes_key(), &processes)
            .json("query stat /usr/sbin/clamd", ROOTS);
        let running = products(bare)[0].running.clone();
        assert_eq!(running == Tristate::No, expected_no, "{running:?}");
        assert_ne!(running, Tristate::Yes);
    }
}

#[test]
fn units_by_pattern_and_the_makers_own_word() {
    let sophos = bare().json(&units_key(), &units(&[("sophos-spl.service", "active")]));
    assert_eq!(products(sophos)[0].name, "Sophos");
    let defender = |word: &str| {
        let bare = bare().json(&units_key(), &units(&[("mdatp.service", "active")]));
        let key = "program /usr/bin/mdatp health --field definitions_status";
        products(bare.text(key, word))[0].signatures.clone()
    };
    assert_eq!(defender("\"up_to_date\"\n"), Signatures::Current);
    assert_eq!(defender("\"out_of_date\"\n"), Signatures::Outdated);
    assert!(matches!(defender("unavailable\n"), Signatures::Unknown { .. }));
}

#[test]
fn programs_of_units() {
    for (unit, expected) in [
        (
            "[Service]\nExecStart=/usr/sbin/clamd --foreground=true\n",
            Some("/usr/sbin/clamd"),
        ),
        ("ExecStart=!-/bin/x\n", Some("/bin/x")),
        ("ExecStart=clamd\n", None),
        ("ExecStartPre=/bin/y\n", None),
        ("", None),
    ] {
        assert_eq!(executable(unit).as_deref(), expected, "{unit:?}");
    }
}
