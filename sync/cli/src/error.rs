//! Every library error's exit code and hint: the one place.

use gobag_files::FilesError;
use gobag_format::workspace::BlobError;
use gobag_member::MemberError;
use gobag_pair::PairError;
use gobag_reconcile::BadName;
use gobag_stores::ElsewhereError;
use gobag_term::{CliError, ExitCode};
use gobag_workspace::{StoreError, WorkspaceError};

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
                    PairError::Right { reason, .. } => match (reason.downcast_ref(), reason.downcast_ref()) {
                        (Some(error), _) => member(error),
                        (_, Some(error)) => (ExitCode::Failed, elsewhere(error)),
                        _ => (ExitCode::Failed, "run the same again"),
                    },
                    PairError::OtherWorkspace => (
                        ExitCode::Failed,
                        "to take this workspace from now on: `gobag-sync pair LEFT workspace:NAME --again`",
                    ),
                    PairError::Workspace(error) => (ExitCode::Failed, workspace(error)),
                    PairError::Gone { .. } => (
                        ExitCode::Failed,
                        "nothing was taken away; the one that is there gets the name with the other `--keep`, and `both` leaves it where it is",
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

impl<T> OrExplain<T> for Result<T, MemberError> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(|error| {
            let (exit, hint) = member(&error);
            CliError::new(exit, error.code(), error).hint(hint)
        })
    }
}

impl<T> OrExplain<T> for Result<T, ElsewhereError> {
    fn or_explain(self) -> Result<T, CliError> {
        self.map_err(|error| {
            let hint = elsewhere(&error);
            CliError::new(ExitCode::Failed, error.code(), error).hint(hint)
        })
    }
}

fn elsewhere(error: &ElsewhereError) -> &'static str {
    match error {
        ElsewhereError::Setup { .. } => "see how the place is written: `gobag-sync workspace make --help`",
        ElsewhereError::Plain { .. } => "write `webdavs://` in the place of `webdav://`",
        ElsewhereError::NotThere { .. } => {
            "nothing was changed; see that the share is mounted and the place is the right one, or else begin one: `gobag-sync workspace make`"
        }
        ElsewhereError::Other { .. } => "name a place where nothing is kept, or ask for the right letter",
        ElsewhereError::Newer { .. } => "get the newest version of this program",
        ElsewhereError::Damaged { .. } => "nothing was changed; tell IT that the place is damaged",
        ElsewhereError::Unproved { .. } => {
            "two members would lose each other's changes there; take another service, or let one member write: `gobag-sync workspace make --single-writer`"
        }
        ElsewhereError::OtherWriter { .. } => {
            "what you changed stays here; if that one has ended, or is lost: `gobag-sync workspace take-over NAME`"
        }
        ElsewhereError::Altered | ElsewhereError::Long => {
            "nothing was published; that place is not to be trusted with files: tell IT"
        }
        ElsewhereError::Offline { .. } => {
            "your files stay as they are; run the same again when this computer is online and the share is mounted"
        }
        ElsewhereError::Full { .. } => "make room there; your files stay as they are",
        _ => {
            "see that the credentials are right, and may write there: `gobag-sync join LETTER --credentials FILE`"
        }
    }
}

fn member(error: &MemberError) -> (ExitCode, &'static str) {
    match error {
        MemberError::NoFolder => (ExitCode::Usage, "name a folder: `--state FOLDER`"),
        MemberError::NotEnrolled => (
            ExitCode::Failed,
            "ask IT for an enrolment letter, then once: `gobag-sync enrol LETTER`",
        ),
        MemberError::NotJoined { .. } => (
            ExitCode::Failed,
            "ask IT for the workspace's letter, then once: `gobag-sync join LETTER`",
        ),
        MemberError::OtherJoined { .. } => (ExitCode::Failed, "ask IT whether it is the right letter"),
        MemberError::Newer { .. } => (ExitCode::Failed, "get the newest version of this program"),
        MemberError::Damaged { .. } => (
            ExitCode::Damaged,
            "put that file aside; then enrol and join again with new letters",
        ),
        MemberError::Client(error) if error.is_transient() => (
            ExitCode::Failed,
            "your files stay as they are; run the same again when this computer is online",
        ),
        _ => (
            ExitCode::Failed,
            "tell IT what stands here; your files stay as they are",
        ),
    }
}

fn workspace(error: &WorkspaceError) -> &'static str {
    match error {
        WorkspaceError::Store(
            StoreError::Offline(cause) | StoreError::Full(cause) | StoreError::Refused(cause),
        ) if let Some(error) = cause.downcast_ref() => elsewhere(error),
        WorkspaceError::Store(StoreError::Offline(_)) => {
            "what was done is whole; run the same again when this computer is online"
        }
        WorkspaceError::Store(StoreError::Raced | StoreError::Gone) => {
            "many work there at once; run the same again"
        }
        WorkspaceError::Store(StoreError::Full(_)) => "ask IT for more room at the company's server",
        WorkspaceError::Store(StoreError::Refused(_)) => {
            "ask IT whether this computer is still admitted to the workspace, and may write there"
        }
        WorkspaceError::Format(BlobError::Newer) => "get the newest version of this program",
        WorkspaceError::Store(StoreError::Missing) | WorkspaceError::Format(_) => {
            "what was done is whole; tell IT that the workspace is damaged, or its letter is another one's"
        }
        _ => "what was done is whole; run the same again",
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
