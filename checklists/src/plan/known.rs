//! The questions from which something is derived, and what they must be for that. Text, help, default, bounds and order are free.

use super::limits::{MAX_NUMBER, MAX_PEOPLE};
use super::question::{Choice, Kind, Question};

enum Shape {
    YesNo,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
    /// Up to this.
    Number(u64),
    Size,
    List,
    Names,
    Text,
}

const CONSEQUENCES: &[&str] = &["refuse", "warn", "accept"];

const KNOWN: &[(&str, Shape)] = &[
    ("plan-exists", Shape::YesNo),
    ("people", Shape::Number(MAX_PEOPLE)),
    ("teams", Shape::List),
    ("applications", Shape::List),
    (
        "application-kind",
        Shape::Choice(&["browser", "ordinary", "drivers"]),
    ),
    (
        "data-access",
        Shape::Choices(&["stick", "web", "share", "remote-desktop"]),
    ),
    ("data-loss-minutes", Shape::Number(MAX_NUMBER)),
    ("outage-hours", Shape::Number(MAX_NUMBER)),
    ("hold-days", Shape::Number(MAX_NUMBER)),
    ("spare-percent", Shape::Number(MAX_NUMBER)),
    ("remote-access", Shape::YesNo),
    (
        "remote-kind",
        Shape::Choice(&["web", "ssl-clientless", "ssl-client", "thin-client", "ipsec"]),
    ),
    ("remote-address", Shape::Text),
    ("vpn-driver", Shape::Choice(&["no", "yes", "unknown"])),
    (
        "vpn-way",
        Shape::Choice(&["no-driver", "user-installs", "script", "none"]),
    ),
    ("may-install", Shape::Choice(&["no", "for-a-time", "yes"])),
    ("fallback-remote", Shape::YesNo),
    ("offline", Shape::YesNo),
    (
        "host-systems",
        Shape::Choices(&["linux", "windows", "macos", "unknown"]),
    ),
    ("survey", Shape::Choice(&["check", "paper", "none"])),
    ("guest-os", Shape::Choice(&["linux", "windows", "other"])),
    (
        "guest-licence",
        Shape::Choice(&["covered", "per-stick", "unknown"]),
    ),
    ("image-size", Shape::Size),
    ("container-image-size", Shape::Size),
    ("home-size", Shape::Size),
    ("application-memory", Shape::Size),
    ("guest-memory", Shape::Size),
    ("cores", Shape::Number(MAX_NUMBER)),
    ("architecture", Shape::Choice(&["x86_64", "aarch64"])),
    ("cpu-level", Shape::Choice(&["v1", "v2", "v3", "v4"])),
    ("cpu-features", Shape::Names),
    ("slow-accepted", Shape::YesNo),
    ("sensitive-data", Shape::YesNo),
    ("shared-pc", Shape::YesNo),
    ("antivirus", Shape::Choice(&["by-mode", "always", "warn"])),
    ("firewall", Shape::Choice(CONSEQUENCES)),
    ("disk-encryption", Shape::Choice(CONSEQUENCES)),
    ("remote-control", Shape::Choice(CONSEQUENCES)),
    ("old-system", Shape::Choice(CONSEQUENCES)),
    ("cannot-tell", Shape::Choice(&["go-on", "stop"])),
    ("lost-stick", Shape::Choice(&["passphrase", "lock-out"])),
    ("old-copy", Shape::Choice(&["off", "ask", "token"])),
];

/// Refuses a question that is not what the rules take it for, and says what it must be.
pub(super) fn check(question: &Question) -> Result<(), String> {
    let Some((_, shape)) = KNOWN.iter().find(|(id, _)| *id == question.id) else {
        return Ok(());
    };
    let among =
        |options: &[Choice], known: &[&str]| options.iter().all(|option| known.contains(&option.id.as_str()));
    let (fits, expected) = match (shape, &question.kind) {
        (Shape::YesNo, kind) => (*kind == Kind::YesNo, "of kind yes-no".to_owned()),
        (Shape::Number(most), kind) => (
            matches!(kind, Kind::Number { max, .. } if max <= most),
            format!("of kind number with a max of at most {most}"),
        ),
        (Shape::Size, kind) => (matches!(kind, Kind::Size { .. }), "of kind size".to_owned()),
        (Shape::List, kind) => (*kind == Kind::List, "of kind list".to_owned()),
        (Shape::Names, kind) => (*kind == Kind::Names, "of kind names".to_owned()),
        (Shape::Text, kind) => (*kind == Kind::Text, "of kind text".to_owned()),
        (Shape::Choice(known), kind) => (
            matches!(kind, Kind::Choice(options) if among(options, known)),
            format!("of kind choice with options among {}", known.join(", ")),
        ),
        (Shape::Choices(known), kind) => (
            matches!(kind, Kind::Choices(options) if among(options, known)),
            format!("of kind choices with options among {}", known.join(", ")),
        ),
    };
    if fits { Ok(()) } else { Err(expected) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::QuestionSet;

    #[test]
    fn every_question_the_rules_know_is_asked_by_the_shipped_set() {
        let set = QuestionSet::shipped().expect("reads");
        for (id, _) in KNOWN {
            assert!(set.get(id).is_some(), "{id}");
        }
        assert_eq!(set.iter().count(), KNOWN.len(), "and no other");
    }
}
