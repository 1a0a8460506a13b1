//! Every library error's exit code and hint: the one place.

use gobag_files::FilesError;
use gobag_pair::PairError;
use gobag_reconcile::BadName;
use gobag_term::{CliError, ExitCode};

/// From an error to what the program ends with.
pub(crate) trait OrExplain<T> {
    fn or_explain(self) -> Result<T, CliError>;
}

impl<T> OrExplain<T> for Result<T, PairError> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(|error| match error {
            PairError::Files(error) => files(error),
            error => {
                let (exit, hint) = match &error {
                    PairError::NotPaired { .. } => (
                        ExitCode::Failed,
                        "if that folder is on a drive, see that it is plugged in; for new folders, once: `gobag-sync pair LEFT RIGHT`",
                    ),
                    PairError::Overlap { .. } => (ExitCode::Usage, "name two folders of which neither is in the other"),
                    PairError::Busy { .. } => (ExitCode::Busy, "wait until it has ended; nothing was changed"),
                    PairError::BaseDamaged { .. } => (
                        ExitCode::Damaged,
                        "`gobag-sync pair LEFT RIGHT` begins anew: nothing is deleted then, and what differs is there twice",
                    ),
                    PairError::Ended => (ExitCode::Interrupted, "run the same again; it goes on where it was"),
                    _ => (ExitCode::Failed, "nothing was changed that is not whole; run the same again"),
                };
                CliError::new(exit, error.code(), error).hint(hint)
            }
        })
    }
}

impl<T> OrExplain<T> for Result<T, FilesError> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(files)
    }
}

impl<T> OrExplain<T> for Result<T, BadName> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(|error| {
            CliError::new(ExitCode::Usage, "sync.path", error)
                .hint("name a path within the folder, such as `letters/march.odt`")
        })
    }
}

fn files(error: FilesError) -> CliError {
    let exit = match &error {
        FilesError::Busy { .. } => ExitCode::Busy,
        _ => ExitCode::Failed,
    };
    let hint = match &error {
        FilesError::Busy { .. } => "wait until it has ended; nothing was changed",
        FilesError::Root { .. } => {
            "see that the folder is there and may be written to, and its drive is plugged in"
        }
        FilesError::OtherRoot { .. } => {
            "another drive may be plugged in; nothing was changed. To take this folder from now on: `gobag-sync pair LEFT RIGHT --again`"
        }
        FilesError::File { source, .. } if source.kind() == std::io::ErrorKind::IsADirectory => {
            "a folder has that name, and stays; give it another name first, or say `--keep both`"
        }
        FilesError::Changed { .. } => "somebody is at work there; run the same again",
        _ => "nothing was changed that is not whole",
    };
    CliError::new(exit, error.code(), error).hint(hint)
}
