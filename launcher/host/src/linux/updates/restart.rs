//! Does the system wait to be restarted?

use std::cmp::Ordering;

use gobag_checklists::safety::Tristate;

use crate::capture::Host;
use crate::system::KERNEL;

/// Debian and Ubuntu leave this where a package asked for it.
const MARK: &str = "/run/reboot-required";
const KERNELS: &str = "/lib/modules";

pub(super) fn pending(host: &dyn Host) -> Tristate {
    let unknown = |reason: String| Tristate::Unknown { reason };
    let mark = host.query(&format!("stat {MARK}"));
    if mark.bytes().is_ok() {
        return Tristate::Yes;
    }
    if let (Err(reason), false) = (mark.bytes(), mark.is_missing()) {
        return unknown(reason);
    }
    let running = match host.file(KERNEL).word() {
        Ok(running) => running,
        Err(reason) => return unknown(reason),
    };
    match host.list(KERNELS).text() {
        Ok(installed) => by_kernels(&running, &installed),
        Err(reason) => unknown(reason),
    }
}

/// A newer kernel of the same kind is installed, or the running one is installed no more.
fn by_kernels(running: &str, installed: &str) -> Tristate {
    let names: Vec<&str> = installed.lines().filter(|name| !name.is_empty()).collect();
    let flavour = flavour(running);
    if !names.iter().any(|name| self::flavour(name) == flavour) {
        return Tristate::Unknown {
            reason: format!("no kernel of the kind that runs is installed ({running})"),
        };
    }
    let newer = names
        .iter()
        .any(|name| self::flavour(name) == flavour && order(name, running) == Ordering::Greater);
    match newer || !names.contains(&running) {
        true => Tristate::Yes,
        false => Tristate::No,
    }
}

/// What is no number: `amd64` of `6.1.0-18-amd64`, `fc40.x86_64` without its numbers of `6.8.5-301.fc40.x86_64`.
fn flavour(name: &str) -> Vec<&str> {
    let words = name.split(['.', '-', '+', '_']);
    words
        .filter(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()))
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
        .collect()
}

/// Numbers in their order.
fn order(one: &str, other: &str) -> Ordering {
    let numbers = |name: &str| -> Vec<u64> {
        name.split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect()
    };
    numbers(one).cmp(&numbers(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_the_same_kind_are_compared_by_their_numbers() {
        for (running, installed, expected) in [
            ("6.1.0-18-amd64", "6.1.0-18-amd64\n", Some(false)),
            ("6.1.0-9-amd64", "6.1.0-9-amd64\n6.1.0-18-amd64\n", Some(true)),
            ("6.1.0-18-amd64", "6.1.0-9-amd64\n6.1.0-18-amd64\n", Some(false)),
            (
                "6.1.0-18-amd64",
                "6.1.0-18-amd64\n6.9.0-1-cloud-amd64\n",
                Some(false),
            ),
            (
                "6.8.0-31-generic",
                "6.8.0-31-generic\n6.8.0-35-generic\n",
                Some(true),
            ),
            (
                "6.8.5-301.fc40.x86_64",
                "6.8.5-301.fc40.x86_64\n6.8.9-300.fc40.x86_64\n",
                Some(true),
            ),
            // Arch removes the old one.
            ("6.9.1-arch1-1", "6.9.3-arch1-1\n", Some(true)),
            ("6.1.0-18-amd64", "", None),
            ("5.10.0", "6.1.0-18-amd64\n", None),
        ] {
            let pending = by_kernels(running, installed);
            let found = match &pending {
                Tristate::Yes => Some(true),
                Tristate::No => Some(false),
                Tristate::Unknown { .. } => None,
            };
            assert_eq!(found, expected, "{running} of {installed:?}");
        }
    }
}
