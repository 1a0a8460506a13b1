//! What can go wrong where a workspace is kept elsewhere.

use std::{error::Error, io};

use gobag_workspace::StoreError;
use opendal::ErrorKind;
use thiserror::Error;

/// Why a workspace cannot be used where it is kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ElsewhereError {
    /// What was said of the place makes no sense to the service.
    #[error("{place} cannot be used")]
    Setup {
        /// The place.
        place: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A password would go there unsealed.
    #[error("{place} is reached without TLS, where everybody on the way reads the password")]
    Plain {
        /// The place.
        place: String,
    },
    /// Nothing says that it is kept there; a share that is not mounted looks like this.
    #[error("there is no workspace at {place}")]
    NotThere {
        /// The place.
        place: String,
    },
    /// Another one is kept there.
    #[error("another workspace is kept at {place}")]
    Other {
        /// The place.
        place: String,
    },
    /// What is kept there says that only a later program may use it.
    #[error("what is at {place} was made by a newer version of Gobag")]
    Newer {
        /// The place.
        place: String,
    },
    /// What is kept there is not what any program wrote.
    #[error("what is written about the workspace at {place} is damaged")]
    Damaged {
        /// The place.
        place: String,
    },
    /// It does not do what a condition says.
    #[error("{place} does not keep to conditions: {broken}")]
    Unproved {
        /// The place.
        place: String,
        /// Which, and how.
        broken: &'static str,
    },
    /// Another member writes there.
    #[error("{name} is the one who writes there, and only one may")]
    OtherWriter {
        /// By what name that member goes.
        name: String,
    },
    /// It says that it has what was put, and has something else.
    #[error("what was put is not what is there: the store cuts short or alters what it takes")]
    Altered,
    /// It gives more than was ever put.
    #[error("the store gives more than was put")]
    Long,
    /// It could not be reached, or not now.
    #[error("{place} cannot be reached")]
    Offline {
        /// The place.
        place: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no more room.
    #[error("there is no room left at {place}")]
    Full {
        /// The place.
        place: String,
        /// Its words.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It said no.
    #[error("{place} refuses to {what}")]
    Refused {
        /// The place.
        place: String,
        /// What was asked.
        what: &'static str,
        /// Its words.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ElsewhereError {
    /// Whether it is certain that nothing was begun there.
    pub fn is_nothing_begun(&self) -> bool {
        !matches!(
            self,
            Self::Altered | Self::Long | Self::Offline { .. } | Self::Full { .. } | Self::Refused { .. }
        )
    }

    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup { .. } => "stores.setup",
            Self::Plain { .. } => "stores.plain",
            Self::NotThere { .. } => "stores.not-there",
            Self::Other { .. } => "stores.other",
            Self::Newer { .. } => "stores.newer",
            Self::Damaged { .. } => "stores.damaged",
            Self::Unproved { .. } => "stores.unproved",
            Self::OtherWriter { .. } => "stores.other-writer",
            Self::Altered => "stores.altered",
            Self::Long => "stores.long",
            Self::Offline { .. } => "stores.offline",
            Self::Full { .. } => "stores.full",
            Self::Refused { .. } => "stores.refused",
        }
    }

    /// Of one call, after the last try; `is_passing` if it might work later.
    pub(crate) fn of(error: opendal::Error, place: &str, what: &'static str) -> Self {
        let place = place.to_owned();
        if is_full(&error) {
            let source = Box::new(error);
            return Self::Full { place, source };
        }
        match error.is_temporary() || is_away(&error) {
            true => Self::Offline {
                place,
                source: Box::new(error),
            },
            false => Self::Refused {
                place,
                what,
                source: Box::new(error),
            },
        }
    }
}

/// Whether some cause of it says that there is no room.
fn is_full(error: &opendal::Error) -> bool {
    has_io(error, |kind| {
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    })
}

/// Whether the store may only be away: a file system that is gone, a line that is cut. What the service itself answered has another kind.
fn is_away(error: &opendal::Error) -> bool {
    error.kind() == ErrorKind::Unexpected && error.source().is_some()
}

fn has_io(error: &(dyn Error + 'static), is: fn(io::ErrorKind) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // A cause that is kept as one of `anyhow`'s is found as what it wraps.
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| is(error.kind()))
        {
            return true;
        }
        next = error.source();
    }
    false
}

impl From<ElsewhereError> for StoreError {
    fn from(error: ElsewhereError) -> Self {
        match error {
            ElsewhereError::Offline { .. } => Self::Offline(Box::new(error)),
            ElsewhereError::Full { .. } => Self::Full(Box::new(error)),
            _ => Self::Refused(Box::new(error)),
        }
    }
}
