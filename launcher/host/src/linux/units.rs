//! What systemd says of units.

use super::query::{Unit, Units};
use crate::capture::Host;

/// What is known of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or has done what it is there for.
    Active,
    /// It tried and failed.
    Failed,
    /// It is installed and does not run.
    Inactive,
    /// There is none.
    Missing,
}

/// Asks for several at once; an error means that nothing is known of any.
pub(super) fn ask(host: &dyn Host, names: &[&str]) -> Result<Units, String> {
    host.query(&format!("units {}", names.join(","))).json()
}

impl Units {
    /// A unit's state.
    pub(super) fn state(&self, name: &str) -> State {
        match self.loaded.iter().find(|unit| unit.name == name) {
            Some(unit) if unit.load == "loaded" => state(unit),
            _ if self.file(name).is_some() => State::Inactive,
            _ => State::Missing,
        }
    }

    /// The path of a unit's file; a masked one has none.
    pub(super) fn file(&self, name: &str) -> Option<&str> {
        let is_it = |path: &str| path.rsplit('/').next() == Some(name);
        self.files
            .iter()
            .find(|file| is_it(&file.path) && !file.state.starts_with("masked"))
            .map(|file| file.path.as_str())
    }

    /// Names of all units that match a pattern with a star at its end.
    pub(super) fn matching(&self, pattern: &str) -> Vec<String> {
        let Some(begin) = pattern.strip_suffix('*') else {
            return vec![pattern.to_owned()];
        };
        let files = self.files.iter().filter_map(|file| file.path.rsplit('/').next());
        let mut names: Vec<String> = self
            .loaded
            .iter()
            .map(|unit| unit.name.as_str())
            .chain(files)
            .filter(|name| name.starts_with(begin) && name.ends_with(".service"))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn state(unit: &Unit) -> State {
    match unit.active.as_str() {
        "active" | "reloading" | "refreshing" => State::Active,
        "failed" => State::Failed,
        // Starting and stopping is not running.
        _ => State::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_runs_only_if_it_is_active() {
        let units = |load: &str, active: &str| Units {
            loaded: vec![Unit {
                name: "a.service".to_owned(),
                load: load.to_owned(),
                active: active.to_owned(),
                sub: "x".to_owned(),
            }],
            files: Vec::new(),
        };
        for (load, active, expected) in [
            ("loaded", "active", State::Active),
            ("loaded", "failed", State::Failed),
            ("loaded", "inactive", State::Inactive),
            ("loaded", "activating", State::Inactive),
            ("loaded", "something new", State::Inactive),
            ("not-found", "inactive", State::Missing),
            ("masked", "inactive", State::Missing),
        ] {
            assert_eq!(
                units(load, active).state("a.service"),
                expected,
                "{load} {active}"
            );
        }
        assert_eq!(units("loaded", "active").state("b.service"), State::Missing);
    }
}
