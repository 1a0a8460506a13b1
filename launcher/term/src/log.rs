//! Where `tracing` events go: to standard error as far as `-v` asks, and in detail to `--log-file`.
//!
//! Events are for whoever looks for a fault; what a user must know is said through [`Ui`] instead.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Mutex;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::ui::Ui;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log file cannot be opened for writing.
    #[error("cannot write the log file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    Twice {
        /// What the library said.
        source: tracing_subscriber::util::TryInitError,
    },
}

impl LogError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "term.log-file",
            Self::Twice { .. } => "term.log-twice",
        }
    }
}

impl From<LogError> for CliError {
    fn from(error: LogError) -> Self {
        let exit = match error {
            LogError::Open { .. } => ExitCode::Failed,
            LogError::Twice { .. } => ExitCode::Bug,
        };
        Self::new(exit, error.code(), error)
    }
}

/// Sets up logging for the whole process; call once.
pub fn init(args: &GlobalArgs, ui: &Ui) -> Result<(), LogError> {
    subscriber(args, ui)?
        .try_init()
        .map_err(|source| LogError::Twice { source })
}

fn subscriber(
    args: &GlobalArgs,
    ui: &Ui,
) -> Result<impl tracing::Subscriber + Send + Sync + 'static, LogError> {
    let shown = tracing_subscriber::fmt::layer()
        .with_ansi(ui.err_has_colour())
        .without_time()
        .with_writer(ToUi(ui.clone()))
        .with_filter(filter(shown_level(args), LevelFilter::WARN));
    let file = match &args.log_file {
        None => None,
        Some(path) => {
            let file = open(path).map_err(|source| LogError::Open {
                path: path.clone(),
                source,
            })?;
            let level = shown_level(args).max(LevelFilter::DEBUG);
            let layer = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(Mutex::new(file));
            Some(layer.with_filter(filter(level, LevelFilter::INFO)))
        }
    };
    Ok(tracing_subscriber::registry().with(shown).with(file))
}

/// Readable only by the user: it names files and computers.
fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

fn shown_level(args: &GlobalArgs) -> LevelFilter {
    match args.verbose {
        0 if args.quiet => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Our crates all begin with `gobag`; other people's are not asked for more than `others`.
fn filter(ours: LevelFilter, others: LevelFilter) -> Targets {
    Targets::new()
        .with_default(ours.min(others))
        .with_target("gobag", ours)
}

struct ToUi(Ui);

impl<'a> MakeWriter<'a> for ToUi {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        EventWriter(&self.0)
    }
}

/// Gets each event in one piece.
struct EventWriter<'a>(&'a Ui);

impl Write for EventWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_err(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(quiet: bool, verbose: u8) -> GlobalArgs {
        GlobalArgs {
            quiet,
            verbose,
            ..GlobalArgs::default()
        }
    }

    /// Emits one event per level, from us and from somebody else.
    fn emit() {
        tracing::error!(target: "gobag_bundle", "our error");
        tracing::warn!(target: "gobag_bundle", "our warning");
        tracing::info!(target: "gobag_bundle", "our remark");
        tracing::debug!(target: "gobag_bundle", "our detail");
        tracing::info!(target: "other", "their remark");
        tracing::warn!(target: "other", "their warning");
    }

    #[test]
    fn verbosity_selects_levels() {
        for (args, expected) in [
            (args(true, 0), &["our error"][..]),
            (args(false, 0), &["our error", "our warning", "their warning"]),
            (
                args(false, 1),
                &["our error", "our warning", "our remark", "their warning"],
            ),
            (
                args(false, 2),
                &[
                    "our error",
                    "our warning",
                    "our remark",
                    "our detail",
                    "their warning",
                ],
            ),
        ] {
            let (ui, captured) = Ui::captured(&args);
            tracing::subscriber::with_default(subscriber(&args, &ui).expect("made"), emit);
            let text = captured.stderr();
            assert_eq!(text.lines().count(), expected.len(), "{text}");
            for (line, part) in text.lines().zip(expected) {
                assert!(line.ends_with(part), "{line} should end with {part}");
            }
        }
    }

    #[test]
    fn the_file_gets_details_private_and_appended() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gobag.log");
        let args = GlobalArgs {
            log_file: Some(path.clone()),
            ..GlobalArgs::default()
        };
        for _ in 0..2 {
            let (ui, _) = Ui::captured(&args);
            tracing::subscriber::with_default(subscriber(&args, &ui).expect("made"), emit);
        }
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(text.matches("our detail").count(), 2, "{text}");
        assert_eq!(text.matches("their remark").count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_impossible_file_is_named() {
        let args = GlobalArgs {
            log_file: Some("/proc/nothing/gobag.log".into()),
            ..GlobalArgs::default()
        };
        let (ui, _) = Ui::captured(&args);
        let error = subscriber(&args, &ui).err().expect("refused");
        assert_eq!(
            error.to_string(),
            "cannot write the log file /proc/nothing/gobag.log"
        );
        assert_eq!(error.code(), "term.log-file");
    }
}
