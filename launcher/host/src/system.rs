//! The operating system, the architecture, the rights, the cores.

use std::path::Path;

use gobag_checklists::{Fact, Forger, OperatingSystem, Privilege};

use crate::read;

const OS_RELEASE: &str = "/etc/os-release";

pub(crate) fn operating_system() -> Fact<OperatingSystem> {
    let text = match read::text(Path::new(OS_RELEASE)) {
        Ok(text) => text,
        Err(reason) => return Fact::unknown(reason),
    };
    let Some(name) = pretty_name(&text) else {
        return Fact::unknown(format!("{OS_RELEASE} names no system"));
    };
    let uname = rustix::system::uname();
    let kernel = uname.release().to_string_lossy().into_owned();
    Fact::known(
        OperatingSystem { name, kernel },
        format!("{OS_RELEASE}, uname"),
        privilege(),
        Forger::Administrator,
    )
}

pub(crate) fn architecture() -> Fact<String> {
    // The kernel's word, not the architecture this program was built for: a 32-bit program may run on a 64-bit kernel.
    let uname = rustix::system::uname();
    Fact::known(
        uname.machine().to_string_lossy().into_owned(),
        "uname",
        privilege(),
        Forger::Kernel,
    )
}

pub(crate) fn administrator() -> Fact<bool> {
    Fact::known(is_administrator(), "geteuid", privilege(), Forger::Kernel)
}

pub(crate) fn cores() -> Fact<u32> {
    match std::thread::available_parallelism() {
        Ok(cores) => {
            let cores = u32::try_from(cores.get()).unwrap_or(u32::MAX);
            Fact::known(
                cores,
                "sched_getaffinity, cgroup quota",
                privilege(),
                Forger::Administrator,
            )
        }
        Err(error) => Fact::unknown(format!("cannot count the processor cores: {error}")),
    }
}

pub(crate) fn is_administrator() -> bool {
    rustix::process::geteuid().is_root()
}

/// The rights everything here is measured with.
pub(crate) fn privilege() -> Privilege {
    if is_administrator() {
        Privilege::Administrator
    } else {
        Privilege::User
    }
}

/// The value of `PRETTY_NAME`, or of `NAME`, without its quotes.
fn pretty_name(os_release: &str) -> Option<String> {
    let field = |key: &str| {
        os_release.lines().find_map(|line| {
            let value = line.trim().strip_prefix(key)?.strip_prefix('=')?.trim();
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let inner = inner.or_else(|| {
                value
                    .strip_prefix('\'')
                    .and_then(|value| value.strip_suffix('\''))
            });
            let name = inner.unwrap_or(value);
            (!name.is_empty()).then(|| name.to_owned())
        })
    };
    field("PRETTY_NAME").or_else(|| field("NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_systems() {
        for (text, expected) in [
            (
                include_str!("../fixtures/os-release/debian-12.txt"),
                Some("Debian GNU/Linux 12 (bookworm)"),
            ),
            ("NAME=Alpine\nID=alpine\n", Some("Alpine")),
            ("NAME='Void'\n", Some("Void")),
            ("PRETTY_NAME=\"\"\nNAME=x\n", Some("x")),
            ("PRETTY_NAME_LONG=\"no\"\n", None),
            ("", None),
        ] {
            assert_eq!(pretty_name(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn this_computer_has_an_architecture_and_cores() {
        assert_eq!(
            architecture().value().map(String::as_str),
            Some(std::env::consts::ARCH)
        );
        assert!(cores().value().is_some_and(|cores| *cores >= 1));
    }
}
