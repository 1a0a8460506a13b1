//! Updates of Windows: when one was last installed, whether they come by themselves, whether a restart is waited for.
//!
//! Windows Update's own list also names what says nothing about the system: Defender's definitions come daily, and so do programs
//! from the store. So an entry counts only if it was installed, has a number of the knowledge base, and is none of those. Titles
//! are translated; numbers, and the identities of categories, are not.
//!
//! That Windows *looked* for updates does not count either, because it looks several times a day for definitions.

use gobag_checklists::safety::{Tristate, Updates};
use gobag_checklists::{Fact, Forger};

use super::documents::{self as query, Health, History, HistoryEntry, Services, UpdateSettings};
use super::{genuine, security_center};
use crate::age::whole_days;
use crate::capture::Host;
use crate::probe::Scene;

pub(super) fn probe(scene: &Scene) -> Fact<Updates> {
    let (host, now_s) = (scene.host.as_ref(), scene.about.now_s);
    let history: Result<History, String> = host.query(query::UPDATE_HISTORY).json();
    let settings: Result<UpdateSettings, String> = host.query(query::UPDATE_SETTINGS).json();
    if let (Err(reason), Err(_)) = (&history, &settings) {
        return Fact::unknown(reason.clone());
    }
    let updates = Updates {
        age_days: history.ok().and_then(|history| age_days(&history, now_s)),
        automatic: automatic(host, settings.as_ref()),
        restart_pending: match settings.as_ref().map(|settings| settings.restart_required) {
            Ok(Some(true)) => Tristate::Yes,
            Ok(Some(false)) => Tristate::No,
            Ok(None) => unknown("Windows Update does not say"),
            Err(reason) => unknown(reason.clone()),
        },
    };
    scene.known(
        updates,
        "IUpdateSearcher, services, registry",
        Forger::Administrator,
    )
}

/// Days since the newest update of the system; `None` if there is none, or if it is from the future.
fn age_days(history: &History, now_s: u64) -> Option<u32> {
    let newest = history.entries.iter().filter(|entry| is_of_the_system(entry));
    whole_days(newest.map(|entry| entry.date_s).max()?, now_s)
}

fn is_of_the_system(entry: &HistoryEntry) -> bool {
    const INSTALLED: i64 = 1;
    const SUCCEEDED: i64 = 2;
    /// Identities of categories: definitions, Defender itself, drivers.
    const OTHERS: [&str; 3] = [
        "e0789628-ce08-4437-be74-2495b842f43b",
        "8c3fcc84-7410-4a95-8b89-a166a0190486",
        "ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0",
    ];
    /// Defender's definitions and its program, and the tool against the most common malware.
    const OTHER_NUMBERS: [&str; 4] = ["2267602", "2310138", "4052623", "890830"];
    let of_another_kind = entry.categories.iter().any(|category| {
        let category = category.trim_matches(['{', '}', ' ']).to_ascii_lowercase();
        OTHERS.contains(&category.as_str())
    });
    let number = knowledge_base_number(&entry.title);
    entry.operation == INSTALLED
        && entry.result == SUCCEEDED
        && !of_another_kind
        && number.is_some_and(|number| !OTHER_NUMBERS.contains(&number))
}

/// The digits after the first `KB` that has some.
fn knowledge_base_number(title: &str) -> Option<&str> {
    title.split("KB").skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        (6..=8).contains(&end).then(|| &rest[..end])
    })
}

/// Both services may start, no policy stops them, and Security Center does not know better. Its "good" alone means nothing: it
/// was seen while the services were disabled.
fn automatic(host: &dyn Host, settings: Result<&UpdateSettings, &String>) -> Tristate {
    const DISABLED: i64 = 4;
    let settings = match settings {
        Ok(settings) => settings,
        Err(reason) => return unknown(reason.clone()),
    };
    match settings.no_auto_update {
        None | Some(0) => {}
        Some(1) => return Tristate::No,
        Some(other) => return unknown(format!("NoAutoUpdate is {other}, which is not known")),
    }
    let services: Services = match host.query(query::SERVICES).json() {
        Ok(services) => services,
        Err(reason) => return unknown(reason),
    };
    for name in ["wuauserv", "UsoSvc"] {
        match genuine::service(&services, name).map(|service| service.start) {
            Some(Some(DISABLED)) | None => return Tristate::No,
            Some(None) => return unknown(format!("how {name} starts was not seen")),
            Some(Some(_)) => {}
        }
    }
    let health = host.query(query::HEALTH).json::<Health>();
    match security_center::health(health.ok().and_then(|health| health.updates).as_ref()) {
        Tristate::No => Tristate::No,
        // Servers have no Security Center, and the services were seen.
        Tristate::Yes | Tristate::Unknown { .. } => Tristate::Yes,
    }
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: u64 = 1_731_600_000; // 2024-11-14 16:00 UTC
    const DAY_S: i64 = 86_400;

    fn entry(title: &str, days_ago: i64, categories: &[&str]) -> HistoryEntry {
        HistoryEntry {
            title: title.to_owned(),
            date_s: NOW_S as i64 - days_ago * DAY_S,
            operation: 1,
            result: 2,
            categories: categories.iter().map(|&id| id.to_owned()).collect(),
        }
    }

    const CUMULATIVE: &str =
        "2024-04 Cumulative Update for Windows 10 Version 22H2 for x64-based Systems (KB5036892)";
    const DEFINITIONS: &str =
        "Security Intelligence Update for Microsoft Defender Antivirus - KB2267602 (Version 1.421.150.0)";

    #[test]
    fn p14_definitions_of_last_week_are_no_update_of_the_system() {
        let definitions = "E0789628-CE08-4437-BE74-2495B842F43B";
        let history = History {
            entries: vec![
                entry(DEFINITIONS, 1, &[]),
                entry(DEFINITIONS, 3, &[definitions]),
                entry(
                    "Definitionsupdate (KB9999999)",
                    4,
                    &["{8c3fcc84-7410-4a95-8b89-a166a0190486}"],
                ),
                entry(
                    "Windows-Tool zum Entfernen bösartiger Software x64 - v5.130 (KB890830)",
                    5,
                    &[],
                ),
                entry(
                    "Update for Microsoft Defender Antivirus antimalware platform - KB4052623",
                    6,
                    &[],
                ),
                entry("9WZDNCRFJ3PT-Microsoft.ZuneMusic", 2, &[]),
                entry(
                    "Intel - Display - 31.0.101.5186",
                    2,
                    &["ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0"],
                ),
                entry(CUMULATIVE, 200, &[]),
            ],
        };
        assert_eq!(age_days(&history, NOW_S), Some(200));
    }

    #[test]
    fn titles_are_translated_and_numbers_are_not() {
        let title =
            "2024-11 Kumulatives Update für Windows 11 Version 24H2 für x64-basierte Systeme (KB5046617)";
        let history = History {
            entries: vec![entry(title, 3, &["0FA1201D-4330-4FA8-8AE9-B877473B6441"])],
        };
        assert_eq!(age_days(&history, NOW_S), Some(3));
    }

    #[test]
    fn what_failed_was_taken_away_or_lies_in_the_future_does_not_count() {
        for (operation, result) in [(2, 2), (1, 4), (1, 5), (1, 3), (1, 0), (1, 1)] {
            let mut failed = entry(CUMULATIVE, 1, &[]);
            (failed.operation, failed.result) = (operation, result);
            let history = History {
                entries: vec![failed],
            };
            assert_eq!(age_days(&history, NOW_S), None, "{operation} {result}");
        }
        let history = History {
            entries: vec![entry(CUMULATIVE, -30, &[])],
        };
        assert_eq!(age_days(&history, NOW_S), None);
        assert_eq!(age_days(&History { entries: vec![] }, NOW_S), None);
    }

    #[test]
    fn numbers_of_the_knowledge_base() {
        for (title, expected) in [
            (CUMULATIVE, Some("5036892")),
            (DEFINITIONS, Some("2267602")),
            ("KB KB12 (KB5000001)", Some("5000001")),
            ("KB", None),
            ("KB123456789", None),
            ("kb5036892", None),
            ("", None),
        ] {
            assert_eq!(knowledge_base_number(title), expected, "{title}");
        }
    }

    proptest! {
        #[test]
        fn any_history_is_read(title in ".{0,40}", date_s in any::<i64>(), now_s in any::<u64>()) {
            let mut odd = entry(&format!("{title}KB5036892"), 0, &[]);
            odd.date_s = date_s;
            let _ = age_days(&History { entries: vec![odd] }, now_s);
            let _ = knowledge_base_number(&title);
        }
    }
}
