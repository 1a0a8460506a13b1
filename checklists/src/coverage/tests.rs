//! Computers are generated, written as `gobag check --json` writes them, and counted.

use serde_json::json;

use super::*;
use crate::decide::{ModeChoice, decide};
use crate::fact::Fact;
use crate::finding::Severity;
use crate::host::{HostFacts, Memory, Obstacle};
use crate::policy::RuleSetting;
use crate::requirements::OnUnknown;
use crate::sample::{broken, good_pc};

/// A good computer of its own: no two are the same.
fn computer(number: u64) -> HostFacts {
    HostFacts {
        gathered_at_s: 1_790_000_000 + number,
        ..good_pc()
    }
}

fn without_qemu(facts: HostFacts) -> HostFacts {
    HostFacts {
        qemu: broken(Obstacle::Missing),
        acceleration: broken(Obstacle::Missing),
        emulation: broken(Obstacle::Missing),
        ..facts
    }
}

fn tiny(facts: HostFacts) -> HostFacts {
    let memory = Memory {
        total_bytes: 1 << 30,
        available_bytes: 100 << 20,
    };
    HostFacts {
        memory: Fact::from_kernel(memory, "test"),
        ..facts
    }
}

fn document(facts: &HostFacts) -> serde_json::Value {
    let decision = decide(&Requirements::default(), facts, ModeChoice::Auto, &[]);
    json!({ "decision": decision, "facts": facts, "requirements": { "by": "usual" } })
}

fn file(name: &str, document: &serde_json::Value) -> ResultFile {
    ResultFile {
        name: name.to_owned(),
        content: Ok(document.to_string().into_bytes()),
        signed_by: SignedBy::Nobody,
    }
}

/// The paper's example: 171 of 200 can run the VM, 22 only the container, 7 neither.
fn two_hundred() -> Vec<ResultFile> {
    let facts = (0..200).map(|number| match number {
        0..171 => computer(number),
        171..193 => without_qemu(computer(number)),
        _ => tiny(computer(number)),
    });
    let files = facts.enumerate();
    files
        .map(|(number, facts)| file(&format!("{number}.json"), &document(&facts)))
        .collect()
}

fn reason<'a>(coverage: &'a Coverage, rule: &str, mode: Mode) -> &'a Reason {
    let mut reasons = coverage.reasons.iter();
    reasons
        .find(|reason| reason.rule == rule && reason.mode == mode)
        .expect("a reason")
}

#[test]
fn two_hundred_computers_are_one_sentence() {
    let files = two_hundred();
    for requirements in [None, Some(&Requirements::default())] {
        let coverage = Coverage::of(&files, requirements);
        assert_eq!(
            coverage.sentence,
            "171 of 200 can run the VM, 22 only the container, 7 neither"
        );
        let counts = (
            coverage.vm,
            coverage.only_container,
            coverage.only_remote,
            coverage.none,
        );
        assert_eq!(counts, (171, 22, 0, 7));
        assert_eq!(coverage.results.len(), 200);
        assert!(coverage.findings.is_empty() && coverage.duplicates.is_empty());
        let qemu = reason(&coverage, "vm.qemu", Mode::Vm);
        // Without QEMU there is no speed of it either: two rules, so none alone.
        assert_eq!((qemu.blocked, qemu.blocked_by_it_alone), (22, 0));
        for mode in [Mode::Vm, Mode::Container] {
            let memory = reason(&coverage, "memory.available", mode);
            assert_eq!((memory.blocked, memory.blocked_by_it_alone), (7, 7), "{mode}");
        }
        let expected = match requirements {
            None => JudgedBy::TheirOwnDecision,
            Some(_) => JudgedBy::RequirementsGivenNow,
        };
        assert_eq!(coverage.judged_by, expected);
    }
}

#[test]
fn the_facts_are_judged_anew_by_requirements_given_now() {
    let requirements = Requirements {
        min_memory_total_bytes: 64 << 30,
        ..Requirements::default()
    };
    let coverage = Coverage::of(&two_hundred(), Some(&requirements));
    assert_eq!(
        coverage.sentence,
        "0 of 200 can run the VM, 0 only the container, 200 neither"
    );
    assert_eq!(reason(&coverage, "memory.total", Mode::Container).blocked, 200);
}

#[test]
fn remote_access_counts_where_it_is_offered() {
    let requirements = Requirements {
        modes: vec![Mode::RemoteOnly, Mode::Container, Mode::Vm],
        ..Requirements::default()
    };
    let with_network = |facts: HostFacts| HostFacts {
        network: Fact::from_kernel(crate::safety::Reach::Company, "test"),
        ..facts
    };
    let without = |facts: HostFacts| HostFacts {
        network: Fact::from_kernel(crate::safety::Reach::Offline, "test"),
        ..facts
    };
    let files = [
        file("a", &document(&computer(1))),
        file("b", &document(&with_network(tiny(computer(2))))),
        file("c", &document(&without(tiny(computer(3))))),
    ];
    let coverage = Coverage::of(&files, Some(&requirements));
    assert_eq!(
        coverage.sentence,
        "1 of 3 can run the VM, 0 only the container, 1 only remote access, 1 none of these"
    );
    let only_remote = Requirements {
        modes: vec![Mode::RemoteOnly],
        ..Requirements::default()
    };
    let coverage = Coverage::of(&files[1..], Some(&only_remote));
    assert_eq!(coverage.sentence, "1 of 2 can use remote access, 1 cannot");
}

#[test]
fn unknown_counts_as_unknown_and_blocks_only_where_it_does() {
    let mut requirements = Requirements {
        on_unknown: OnUnknown::Warn,
        ..Requirements::default()
    };
    let unknown = HostFacts {
        products: Fact::unknown("nobody may look"),
        ..computer(1)
    };
    let files = [file("a", &document(&unknown))];
    let coverage = Coverage::of(&files, Some(&requirements));
    let antivirus = reason(&coverage, "antivirus.active", Mode::Vm);
    assert_eq!((antivirus.blocked, antivirus.unknown), (0, 1));
    // The virtual machine does not need it.
    assert_eq!(coverage.uncertain, 0);
    let setting = RuleSetting {
        vm: Some(Severity::Require),
        on_unknown: Some(OnUnknown::Fail),
        ..RuleSetting::default()
    };
    requirements
        .policy
        .rules
        .insert("antivirus.active".to_owned(), setting);
    let coverage = Coverage::of(&files, Some(&requirements));
    let antivirus = reason(&coverage, "antivirus.active", Mode::Vm);
    assert_eq!((antivirus.blocked, antivirus.unknown), (1, 1));
    assert_eq!(coverage.vm, 0);
}

#[test]
fn a_computer_that_sent_twice_counts_once_with_its_last_word() {
    let named = |number, facts: HostFacts, name: &str| {
        let mut document = document(&facts);
        document["pseudonym"] = json!(name);
        file(number, &document)
    };
    let files = [
        named("monday", tiny(computer(1)), "blue-heron"),
        named("tuesday", computer(2), "blue-heron"),
        named("late", tiny(computer(0)), "blue-heron"),
        named("other", computer(3), "red-fox"),
        named("copy", computer(3), "red-fox"),
    ];
    let coverage = Coverage::of(&files, None);
    assert_eq!(
        coverage.sentence,
        "2 of 2 can run the VM, 0 only the container, 0 neither"
    );
    let said: Vec<_> = coverage
        .duplicates
        .iter()
        .map(|duplicate| (duplicate.file.as_str(), duplicate.counted.as_str(), duplicate.why))
        .collect();
    let expected = [
        ("copy", "other", SameAs::Content),
        ("monday", "tuesday", SameAs::Pseudonym),
        ("late", "tuesday", SameAs::Pseudonym),
    ];
    assert_eq!(said, expected);
}

/// A signed document carries the result inside of it.
#[test]
fn a_result_inside_of_a_document_is_found() {
    let inside = json!({ "pseudonym": "blue-heron", "report": document(&computer(1)), "expires_s": 5 });
    let coverage = Coverage::of(&[file("a", &inside)], None);
    assert_eq!(coverage.results[0].pseudonym.as_deref(), Some("blue-heron"));
    assert_eq!(coverage.vm, 1);
}

#[test]
fn damaged_and_foreign_files_are_listed_and_not_counted() {
    let cut = document(&computer(1)).to_string();
    let mut odd = document(&computer(1));
    odd["facts"]["cores"] = json!("many");
    odd["decision"]["findings"] = json!("none");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let raw = |name: &str, bytes: &[u8]| ResultFile {
        name: name.to_owned(),
        content: Ok(bytes.to_vec()),
        signed_by: SignedBy::Nobody,
    };
    let files = [
        raw("cut", &cut.as_bytes()[..cut.len() / 2]),
        raw("empty", b""),
        raw("noise", &[0xff; 64]),
        raw("deep", deep.as_bytes()),
        raw("list", b"[1,2,3]"),
        raw("error", br#"{"error":{"message":"no stick"}}"#),
        file("odd", &odd),
        ResultFile {
            name: "unreadable".to_owned(),
            content: Err("Permission denied".to_owned()),
            signed_by: SignedBy::Nobody,
        },
        file("good", &document(&computer(2))),
    ];
    for requirements in [None, Some(&Requirements::default())] {
        let coverage = Coverage::of(&files, requirements);
        assert_eq!(coverage.computers, 1);
        let bad: Vec<&str> = coverage
            .findings
            .iter()
            .map(|problem| problem.file.as_str())
            .collect();
        assert_eq!(
            bad,
            [
                "cut",
                "empty",
                "noise",
                "deep",
                "list",
                "error",
                "odd",
                "unreadable"
            ]
        );
        assert!(coverage.findings.iter().all(|problem| !problem.what.is_empty()));
    }
}

#[test]
fn results_of_other_versions_are_read_as_far_as_they_go() {
    let mut newer = document(&computer(1));
    newer["facts"]["quantum"] = json!({ "status": "known", "value": 7 });
    newer["decision"]["mode"] = json!("hologram");
    let findings = newer["decision"]["findings"][0]["findings"]
        .as_array_mut()
        .expect("a list");
    findings.push(json!({
        "rule": "aura.clean", "title": "Aura", "verdict": "shimmering", "severity": "warn", "needed": "", "found": ""
    }));
    let coverage = Coverage::of(&[file("newer", &newer)], None);
    assert_eq!(coverage.vm, 1);
    let aura = reason(&coverage, "aura.clean", Mode::Vm);
    assert_eq!(
        (aura.title.as_str(), aura.unknown, aura.blocked),
        ("aura.clean", 1, 0)
    );
}

#[test]
fn nothing_a_computer_says_becomes_markup_or_a_formula() {
    let mut evil = document(&computer(1));
    evil["pseudonym"] = json!("<img src=x onerror=alert(1)>\u{202e}");
    let findings = evil["decision"]["findings"][0]["findings"]
        .as_array_mut()
        .expect("a list");
    findings.push(json!({ "rule": "=cmd|'/c calc'!A1,<b>", "verdict": "fail", "severity": "require" }));
    evil["decision"]["findings"][0]["fit"] = json!(false);
    let coverage = Coverage::of(&[file("<script>x</script>.json", &evil)], None);
    assert_eq!(coverage.only_container, 1);
    let html = coverage.html();
    for bad in ["<img", "<script", "<b>", "\u{202e}"] {
        assert!(!html.contains(bad), "{bad}: {html}");
    }
    assert!(html.contains("&lt;script&gt;x&lt;/script&gt;.json"), "{html}");
    let csv = coverage.csv();
    assert!(csv.contains("\r\nvm,\"'=cmd|'/c calc'!A1,<b>\","), "{csv}");
    for line in csv.lines() {
        assert!(
            !line.split(',').any(|cell| cell.starts_with(['=', '+', '-', '@'])),
            "{line}"
        );
    }
}

#[test]
fn what_is_needed_and_not_known_is_said_in_the_figure() {
    let files = [
        file("a", &document(&computer(1))),
        file(
            "b",
            &document(&HostFacts {
                gathered_at_s: 2,
                ..HostFacts::default()
            }),
        ),
    ];
    let coverage = Coverage::of(&files, None);
    assert_eq!(
        coverage.sentence,
        "2 of 2 can run the VM, 0 only the container, 0 neither; of 1 of those who can, something needed is not known"
    );
    assert_eq!(
        (coverage.results[0].uncertain, coverage.results[1].uncertain),
        (false, true)
    );
}

#[test]
fn nobody_counted_is_said() {
    let coverage = Coverage::of(&[], None);
    assert_eq!(coverage.sentence, "no computer was counted");
    assert!(coverage.html().contains("no computer was counted"));
    assert_eq!(coverage.csv().lines().count(), 1);
}

#[test]
fn the_page_holds_the_figure_the_reasons_and_every_computer() {
    let html = Coverage::of(&two_hundred(), None).html();
    assert!(html.contains("171 of 200 can run the VM, 22 only the container, 7 neither"));
    assert!(
        html.contains("<td>memory.available</td><td class=\"number\">7</td>"),
        "{html}"
    );
    assert_eq!(html.matches(".json</td>").count(), 200);
    assert!(!html.contains("http:") && !html.contains("src="));
}
