//! What this process may do, from `/proc/self/status`.

use std::path::Path;

use crate::read;

/// Number of the capability that mounting needs.
const CAP_SYS_ADMIN: u32 = 21;

/// Rights of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// May it mount? Root inside a container usually may not.
    pub(crate) may_mount: bool,
    /// Do set-user-id programs work for it?
    pub(crate) may_gain: bool,
}

impl Rights {
    pub(crate) fn own() -> Result<Self, String> {
        read::text(Path::new("/proc/self/status")).and_then(|status| parse(&status))
    }
}

fn parse(status: &str) -> Result<Rights, String> {
    let field = |key: &str| {
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        value
            .map(str::trim)
            .ok_or_else(|| format!("/proc/self/status has no {key}"))
    };
    let capabilities = u64::from_str_radix(field("CapEff")?, 16);
    let capabilities = capabilities.map_err(|_| "/proc/self/status has a strange CapEff".to_owned())?;
    Ok(Rights {
        may_mount: capabilities & (1 << CAP_SYS_ADMIN) != 0,
        may_gain: field("NoNewPrivs")? == "0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read() {
        for (status, expected) in [
            ("CapEff:\t000001ffffffffff\nNoNewPrivs:\t0\n", Some((true, true))),
            (
                "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n",
                Some((false, false)),
            ),
            // Docker's default set.
            ("CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\n", Some((false, true))),
            ("CapEff:\tzz\nNoNewPrivs:\t0\n", None),
            ("NoNewPrivs:\t0\n", None),
        ] {
            let rights = parse(status)
                .ok()
                .map(|rights| (rights.may_mount, rights.may_gain));
            assert_eq!(rights, expected, "{status:?}");
        }
    }

    #[test]
    fn our_own_are_readable() {
        Rights::own().expect("readable");
    }
}
