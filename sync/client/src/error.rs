//! What can go wrong between a stick and the company's server.

use std::{error::Error, io, time::Duration};

use gobag_protocol::{
    error::{Code, ErrorWords},
    ids::ObjectId,
};
use rustls::AlertDescription;
use thiserror::Error;

type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no answer, or none that helps.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers, or the answer stopped coming. Whether the server did what was asked is not known.
    #[error("the company's server {server} cannot be reached")]
    Offline {
        /// `host:port`.
        server: String,
        /// What the system said.
        source: Cause,
    },
    /// Somebody answers who has no certificate of the organisation's CA: another server, or a hotel's page for guests.
    #[error("what answers at {server} is not the company's server")]
    OtherServer {
        /// `host:port`.
        server: String,
        /// What TLS said.
        source: Cause,
    },
    /// The server did not take the stick's certificate: it has ended, or is another organisation's.
    #[error("the company's server {server} does not accept our certificate")]
    Certificate {
        /// `host:port`.
        server: String,
        /// What TLS said.
        source: Cause,
    },
    /// The server said no.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// The server's answer is not one of this protocol.
    #[error("the company's server {server} gave an answer that cannot be understood: {reason}")]
    Protocol {
        /// `host:port`.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are not those of the object that was asked for.
    #[error("the company's server has other bytes under the name {id}")]
    OtherContent {
        /// Which object.
        id: ObjectId,
    },
    /// The address, the CA or the stick's certificate cannot be used.
    #[error("cannot speak to the company's server: {reason}")]
    Setup {
        /// What is wrong with it.
        reason: String,
    },
    /// The client was closed meanwhile.
    #[error("stopped")]
    Closed,
}

/// The server's no, as it said it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Error)]
#[error("refused by the company's server: {message}")]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The stable code; [`Refused::is`] compares it. One of a later server may be unknown here.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What helps.
    pub hint: Option<String>,
    /// With `point.other-generation`: the line's newest generation, 0 for none.
    pub generation: Option<u64>,
    /// With `point.missing-objects` and `point.other-content`: which.
    pub ids: Vec<ObjectId>,
    /// When to ask again.
    pub retry_after_s: Option<u64>,
}

impl Refused {
    pub(crate) fn new(status: u16, words: ErrorWords, retry_after_s: Option<u64>) -> Self {
        Self {
            status,
            code: words.code,
            message: words.message,
            hint: words.hint,
            generation: words.generation,
            ids: words.ids,
            retry_after_s,
        }
    }

    /// Whether it is this refusal.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }
}

impl ClientError {
    /// Stable code for scripts; of a refusal the server's.
    pub fn code(&self) -> &str {
        match self {
            Self::Offline { .. } => "client.offline",
            Self::OtherServer { .. } => "client.other-server",
            Self::Certificate { .. } => "client.certificate",
            Self::Refused(refused) => &refused.code,
            Self::Protocol { .. } => "client.protocol",
            Self::OtherContent { .. } => "client.other-content",
            Self::Setup { .. } => "client.setup",
            Self::Closed => "client.closed",
        }
    }

    /// Whether the same may be asked again, and may work then.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Offline { .. } => true,
            Self::Refused(refused) => matches!(refused.status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// The server's no.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// Whether the server said no with this code.
    pub fn is_refused(&self, code: Code) -> bool {
        self.refused().is_some_and(|refused| refused.is(code))
    }

    /// When the server wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refused()?.retry_after_s.map(Duration::from_secs)
    }

    pub(crate) fn of(error: ureq::Error, server: &str) -> Self {
        let server = server.to_owned();
        match error {
            ureq::Error::Io(error) => Self::of_connection(error, server),
            ureq::Error::Timeout(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
                let source = Box::new(error);
                Self::Offline { server, source }
            }
            error => Self::Protocol {
                server,
                reason: error.to_string(),
            },
        }
    }

    fn of_connection(error: io::Error, server: String) -> Self {
        let tls = error.get_ref().and_then(|cause| cause.downcast_ref());
        match tls {
            None => {
                let source = Box::new(error);
                Self::Offline { server, source }
            }
            Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
                Self::Certificate {
                    server,
                    source: Box::new(error),
                }
            }
            Some(_) => Self::OtherServer {
                server,
                source: Box::new(error),
            },
        }
    }
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}
