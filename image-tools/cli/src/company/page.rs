//! Sticks in words.

use std::time::Duration;

use gobag_protocol::people::{Health, StickDetails, StickInfo};
use gobag_term::{Table, human};

use crate::time::both;

/// A table of them.
pub(super) fn sticks(sticks: &[StickInfo], columns: usize) -> String {
    if sticks.is_empty() {
        return "No sticks.\n".to_owned();
    }
    let mut table = Table::new([
        "stick",
        "user",
        "last contact",
        "newest point",
        "lease until",
        "space",
        "",
    ]);
    for stick in sticks {
        table.row([
            stick.bundle.to_string(),
            human::printable(stick.user.as_str()).into_owned(),
            both(stick.last_contact_s).0,
            time(stick.newest_point_s),
            time(stick.lease_ends_s),
            human::bytes(stick.space_bytes.saturating_add(stick.row_bytes)),
            trouble(stick).unwrap_or_default(),
        ]);
    }
    table.render(columns)
}

/// One of them, and its lines.
pub(super) fn stick(details: &StickDetails, columns: usize) -> String {
    let stick = &details.stick;
    let lost = match details.rpo_s {
        _ if details.clock_doubtful => "unknown: the server's own clock may be wrong".to_owned(),
        Some(rpo_s) => format!("the work of {}", human::duration(Duration::from_secs(rpo_s))),
        None => "everything: there is nothing to go back to".to_owned(),
    };
    let health = match details.health {
        Health::Green => "ok",
        Health::Amber => "warn",
        Health::Red => "FAIL",
    };
    let target = human::duration(Duration::from_secs(details.rpo_target_s));
    let mut text = format!(
        "{} of {}\n  state         {}\n  last contact  {}\n  lease until   {}\n  space         {}\n  lost with it  {lost} ({health}; {target} may be)\n",
        stick.bundle,
        human::printable(stick.user.as_str()),
        trouble(stick).unwrap_or_else(|| "as it should be".to_owned()),
        both(stick.last_contact_s).0,
        time(stick.lease_ends_s),
        human::bytes(stick.space_bytes.saturating_add(stick.row_bytes)),
    );
    if !details.lines.is_empty() {
        let mut table = Table::new([
            "line",
            "points",
            "newest",
            "newest to go back to",
            "last good drill",
        ]);
        for line in &details.lines {
            table.row([
                human::printable(&line.line).into_owned(),
                line.points.to_string(),
                both(line.newest_point_s).0,
                time(line.newest_complete_s),
                time(line.last_good_drill_s),
            ]);
        }
        text.push_str(&table.render(columns));
    }
    text
}

pub(super) fn time(time_s: Option<u64>) -> String {
    time_s.map_or_else(|| "-".to_owned(), |time_s| both(time_s).0)
}

/// What is wrong with it, as far as IT decides about it.
fn trouble(stick: &StickInfo) -> Option<String> {
    let why = stick.revoked_reason.map_or("", |reason| reason.as_str());
    match (stick.revoked, stick.erased_s) {
        (true, Some(erased_s)) => Some(format!("revoked ({why}), carried out {}", both(erased_s).0)),
        (true, None) => Some(format!("revoked ({why}), no word from it yet")),
        (false, _) if stick.clone_suspected => Some("two copies were seen".to_owned()),
        (false, _) if stick.wrong_passphrases > 0 => Some(match stick.wrong_passphrases {
            1 => "a wrong passphrase was typed".to_owned(),
            wrong => format!("{wrong} wrong passphrases were typed"),
        }),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gobag_protocol::{
        ids::{BundleId, PersonName},
        people::Reason,
    };

    fn info() -> StickInfo {
        StickInfo {
            bundle: BundleId([7; 16]),
            user: PersonName::parse("Ada").unwrap(),
            group: None,
            revoked: false,
            revoked_reason: None,
            revoked_s: None,
            erased_s: None,
            clone_suspected: false,
            wrong_passphrases: 0,
            lease_ends_s: None,
            enrolled_s: 1,
            last_contact_s: 2,
            newest_point_s: None,
            space_bytes: 3 << 20,
            row_bytes: 0,
        }
    }

    #[test]
    fn trouble_is_said_and_nothing_else_is() {
        assert_eq!(trouble(&info()), None);
        let revoked = StickInfo {
            revoked: true,
            revoked_reason: Some(Reason::Stolen),
            ..info()
        };
        assert_eq!(
            trouble(&revoked).unwrap(),
            "revoked (stolen), no word from it yet"
        );
        let erased = StickInfo {
            erased_s: Some(0),
            ..revoked
        };
        assert!(
            trouble(&erased)
                .unwrap()
                .starts_with("revoked (stolen), carried out 19")
        );
        let copied = StickInfo {
            clone_suspected: true,
            ..info()
        };
        assert_eq!(trouble(&copied).unwrap(), "two copies were seen");
        let guessed = StickInfo {
            wrong_passphrases: 7,
            ..info()
        };
        assert_eq!(trouble(&guessed).unwrap(), "7 wrong passphrases were typed");
        assert_eq!(sticks(&[], 80), "No sticks.\n");
        assert!(sticks(&[info()], 200).contains("Ada"));
    }

    #[test]
    fn what_would_be_lost_is_said_in_words() {
        let details = StickDetails {
            stick: info(),
            server_time_s: 0,
            clock_doubtful: false,
            lines: Vec::new(),
            rpo_s: None,
            rpo_target_s: 86_400,
            health: Health::Red,
        };
        let text = stick(&details, 80);
        assert!(
            text.contains("everything: there is nothing to go back to (FAIL; 1 d 0 h may be)"),
            "{text}"
        );
        let doubtful = StickDetails {
            clock_doubtful: true,
            ..details
        };
        assert!(stick(&doubtful, 80).contains("unknown: the server's own clock"));
    }
}
