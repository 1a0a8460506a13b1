//! How old ClamAV's knowledge is.
//!
//! A database as it is downloaded says in its first 512 bytes when it was made; that counts, not the time of the download
//! nor the file's own, which a copy makes young again. A company's own databases are plain text without a date: theirs is
//! the file's, and it counts only where there is no other.

use gobag_checklists::safety::Signatures;

use crate::capture::Host;
use crate::linux::days::{Age, age_days, seconds_of};
use crate::linux::query::Stat;

const FOLDER: &str = "/var/lib/clamav";
/// Where another folder can have been chosen: Debian's and Fedora's files.
const SETTINGS: [&str; 2] = ["/etc/clamav/clamd.conf", "/etc/clamd.d/scan.conf"];
/// Ends of names of databases that companies write themselves.
const OWN_KINDS: [&str; 8] = ["ndb", "hdb", "hsb", "ldb", "mdb", "msb", "yar", "yara"];

pub(super) fn signatures(host: &dyn Host, now_s: u64) -> Signatures {
    match look(host, now_s) {
        Ok(signatures) => signatures,
        Err(reason) => Signatures::Unknown { reason },
    }
}

fn look(host: &dyn Host, now_s: u64) -> Result<Signatures, String> {
    let folder = folder(host);
    let Some(names) = host.list(&folder).text_if_there()? else {
        return Ok(Signatures::Missing);
    };
    let names: Vec<&str> = names.lines().collect();
    let mut made: Option<u64> = None;
    // The daily database is the one that changes; the main one is years old by design.
    for stem in ["daily", "main"] {
        for end in ["cvd", "cld"] {
            let name = format!("{stem}.{end}");
            if made.is_none_or(|_| stem == "daily") && names.contains(&name.as_str()) {
                let head = host.query(&format!("head {folder}/{name}")).text()?;
                made = made.max(Some(made_s(&head)?));
            }
        }
    }
    if made.is_none() {
        made = newest_own(host, &folder, &names)?;
    }
    match made.map(|made| age_days(now_s, made)) {
        None => Ok(Signatures::Missing),
        Some(Age::Days(days)) => Ok(Signatures::Aged { days }),
        Some(Age::Unknown(reason)) => Err(reason),
    }
}

fn folder(host: &dyn Host) -> String {
    let chosen = SETTINGS.iter().find_map(|path| {
        let text = host.file(path).text().ok()?;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("DatabaseDirectory"))?;
        let folder = line.trim().trim_matches('"').trim_end_matches('/');
        folder.starts_with('/').then(|| folder.to_owned())
    });
    chosen.unwrap_or_else(|| FOLDER.to_owned())
}

fn newest_own(host: &dyn Host, folder: &str, names: &[&str]) -> Result<Option<u64>, String> {
    let mut newest = None;
    for name in names {
        let kind = name.rsplit_once('.').map(|(_, kind)| kind);
        if !kind.is_some_and(|kind| OWN_KINDS.contains(&kind)) {
            continue;
        }
        let stat: Stat = host.query(&format!("stat {folder}/{name}")).json()?;
        // An empty one knows nothing.
        if stat.size > 0 {
            let changed = u64::try_from(stat.changed_s).map_err(|_| format!("{name} is older than 1970"))?;
            newest = newest.max(Some(changed));
        }
    }
    Ok(newest)
}

/// `ClamAV-VDB:14 Mar 2025 09-24 +0000:27576:2074341:90:…`
fn made_s(head: &str) -> Result<u64, String> {
    let strange = || "a database of ClamAV begins strangely".to_owned();
    let mut fields = head.split(':');
    if fields.next() != Some("ClamAV-VDB") {
        return Err(strange());
    }
    let date = fields.next().ok_or_else(strange)?;
    // A date without the fields after it is not a whole head.
    if fields.count() < 4 {
        return Err(strange());
    }
    let words: Vec<&str> = date.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else {
        return Err(strange());
    };
    let (hour, minute) = time.split_once('-').ok_or_else(strange)?;
    seconds_of(year, month, day, hour, minute, zone).ok_or_else(strange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linux::testing::{NOW_S, bare};

    const HEAD: &str = "ClamAV-VDB:14 Nov 2025 09-24 +0000:27576:2074341:90:0123:dsig:raynman:1763112240    ";

    #[test]
    fn the_head_of_a_database_says_when_it_was_made() {
        assert_eq!(made_s(HEAD), Ok(1_763_112_240));
        assert_eq!(
            made_s(&HEAD.replace("+0000", "-0400")),
            Ok(1_763_112_240 + 4 * 3600)
        );
        for strange in [
            "",
            "ClamAV-VDB",
            "ClamAV-VDB:yesterday:1:2:3:4",
            "ClamAV-VDB:14 Nov 2025 09-24 +0000",
        ] {
            assert!(made_s(strange).is_err(), "{strange:?}");
        }
        assert!(made_s(&HEAD.replace("14 Nov", "31 Feb")).is_err());
    }

    #[test]
    fn ages_come_from_the_daily_database_else_from_our_own() {
        let list = "list /var/lib/clamav";
        let daily = "query head /var/lib/clamav/daily.cld";
        let own = "query stat /var/lib/clamav/firm.ndb";
        let old = HEAD.replace("14 Nov 2025", "01 Jan 2025");
        let stat = |changed: u64| format!("{{\"owner\":0,\"mode\":420,\"size\":9,\"changed_s\":{changed}}}");
        let aged = |days| Signatures::Aged { days };
        for (scene, expected) in [
            (
                bare().text(list, "daily.cld\nmain.cvd\n").text(daily, HEAD),
                aged(0),
            ),
            (bare().text(list, "daily.cld\n").text(daily, &old), aged(317)),
            // Our own young one does not make the world's old ones young.
            (
                bare()
                    .text(list, "daily.cld\nfirm.ndb\n")
                    .text(daily, &old)
                    .json(own, &stat(NOW_S)),
                aged(317),
            ),
            (
                bare()
                    .text(list, "firm.ndb\n")
                    .json(own, &stat(NOW_S - 3 * 86_400)),
                aged(3),
            ),
            (bare().text(list, "mirrors.dat\n"), Signatures::Missing),
            (bare(), Signatures::Missing),
        ] {
            assert_eq!(signatures(scene.scene().host.as_ref(), NOW_S), expected);
        }
        let future = bare().text(list, "firm.ndb\n").json(own, &stat(NOW_S + 90_000));
        let broken = bare().text(list, "daily.cld\n").text(daily, "garbage");
        for scene in [future, broken] {
            let found = signatures(scene.scene().host.as_ref(), NOW_S);
            assert!(matches!(found, Signatures::Unknown { .. }), "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn no_head_makes_it_panic(tail in "[ -~]{0,80}") {
            let _ = made_s(&tail);
            let _ = made_s(&format!("ClamAV-VDB:{tail}"));
        }
    }
}
