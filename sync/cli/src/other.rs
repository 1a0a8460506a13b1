//! What a folder is kept the same as: another folder, or `workspace:NAME`, at the company's server or elsewhere.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_client::{Options as ClientOptions, UploadLimit};
use gobag_member::{Joined, MemberError, Membership, ServerStore};
use gobag_pair::{Other, PairError};
use gobag_stores::ElsewhereError;
use gobag_term::Interrupt;
use gobag_workspace::{Options, Store, Workspace};
use jiff::Timestamp;

use crate::{elsewhere, member::StateArgs, random::SystemRandom, who::who};

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

    /// The workspace's name, if it is one.
    pub(crate) fn workspace(&self) -> Option<&str> {
        match self {
            Self::Folder(_) => None,
            Self::Workspace(name) => Some(name),
        }
    }

    /// Opens it, to be kept the same as `left`; a workspace through the company's server, or where it is kept. `interrupt` ends waiting for a turn to send.
    pub(crate) fn open(
        &self,
        left: &Path,
        state: &StateArgs,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Other, PairError> {
        let other = self.opened(left, state, limit, interrupt);
        other.map_err(|unopened| match unopened {
            Unopened::Member(error) => PairError::Right {
                code: error.code(),
                reason: Box::new(error),
            },
            Unopened::Elsewhere(error) => PairError::Right {
                code: error.code(),
                reason: Box::new(error),
            },
        })
    }

    /// The company's server as where this workspace is kept; none of a folder, nor of what is kept elsewhere: there nobody tells of new points.
    pub(crate) fn server(&self, state: &StateArgs) -> Result<Option<ServerStore>, MemberError> {
        let Some(name) = self.workspace() else {
            return Ok(None);
        };
        let mut member = state.open()?;
        let joined = member.joined(name)?.clone();
        match joined.elsewhere {
            Some(_) => Ok(None),
            None => server(&mut member, &joined, &UploadLimit::default()).map(Some),
        }
    }

    fn opened(
        &self,
        left: &Path,
        state: &StateArgs,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Other, Unopened> {
        let name = match self {
            Self::Folder(path) => return Ok(Other::from(path)),
            Self::Workspace(name) => name,
        };
        let mut member = state.open()?;
        let joined = member.joined(name)?.clone();
        let store: Arc<dyn Store> = match elsewhere::open(&joined)? {
            Some(mut store) => {
                elsewhere::keep_to(&mut store, limit, interrupt);
                Arc::new(store)
            }
            None => Arc::new(server(&mut member, &joined, limit)?),
        };
        Ok(Other::from(Workspace::new(Options {
            id: joined.workspace,
            key: &joined.key,
            store,
            cache: gobag_pair::pages(left),
            name: name.clone(),
            by: who(),
            random: Arc::new(SystemRandom),
        })))
    }
}

/// Why a workspace cannot be opened.
enum Unopened {
    Member(MemberError),
    Elsewhere(ElsewhereError),
}

impl From<MemberError> for Unopened {
    fn from(error: MemberError) -> Self {
        Self::Member(error)
    }
}

impl From<ElsewhereError> for Unopened {
    fn from(error: ElsewhereError) -> Self {
        Self::Elsewhere(error)
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
