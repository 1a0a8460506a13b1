//! Programs on the host and their versions.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gobag_checklists::{Ability, Fact, Forger, Obstacle, Tool, Version};
use gobag_engine::{run, tools};

use crate::limits::{MAX_VERSION_BYTES, VERSION_DEADLINE};
use crate::read::chain;
use crate::system::privilege;

/// The hypervisor's name; the images are for this architecture.
const QEMU: &str = "qemu-system-x86_64";
const BUBBLEWRAP: &str = "bwrap";

/// Where programs are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    search_path: Option<OsString>,
    qemu: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn new(search_path: Option<OsString>, qemu: Option<PathBuf>) -> Self {
        Self { search_path, qemu }
    }

    /// The path of a program.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf, String> {
        tools::find(name, self.search_path.as_deref()).map_err(|error| error.to_string())
    }

    /// The hypervisor: the given one, else the host's.
    pub(crate) fn find_qemu(&self) -> Result<PathBuf, String> {
        self.qemu.clone().map_or_else(|| self.find(QEMU), Ok)
    }

    pub(crate) fn qemu(&self) -> Fact<Ability<Tool>> {
        tool(self.find_qemu())
    }

    pub(crate) fn bubblewrap(&self) -> Fact<Ability<Tool>> {
        tool(self.find(BUBBLEWRAP))
    }
}

/// Starts the program, to see that it starts at all, and reads its version.
fn tool(found: Result<PathBuf, String>) -> Fact<Ability<Tool>> {
    let path = match found {
        Ok(path) => path,
        Err(missing) => return tried(Ability::no(Obstacle::Missing, missing), "search path"),
    };
    let source = format!("{} --version", path.display());
    let ability = match run::capture(&path, &["--version".into()], VERSION_DEADLINE) {
        Ok(output) => Ability::yes(Tool {
            version: version(&output.stdout),
            path,
        }),
        Err(error) => Ability::no(failure(&path, &error), chain(&error)),
    };
    tried(ability, source)
}

/// A program is whatever the user's search path finds first.
pub(crate) fn tried<T>(ability: Ability<T>, source: impl Into<String>) -> Fact<Ability<T>> {
    Fact::known(ability, source, privilege(), Forger::User)
}

fn failure(path: &Path, error: &run::RunError) -> Obstacle {
    match error {
        run::RunError::Start { .. } if !path.exists() => Obstacle::Missing,
        run::RunError::Deadline { .. } => Obstacle::TimedOut,
        _ => Obstacle::NotWorking,
    }
}

/// The first word of the first line that looks like a version; what follows its numbers (`-rc1`) is ignored.
fn version(output: &[u8]) -> Option<Version> {
    let output = &output[..output.len().min(MAX_VERSION_BYTES)];
    let text = String::from_utf8_lossy(output);
    text.lines().next()?.split_whitespace().find_map(|word| {
        let end = word
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(word.len());
        let numbers = word[..end].trim_end_matches('.');
        numbers.contains('.').then(|| numbers.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_captured_messages() {
        for (text, expected) in [
            (
                include_str!("../fixtures/version/qemu-debian-12.txt"),
                Some((7, 2, 22)),
            ),
            (
                include_str!("../fixtures/version/bubblewrap-debian-12.txt"),
                Some((0, 8, 0)),
            ),
            ("QEMU emulator version 10.0.2\n", Some((10, 0, 2))),
            (
                "QEMU emulator version 9.1.50 (v9.1.0-1234-gabcdef)\n",
                Some((9, 1, 50)),
            ),
            ("QEMU emulator version 8.2.0-rc1\n", Some((8, 2, 0))),
            ("bubblewrap 0.11\n", Some((0, 11, 0))),
            ("\u{fffd}\n7.2\n", None),
            ("2 files\n", None),
            ("", None),
        ] {
            let expected = expected.map(|(major, minor, patch)| Version::new(major, minor, patch));
            assert_eq!(version(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_flood_of_output_is_cut() {
        assert_eq!(version(&vec![b'7'; 10 << 20]), None);
    }

    fn obstacle(fact: &Fact<Ability<Tool>>) -> (Obstacle, &str) {
        match fact.value() {
            Some(Ability::No { obstacle, detail }) => (*obstacle, detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_program_is_missing() {
        let programs = Programs::new(None, Some("/nowhere/qemu".into()));
        let fact = programs.qemu();
        assert_eq!(obstacle(&fact).0, Obstacle::Missing);
        let fact = tool(programs.find("gobag-no-such-program"));
        assert_eq!(
            obstacle(&fact),
            (
                Obstacle::Missing,
                "program `gobag-no-such-program` is not installed"
            )
        );
    }

    #[test]
    fn a_program_that_fails_does_not_work() {
        let fact = tool(Ok("/bin/false".into()));
        assert_eq!(obstacle(&fact).0, Obstacle::NotWorking);
    }

    #[test]
    fn a_program_without_version_is_found_all_the_same() {
        let fact = tool(Ok("/bin/true".into()));
        match fact.value() {
            Some(Ability::Yes { with }) => assert_eq!(with.path, Path::new("/bin/true")),
            other => panic!("{other:?}"),
        }
    }
}
