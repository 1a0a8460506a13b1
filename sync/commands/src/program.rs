//! What a program brings to these commands: how it is called, and how it reaches a workspace of its company's.

use std::sync::Arc;

use gobag_client::UploadLimit;
use gobag_format::{crypto::Key, ids::WorkspaceId};
use gobag_member::{MemberError, ServerStore};
use gobag_stores::ElsewhereError;
use gobag_term::{Interrupt, Ui};
use gobag_workspace::{Ahead, Store};
use thiserror::Error;

/// A program that offers these commands.
pub trait Program: Send + Sync {
    /// How somebody types a command of it, such as `holds confirm LEFT`.
    fn call(&self, command: &str) -> String;

    /// A workspace that it has the key of, and where that is kept. Asked for each pass anew; `interrupt` ends waiting for a turn to send.
    fn reach(
        &self,
        workspace: &str,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Reached, ReachError>;

    /// What somebody who pairs a folder with a workspace has to know of where it is kept.
    fn words_at_pairing(&self, _workspace: &str) -> Result<Option<String>, ReachError> {
        Ok(None)
    }

    /// Whether what it reaches workspaces by is still there; asked often while a pass is made, and one during which it goes is ended.
    fn is_there(&self) -> bool {
        true
    }
}

/// A workspace that can be worked on.
pub struct Reached {
    /// Which.
    pub id: WorkspaceId,
    /// Its key.
    pub key: Key,
    /// Where it is kept.
    pub at: KeptAt,
}

/// Where a workspace is kept.
pub enum KeptAt {
    /// At the company's server, which tells of new points.
    Server(Box<ServerStore>),
    /// Elsewhere.
    Elsewhere(Arc<dyn Store>),
}

impl KeptAt {
    /// The same to who only reads and writes; a server takes packs while the next ones are filled.
    pub(crate) fn store(self) -> Arc<dyn Store> {
        match self {
            Self::Server(store) => Arc::new(Ahead::new(Arc::new(*store))),
            Self::Elsewhere(store) => store,
        }
    }
}

/// Why a workspace cannot be reached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReachError {
    /// What the program is, or the company's server.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The place where it is kept, which is not the company's server.
    #[error(transparent)]
    Elsewhere(#[from] ElsewhereError),
    /// The stick was never enrolled.
    #[error("this stick is not known to your company's server")]
    StickUnknown,
    /// The stick with its keys is away.
    #[error("the stick was pulled out")]
    StickGone,
}

impl ReachError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Member(error) => error.code(),
            Self::Elsewhere(error) => error.code(),
            Self::StickUnknown => "member.not-enrolled",
            Self::StickGone => "sync.stick-gone",
        }
    }
}

/// Where a command is typed.
pub struct Shell<'a> {
    /// The terminal.
    pub ui: &'a Ui,
    /// The program.
    pub program: Arc<dyn Program>,
}

impl Shell<'_> {
    /// A command as somebody types it, between marks.
    pub(crate) fn call(&self, command: &str) -> String {
        format!("`{}`", self.program.call(command))
    }
}
