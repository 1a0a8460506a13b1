//! Takes persons out of a recording: names of users and of the computer, home folders, labels of media, serial numbers,
//! addresses of network cards and networks, UUIDs.
//!
//! Each becomes a stand-in, the same one everywhere, so that what belongs together still does: a mount's device, the LUKS
//! container under it, a process's owner. What cannot be recognised by its form (a serial number is just digits) is
//! recognised by the name before it. The safest way is still not to capture it: see `linux::query`.

use std::collections::BTreeMap;
use std::ops::Range;

/// What is known to be personal, and what was found to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrub {
    /// Exact words and their kind, longest first.
    names: Vec<(String, &'static str)>,
    /// Places of media, as they are and as they are written, longest first.
    places: Vec<(String, String)>,
    stand_ins: BTreeMap<(&'static str, String), String>,
}

// Kinds of what is taken out, as people read them.
const USER: &str = Scrub::USER;
const UUID: &str = "UUIDs";
const MAC: &str = "network card addresses";
const IP: &str = "IP addresses";
const SERIAL: &str = "serial numbers";
const LABEL: &str = "names of media";
const REMOTE: &str = "network shares";

/// Where desktops mount what is plugged in; below come a user and a label, or a label.
const MEDIA: [&str; 2] = ["/run/media/", "/media/"];

/// Where people mount by hand: what comes below is a name they gave.
const BY_HAND: [&str; 3] = ["/mnt/", "/opt/", "/srv/"];

/// The folders in which systems mount by themselves. A place in any other was made by people, and bears their names.
const SYSTEMS: [&str; 25] = [
    "bin", "boot", "dev", "efi", "etc", "gnu", "home", "lib", "lib32", "lib64", "media", "mnt", "nix", "opt",
    "ostree", "proc", "root", "run", "sbin", "snap", "srv", "sys", "tmp", "usr", "var",
];

/// Files of settings, and how the lines begin that are looked at: the others may hold addresses, passwords, pictures' names, anything.
const SETTINGS: [(&str, &[&str]); 7] = [
    ("/etc/clamav/clamd.conf", &["DatabaseDirectory"]),
    ("/etc/clamd.d/scan.conf", &["DatabaseDirectory"]),
    ("/etc/ufw/ufw.conf", &["ENABLED"]),
    // Units of systemd: what they start.
    (".service", &["ExecStart="]),
    ("/etc/apt/apt.conf.d/", &["APT::Periodic"]),
    ("/dnf/automatic.conf", &["[", "apply_updates"]),
    ("kscreenlockerrc", &["[", "Autolock", "Timeout", "LockGrace"]),
];

/// Shortest name that is searched for inside of other words; a user called `a` must not eat every `a`.
const SHORTEST_INSIDE: usize = 4;

/// The lines that begin with one of these words; the others are there, and empty.
fn only(text: &str, words: &[&str]) -> String {
    let keep = |line: &str| words.iter().any(|word| line.trim_start().starts_with(word));
    let lines = text.split('\n').map(|line| if keep(line) { line } else { "" });
    lines.collect::<Vec<_>>().join("\n")
}

impl Scrub {
    /// The kind of users' names.
    pub(crate) const USER: &'static str = "user names";
    /// The kind of computers' names.
    pub(crate) const COMPUTER: &'static str = "computer names";

    /// Knows these words: names of users and computers, with their kind.
    pub(crate) fn new(names: impl IntoIterator<Item = (String, &'static str)>) -> Self {
        let mut names: Vec<_> = names
            .into_iter()
            .filter(|(name, _)| !name.trim().is_empty() && name != "root")
            .collect();
        names.sort_by_key(|(name, _)| (std::cmp::Reverse(name.len()), name.clone()));
        names.dedup();
        Self {
            names,
            places: Vec::new(),
            stand_ins: BTreeMap::new(),
        }
    }

    /// Learns from `mountinfo` how people called their media: such a name may hold anything, so it is only recognised where
    /// it is known whole.
    pub(crate) fn learn_media(&mut self, mountinfo: &str) {
        for line in mountinfo.lines() {
            let Some(place) = line.split(' ').nth(4) else {
                continue;
            };
            let Some(written) = self.place(place) else {
                continue;
            };
            // In the kernel's spelling of spaces, and in everybody else's.
            for form in [place.to_owned(), place.replace("\\040", " ")] {
                self.places.push((form, written.clone()));
            }
        }
        self.places.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    }

    /// How a place is written, if it bears a name that people gave.
    fn place(&mut self, place: &str) -> Option<String> {
        let label = |scrub: &mut Self, label: &str| scrub.stand_in(LABEL, label, |n| format!("medium{n}"));
        if let Some(base) = MEDIA.iter().find(|base| place.starts_with(**base)) {
            let below: Vec<&str> = place[base.len()..].split('/').collect();
            return match below[..] {
                [user, name] if !name.is_empty() => {
                    let user = self.stand_in(USER, user, |n| format!("user{n}"));
                    Some(format!("{base}{user}/{}", label(self, name)))
                }
                [name] if !name.is_empty() => Some(format!("{base}{}", label(self, name))),
                _ => None,
            };
        }
        if let Some((user, name)) = place
            .strip_prefix("/home/")
            .and_then(|below| below.split_once('/'))
        {
            let user = self.stand_in(USER, user, |n| format!("user{n}"));
            return Some(format!("/home/{user}/{}", label(self, name)));
        }
        let by_hand = BY_HAND
            .iter()
            .find_map(|base| Some((*base, place.strip_prefix(base)?)));
        let (base, name) = by_hand.or_else(|| {
            let name = place.strip_prefix('/')?;
            let first = name.split('/').next().unwrap_or_default();
            (!SYSTEMS.contains(&first)).then_some(("/", name))
        })?;
        (!name.is_empty()).then(|| format!("{base}{}", label(self, name)))
    }

    /// How many different ones of each kind were taken out.
    pub(crate) fn removed(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (kind, _) in self.stand_ins.keys() {
            *counts.entry(*kind).or_insert(0) += 1;
        }
        counts
    }

    /// A capture's text; some captures need more than a search for forms.
    pub(crate) fn capture(&mut self, key: &str, text: &str) -> String {
        if key.ends_with("/mountinfo") {
            let reduced: Vec<String> = text.split('\n').map(|line| self.mount(line)).collect();
            return self.text(&reduced.join("\n"));
        }
        let is_file = key.starts_with("file ");
        match SETTINGS.iter().find(|(file, _)| is_file && key.contains(file)) {
            Some((_, words)) => self.text(&only(text, words)),
            None => self.text(text),
        }
    }

    /// The name of a capture. Paths of the running system (`/sys/dev/block/8:1`) hold nothing that is to be hidden by form.
    pub(crate) fn key(&mut self, key: &str) -> String {
        self.text(key)
    }

    /// Any text.
    pub(crate) fn text(&mut self, text: &str) -> String {
        text.split('\n')
            .map(|line| self.line(line))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn line(&mut self, line: &str) -> String {
        let mut line = line.to_owned();
        for (form, written) in &self.places {
            line = replace_place(&line, form, written);
        }
        let line = self.names_in(&line);
        let line = self.media_in(&line);
        let line = self.serial_in(&line);
        let mut text = String::with_capacity(line.len());
        let mut rest = line.as_str();
        while let Some(first) = rest.chars().next() {
            if !is_word(first) {
                text.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = &rest[..end];
            text.push_str(&self.word(word));
            rest = &rest[end..];
        }
        text
    }

    /// One word of letters, digits, `.`, `:`, `-` and `_`.
    fn word(&mut self, word: &str) -> String {
        let trimmed = word.trim_end_matches(['.', ':', '-']);
        let tail = &word[trimmed.len()..];
        if is_mac(trimmed) {
            return self.stand_in(MAC, trimmed, |n| format!("02:00:00:00:00:{n:02x}")) + tail;
        }
        if is_ip4(trimmed) {
            return self.stand_in(IP, trimmed, |n| format!("192.0.2.{n}")) + tail;
        }
        if is_ip6(trimmed) {
            return self.stand_in(IP, trimmed, |n| format!("2001:db8::{n:x}")) + tail;
        }
        self.uuids_in(word)
    }

    /// UUIDs with hyphens and without, inside of longer words too: `CRYPT-LUKS2-0f0e…-luks-0f0e0d0c-…`.
    fn uuids_in(&mut self, word: &str) -> String {
        let mut text = String::new();
        let mut at = 0;
        while at < word.len() {
            let rest = &word[at..];
            let begins = at == 0 || !word.as_bytes()[at - 1].is_ascii_alphanumeric();
            if begins && let Some(found) = uuid_at(rest) {
                let plain = found.replace('-', "").to_ascii_lowercase();
                let dashed = found.contains('-');
                let stand_in = self.stand_in(UUID, &plain, |n| format!("{n:032x}"));
                text.push_str(&if dashed { with_hyphens(&stand_in) } else { stand_in });
                at += found.len();
                continue;
            }
            let Some(next) = rest.chars().next() else { break };
            text.push(next);
            at += next.len_utf8();
        }
        text
    }

    /// Known names. A long one is replaced wherever it stands (`anna-laptop--vg-root`), a short one only as a whole word.
    fn names_in(&mut self, line: &str) -> String {
        let mut line = line.to_owned();
        for (name, kind) in self.names.clone() {
            // The device mapper doubles the hyphens of a volume group's name.
            let doubled = name.replace('-', "--");
            for form in [name.as_str(), doubled.as_str()] {
                if line.contains(form) {
                    let stand_in = self.stand_in(kind, &name, |n| {
                        let word = if kind == USER { "user" } else { "computer" };
                        format!("{word}{n}")
                    });
                    line = replace_word(&line, form, &stand_in);
                }
            }
        }
        line
    }

    /// Home folders of users who are not in the list, and what people called their sticks.
    fn media_in(&mut self, line: &str) -> String {
        let mut line = line.to_owned();
        for (before, kind, word) in [
            ("/home/", USER, "user"),
            ("/Users/", USER, "user"),
            ("\\Users\\", USER, "user"),
            ("/run/media/", USER, "user"),
            ("/media/", USER, "user"),
        ] {
            line = self.component_after(&line, before, kind, word);
        }
        for before in ["/run/media/user", "/media/user"] {
            line = self.label_after(&line, before);
        }
        line
    }

    fn component_after(&mut self, line: &str, before: &str, kind: &'static str, word: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(before) {
            let (head, tail) = rest.split_at(at + before.len());
            text.push_str(head);
            let is_windows = before.ends_with('\\');
            // In JSON they are doubled.
            let doubled = match is_windows {
                true => tail.len() - tail.trim_start_matches('\\').len(),
                false => 0,
            };
            let (signs, tail) = tail.split_at(doubled);
            text.push_str(signs);
            // A name on Windows may have blanks, and the line may go on after it: rather a word too many is hidden.
            let end = match is_windows {
                true => tail.find(is_never_in_a_windows_name),
                false => tail.find(is_path_end),
            };
            let end = end.unwrap_or(tail.len());
            let name = &tail[..end];
            if name.is_empty()
                || self.is_stand_in(kind, name)
                || ["Public", "Shared", "Default", "Default User", "All Users"].contains(&name)
            {
                text.push_str(name);
            } else {
                text.push_str(&self.stand_in(kind, name, |n| format!("{word}{n}")));
            }
            rest = &tail[end..];
        }
        text + rest
    }

    /// The component after the user's one: `/media/user1/ANNAS STICK`.
    fn label_after(&mut self, line: &str, before: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(before) {
            let (head, tail) = rest.split_at(at + before.len());
            text.push_str(head);
            let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            text.push_str(&tail[..digits]);
            rest = &tail[digits..];
            let Some(after) = rest.strip_prefix('/') else {
                continue;
            };
            let end = after.find(is_path_end).unwrap_or(after.len());
            let name = &after[..end];
            text.push('/');
            if name.is_empty() || self.is_stand_in(LABEL, name) {
                text.push_str(name);
            } else {
                text.push_str(&self.stand_in(LABEL, name, |n| format!("medium{n}")));
            }
            rest = &after[end..];
        }
        text + rest
    }

    /// `Serial Number: C02X…`, `"serial": "…"`, `SerialNumber=…`; as often as there are some in the line.
    fn serial_in(&mut self, line: &str) -> String {
        let lower = line.to_ascii_lowercase();
        let (mut text, mut done) = (String::with_capacity(line.len()), 0);
        while let Some(place) = next_serial(line, &lower, done) {
            let stand_in = self.stand_in(SERIAL, &line[place.clone()], |n| format!("SERIAL{n}"));
            text.push_str(&line[done..place.start]);
            text.push_str(&stand_in);
            done = place.end;
        }
        text + &line[done..]
    }

    /// One line of `mountinfo`: the options are not looked at by anybody and may name users, servers and passwords, so of
    /// them only what hides processes is kept; a source that is no device of this computer says only what it is.
    fn mount(&mut self, line: &str) -> String {
        let Some((head, tail)) = line.split_once(" - ") else {
            return line.to_owned();
        };
        let mut tail = tail.split(' ');
        let (kind, source, options) = (
            tail.next().unwrap_or_default(),
            tail.next().unwrap_or_default(),
            tail.next().unwrap_or_default(),
        );
        let is_ours = source.starts_with("/dev/") || !source.contains(['/', ':', '@', '\\']);
        let source = match is_ours {
            true => source.to_owned(),
            false => self.stand_in(REMOTE, source, |n| format!("share{n}")),
        };
        let kept: Vec<&str> = options
            .split(',')
            .filter(|option| ["rw", "ro"].contains(option) || option.starts_with("hidepid="))
            .collect();
        format!("{head} - {kind} {source} {}", kept.join(","))
    }

    fn is_stand_in(&self, kind: &'static str, word: &str) -> bool {
        self.stand_ins
            .iter()
            .any(|((known, _), stand_in)| *known == kind && stand_in == word)
    }

    fn stand_in(&mut self, kind: &'static str, real: &str, make: impl FnOnce(usize) -> String) -> String {
        if self.is_stand_in(kind, real) {
            return real.to_owned();
        }
        let count = self.stand_ins.keys().filter(|(known, _)| *known == kind).count();
        self.stand_ins
            .entry((kind, real.to_owned()))
            .or_insert_with(|| make(count + 1))
            .clone()
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".:-_".contains(c)
}

/// Where the next serial number stands, from `from` on: what follows the sign after the word.
fn next_serial(line: &str, lower: &str, from: usize) -> Option<Range<usize>> {
    let at = from + lower.get(from..)?.find("serial")?;
    let sign = at + line[at..].find([':', '='])? + 1;
    let begin = sign + line[sign..].find(char::is_alphanumeric)?;
    let end = line[begin..]
        .find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
        .map_or(line.len(), |end| begin + end);
    Some(begin..end)
}

/// What no user's name has, by Windows' own rule, or what ends a line's part.
fn is_never_in_a_windows_name(c: char) -> bool {
    "\\/[]:;|=,+*?<>\"@\t".contains(c)
}

/// Replaces a mount's place where it stands whole: `/a` is not in `/apps`, nor in `/x/a`.
fn replace_place(line: &str, place: &str, written: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut at = 0;
    while let Some(found) = line[at..].find(place).map(|found| at + found) {
        let end = found + place.len();
        let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-.".contains(c));
        let whole = !goes_on(line[..found].chars().next_back()) && !goes_on(line[end..].chars().next());
        text.push_str(&line[at..found]);
        text.push_str(if whole { written } else { place });
        at = end;
    }
    text + &line[at..]
}

fn is_path_end(c: char) -> bool {
    "/\\ \"',:;\t)]}".contains(c)
}

/// Replaces `name` where it is a word of its own, or anywhere if it is long.
fn replace_word(line: &str, name: &str, stand_in: &str) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(found) = line[at..].find(name).map(|found| at + found) {
        let end = found + name.len();
        let is_border = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
        let alone = is_border(line[..found].chars().next_back()) && is_border(line[end..].chars().next());
        text.push_str(&line[at..found]);
        text.push_str(match alone || name.len() >= SHORTEST_INSIDE {
            true => stand_in,
            false => name,
        });
        at = end;
    }
    text + &line[at..]
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_mac(word: &str) -> bool {
    let of = |sign| {
        let parts: Vec<&str> = word.split(sign).collect();
        parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && is_hex(part))
    };
    of(':') || of('-')
}

/// Four numbers. A version such as `10.0.19045.4651` has larger ones; one that has not is hidden once too often.
fn is_ip4(word: &str) -> bool {
    word.parse::<std::net::Ipv4Addr>()
        .is_ok_and(|address| !address.is_loopback() && !address.is_unspecified())
}

fn is_ip6(word: &str) -> bool {
    word.matches(':').count() >= 2
        && word
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|address| !address.is_loopback() && !address.is_unspecified())
}

/// The UUID that `text` begins with.
fn uuid_at(text: &str) -> Option<&str> {
    let ends = |length: usize| {
        text.get(..length)
            .filter(|_| !text[length..].starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let dashed = |word: &&str| {
        let parts: Vec<&str> = word.split('-').collect();
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| is_hex(part))
    };
    ends(36)
        .filter(dashed)
        .or_else(|| ends(32).filter(|word| is_hex(word)))
        // LVM's own ids: 64 letters and digits, two of 32.
        .or_else(|| ends(64).filter(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric())))
}

fn with_hyphens(plain: &str) -> String {
    let part = |from: usize, to: usize| plain.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests;
