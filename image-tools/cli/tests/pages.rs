//! The checklist and the coverage figure as IT makes them; and the checklist as people see and print it, in Chromium.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start the program and prepare its files"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "pages/browser.rs"]
mod browser;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use gobag_checklists::{Fact, HostFacts, ModeChoice, Requirements, Severity, decide, policy::RuleSetting};
use serde_json::{Value, json};
use tempfile::TempDir;

use browser::Browser;

/// A folder to work in.
struct Desk(TempDir);

struct Ran {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_gobag-image"))
            .current_dir(self.0.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn good(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.exit, Some(0), "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }
}

/// Everything that can be asked, required in every mode.
const STRICT: &str = include_str!("../../../checklists/src/checklist/strict.json");

#[test]
fn the_checklist_comes_in_three_forms_and_two_languages() {
    let desk = Desk::new();
    let text = desk.good(&["checklist"]);
    assert!(
        text.starts_with("Is this PC ready for your work stick?\n"),
        "{text}"
    );
    assert!(
        text.contains("  [ ] It has at least 2 cores. (good to have)\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
    let text = desk.good(&[
        "checklist",
        "--language",
        "de",
        "--it-contact",
        "Frau Beispiel, 0800 1",
    ]);
    assert!(text.contains("Ihre IT: Frau Beispiel, 0800 1"), "{text}");
    let markdown = desk.good(&["checklist", "--format", "markdown"]);
    assert!(
        markdown.contains("\n- [ ] You know your passphrase"),
        "{markdown}"
    );
    let said = desk.good(&[
        "checklist",
        "--output",
        "list.html",
        "--paper",
        "letter",
        "--system",
        "macos",
    ]);
    assert_eq!(said, "written to list.html\n");
    let html = fs::read_to_string(desk.path("list.html")).unwrap();
    assert!(html.contains("size: letter") && !html.contains("<b>Windows:</b>"));
    let list: Value = serde_json::from_str(&desk.good(&["checklist", "--json"])).unwrap();
    assert_eq!(list["sections"][0]["items"][0]["id"], "passphrase");
}

#[test]
fn a_language_comes_from_a_folder_and_a_missing_one_is_refused() {
    let desk = Desk::new();
    let refused = desk.run(&["checklist", "--language", "fr"]);
    assert_eq!(refused.exit, Some(2));
    assert!(refused.stderr.contains("there are: en, de"), "{}", refused.stderr);
    desk.put("texts/fr/checklist.ftl", "page-title = Liste\n");
    let text = desk.good(&["checklist", "--language", "fr", "--texts", "texts"]);
    assert!(text.starts_with("Liste\n"), "{text}");
    desk.put("texts/fr/checklist.ftl", "page-title = { $\n");
    let refused = desk.run(&["checklist", "--language", "fr", "--texts", "texts", "--json"]);
    assert_eq!(refused.exit, Some(2));
    assert!(refused.stdout.contains("texts.not-fluent"), "{}", refused.stdout);
}

#[test]
fn bad_requirements_are_refused() {
    let desk = Desk::new();
    for (text, what) in [
        ("{", "EOF"),
        (r#"{"min_cores":4096}"#, "min_cores"),
        (&" ".repeat((1 << 20) + 1), "more than"),
    ] {
        desk.put("requirements.json", text);
        let refused = desk.run(&["checklist", "--requirements", "requirements.json"]);
        assert_eq!(refused.exit, Some(2));
        assert!(refused.stderr.contains(what), "{}", refused.stderr);
    }
}

/// A result as `gobag check --json` gives it; of these computers nothing is known but what the number says.
fn result(number: u64) -> String {
    let facts = HostFacts {
        cores: Fact::from_kernel(u32::try_from(number).unwrap(), "test"),
        ..HostFacts::default()
    };
    let decision = decide(&Requirements::default(), &facts, ModeChoice::Auto, &[]);
    json!({ "decision": decision, "facts": facts }).to_string()
}

#[test]
fn coverage_counts_folders_and_files_and_lists_what_is_damaged() {
    let desk = Desk::new();
    for number in 1..=3 {
        desk.put(&format!("results/{number}.json"), &result(number));
    }
    desk.put("results/notes.txt", "not looked at");
    desk.put("four.json", &result(4));
    let text = desk.good(&["coverage", "results", "four.json"]);
    assert!(
        text.starts_with("4 of 4 can run the VM, 0 only the container, 0 neither; of 4 of those who can,"),
        "{text}"
    );
    desk.put("results/cut.json", &result(5)[..40]);
    desk.put("results/copy.json", &result(1));
    // What was read is not written over, whatever it is called.
    let before = fs::read(desk.path("results/cut.json")).unwrap();
    let ran = desk.run(&[
        "coverage",
        "results",
        "--output",
        "results/../results/cut.json",
        "--yes",
    ]);
    assert_eq!(ran.exit, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("is one of the files that are read"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read(desk.path("results/cut.json")).unwrap(), before);
    let ran = desk.run(&["coverage", "results", "absent.json", "--json"]);
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["vm"], &report["computers"]), (&json!(3), &json!(3)));
    let bad = report["findings"].as_array().unwrap();
    let bad: Vec<&str> = bad
        .iter()
        .map(|problem| problem["file"].as_str().unwrap())
        .collect();
    assert_eq!(bad, ["results/cut.json", "absent.json"]);
    assert_eq!(report["duplicates"].as_array().unwrap().len(), 1);
    // The first core alone is too few for this; the facts decide, not what was recorded.
    let mut stricter = Requirements::default();
    let setting = RuleSetting {
        vm: Some(Severity::Require),
        ..RuleSetting::default()
    };
    stricter.policy.rules.insert("cpu.cores".to_owned(), setting);
    desk.put("requirements.json", &serde_json::to_string(&stricter).unwrap());
    let ran = desk.run(&[
        "coverage",
        "results",
        "--requirements",
        "requirements.json",
        "--output",
        "c.csv",
    ]);
    assert_eq!(ran.exit, Some(3));
    let csv = fs::read_to_string(desk.path("c.csv")).unwrap();
    assert!(
        csv.contains("\r\nvm,cpu.cores,Processor cores,1,1,0,0\r\n"),
        "{csv}"
    );
}

/// Exactly one sheet each, with everything on it. What is looked at is the paper: Chromium's own PDF.
#[test]
fn the_checklist_prints_on_one_sheet_in_both_languages() {
    let Some(browser) = Browser::here() else { return };
    let desk = Desk::new();
    desk.put("strict.json", STRICT);
    for requirements in [None, Some("strict.json")] {
        for (language, notice, last) in [
            (
                "en",
                "what it never looks at",
                "Date, time and time zone are right.",
            ),
            ("de", "was er nie ansieht", "Datum, Uhrzeit und Zeitzone stimmen."),
        ] {
            for (paper, size) in [("a4", "A4"), ("letter", "letter")] {
                let name = format!(
                    "{}-{language}-{paper}",
                    requirements.map_or("usual", |_| "strict")
                );
                let page = format!("{name}.html");
                let mut args = vec![
                    "checklist",
                    "--language",
                    language,
                    "--paper",
                    paper,
                    "--output",
                    &page,
                ];
                args.extend(requirements.iter().flat_map(|file| ["--requirements", *file]));
                desk.good(&args);
                let pdf = browser.print(&desk.path(&page));
                assert_eq!(pdf.pages, 1, "{name}");
                assert!(pdf.size.contains(size), "{name}: {}", pdf.size);
                let text = pdf.text.split_whitespace().collect::<Vec<_>>().join(" ");
                for words in [notice, last] {
                    assert!(text.contains(words), "{name}: {words}: {text}");
                }
                // Chromium makes the whole page smaller where something is too wide; 12 points must stay 12 points. Their
                // box in these letters is 13.4 points high.
                for word in ["passphrase,", "Passphrase,", "administrator;", "Administrator"] {
                    let found = pdf.words.iter().filter(|(other, _)| other == word);
                    for (_, height) in found {
                        assert!(*height > 13.3, "{name}: {word} is {height} points high");
                    }
                }
                let large = pdf.words.iter().filter(|(_, height)| *height > 13.3).count();
                assert!(large > 100, "{name}: {large} words of 12 points");
                browser.keep(&desk.path(&page));
            }
        }
    }
}

#[test]
fn the_checklist_is_seen_on_a_screen() {
    let Some(browser) = Browser::here() else { return };
    let desk = Desk::new();
    for language in ["en", "de"] {
        let page = format!("screen-{language}.html");
        desk.good(&["checklist", "--language", language, "--output", &page]);
        let ink = browser.ink_on_screen(&desk.path(&page));
        // A blank page has none, a page of solid colour too much.
        assert!((0.02..0.4).contains(&ink), "{language}: {ink}");
    }
    desk.put("blank.html", "<!DOCTYPE html><title>nothing</title>");
    assert_eq!(browser.ink_on_screen(&desk.path("blank.html")), 0.0);
}

#[test]
fn the_coverage_page_is_seen_on_a_screen() {
    let Some(browser) = Browser::here() else { return };
    let desk = Desk::new();
    for number in 1..=3 {
        desk.put(&format!("results/{number}.json"), &result(number));
    }
    desk.good(&["coverage", "results", "--output", "coverage.html"]);
    let ink = browser.ink_on_screen(&desk.path("coverage.html"));
    assert!((0.01..0.4).contains(&ink), "{ink}");
}
