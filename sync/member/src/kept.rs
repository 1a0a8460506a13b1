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
use gobag_protocol::{
    ids::{TenantName, WorkspaceName},
    place::{Credentials, Place},
};
use rustix::{fs::FlockOperation, io::Errno};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::MemberError;

/// The version of the file.
const FORMAT: u32 = 1;
/// Of one with a workspace that is kept elsewhere: programs that know the company's server alone would write it without what they do not know.
const FORMAT_ELSEWHERE: u32 = 2;
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
    /// What a later program wrote and this one does not know.
    #[serde(flatten)]
    pub(crate) later: Later,
}

/// Fields of a later program's: written again as they were read.
type Later = serde_json::Map<String, serde_json::Value>;

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
    /// Where it is kept; none: at the company's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
    /// What a later program wrote and this one does not know.
    #[serde(flatten)]
    pub(crate) later: Later,
}

impl Joined {
    /// One that is at the company's server.
    pub fn at_server(workspace: WorkspaceId, name: WorkspaceName, key: Key) -> Self {
        Self {
            workspace,
            name,
            key,
            elsewhere: None,
            later: Later::new(),
        }
    }
}

/// What a member knows of a workspace that is not at the company's server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Where it is kept.
    pub place: Place,
    /// What it takes to get in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Which member this is there.
    pub member: BundleId,
    /// When and how it was proved that the store keeps to conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Proved>,
    /// What a later program wrote and this one does not know.
    #[serde(flatten)]
    pub(crate) later: Later,
}

/// That a store was seen to keep to conditions.
#[derive(Clone, Serialize, Deserialize)]
pub struct Proved {
    /// Seconds since 1970 UTC.
    pub at_s: u64,
    /// What was seen, in words for people.
    pub kept: Vec<String>,
}

impl Kept {
    /// One that nothing was begun of.
    pub(crate) fn of(company: Option<Company>, workspaces: Vec<Joined>) -> Self {
        Self {
            format: FORMAT,
            company,
            begun: None,
            workspaces,
            later: Later::new(),
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
            FORMAT | FORMAT_ELSEWHERE => Ok(kept),
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
        let is_elsewhere = kept.workspaces.iter().any(|joined| joined.elsewhere.is_some());
        kept.format = if is_elsewhere { FORMAT_ELSEWHERE } else { FORMAT };
        let text = Zeroizing::new(serde_json::to_vec_pretty(&kept).expect("texts always serialise"));
        let beside = folder.join(format!("{FILE}.new"));
        // Whatever is there by that name: what is written is a file of its own, for its owner alone.
        match rustix::fs::unlink(&beside) {
            Err(Errno::NOENT) => Ok(()),
            unlinked => unlinked.map_err(|errno| file_error(&beside, errno.into())),
        }?;
        let written = private().create_new(true).open(&beside).and_then(|mut file| {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As the program before this one wrote it.
    const OLD: &str = r#"{"format":1,"company":null,"begun":null,"workspaces":[{"workspace":"03030303030303030303030303030303","name":"sales",
        "key":"KEY"}]}"#;

    fn folder_with(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let key = serde_json::to_string(&Key::from_bytes([9; 32])).unwrap();
        let text = text.replace("\"KEY\"", &key);
        private()
            .open(folder.path().join(FILE))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        folder
    }

    #[test]
    fn an_older_file_is_read_and_stays_one_that_older_programs_read() {
        let folder = folder_with(OLD);
        let kept = Kept::change(folder.path(), |_| {}).unwrap();
        assert_eq!((kept.format, kept.workspaces[0].name.as_str()), (FORMAT, "sales"));
        assert!(kept.workspaces[0].elsewhere.is_none());
        let kept = Kept::change(folder.path(), |kept| {
            kept.workspaces[0].elsewhere = Some(Elsewhere {
                place: "/srv/sales".parse().unwrap(),
                credentials: None,
                member: BundleId([1; 16]),
                proved: None,
                later: Later::new(),
            })
        });
        // Now they refuse it, and so write nothing over it.
        assert_eq!(kept.unwrap().format, FORMAT_ELSEWHERE);
        assert!(
            Kept::read(folder.path()).unwrap().workspaces[0]
                .elsewhere
                .is_some()
        );
    }

    #[test]
    fn what_a_later_program_added_stays() {
        let later = OLD.replace("\"name\"", "\"colour\":\"red\",\"name\"");
        let folder = folder_with(&later.replace("\"begun\"", "\"tried\":[1],\"begun\""));
        Kept::change(folder.path(), |kept| kept.begun = None).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&read["tried"][0], &read["workspaces"][0]["colour"]),
            (&1.into(), &"red".into())
        );
    }

    #[test]
    fn a_later_file_is_refused() {
        let folder = folder_with(&OLD.replace("\"format\":1", "\"format\":3"));
        assert!(matches!(
            Kept::change(folder.path(), |_| {}),
            Err(MemberError::Newer { .. })
        ));
    }
}
