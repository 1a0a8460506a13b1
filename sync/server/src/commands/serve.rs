//! `gobag-server serve`.

use gobag_term::{CliError, ExitCode, GlobalArgs, Ui};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::block_on;
use crate::{args::ConfigArgs, clock::Clock, error::OrExplain as _, serve::Server};

/// Serve sticks and people until SIGTERM or Ctrl-C
///
/// Without a configuration: SQLite and a folder for objects in ./gobag-server-data. At its first start the server makes the
/// organisation's CA there and prints its fingerprint, which belongs into enrolment letters. Keep a copy of that folder's `ca`.
/// The log is JSON, one event a line, on standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is told once it serves.
#[derive(Serialize)]
struct Serving {
    address: String,
    metrics_address: String,
    ca_sha256: String,
}

pub(crate) fn serve(args: &ServeArgs, global: &GlobalArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    log(global)?;
    block_on(async {
        let failed = |error| CliError::new(ExitCode::Failed, "server.signal", error);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let server = Server::start(&config, Clock::default()).await.or_explain()?;
        let serving = Serving {
            address: server.address.to_string(),
            metrics_address: server.metrics_address.to_string(),
            ca_sha256: server.ca_fingerprint(),
        };
        ui.answer(&serving, |serving| {
            format!(
                "serving at {}\nmetrics at {}\nCA SHA-256 {}\n",
                serving.address, serving.metrics_address, serving.ca_sha256
            )
        })?;
        first_of(&mut terminate, &mut interrupt).await;
        tracing::info!("ending: requests that are under way finish");
        server.end().await;
        Ok(ExitCode::Ok)
    })
}

async fn first_of(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn log(global: &GlobalArgs) -> Result<(), CliError> {
    let ours = match global.verbose {
        0 if global.quiet => LevelFilter::WARN,
        0 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // Other people's crates may log what they carry: nothing below a warning of theirs is asked for.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("gobag", ours);
    let events = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(events)
        .try_init()
        .map_err(|error| CliError::new(ExitCode::Bug, "server.log", error))
}
