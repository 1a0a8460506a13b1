//! The real computer.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gobag_checklists::{Obstacle, regular};
use gobag_engine::run::{Run, RunError};

use super::{Capture, Host};
use crate::limits::{MAX_LIST_NAMES, MAX_PROGRAM_BYTES, MAX_TEXT_BYTES, PROGRAM_DEADLINE};
use crate::read::{chain, obstacle};

/// The computer that this runs on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// The user's home folder, for paths that begin with `~/`.
    pub(crate) home: Option<PathBuf>,
}

impl Live {
    /// Where a path is.
    fn at(&self, path: &str) -> Result<PathBuf, Capture> {
        match (path.strip_prefix("~/"), &self.home) {
            (None, _) => Ok(PathBuf::from(path)),
            (Some(rest), Some(home)) => Ok(home.join(rest)),
            (Some(_), None) => Err(Capture::failed(
                Obstacle::NotWorking,
                format!("cannot read {path}: this user has no home folder"),
            )),
        }
    }
}

impl Host for Live {
    fn file(&self, path: &str) -> Capture {
        let file = match self.at(path) {
            Ok(file) => file,
            Err(failed) => return failed,
        };
        let mut bytes = Vec::new();
        match regular::open(&file).and_then(|file| file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes)) {
            Err(error) => refused("read", path, &error),
            Ok(_) if bytes.len() as u64 > MAX_TEXT_BYTES => Capture::failed(
                Obstacle::NotWorking,
                format!("{path} is longer than {MAX_TEXT_BYTES} bytes"),
            ),
            Ok(_) => Capture::Bytes(bytes),
        }
    }

    fn list(&self, path: &str) -> Capture {
        let folder = match self.at(path) {
            Ok(folder) => folder,
            Err(failed) => return failed,
        };
        let names = std::fs::read_dir(folder).and_then(|entries| {
            entries
                .take(MAX_LIST_NAMES + 1)
                .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                .collect::<Result<Vec<_>, _>>()
        });
        match names {
            Err(error) => refused("list", path, &error),
            Ok(names) if names.len() > MAX_LIST_NAMES => Capture::failed(
                Obstacle::NotWorking,
                format!("{path} holds more than {MAX_LIST_NAMES} names"),
            ),
            Ok(mut names) => {
                names.sort();
                Capture::of(names.iter().map(|name| format!("{name}\n")).collect::<String>())
            }
        }
    }

    fn link(&self, path: &str) -> Capture {
        let link = match self.at(path) {
            Ok(link) => link,
            Err(failed) => return failed,
        };
        match std::fs::read_link(link) {
            Ok(target) => Capture::of(target.to_string_lossy()),
            Err(error) => refused("read the link", path, &error),
        }
    }

    fn program(&self, path: &str, args: &[&str]) -> Capture {
        let program = Path::new(path);
        if !program.is_absolute() {
            return Capture::failed(Obstacle::NotWorking, format!("{path} is no absolute path"));
        }
        match Run::new(program).args(args).deadline(PROGRAM_DEADLINE).success() {
            Ok(output) if output.stdout.len() > MAX_PROGRAM_BYTES => Capture::failed(
                Obstacle::NotWorking,
                format!("{path} printed more than {MAX_PROGRAM_BYTES} bytes"),
            ),
            Ok(output) => Capture::Bytes(output.stdout),
            Err(error) => Capture::failed(failure(&error), chain(&error)),
        }
    }

    fn query(&self, name: &str) -> Capture {
        crate::query::ask(self.home.as_deref(), name)
    }
}

/// What the system said when it was asked for `path`.
pub(crate) fn refused(verb: &str, path: &str, error: &io::Error) -> Capture {
    Capture::failed(obstacle(error), format!("cannot {verb} {path}: {error}"))
}

fn failure(error: &RunError) -> Obstacle {
    match error {
        RunError::Start { source, .. } => obstacle(source),
        RunError::Deadline { .. } => Obstacle::TimedOut,
        _ => Obstacle::NotWorking,
    }
}

#[cfg(test)]
mod tests;
