//! `gobag check --checklist`: the paper list, filled in by the real program on this computer.

#![expect(clippy::disallowed_methods, reason = "starts the program it tests")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Runs `gobag check --quick` in a language.
fn check(folder: &TempDir, language: &str, args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_gobag"))
        .args(["check", "--quick"])
        .args(args)
        .current_dir(folder.path())
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", language)
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Whether this computer is fit is not the question here.
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_list_comes_in_the_person_s_language() {
    let folder = TempDir::new().unwrap();
    let german = text(&check(&folder, "de_AT.UTF-8", &["--checklist"]));
    assert!(german.starts_with("Ist dieser PC bereit"), "{german}");
    assert!(german.contains("  [ ] Sie wissen Ihre Passphrase"), "{german}");
    for language in ["C", "fr_FR.UTF-8", ""] {
        let english = text(&check(&folder, language, &["--checklist"]));
        assert!(english.starts_with("Is this PC ready"), "{language}: {english}");
    }
    let asked = text(&check(&folder, "C", &["--checklist", "--language", "de"]));
    assert!(asked.starts_with("Ist dieser PC bereit"), "{asked}");
    // Only the way on this system is told.
    assert!(
        !asked.contains("Windows:") && !asked.contains('\u{2068}'),
        "{asked}"
    );
}

/// The boxes are the judgement of the table, not another one.
#[test]
fn the_boxes_agree_with_the_table() {
    let folder = TempDir::new().unwrap();
    let table: Value = serde_json::from_slice(&check(&folder, "C", &["--json"]).stdout).unwrap();
    let list: Value =
        serde_json::from_slice(&check(&folder, "C", &["--json", "--checklist"]).stdout).unwrap();
    let decision = &table["decision"];
    assert_eq!(list["verdict"]["mode"], decision["mode"]);
    let modes = decision["findings"].as_array().unwrap();
    let relevant = modes.iter().find(|mode| mode["mode"] == decision["mode"]);
    let findings = relevant.unwrap_or(&modes[0])["findings"].as_array().unwrap();
    let sections = list["sections"].as_array().unwrap();
    let items = sections
        .iter()
        .flat_map(|section| section["items"].as_array().unwrap());
    let mut compared = 0;
    for item in items {
        // What is the same from one second to the next.
        for rule in [
            "cpu.cores",
            "clock.sane",
            "firewall.active",
            "disk.encrypted",
            "system.supported",
        ] {
            if item["rules"] != serde_json::json!([rule]) {
                continue;
            }
            let finding = findings.iter().find(|finding| finding["rule"] == rule).unwrap();
            let expected = match finding["verdict"].as_str().unwrap() {
                "pass" => "yes",
                "unknown" => "unknown",
                _ => "no",
            };
            assert_eq!(item["state"], expected, "{rule}");
            compared += 1;
        }
    }
    assert_eq!(compared, 5);
}

#[test]
fn the_list_goes_into_a_file_of_the_form_that_its_name_says() {
    let folder = TempDir::new().unwrap();
    let said = text(&check(&folder, "C", &["--checklist", "--output", "list.html"]));
    assert_eq!(said, "written to list.html\n");
    let html = fs::read_to_string(folder.path().join("list.html")).unwrap();
    assert!(
        html.contains("<p class=\"verdict\">") && html.contains(" checked>"),
        "{html}"
    );
    check(&folder, "C", &["--checklist", "--output", "list.md"]);
    let markdown = fs::read_to_string(folder.path().join("list.md")).unwrap();
    assert!(markdown.contains("\n- [x] "), "{markdown}");
    check(&folder, "C", &["--checklist", "--output", "list.txt"]);
    let plain = fs::read_to_string(folder.path().join("list.txt")).unwrap();
    assert!(plain.contains("  [x] ") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn what_only_the_list_has_needs_the_list() {
    let folder = TempDir::new().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_gobag"))
        .args(["check", "--language", "de"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
