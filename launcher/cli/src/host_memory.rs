//! What this computer remembers of sticks, where IT asks for it: one file of 256 sealed bytes for each, in a folder that only
//! its owner can enter. The file's name and content tell nothing about the stick (`docs/format/memory.md`).
//!
//! A file appears whole or not at all: it is written under another name, synced, renamed, and the folder is synced. What a
//! program that was killed in between leaves goes with the next memory of that stick.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gobag_bundle::{
    Bundle,
    memory::{MemoryPlace, MemoryTrouble, Witness},
};
use gobag_checklists::regular;
use gobag_format::{
    limits::MAX_TOKEN_LEN,
    memory::{MEMORY_LEN, MemoryName},
};
use gobag_term::{CliError, Ui};
use rustix::process::geteuid;

use crate::{
    environment::Environment,
    error::{explained, unusable},
};

/// Longer than any program writes one.
const WRITING: Duration = Duration::from_secs(600);

/// The folder of all memories of this user.
pub(crate) struct HostMemory {
    folder: Option<PathBuf>,
}

impl HostMemory {
    /// Where this user's programs keep what they know from run to run.
    pub(crate) fn of(environment: &Environment) -> Self {
        Self {
            folder: environment
                .state_folder
                .as_ref()
                .map(|state| state.join("gobag/memory")),
        }
    }

    /// The folder, and how many sticks are remembered in it; none if it is not there.
    pub(crate) fn survey(&self) -> Option<(PathBuf, usize)> {
        let folder = self.folder.clone()?;
        let entries = fs::read_dir(&folder).ok()?.flatten();
        let names = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        let count = names.count();
        (count > 0).then_some((folder, count))
    }

    fn file(&self, name: &MemoryName) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(name.to_string()))
    }
}

impl MemoryPlace for HostMemory {
    fn load(&self, name: &MemoryName) -> io::Result<Option<Vec<u8>>> {
        let Some(path) = self.file(name) else {
            return Ok(None);
        };
        let file = match regular::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(MEMORY_LEN as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn store(&self, name: &MemoryName, bytes: &[u8]) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Err(io::Error::other("this user has no folder of their own"));
        };
        make_private(folder)?;
        // Two containers may have programs of the same number, and this folder in common.
        let fresh = folder.join(format!("{}{}", unfinished(name), std::process::id()));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        put_in_place(&fresh, &folder.join(name.to_string()))?;
        File::open(folder)?.sync_all()?;
        clear_unfinished(folder, name);
        Ok(())
    }

    fn forget(&self, name: &MemoryName) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        clear_unfinished(folder, name);
        delete(&folder.join(name.to_string()))
    }
}

/// How names of files begin that are being written.
fn unfinished(name: &MemoryName) -> String {
    format!(".new-{name}-")
}

/// Takes away what killed programs left; what cannot be deleted does no harm.
fn clear_unfinished(folder: &Path, name: &MemoryName) {
    let begin = unfinished(name);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(begin.as_bytes())
    });
    for entry in ours {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        // With another copy of the stick somebody may be writing just now.
        let age = written.ok().and_then(|written| written.elapsed().ok());
        if age.is_some_and(|age| age > WRITING)
            && let Err(error) = delete(&entry.path())
        {
            tracing::debug!(%error, "a file of a killed program stays");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "in our private folder, not on the stick"
)]
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[expect(
    clippy::disallowed_methods,
    reason = "in our private folder, not on the stick"
)]
fn delete(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes the folder and its parents for this user alone; one that is there must be like that.
fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Not through a link that somebody else may have put there.
    let found = fs::symlink_metadata(folder)?;
    match found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{} belongs to somebody else, or others can enter it",
            folder.display()
        ))),
    }
}

/// Asks this computer what it remembers of the stick, and says what went wrong with that.
pub(crate) fn recall(bundle: &Bundle, environment: &Environment, ui: &Ui) -> Witness {
    let witness = Witness::new(bundle, Box::new(HostMemory::of(environment)));
    tell(&witness, ui);
    witness
}

/// Says what stays on this computer, where something does: to be called once it is written.
pub(crate) fn announce(witness: &Witness, environment: &Environment, ui: &Ui) {
    if let (Some(_), Some(folder)) = (witness.known(), HostMemory::of(environment).folder) {
        ui.say(&format!(
            "As your IT chose, this computer remembers the last state of this stick, to notice an earlier copy of it: {MEMORY_LEN} \
             sealed bytes in {}, and nothing of what is on the stick.",
            folder.display()
        ));
    }
}

/// The same with a restore token from IT.
pub(crate) fn recall_with_token(
    bundle: &Bundle,
    token: Option<&Path>,
    environment: &Environment,
    ui: &Ui,
) -> Result<Arc<Witness>, CliError> {
    let mut witness = recall(bundle, environment, ui);
    if let Some(path) = token {
        let text = read_token(path)
            .map_err(|error| unusable("gobag.token-file", "read the restore token in", path, &error))?;
        witness
            .take_token(bundle, &text)
            .map_err(|error| explained(error.code(), error))?;
    }
    Ok(Arc::new(witness))
}

fn read_token(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    regular::open(path)?
        .take(MAX_TOKEN_LEN as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// Says what went wrong with the memory since it was last asked; work goes on.
pub(crate) fn tell(witness: &Witness, ui: &Ui) {
    for trouble in witness.take_troubles() {
        let cause = std::error::Error::source(&trouble).map(|cause| format!(" ({cause})"));
        let consequence = match &trouble {
            MemoryTrouble::Unreadable(_) | MemoryTrouble::Invalid(_) => {
                "so it cannot be told here whether it is the newest. If it was out of your hands, phone your IT"
            }
            MemoryTrouble::OtherCopy(_) => {
                "so this computer keeps remembering the other one. Tell your IT, and use one of them only"
            }
            _ => "so an earlier copy of it may not be noticed here",
        };
        ui.warn(&format!("{trouble}{}, {consequence}.", cause.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests;
