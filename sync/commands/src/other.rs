//! What a folder is kept the same as: another folder, or `workspace:NAME`, at the company's server or elsewhere.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_client::UploadLimit;
use gobag_member::ServerStore;
use gobag_pair::{Other, PairError};
use gobag_term::Interrupt;
use gobag_workspace::{Options, Workspace};

use crate::{KeptAt, Program, ReachError, random::SystemRandom, who::who};

/// What stands before the name of a workspace.
const WORKSPACE: &str = "workspace:";

/// The right side, as somebody named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// A folder.
    Folder(PathBuf),
    /// The workspace of this name.
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
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Workspace(_) => None,
        }
    }

    /// Opens it, to be kept the same as `left`; a workspace as the program reaches it. `interrupt` ends waiting for a turn to send.
    pub(crate) fn open(
        &self,
        left: &Path,
        program: &dyn Program,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Other, PairError> {
        match self {
            Self::Folder(path) => Ok(Other::from(path)),
            Self::Workspace(name) => {
                let opened = Self::workspace(name, left, program, limit, interrupt);
                let opened = opened.map_err(|error| PairError::Right {
                    code: error.code(),
                    reason: Box::new(error),
                })?;
                Ok(Other::from(opened))
            }
        }
    }

    /// Opens a workspace for the folder `left`, as the program reaches it.
    pub(crate) fn workspace(
        name: &str,
        left: &Path,
        program: &dyn Program,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Workspace, ReachError> {
        let reached = program.reach(name, limit, interrupt)?;
        Ok(Workspace::new(Options {
            id: reached.id,
            key: &reached.key,
            store: reached.at.store(),
            cache: gobag_pair::pages(left),
            name: name.to_owned(),
            by: who(),
            random: Arc::new(SystemRandom),
            sweep_after: gobag_workspace::sweep_after,
        }))
    }

    /// The company's server as where this workspace is kept; none of a folder, nor of what is kept elsewhere: there nobody tells of new points.
    pub(crate) fn server(&self, program: &dyn Program) -> Result<Option<ServerStore>, ReachError> {
        let Self::Workspace(name) = self else {
            return Ok(None);
        };
        match program.reach(name, &UploadLimit::default(), None)?.at {
            KeptAt::Server(store) => Ok(Some(*store)),
            KeptAt::Elsewhere(_) => Ok(None),
        }
    }
}
