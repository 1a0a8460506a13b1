//! One file per command.

pub(crate) mod adopt_store;
pub(crate) mod backup;
pub(crate) mod clock;
pub(crate) mod default_config;
pub(crate) mod enrol;
pub(crate) mod lease_key;
pub(crate) mod probe_store;
pub(crate) mod prune;
pub(crate) mod serve;
pub(crate) mod token;

use std::future::Future;

use gobag_term::{CliError, ExitCode};

/// Runs what a command does with the database or the network.
fn block_on<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(ExitCode::Failed, "server.runtime", error))?
        .block_on(future)
}

/// Who does what is typed on the server itself, in the audit log.
const CONSOLE: &str = "console";
