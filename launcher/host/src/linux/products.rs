//! Malware scanners and other programs that protect the computer.
//!
//! A product runs if *all* its services do: a scanner whose updater is off goes stale in silence. It is genuine where systemd,
//! which only the administrator configures, starts it from a file that only the administrator can change. Anybody can start
//! a process that is called `falcon-sensor`; that is found too, and said not to be genuine.

use gobag_checklists::safety::{SecurityProduct, Signatures, Tristate};
use gobag_checklists::{Fact, Forger};

use self::catalog::{CATALOG, Definition};
use super::query::{Process, Processes, Stat, Units};
use super::units::{self, State};
use crate::capture::Host;
use crate::probe::Scene;

mod catalog;
mod clamav;

/// Accounts of people begin here.
const FIRST_PERSON: u32 = 1000;

pub(super) fn probe(scene: &Scene) -> Fact<Vec<SecurityProduct>> {
    let host = scene.host.as_ref();
    let units = units::ask(host, &catalog::units());
    let processes: Result<Processes, String> = host
        .query(&format!("processes {}", catalog::processes().join(",")))
        .json();
    let products: Vec<SecurityProduct> = CATALOG
        .iter()
        .filter_map(|definition| {
            let look = Look {
                scene,
                definition,
                processes: processes.as_ref(),
            };
            match &units {
                Ok(units) => look.by_units(units).or_else(|| look.by_processes()),
                Err(_) => look.by_processes(),
            }
        })
        .collect();
    // "Found none" is only said by systemd, of all names that are known here.
    match units {
        Err(reason) if products.is_empty() => Fact::unknown(reason),
        units => {
            let source = if units.is_ok() {
                "systemd on D-Bus"
            } else {
                "/proc"
            };
            let forger = if units.is_ok() {
                Forger::Administrator
            } else {
                Forger::User
            };
            scene.known(products, source, forger)
        }
    }
}

/// One product, looked for.
struct Look<'a> {
    scene: &'a Scene,
    definition: &'static Definition,
    processes: Result<&'a Processes, &'a String>,
}

impl Look<'_> {
    fn host(&self) -> &dyn Host {
        self.scene.host.as_ref()
    }

    /// `None` if systemd knows none of its units.
    fn by_units(&self, units: &Units) -> Option<SecurityProduct> {
        let mut found = Vec::new();
        for alternatives in self.definition.units {
            let names: Vec<String> = alternatives
                .iter()
                .flat_map(|name| units.matching(name))
                .collect();
            // Of names for the same service, the one that runs, else the one that is there.
            let best = names
                .into_iter()
                .map(|name| (units.state(&name), name))
                .min_by_key(|(state, _)| match state {
                    State::Active => 0,
                    State::Failed | State::Inactive => 1,
                    State::Missing => 2,
                });
            found.push(best.unwrap_or((State::Missing, String::new())));
        }
        // The first is the product itself; an updater alone protects nobody.
        if found.first().is_none_or(|(state, _)| *state == State::Missing) {
            return None;
        }
        let running = match found.iter().all(|(state, _)| *state == State::Active) {
            true => Tristate::Yes,
            false => Tristate::No,
        };
        let files: Vec<Option<&str>> = found.iter().map(|(_, name)| units.file(name)).collect();
        Some(self.product(running, self.genuine(&files)))
    }

    /// `None` if neither a process nor a program of it is there.
    fn by_processes(&self) -> Option<SecurityProduct> {
        let found: Vec<&Process> = match self.processes {
            Ok(processes) => processes.found.iter().collect(),
            Err(_) => Vec::new(),
        };
        let all: Vec<Vec<&Process>> = self
            .definition
            .processes
            .iter()
            .map(|name| {
                found
                    .iter()
                    .copied()
                    .filter(|process| process.name == *name)
                    .collect()
            })
            .collect();
        let installed = || {
            let mut programs = self.definition.programs.iter();
            programs.any(|path| !self.host().query(&format!("stat {path}")).is_missing())
        };
        if all.iter().all(Vec::is_empty) && !installed() {
            return None;
        }
        let visible = self.processes.is_ok_and(|processes| processes.others_visible);
        let running = match all.iter().all(|found| !found.is_empty()) {
            true => Tristate::Yes,
            false if visible => Tristate::No,
            false => unknown("this user cannot see others' processes"),
        };
        let owners = all.iter().flatten().map(|process| self.genuine_process(process));
        Some(self.product(running, worst(owners)))
    }

    fn product(&self, running: Tristate, genuine: Tristate) -> SecurityProduct {
        let signatures = match self.definition.signatures {
            catalog::Source::None => Signatures::NotApplicable,
            catalog::Source::ClamAv => clamav::signatures(self.host(), self.scene.about.now_s),
            catalog::Source::Defender if running == Tristate::Yes => defender(self.host()),
            catalog::Source::Defender => Signatures::Unknown {
                reason: "it does not run".to_owned(),
            },
            catalog::Source::Untold => Signatures::Unknown {
                reason: "it does not tell an ordinary user".to_owned(),
            },
        };
        SecurityProduct {
            name: self.definition.name.to_owned(),
            kind: self.definition.kind,
            running,
            genuine,
            signatures,
        }
    }

    /// Unit files, and the programs that they start.
    fn genuine(&self, files: &[Option<&str>]) -> Tristate {
        worst(files.iter().map(|file| match file {
            None => unknown("a unit without a file"),
            Some(file) => worst([
                self.administrators(file),
                match self.host().file(file).text().map(|text| executable(&text)) {
                    Ok(Some(program)) => self.administrators(&program),
                    Ok(None) => unknown(format!("{file} starts no program by its path")),
                    Err(reason) => unknown(reason),
                },
            ]),
        }))
    }

    /// A process says by its name what it wants. What it is, its executable says, if we may know it.
    fn genuine_process(&self, process: &Process) -> Tristate {
        if process.owner >= FIRST_PERSON {
            return Tristate::No;
        }
        match &process.executable {
            Some(path) if !path.ends_with(" (deleted)") => self.administrators(path),
            Some(_) => unknown("its program was replaced since it was started"),
            None => unknown("only the administrator can see which program it is"),
        }
    }

    /// Can only the administrator change this file, and put another in its place?
    fn administrators(&self, path: &str) -> Tristate {
        let folder = path
            .rsplit_once('/')
            .map(|(folder, _)| folder)
            .unwrap_or_default();
        worst(
            [path, folder]
                .into_iter()
                .filter(|path| !path.is_empty())
                .map(
                    |path| match self.host().query(&format!("stat {path}")).json::<Stat>() {
                        Ok(stat) if stat.owner == 0 && stat.mode & 0o022 == 0 => Tristate::Yes,
                        Ok(_) => Tristate::No,
                        Err(reason) => unknown(reason),
                    },
                ),
        )
    }
}

/// One no is a no; else one unknown is an unknown. Of nothing, nothing is known.
fn worst(all: impl IntoIterator<Item = Tristate>) -> Tristate {
    let rank = |tristate: &Tristate| match tristate {
        Tristate::No => 0,
        Tristate::Unknown { .. } => 1,
        Tristate::Yes => 2,
    };
    all.into_iter()
        .min_by_key(rank)
        .unwrap_or_else(|| unknown("nothing of it runs"))
}

fn unknown(reason: impl Into<String>) -> Tristate {
    Tristate::Unknown {
        reason: reason.into(),
    }
}

/// The program of a unit's first `ExecStart`; systemd's marks before the path are left out.
fn executable(unit: &str) -> Option<String> {
    let start = unit
        .lines()
        .find_map(|line| line.trim().strip_prefix("ExecStart="))?;
    let path = start.trim().trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let path = path.split_whitespace().next()?.trim_matches('"');
    path.starts_with('/').then(|| path.to_owned())
}

/// Microsoft Defender's own word.
fn defender(host: &dyn Host) -> Signatures {
    let answer = host
        .program("/usr/bin/mdatp", &["health", "--field", "definitions_status"])
        .word();
    match answer.as_deref().map(|word| word.trim_matches('"')) {
        Ok("up_to_date") => Signatures::Current,
        Ok("out_of_date" | "update_required") => Signatures::Outdated,
        Ok(other) => Signatures::Unknown {
            reason: format!("mdatp says {other}"),
        },
        Err(reason) => Signatures::Unknown {
            reason: reason.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
