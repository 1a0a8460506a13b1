//! What a folder is kept the same as: another folder, or `workspace:NAME` at the company's server.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_client::{Options as ClientOptions, UploadLimit};
use gobag_member::{Joined, MemberError, Membership, ServerStore};
use gobag_pair::{Other, PairError};
use gobag_workspace::{Options, Workspace};
use jiff::Timestamp;

use crate::{member::StateArgs, random::SystemRandom, who::who};

/// What stands before the name of a workspace.
const WORKSPACE: &str = "workspace:";

/// The right side, as somebody named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Folder(PathBuf),
    Workspace(String),
}

impl From<OsString> for Right {
    fn from(text: OsString) -> Self {
        match text.to_str().and_then(|text| text.strip_prefix(WORKSPACE)) {
            Some(name) => Self::Workspace(name.to_owned()),
            None => Self::Folder(PathBuf::from(text)),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(out, "{}", path.display()),
            Self::Workspace(name) => write!(out, "{WORKSPACE}{name}"),
        }
    }
}

impl Right {
    /// The folder, if it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Workspace(_) => None,
        }
    }

    /// Opens it, to be kept the same as `left`; a workspace through the company's server.
    pub(crate) fn open(
        &self,
        left: &Path,
        state: &StateArgs,
        limit: &UploadLimit,
    ) -> Result<Other, PairError> {
        let other = self.opened(left, state, limit);
        other.map_err(|error| PairError::Right {
            code: error.code(),
            reason: Box::new(error),
        })
    }

    /// The company's server as where this workspace is kept; none of a folder.
    pub(crate) fn store(&self, state: &StateArgs) -> Result<Option<ServerStore>, MemberError> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::Workspace(name) => {
                let mut member = state.open()?;
                let joined = member.joined(name)?.clone();
                Ok(Some(server(&mut member, &joined, &UploadLimit::default())?))
            }
        }
    }

    fn opened(&self, left: &Path, state: &StateArgs, limit: &UploadLimit) -> Result<Other, MemberError> {
        let name = match self {
            Self::Folder(path) => return Ok(Other::from(path)),
            Self::Workspace(name) => name,
        };
        let mut member = state.open()?;
        let joined = member.joined(name)?.clone();
        let store = server(&mut member, &joined, limit)?;
        Ok(Other::from(Workspace::new(Options {
            id: joined.workspace,
            key: &joined.key,
            store: Arc::new(store),
            cache: gobag_pair::pages(left),
            name: name.clone(),
            by: who(),
            random: Arc::new(SystemRandom),
        })))
    }
}

fn server(member: &mut Membership, joined: &Joined, limit: &UploadLimit) -> Result<ServerStore, MemberError> {
    let options = ClientOptions {
        upload: limit.clone(),
    };
    let now_s = Timestamp::now().as_second().try_into().unwrap_or(0);
    let client = member.connect(now_s, &options, &SystemRandom)?;
    Ok(ServerStore::new(client, joined.workspace, Arc::new(SystemRandom)))
}
