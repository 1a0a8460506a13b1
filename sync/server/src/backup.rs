//! A backup of a running server, and a server put back from one: what is in the database, the CA's folder, and, if wanted, the objects.
//!
//! A backup is a folder: `gobag-backup.json` says what belongs to it, with a hash; `server.jsonl` (with recipients `server.jsonl.age`) has keys and
//! rows in a form that knows no database, so that what was SQLite can become PostgreSQL and the reverse; `objects/` has objects as they are
//! stored, sealed. It has the keys of the CA and of leases: all of it is for its owner alone.
//!
//! Rows are one moment: they are read in one transaction, while the server works on. Objects are copied after it, and nothing is pruned
//! meanwhile, so that each that a row names is among them. The folder has its name only when it is whole; until then it is `NAME.partial`, and
//! who begins again goes on with its objects.
//!
//! * [`mod@write`]: making one; [`read`]: putting it back; [`replace`]: what was there before, put aside; [`objects`]: their bytes, and whether each that a row names is there
//! * [`tables`]: what of the database belongs to it

pub mod objects;
pub mod read;
pub mod replace;
mod tables;
pub mod write;

use std::{
    io,
    path::{Path, PathBuf},
};

use gobag_protocol::ids::Digest;
use serde::{Deserialize, Serialize};

use crate::{refusal::Refusal, store::marker::MarkerError, tls::TlsError};

/// The version of all this.
const FORMAT: u32 = 1;
/// What a folder is a backup by.
const MANIFEST: &str = "gobag-backup.json";
/// Rows and keys.
const ROWS: &str = "server.jsonl";
/// The same for recipients alone.
const SEALED_ROWS: &str = "server.jsonl.age";
/// Objects, as `tenant/stick/id`.
const OBJECTS: &str = "objects";
/// Files of the CA's folder.
const KEYS: [&str; 3] = ["ca.pem", "ca-key.pem", "lease-key"];
/// Bytes of the manifest, and of one line of rows: a check result in base64 is the longest.
const MAX_LINE: u64 = 1 << 20;

/// What a folder is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    made_s: u64,
    /// Which of the two files.
    rows_file: String,
    rows_bytes: u64,
    rows_blake3: Digest,
    rows: u64,
    /// Whether `objects/` belongs to it.
    objects: bool,
}

/// Lines of `server.jsonl`, in this order: keys, then each table with its rows after it, then the end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// A file of the CA's folder.
    Key { name: String, text: String },
    /// The rows of this table follow, each an array in the order of these columns; bytes are base64.
    Table { name: String, columns: Vec<String> },
    /// One row.
    Row(Vec<serde_json::Value>),
    /// Nothing is missing.
    End { rows: u64 },
}

/// Why there is no backup, or why it was not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file or folder.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is something already.
    #[error("{} is there already", path.display())]
    There {
        /// Where.
        path: PathBuf,
    },
    /// It is no backup, one of a later version, damaged, or changed.
    #[error("{} is no backup that can be put back: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be sealed, or opened with what was given.
    #[error("cannot {what} {}", path.display())]
    Age {
        /// `seal` or `open`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What age said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is sealed, and no identity was given.
    #[error("{} is sealed", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
    },
    /// Another process has the database open.
    #[error("{} is in use", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// There are rows in the database.
    #[error("the database is not empty")]
    NotEmpty,
    /// Another CA, or another key for leases, is in place.
    #[error("{} is another than the backup's", path.display())]
    OtherKey {
        /// Which file.
        path: PathBuf,
    },
    /// The CA's folder.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store is not this database's.
    #[error(transparent)]
    Marker(#[from] MarkerError),
    /// The database or the store.
    #[error("cannot use the database or the store of objects")]
    Refused {
        /// Why.
        source: Refusal,
    },
}

impl BackupError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "backup.file",
            Self::There { .. } => "backup.there",
            Self::Damaged { .. } => "backup.damaged",
            Self::Age { .. } => "backup.age",
            Self::Sealed { .. } => "backup.sealed",
            Self::InUse { .. } => "backup.in-use",
            Self::NotEmpty => "backup.not-empty",
            Self::OtherKey { .. } => "backup.other-key",
            Self::Tls(error) => error.code(),
            Self::Marker(error) => error.code(),
            Self::Refused { .. } => "backup.refused",
        }
    }
}

impl From<Refusal> for BackupError {
    fn from(source: Refusal) -> Self {
        Self::Refused { source }
    }
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Refusal::from(error).into()
    }
}

/// To be told how many bytes of a phase are done.
pub type Progress<'a> = dyn Fn(&'static str, u64) + Sync + 'a;

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    move |source| BackupError::File {
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: &Path, reason: impl ToString) -> BackupError {
    BackupError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
