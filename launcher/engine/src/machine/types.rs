//! Choosing a machine type that the host's QEMU knows.

use std::{path::Path, time::Duration};

use serde::Serialize;

use crate::run::{Run, RunError};

/// The machine type to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineType {
    /// QEMU's name of it.
    pub name: String,
    /// Whether it is the wanted one. Another one boots the same guest, but it sees other hardware, and a saved session
    /// cannot go on.
    pub exact: bool,
}

/// Why no machine type could be chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineTypeError {
    /// QEMU knows nothing of the wanted family.
    #[error("this qemu has no machine type like `{wanted}`")]
    NoneLike {
        /// The wanted type.
        wanted: String,
    },
    /// QEMU could not be asked.
    #[error(transparent)]
    Run(RunError),
}

impl MachineTypeError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoneLike { .. } => "engine.machine-type-missing",
            Self::Run(error) => error.code(),
        }
    }
}

/// The machine type of `wanted`'s family that `qemu` knows: `wanted` itself, else the newest one before it (an older
/// QEMU cannot have it), else the oldest one after it (a much newer QEMU has dropped it).
pub fn machine_type(qemu: &Path, wanted: &str, deadline: Duration) -> Result<MachineType, MachineTypeError> {
    let output = Run::new(qemu)
        .args(["-nodefaults", "-no-user-config", "-machine", "help"])
        .deadline(deadline)
        .success()
        .map_err(MachineTypeError::Run)?;
    choose(&String::from_utf8_lossy(&output.stdout), wanted).ok_or_else(|| MachineTypeError::NoneLike {
        wanted: wanted.to_owned(),
    })
}

fn choose(help: &str, wanted: &str) -> Option<MachineType> {
    let (family, version) = split(wanted)?;
    let known = help
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|name| split(name).map(|(family, version)| (family, version, name)))
        .filter(|(of, _, _)| *of == family);
    let (mut before, mut after) = (None, None);
    for (_, candidate, name) in known {
        if candidate <= version {
            before = before.max(Some((candidate, name)));
        } else if after.is_none_or(|(oldest, _)| candidate < oldest) {
            after = Some((candidate, name));
        }
    }
    let (_, name) = before.or(after)?;
    Some(MachineType {
        name: name.to_owned(),
        exact: name == wanted,
    })
}

/// `pc-q35-7.2` is family `pc-q35`, version 7.2.
fn split(name: &str) -> Option<(&str, (u32, u32))> {
    let (family, version) = name.rsplit_once('-')?;
    let (major, minor) = version.split_once('.')?;
    Some((family, (major.parse().ok()?, minor.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Supported machines are:\nmicrovm              microvm (i386)\n\
        pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)\n\
        q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-10.1)\n\
        pc-q35-10.1          Standard PC (Q35 + ICH9, 2009)\n\
        pc-q35-9.2           Standard PC (Q35 + ICH9, 2009)\n\
        pc-q35-6.2           Standard PC (Q35 + ICH9, 2009) (deprecated)\n";

    #[test]
    fn the_wanted_type_else_its_older_neighbour_else_the_oldest() {
        for (wanted, got, exact) in [
            ("pc-q35-9.2", "pc-q35-9.2", true),
            ("pc-q35-10.0", "pc-q35-9.2", false),
            ("pc-q35-7.2", "pc-q35-6.2", false),
            ("pc-q35-4.1", "pc-q35-6.2", false),
        ] {
            let name = got.to_owned();
            assert_eq!(choose(HELP, wanted), Some(MachineType { name, exact }));
        }
        assert_eq!(choose(HELP, "virt-9.0"), None);
        assert_eq!(choose("", "pc-q35-7.2"), None);
    }
}
