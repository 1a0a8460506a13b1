//! A witness outside of the stick: what it remembers, what it says to a stick that shows less, and when it is told more.
//!
//! [`MemoryPlace`] is where a memory is kept: a folder of this computer, a server. [`Witness`] judges by it and keeps it up
//! to date. Bytes and judgement are `gobag_format::memory`'s, and `docs/format/memory.md` says why.
//!
//! What must stay true: a memory never leads what is durable on the stick. So it is told
//! 1. a moment that was read after everything was flushed and the system's own copies were dropped, or
//! 2. a moment whose last record's flush has returned;
//!
//! and never one of a session that keeps nothing. Whatever is cut between the stick's flush and the memory's write, the
//! memory is behind, which is no reproach to anybody.

mod check;
mod witness;

use std::io;

use gobag_format::{
    memory::{MemoryError, MemoryName, Remember, SetBack},
    token::TokenError,
};
use thiserror::Error;

pub(crate) use check::Watched;
pub use witness::{Admitted, Witness};

/// Somewhere outside of the stick that keeps a few bytes for each bundle.
pub trait MemoryPlace: Send + Sync {
    /// What is kept under this name, [`gobag_format::memory::MEMORY_LEN`] bytes and one more at most; none when there is none.
    fn load(&self, name: &MemoryName) -> io::Result<Option<Vec<u8>>>;

    /// Keeps these bytes instead; whole or not at all, and durable when it returns.
    fn store(&self, name: &MemoryName, bytes: &[u8]) -> io::Result<()>;

    /// Keeps nothing under this name.
    fn forget(&self, name: &MemoryName) -> io::Result<()>;
}

/// What is wrong with a memory; never a reason to refuse a stick.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MemoryTrouble {
    /// It cannot be read.
    #[error("what is remembered of the stick cannot be read")]
    Unreadable(#[source] io::Error),
    /// It is there, and not a memory of this stick.
    #[error("what is remembered of the stick cannot be used")]
    Invalid(#[source] MemoryError),
    /// It cannot be written.
    #[error("the state of the stick cannot be remembered")]
    NotWritten(#[source] io::Error),
    /// It went on by itself: another copy of the same stick is at work.
    #[error("another copy of this stick was used at the same time")]
    OtherCopy(#[source] SetBack),
}

impl MemoryTrouble {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "memory.unreadable",
            Self::Invalid(error) => error.code(),
            Self::NotWritten(_) => "memory.not-written",
            Self::OtherCopy(_) => "memory.other-copy",
        }
    }
}

/// Why a stick is not let in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refused {
    /// It shows less than it once did, or something else.
    #[error("{set_back}")]
    SetBack {
        /// What is seen and what was.
        set_back: SetBack,
        /// What would let it in.
        rule: Remember,
        /// What IT must know to let it in.
        code: String,
    },
    /// It does, and the token that was given does not let it in.
    #[error("{token}")]
    Token {
        /// Why not.
        token: TokenError,
        /// What is seen and what was.
        #[source]
        set_back: SetBack,
        /// What IT must know to let it in.
        code: String,
    },
    /// The token would, but could be used again.
    #[error("that the restore token was used cannot be remembered here")]
    NotRemembered(#[source] io::Error),
}

impl Refused {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SetBack { set_back, .. } => set_back.code(),
            Self::Token { token, .. } => token.code(),
            Self::NotRemembered(_) => "memory.not-written",
        }
    }
}
