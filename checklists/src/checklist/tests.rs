//! The list asks what the judgement asks, says it in every form, and believes no word from elsewhere.

use std::collections::BTreeSet;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::items::CATALOGUE;
use super::*;
use crate::decide::{ModeChoice, decide};
use crate::fact::Fact;
use crate::host::Memory;
use crate::sample::good_pc;
use crate::texts::Texts;

fn texts(language: &str) -> Texts {
    Texts::asked(language, &[]).expect("carried")
}

fn list(requirements: &Requirements) -> Checklist {
    Checklist::of(requirements, &ChecklistOptions::default())
}

fn names(list: &Checklist) -> Vec<&'static str> {
    list.items().map(|item| item.id).collect()
}

/// Everything that can be asked, required in every mode. The tests that print it have the same file.
pub(super) fn strict() -> Requirements {
    serde_json::from_str(include_str!("strict.json")).expect("requirements")
}

#[test]
fn the_strict_requirements_name_every_rule() {
    let strict = strict();
    let named: Vec<&str> = strict.policy.rules.keys().map(String::as_str).collect();
    let mut all: Vec<&str> = RuleId::ALL.iter().map(|rule| rule.as_str()).collect();
    all.sort_unstable();
    assert_eq!(named, all);
    for setting in strict.policy.rules.values() {
        for mode in [Mode::Vm, Mode::Container, Mode::RemoteOnly] {
            assert_eq!(setting.severity(mode), Some(Severity::Require));
        }
    }
}

#[test]
fn the_usual_requirements_ask_what_matters_and_no_more() {
    let expected = [
        "passphrase",
        "phone",
        "tried",
        "power",
        "processor",
        "cores",
        "virtualization",
        "memory",
        "space",
        "port",
        "programs",
        "supported",
        "updates",
        "antivirus",
        "firewall",
        "encryption",
        "remote-control",
        "clock",
    ];
    assert_eq!(names(&list(&Requirements::default())), expected);
}

#[test]
fn strict_requirements_ask_everything() {
    let all: Vec<_> = names(&list(&strict()));
    let catalogue: BTreeSet<_> = CATALOGUE.iter().map(|entry| entry.id).collect();
    assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), catalogue);
    for item in list(&strict()).items().filter(|item| item.id == "screen-lock") {
        assert_eq!(item.weight, Weight::Needed);
    }
}

#[test]
fn weights_are_those_of_the_judgement() {
    let list = list(&Requirements::default());
    let weight = |id: &str| {
        list.items()
            .find(|item| item.id == id)
            .map(|item| item.weight.clone())
    };
    assert_eq!(weight("memory"), Some(Weight::Needed));
    assert_eq!(weight("firewall"), Some(Weight::Wanted));
    assert_eq!(
        weight("antivirus"),
        Some(Weight::NeededFor {
            modes: vec![Mode::Container]
        })
    );
    assert_eq!(weight("passphrase"), Some(Weight::Needed));
}

#[test]
fn remote_access_alone_asks_nothing_of_the_machine() {
    let requirements = Requirements {
        modes: vec![Mode::RemoteOnly],
        ..strict()
    };
    let requirements = Requirements {
        policy: Default::default(),
        ..requirements
    };
    let names = names(&list(&requirements));
    assert!(
        names.contains(&"remote") && names.contains(&"network"),
        "{names:?}"
    );
    for machine in ["processor", "memory", "virtualization", "programs"] {
        assert!(!names.contains(&machine), "{names:?}");
    }
}

#[test]
fn memory_says_what_each_mode_needs() {
    let english = texts("en");
    let said = |requirements: &Requirements| {
        let list = list(requirements);
        let item = list.items().find(|item| item.id == "memory").expect("asked");
        english.say_with("item-memory", &item.arguments, str::to_owned)
    };
    let mut requirements = Requirements::default();
    assert_eq!(
        said(&requirements),
        "2.5 GB of memory is free (512 MB for the light workstation)."
    );
    requirements.min_memory_total_bytes = 8 << 30;
    assert_eq!(
        said(&requirements),
        "8 GB of memory is built in, and 2.5 GB of it is free (512 MB for the light workstation)."
    );
    requirements.modes = vec![Mode::Container];
    assert_eq!(
        said(&requirements),
        "8 GB of memory is built in, and 512 MB of it is free."
    );
    requirements.min_memory_total_bytes = 0;
    assert_eq!(said(&requirements), "512 MB of memory is free.");
}

#[test]
fn every_line_has_its_words_and_a_way_to_find_out_in_every_system() {
    // What only the person can know needs no way.
    let known_anyway = ["passphrase", "phone"];
    for language in ["en", "de"] {
        let texts = texts(language);
        for entry in CATALOGUE {
            let id = entry.id;
            assert!(texts.has(&format!("item-{id}")), "{language} {id}");
            let everywhere = texts.has(&format!("item-{id}-how"));
            for system in System::ALL {
                let own = texts.has(&format!("item-{id}-{}", system.as_str()));
                assert_eq!(own || everywhere, !known_anyway.contains(&id), "{language} {id}");
                assert!(!(own && everywhere), "{language} {id}: two ways");
            }
            let help = texts.has(&format!("item-{id}-help"));
            assert_eq!(
                help,
                !entry.rules.is_empty(),
                "{language} {id}: help is for what is judged"
            );
        }
    }
}

/// A message that nothing shows is a translator's time lost: what is rendered here, in all forms, is everything.
#[test]
fn every_message_is_used() {
    let source = include_str!("../../texts/en/checklist.ftl");
    let ids = source
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(id, _)| id);
    let ids: BTreeSet<&str> = ids.filter(|id| !id.starts_with([' ', '#', '['])).collect();
    let of_items = |id: &&str| {
        CATALOGUE.iter().any(|entry| {
            let ends = ["", "-how", "-help", "-windows", "-macos", "-linux"];
            ends.iter().any(|end| format!("item-{}{end}", entry.id) == **id)
        })
    };
    let code = [
        include_str!("../checklist.rs"),
        include_str!("sentences.rs"),
        include_str!("terminal.rs"),
        include_str!("markdown.rs"),
        include_str!("html.rs"),
        include_str!("../texts/value.rs"),
    ]
    .concat();
    let made = [
        "first-1",
        "first-2",
        "first-3",
        "mode-vm",
        "mode-container",
        "mode-remote-only",
    ];
    let made = [&made[..], &["system-windows", "system-macos", "system-linux"]].concat();
    let unused: Vec<&&str> = ids
        .iter()
        .filter(|id| !of_items(id) && !made.contains(id) && !code.contains(&format!("\"{id}\"")))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
    assert!(ids.len() > 80);
}

fn filled(requirements: &Requirements, facts: &HostFacts) -> Checklist {
    let decision = decide(requirements, facts, ModeChoice::Auto, &[]);
    list(requirements).filled(facts, &decision)
}

fn state(list: &Checklist, id: &str) -> (State, Option<Value>) {
    let item = list.items().find(|item| item.id == id).expect("asked");
    (item.state, item.found.clone())
}

#[test]
fn a_good_computer_ticks_its_own_boxes_and_leaves_the_person_s() {
    let filled = filled(&Requirements::default(), &good_pc());
    assert_eq!(filled.verdict, Some(ListVerdict { mode: Some(Mode::Vm) }));
    assert_eq!(state(&filled, "cores"), (State::Yes, Some(Value::Count(12))));
    let memory = Some(Value::FoundBytes(9 << 30));
    assert_eq!(state(&filled, "memory"), (State::Yes, memory));
    for own in ["passphrase", "phone", "tried"] {
        assert_eq!(state(&filled, own), (State::Empty, None));
    }
}

#[test]
fn what_could_not_be_found_out_is_never_ticked() {
    let filled = filled(&strict(), &HostFacts::default());
    assert_eq!(filled.verdict, Some(ListVerdict { mode: None }));
    for item in filled.items() {
        let expected = if item.rules.is_empty() {
            State::Empty
        } else {
            State::Unknown
        };
        assert_eq!((item.state, &item.found), (expected, &None), "{}", item.id);
    }
    let page = plain(&filled.terminal(&texts("en"), 80));
    assert!(
        page.contains("  [?]") && page.contains("How to find out: "),
        "{page}"
    );
    assert!(!page.lines().any(|line| line.starts_with("  [x]")), "{page}");
}

#[test]
fn what_is_missing_comes_with_what_to_do() {
    let facts = HostFacts {
        memory: Fact::from_kernel(
            Memory {
                total_bytes: 4 << 30,
                available_bytes: 1 << 30,
            },
            "test",
        ),
        ..good_pc()
    };
    let filled = filled(&Requirements::default(), &facts);
    assert_eq!(
        filled.verdict,
        Some(ListVerdict {
            mode: Some(Mode::Container)
        })
    );
    // The light workstation has enough.
    assert_eq!(state(&filled, "memory").0, State::Yes);
    let only_vm = Requirements {
        modes: vec![Mode::Vm],
        ..Requirements::default()
    };
    let filled = self::filled(&only_vm, &facts);
    assert_eq!(
        state(&filled, "memory"),
        (State::No, Some(Value::FoundBytes(1 << 30)))
    );
    let page = plain(&filled.terminal(&texts("de"), 200));
    assert!(
        page.contains(
            "  [!] 2,5 GB Arbeitsspeicher sind frei. Gefunden: 1 GB\n      Was zu tun ist: Schließen Sie"
        ),
        "{page}"
    );
}

fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[test]
fn terminals_of_every_width_get_whole_lines() {
    for requirements in [Requirements::default(), strict()] {
        for language in ["en", "de"] {
            for columns in [60, 72, 80, 100, 120] {
                for list in [list(&requirements), filled(&requirements, &good_pc())] {
                    let page = plain(&list.terminal(&texts(language), columns));
                    for line in page.lines() {
                        assert!(line.width() <= columns, "{columns}: {line}");
                        assert_eq!(line.trim_end(), line);
                    }
                    assert!(!page.contains(['\u{2068}', '\u{2069}', '\u{1b}']), "{page}");
                }
            }
        }
    }
}

#[test]
fn every_form_holds_every_line_and_the_whole_notice() {
    for language in ["en", "de"] {
        let texts = texts(language);
        let list = list(&strict());
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let terminal = squeezed(&plain(&list.terminal(&texts, 80)));
        let markdown = squeezed(&list.markdown(&texts).replace('\\', ""));
        let html = squeezed(&list.html(&texts, Paper::A4));
        let says = |text: &str| {
            assert!(terminal.contains(text), "terminal: {text}");
            assert!(markdown.contains(text), "Markdown: {text}");
            let marked = crate::markup::escape(text);
            assert!(html.contains(&marked), "HTML: {text}");
        };
        for item in list.items() {
            says(&texts.say_with(&format!("item-{}", item.id), &item.arguments, str::to_owned));
        }
        for id in [
            "notice-heading",
            "notice-looks",
            "notice-never",
            "notice-sent",
            "self-report",
        ] {
            says(&texts.say(id));
        }
    }
}

#[test]
fn markdown_has_task_lists() {
    let facts = HostFacts {
        firewall: Fact::unknown("nobody may look"),
        ..good_pc()
    };
    let page = filled(&Requirements::default(), &facts).markdown(&texts("en"));
    assert!(
        page.contains("- [x] It has at least 2 cores. (good to have) Found: 12\n"),
        "{page}"
    );
    assert!(page.contains("- [ ] You know your passphrase"), "{page}");
    assert!(page.contains("- [ ] **not known, please look:** "), "{page}");
}

/// Requirements come from a manifest; the contact from a command line.
#[test]
fn words_from_elsewhere_become_no_markup_anywhere() {
    let evil = "<script>alert(1)</script>\u{1b}[31m\u{202e}[x](javascript:1)`\"'><img src=x>";
    let mut requirements = strict();
    requirements.remote_only.address = evil.to_owned();
    requirements.architecture = evil.to_owned();
    let options = ChecklistOptions {
        it_contact: Some(evil.to_owned()),
        ..ChecklistOptions::default()
    };
    let list = Checklist::of(&requirements, &options);
    for language in ["en", "de"] {
        let texts = texts(language);
        let html = list.html(&texts, Paper::A4);
        for bad in ["<script", "<img", "\u{1b}", "\u{202e}", "javascript:1)\"", "href"] {
            assert!(!html.contains(bad), "{bad}");
        }
        assert_eq!(html.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count(), 3);
        let markdown = list.markdown(&texts);
        for bad in ["[x](", "\u{1b}", "\u{202e}"] {
            assert!(!markdown.contains(bad), "{bad}: {markdown}");
        }
        assert_eq!(markdown.matches('<').count(), markdown.matches("\\<").count());
        assert!(markdown.contains("\\<script\\>alert\\(1\\)"), "{markdown}");
        let terminal = list.terminal(&texts, 80);
        assert!(
            !terminal.contains("\u{1b}[31m") && !terminal.contains('\u{202e}'),
            "{terminal}"
        );
    }
}

#[test]
fn the_page_needs_nothing_else_and_can_be_read_aloud() {
    for (language, paper, size) in [
        ("en", Paper::A4, "size: A4"),
        ("de", Paper::Letter, "size: letter"),
    ] {
        let list = list(&Requirements::default());
        let html = list.html(&texts(language), paper);
        assert!(html.starts_with(&format!("<!DOCTYPE html>\n<html lang=\"{language}\">")));
        assert!(html.contains(size));
        for outside in [
            "http:", "https:", "src=", "url(", "@import", "<link", "<script", "href",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert_eq!(html.matches("<h1>").count(), 1);
        assert_eq!(html.matches("type=\"checkbox\"").count(), list.items().count());
        for item in list.items() {
            let id = item.id;
            assert!(html.contains(&format!("<label for=\"{id}\">")), "{id}");
            let described = html.contains(&format!("aria-describedby=\"how-{id}\""));
            assert_eq!(described, html.contains(&format!("id=\"how-{id}\"")), "{id}");
        }
        assert_eq!(html.matches('{').count(), html.matches('}').count());
    }
}

#[test]
fn one_system_can_be_asked_for() {
    let options = ChecklistOptions {
        it_contact: Some("Ms Example, 0800 12345".to_owned()),
        systems: vec![System::Windows],
    };
    let page = Checklist::of(&Requirements::default(), &options).html(&texts("en"), Paper::A4);
    assert!(page.contains("<b>Windows:</b>") && !page.contains("<b>Mac:</b>"));
    assert!(page.contains("<strong>Ms Example, 0800 12345</strong>"));
}

proptest! {
    #[test]
    fn no_word_from_elsewhere_breaks_a_page(address in "\\PC{0,60}", contact in any::<String>(), columns in 0_usize..200) {
        let mut requirements = strict();
        requirements.remote_only.address = address;
        let options = ChecklistOptions { it_contact: Some(contact), ..ChecklistOptions::default() };
        let list = Checklist::of(&requirements, &options);
        let texts = texts("de");
        let html = list.html(&texts, Paper::A4);
        let tags = |page: &str| page.matches('<').count();
        let usual = Checklist::of(&strict(), &ChecklistOptions { it_contact: Some("x".to_owned()), ..ChecklistOptions::default() });
        if options.it_contact.as_deref().is_some_and(|contact| !contact.trim().is_empty()) && !requirements.remote_only.address.is_empty() {
            prop_assert_eq!(tags(&html), tags(&usual.html(&texts, Paper::A4)));
        }
        let terminal = plain(&list.terminal(&texts, columns));
        prop_assert!(terminal.lines().all(|line| line.width() <= columns.max(crate::limits::MIN_COLUMNS)));
        let escapes = terminal.contains('\u{1b}');
        prop_assert!(!escapes);
    }
}
