//! What a member keeps: its key and certificate, where the company answers, and the keys of its workspaces. One file, for its owner alone, written beside
//! its place and put there whole.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use gobag_format::{
    crypto::Key,
    ids::{BundleId, OrgId, WorkspaceId},
};
use gobag_protocol::ids::{TenantName, WorkspaceName};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::MemberError;

/// The version of the file.
const FORMAT: u32 = 1;
/// The file.
const FILE: &str = "member.json";
/// Held while it is changed.
const LOCK: &str = "member.lock";
/// Bytes of it at most.
const MAX_FILE: u64 = 1 << 20;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) format: u32,
    #[serde(default)]
    pub(crate) company: Option<Company>,
    /// An enrolment that is not through: it takes the place of `company` when it is.
    #[serde(default)]
    pub(crate) begun: Option<Company>,
    #[serde(default)]
    pub(crate) workspaces: Vec<Joined>,
}

/// Who this is to the company.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) servers: Vec<String>,
    pub(crate) ca: String,
    pub(crate) tenant: TenantName,
    pub(crate) bundle: BundleId,
    pub(crate) org: OrgId,
    /// Of the key pair.
    pub(crate) seed: Key,
    /// None while the enrolment is not through.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
    #[serde(default)]
    pub(crate) certificate_ends_s: u64,
}

/// A workspace whose key is known.
#[derive(Clone, Serialize, Deserialize)]
pub struct Joined {
    /// Which.
    pub workspace: WorkspaceId,
    /// By what name it goes.
    pub name: WorkspaceName,
    /// Its key.
    pub key: Key,
}

impl Kept {
    /// One that nothing was begun of.
    pub(crate) fn of(company: Option<Company>, workspaces: Vec<Joined>) -> Self {
        Self {
            format: FORMAT,
            company,
            begun: None,
            workspaces,
        }
    }

    /// What is kept in this folder; nothing yet, if there is no file.
    pub(crate) fn read(folder: &Path) -> Result<Self, MemberError> {
        let path = &folder.join(FILE);
        let mut text = Zeroizing::new(Vec::new());
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::of(None, Vec::new()));
            }
            Err(source) => return Err(file_error(path, source)),
        };
        let read = file.take(MAX_FILE).read_to_end(&mut text);
        read.map_err(|source| file_error(path, source))?;
        // Where it stops to make sense is not told: there are keys in it.
        let kept: Self = serde_json::from_slice(&text).map_err(|_| MemberError::Damaged {
            path: path.to_owned(),
        })?;
        match kept.format {
            FORMAT => Ok(kept),
            _ => Err(MemberError::Newer {
                path: path.to_owned(),
            }),
        }
    }

    /// Changes what is kept, durably; what another program of this member changed meanwhile stays.
    pub(crate) fn change(folder: &Path, change: impl FnOnce(&mut Self)) -> Result<Self, MemberError> {
        let lock = folder.join(LOCK);
        let locked = private().truncate(false).open(&lock).and_then(|file| {
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        let _locked = locked.map_err(|source| file_error(&lock, source))?;
        let path = folder.join(FILE);
        let mut kept = Self::read(folder)?;
        change(&mut kept);
        kept.format = FORMAT;
        let text = Zeroizing::new(serde_json::to_vec_pretty(&kept).expect("texts always serialise"));
        let beside = folder.join(format!("{FILE}.new"));
        let written = private().truncate(true).open(&beside).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            rustix::fs::rename(&beside, &path)?;
            fs::File::open(folder)?.sync_all()
        });
        written.map_err(|source| file_error(&path, source))?;
        Ok(kept)
    }
}

/// For its owner alone.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

pub(crate) fn file_error(path: &Path, source: io::Error) -> MemberError {
    MemberError::File {
        path: path.to_owned(),
        source,
    }
}
