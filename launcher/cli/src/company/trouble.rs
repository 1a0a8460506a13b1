//! What goes wrong between a stick and its company.

use gobag_bundle::{ChangeError, card::CardAccessError, ledger::LedgerAccessError};
use gobag_client::ClientError;
use gobag_format::lease::LeaseError;
use thiserror::Error;

/// Why a contact came to nothing, or not to everything.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// The session has ended.
    #[error("the session has ended")]
    Over,
    /// The stick was never enrolled.
    #[error("this stick is not enrolled with your company's server")]
    NotEnrolled,
    /// The server, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerAccessError),
    /// The server gave a lease that the image's policy does not accept.
    #[error("the company's server gave a lease that cannot be used")]
    Lease(#[source] LeaseError),
    /// The header, which is not as IT wants it.
    #[error(transparent)]
    Header(#[from] ChangeError),
    /// The card of the company.
    #[error(transparent)]
    Card(#[from] CardAccessError),
    /// The company cut the stick off.
    #[error("your company cut this stick off; {fate}")]
    CutOff {
        /// What became of what unlocks it, in words.
        fate: String,
        /// Whether it is done.
        is_done: bool,
    },
}

impl Trouble {
    /// Stable code for scripts; of a refusal the server's.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Over => "company.over",
            Self::NotEnrolled => "company.not-enrolled",
            Self::Client(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Lease(error) => error.code(),
            Self::Header(error) => error.code(),
            Self::Card(error) => error.code(),
            Self::CutOff { .. } => "lease.revoked",
        }
    }

    /// What the client said.
    pub(crate) fn client(&self) -> Option<&ClientError> {
        match self {
            Self::Client(error) => Some(error),
            _ => None,
        }
    }
}
