//! What a folder is kept the same as: another folder, or `workspace:NAME` at the company's server.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use gobag_client::{Options as ClientOptions, UploadLimit};
use gobag_format::crypto::Random;
use gobag_member::ServerStore;
use gobag_pair::Other;
use gobag_term::CliError;
use gobag_workspace::{Options, Workspace};
use jiff::Timestamp;

use crate::{error::OrExplain as _, member::StateArgs, random::SystemRandom, who::who};

/// What stands before the name of a workspace.
const WORKSPACE: &str = "workspace:";

/// The right side, as somebody named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Folder(PathBuf),
    Workspace(String),
}

impl FromStr for Right {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.strip_prefix(WORKSPACE) {
            Some(name) => Self::Workspace(name.to_owned()),
            None => Self::Folder(PathBuf::from(text)),
        })
    }
}

impl From<PathBuf> for Right {
    fn from(path: PathBuf) -> Self {
        match path.to_str() {
            Some(text) => text.parse().unwrap_or(Self::Folder(path)),
            None => Self::Folder(path),
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
    pub(crate) fn open(&self, left: &Path, state: &StateArgs, limit: &UploadLimit) -> Result<Other, CliError> {
        let name = match self {
            Self::Folder(path) => return Ok(Other::from(path)),
            Self::Workspace(name) => name,
        };
        let mut member = state.open()?;
        let joined = member.joined(name).or_explain()?.clone();
        let options = ClientOptions {
            upload: limit.clone(),
        };
        let now_s = Timestamp::now().as_second().try_into().unwrap_or(0);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let client = member.connect(now_s, &options, &*random).or_explain()?;
        let store = ServerStore::new(client, joined.workspace, Arc::clone(&random));
        Ok(Other::from(Workspace::new(Options {
            id: joined.workspace,
            key: &joined.key,
            store: Arc::new(store),
            cache: gobag_pair::pages(left),
            name: name.clone(),
            by: who(),
            random,
        })))
    }
}
