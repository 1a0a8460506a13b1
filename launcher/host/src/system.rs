//! The operating system, the architecture, the rights, the cores.

use gobag_checklists::{Fact, Forger, OperatingSystem, Privilege};

use crate::probe::Scene;

pub(crate) const OS_RELEASE: &str = "/etc/os-release";
pub(crate) const KERNEL: &str = "/proc/sys/kernel/osrelease";

pub(crate) fn operating_system(scene: &Scene) -> Fact<OperatingSystem> {
    let text = match scene.host.file(OS_RELEASE).text() {
        Ok(text) => text,
        Err(reason) => return Fact::unknown(reason),
    };
    let Some(name) = pretty_name(&text) else {
        return Fact::unknown(format!("{OS_RELEASE} names no system"));
    };
    let kernel = match scene.host.file(KERNEL).word() {
        Ok(kernel) => kernel,
        Err(reason) => return Fact::unknown(reason),
    };
    scene.known(
        OperatingSystem { name, kernel },
        format!("{OS_RELEASE}, {KERNEL}"),
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
    field(os_release, "PRETTY_NAME").or_else(|| field(os_release, "NAME"))
}

/// A field of a file in shell's spelling, without its quotes; `None` if it is empty.
pub(crate) fn field(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line
            .trim()
            .strip_prefix(key)?
            .trim_start()
            .strip_prefix('=')?
            .trim();
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let inner = inner.or_else(|| {
            value
                .strip_prefix('\'')
                .and_then(|value| value.strip_suffix('\''))
        });
        let name = inner.unwrap_or(value);
        (!name.is_empty()).then(|| name.to_owned())
    })
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
