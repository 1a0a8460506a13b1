//! Every library error's exit code and hint: the one place.

use gobag_protocol::error::Code;
use gobag_term::{CliError, ExitCode};

use crate::{
    backup::BackupError,
    config::ConfigError,
    probe::ProbeError,
    refusal::Refusal,
    serve::ServeError,
    store::{database::DatabaseError, marker::MarkerError},
    tls::TlsError,
};

/// From an error to what the program ends with.
pub(crate) trait OrExplain<T> {
    fn or_explain(self) -> Result<T, CliError>;
}

impl<T, E: Explain> OrExplain<T> for Result<T, E> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(Explain::explain)
    }
}

pub(crate) trait Explain {
    fn explain(self) -> CliError;
}

impl Explain for ConfigError {
    fn explain(self) -> CliError {
        let exit = match &self {
            Self::Malformed { .. } => ExitCode::Usage,
            _ => ExitCode::Failed,
        };
        CliError::new(exit, self.code(), self).hint("print a right one with `gobag-server default-config`")
    }
}

impl Explain for ServeError {
    fn explain(self) -> CliError {
        match self {
            Self::Config(error) => error.explain(),
            Self::Database(error) => error.explain(),
            Self::Tls(error) => error.explain(),
            Self::Probe(error) => error.explain(),
            Self::Marker(error) => error.explain(),
            other => {
                let code = other.code();
                let hint = match &other {
                    Self::Listen { .. } => {
                        Some("another program may be there; set `listen` in the configuration")
                    }
                    Self::LeaseKey => {
                        Some("put `lease-key` of your copy, or of another replica, back into the CA's folder")
                    }
                    Self::Folder { .. } => Some("set `data` to a folder that this user may write"),
                    _ => None,
                };
                let error = CliError::new(ExitCode::Failed, code, other);
                hint.into_iter().fold(error, CliError::hint)
            }
        }
    }
}

impl Explain for DatabaseError {
    fn explain(self) -> CliError {
        let error = CliError::new(ExitCode::Failed, self.code(), self);
        error.hint("nothing was changed that other replicas would not understand")
    }
}

impl Explain for TlsError {
    fn explain(self) -> CliError {
        let hint = match &self {
            Self::NoCa { .. } | Self::File { .. } => {
                Some("put the CA's files back from your copy; with another CA every stick must enrol again")
            }
            Self::Name { .. } => {
                Some("set `names` in the configuration to names and addresses of this server")
            }
            _ => None,
        };
        let error = CliError::new(ExitCode::Failed, self.code(), self);
        hint.into_iter().fold(error, CliError::hint)
    }
}

impl Explain for ProbeError {
    fn explain(self) -> CliError {
        let error = CliError::new(ExitCode::Failed, self.code(), self);
        error.hint("use a store that honours conditional writes, or a folder (leave `[s3]` out)")
    }
}

impl Explain for MarkerError {
    fn explain(self) -> CliError {
        let hint = match &self {
            Self::Refused { .. } => None,
            _ => Some(
                "look whether the right folder is mounted, or the right bucket is set; if it is, see `gobag-server adopt-store`",
            ),
        };
        let error = CliError::new(ExitCode::Failed, self.code(), self);
        hint.into_iter().fold(error, CliError::hint)
    }
}

impl Explain for BackupError {
    fn explain(self) -> CliError {
        match self {
            Self::Tls(error) => error.explain(),
            Self::Marker(error) => error.explain(),
            Self::Refused { source } => source.explain(),
            other => {
                let (exit, hint) = match &other {
                    Self::Damaged { .. } => (ExitCode::Damaged, None),
                    Self::InUse { .. } => (
                        ExitCode::Busy,
                        Some("end the server that works with it, then restore again; nothing was changed"),
                    ),
                    Self::NotEmpty => (
                        ExitCode::Failed,
                        Some(
                            "end the server, then `gobag-server restore --replace` puts a SQLite database aside first",
                        ),
                    ),
                    Self::OtherKey { .. } => (
                        ExitCode::Failed,
                        Some("put that folder aside if its keys are not needed: sticks trust one CA"),
                    ),
                    Self::Sealed { .. } => (
                        ExitCode::Usage,
                        Some("give the file with the age identity: `gobag-server restore --identity FILE`"),
                    ),
                    Self::There { .. } => (ExitCode::Usage, Some("name a folder that is not there yet")),
                    _ => (ExitCode::Failed, None),
                };
                let error = CliError::new(exit, other.code(), other);
                hint.into_iter().fold(error, CliError::hint)
            }
        }
    }
}

impl Explain for Refusal {
    fn explain(self) -> CliError {
        let (code, hint) = (self.code.as_str(), self.hinted().map(str::to_owned));
        let exit = match self.code {
            Code::ServerClock => ExitCode::Refused,
            _ => ExitCode::Failed,
        };
        let error = CliError::new(exit, code, self);
        hint.into_iter().fold(error, CliError::hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> std::io::Error {
        std::io::ErrorKind::NotFound.into()
    }

    /// Scripts depend on these: never change a line, only add.
    #[test]
    fn codes_are_stable() {
        let (path, shown) = (std::path::PathBuf::new, String::new);
        let store = || object_store::Error::NotImplemented {
            operation: String::new(),
            implementer: String::new(),
        };
        let rcgen = rcgen::Error::Time;
        let config = |error: ConfigError| ServeError::from(error).code();
        let database = |error: DatabaseError| ServeError::from(error).code();
        let tls = |error: TlsError| ServeError::from(error).code();
        let probe = |error: ProbeError| ServeError::from(error).code();
        let listed = [
            config(ConfigError::Read {
                path: path(),
                source: system(),
            }),
            config(ConfigError::Malformed {
                path: path(),
                reason: shown(),
            }),
            database(DatabaseError::Open {
                shown: shown(),
                source: sqlx::Error::PoolClosed,
            }),
            database(DatabaseError::Migrate {
                shown: shown(),
                source: sqlx::migrate::MigrateError::VersionMissing(1),
            }),
            tls(TlsError::File {
                path: path(),
                source: system(),
            }),
            tls(TlsError::NoCa { path: path() }),
            tls(TlsError::Certificate { source: rcgen }),
            tls(TlsError::Name { name: shown() }),
            tls(TlsError::Setup { source: "x".into() }),
            probe(ProbeError::Store {
                step: "x",
                source: store(),
            }),
            probe(ProbeError::Broken { broken: "x" }),
            probe(ProbeError::Random),
            ServeError::Folder {
                path: path(),
                source: system(),
            }
            .code(),
            ServeError::Store { source: store() }.code(),
            ServeError::LeaseKey.code(),
            ServeError::from(MarkerError::Other).code(),
            ServeError::from(MarkerError::Unknown { why: "x" }).code(),
            ServeError::from(MarkerError::from(Refusal::unavailable("x"))).code(),
            ServeError::Refused {
                source: Refusal::unavailable("x"),
            }
            .code(),
            ServeError::Listen {
                address: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
                source: system(),
            }
            .code(),
        ];
        let expected = [
            "server.config-read",
            "server.config-malformed",
            "server.database-open",
            "server.database-migrate",
            "server.ca-file",
            "server.ca-damaged",
            "server.certificate",
            "server.name",
            "server.tls",
            "server.probe-store",
            "server.probe-broken",
            "server.probe-random",
            "server.folder",
            "server.store",
            "server.lease-key",
            "server.store-other",
            "server.store-unknown",
            "server.store-compare",
            "server.database-use",
            "server.listen",
        ];
        assert_eq!(listed, expected);
    }
}
