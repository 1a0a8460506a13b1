//! A SQLite database that is put aside for one from a backup, and put back if nothing comes of that.
//!
//! 1. Nobody else may have it open: a connection takes it for itself alone, and keeps it until it has its other name.
//! 2. Its files are renamed.
//! 3. If the backup is not put back, what was begun in its place is removed, and it gets its name again.
//!
//! Cut off in between, it is whole under its other name.

#![expect(
    clippy::disallowed_methods,
    reason = "the server's own files; nothing of this is on a stick"
)]

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{BackupError, file_error};
use crate::store::database::Alone;

/// What SQLite calls a database's files.
const ENDS: [&str; 3] = ["", "-wal", "-shm"];

/// A database that was put aside.
pub struct Aside {
    file: PathBuf,
    away: PathBuf,
}

impl Aside {
    /// Gives the database in `file` another name, with this time in it; none if there is none.
    pub async fn put(file: &Path, now_s: u64) -> Result<Option<Self>, BackupError> {
        if !file.try_exists().map_err(file_error(file))? {
            return Ok(None);
        }
        let Some(alone) = Alone::with(file).await else {
            let path = file.to_owned();
            return Err(BackupError::InUse { path });
        };
        let aside = Self {
            file: file.to_owned(),
            away: with_end(file, &format!(".before-{now_s}")),
        };
        if aside.away.try_exists().map_err(file_error(&aside.away))? {
            let path = aside.away;
            return Err(BackupError::There { path });
        }
        let renamed = rename(&aside.file, &aside.away);
        alone.end().await;
        match renamed {
            Ok(()) => Ok(Some(aside)),
            Err(error) => {
                // What has another name already gets its own again.
                let _ = rename(&aside.away, &aside.file);
                Err(error)
            }
        }
    }

    /// Where it is.
    pub fn away(&self) -> &Path {
        &self.away
    }

    /// Gives it its name again, in the place of whatever has that now.
    pub fn back(&self) -> Result<(), BackupError> {
        for end in ENDS {
            let path = with_end(&self.file, end);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file_error(&path)(error));
                }
                _ => {}
            }
        }
        rename(&self.away, &self.file)
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    for end in ENDS {
        let path = with_end(from, end);
        match std::fs::rename(&path, with_end(to, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_error(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
