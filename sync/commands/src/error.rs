//! Every library error's exit code and hint: the one place.

use gobag_client::ClientError;
use gobag_files::FilesError;
use gobag_format::workspace::BlobError;
use gobag_member::MemberError;
use gobag_pair::PairError;
use gobag_reconcile::BadName;
use gobag_stores::ElsewhereError;
use gobag_term::{CliError, ExitCode};
use gobag_workspace::{StoreError, WorkspaceError};

use crate::{ReachError, Shell};

/// From an error to what the program ends with.
pub trait OrExplain<T> {
    /// The value, or the error with its exit code, and what to type next.
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError>;
}

impl<T> OrExplain<T> for Result<T, PairError> {
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(|error| match error {
            PairError::Files(error) => files(error, shell),
            error => {
                let (exit, hint) = pair(&error, shell);
                CliError::new(exit, error.code(), error).hint(hint)
            }
        })
    }
}

impl<T> OrExplain<T> for Result<T, WorkspaceError> {
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(PairError::from).or_explain(shell)
    }
}

impl<T> OrExplain<T> for Result<T, FilesError> {
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(|error| files(error, shell))
    }
}

impl<T> OrExplain<T> for Result<T, BadName> {
    fn or_explain(self, _shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(|error| {
            CliError::new(ExitCode::Usage, "sync.path", error)
                .hint("name a path within the folder, such as `letters/march.odt`")
        })
    }
}

impl<T> OrExplain<T> for Result<T, MemberError> {
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(|error| {
            let (exit, hint) = member(&error, shell);
            CliError::new(exit, error.code(), error).hint(hint)
        })
    }
}

impl<T> OrExplain<T> for Result<T, ElsewhereError> {
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(ReachError::from).or_explain(shell)
    }
}

impl<T> OrExplain<T> for Result<T, ReachError> {
    fn or_explain(self, shell: &Shell<'_>) -> Result<T, CliError> {
        self.map_err(|error| {
            let (exit, hint) = reach(&error, shell);
            CliError::new(exit, error.code(), error).hint(hint)
        })
    }
}

fn pair(error: &PairError, shell: &Shell<'_>) -> (ExitCode, String) {
    let pair = || shell.call("pair LEFT RIGHT");
    match error {
        PairError::NotPaired { .. } => {
            let text = "if that folder is on a drive, see that it is plugged in; for new folders, once:";
            (ExitCode::Failed, format!("{text} {}", pair()))
        }
        PairError::Overlap { .. } => (
            ExitCode::Usage,
            "name two folders of which neither is in the other".to_owned(),
        ),
        PairError::Busy { .. } => (
            ExitCode::Busy,
            "wait until it has ended; nothing was changed".to_owned(),
        ),
        PairError::BaseDamaged { .. } => {
            let text = "begins anew: nothing is deleted then, what differs is there twice, whose files keep their names is to be said again, and every earlier version is kept until `--keep-versions` and `--keep-deleted` say otherwise";
            (ExitCode::Damaged, format!("{} {text}", pair()))
        }
        PairError::Right { reason, .. } => reason.downcast_ref().map_or_else(
            || (ExitCode::Failed, "run the same again".to_owned()),
            |error| reach(error, shell),
        ),
        PairError::OtherWorkspace => {
            let pair = shell.call("pair LEFT RIGHT --again");
            (
                ExitCode::Failed,
                format!("to take this workspace from now on: {pair}"),
            )
        }
        PairError::Workspace(error) => (exit_of(error), workspace(error).to_owned()),
        PairError::Gone { .. } => (
            ExitCode::Failed,
            "nothing was taken away; the one that is there gets the name with the other `--keep`, and `both` leaves it where it is".to_owned(),
        ),
        PairError::Ended => (
            ExitCode::Interrupted,
            "run the same again; it goes on where it was".to_owned(),
        ),
        _ => (
            ExitCode::Failed,
            "nothing was changed that is not whole; run the same again".to_owned(),
        ),
    }
}

/// Whether the company's server was reached and said no, or anything else.
fn exit_of(error: &WorkspaceError) -> ExitCode {
    match error {
        WorkspaceError::Store(StoreError::Refused(cause) | StoreError::Full(cause))
            if cause.downcast_ref().is_some_and(said_no) =>
        {
            ExitCode::Refused
        }
        WorkspaceError::Store(
            StoreError::Offline(cause) | StoreError::Full(cause) | StoreError::Refused(cause),
        ) if cause.downcast_ref().is_some_and(is_damage) => ExitCode::Damaged,
        WorkspaceError::Format(BlobError::Newer) => ExitCode::Failed,
        WorkspaceError::Store(StoreError::Missing) | WorkspaceError::Format(_) => ExitCode::Damaged,
        _ => ExitCode::Failed,
    }
}

fn is_damage(error: &ElsewhereError) -> bool {
    use ElsewhereError::{Altered, Damaged, Long};
    matches!(error, Damaged { .. } | Altered | Long)
}

fn said_no(error: &ClientError) -> bool {
    error.refused().is_some()
}

fn reach(error: &ReachError, shell: &Shell<'_>) -> (ExitCode, String) {
    match error {
        ReachError::Member(error) => member(error, shell),
        ReachError::Elsewhere(error) if is_damage(error) => (ExitCode::Damaged, elsewhere(error).to_owned()),
        ReachError::Elsewhere(error) => (ExitCode::Failed, elsewhere(error).to_owned()),
        ReachError::StickUnknown => member(&MemberError::NotEnrolled, shell),
        ReachError::StickGone => (
            ExitCode::Failed,
            "what was done is whole, and nothing is lost; plug the stick in and run the same again"
                .to_owned(),
        ),
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
            "see that you may read and write there: by the permissions of a folder, by your key for SFTP, else by credentials: `gobag-sync join LETTER --credentials FILE`"
        }
    }
}

fn member(error: &MemberError, shell: &Shell<'_>) -> (ExitCode, String) {
    let once = |what: &str, command: &str| format!("ask IT for {what}, then once: {}", shell.call(command));
    match error {
        MemberError::NoFolder => (ExitCode::Usage, "name a folder: `--state FOLDER`".to_owned()),
        MemberError::NotEnrolled => (ExitCode::Failed, once("an enrolment letter", "enrol LETTER")),
        MemberError::NotJoined { .. } => (ExitCode::Failed, once("the workspace's letter", "join LETTER")),
        MemberError::OtherJoined { .. } => (
            ExitCode::Failed,
            "ask IT whether it is the right letter".to_owned(),
        ),
        MemberError::Newer { .. } => (
            ExitCode::Failed,
            "get the newest version of this program".to_owned(),
        ),
        MemberError::Damaged { .. } => (
            ExitCode::Damaged,
            "put that file aside; then enrol and join again with new letters".to_owned(),
        ),
        MemberError::Client(error) if error.is_transient() => (
            ExitCode::Failed,
            "your files stay as they are; run the same again when this computer is online".to_owned(),
        ),
        error => {
            let is_no = matches!(error, MemberError::Client(error) if said_no(error));
            let exit = if is_no {
                ExitCode::Refused
            } else {
                ExitCode::Failed
            };
            let hint = "tell IT what stands here; your files stay as they are";
            (exit, hint.to_owned())
        }
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
            "ask IT whether you are still admitted to the workspace, and may write there"
        }
        WorkspaceError::Format(BlobError::Newer) => "get the newest version of this program",
        WorkspaceError::Store(StoreError::Missing) | WorkspaceError::Format(_) => {
            "what was done is whole; tell IT that the workspace is damaged, or its letter is another one's"
        }
        _ => "what was done is whole; run the same again",
    }
}

fn files(error: FilesError, shell: &Shell<'_>) -> CliError {
    let exit = match &error {
        FilesError::Busy { .. } => ExitCode::Busy,
        _ => ExitCode::Failed,
    };
    let hint = match &error {
        FilesError::Busy { .. } => "wait until it has ended; nothing was changed".to_owned(),
        FilesError::Root { .. } => {
            "see that the folder is there and may be written to, and its drive is plugged in".to_owned()
        }
        FilesError::OtherRoot { .. } => format!(
            "another drive may be plugged in; nothing was changed. To take this folder from now on: {}",
            shell.call("pair LEFT RIGHT --again")
        ),
        FilesError::File { source, .. } if source.kind() == std::io::ErrorKind::IsADirectory => {
            format!(
                "a folder has that name, and stays; name a file: {} lists those of a folder",
                shell.call("versions LEFT PATH")
            )
        }
        FilesError::Changed { .. } => "somebody is at work there; run the same again".to_owned(),
        _ => "nothing was changed that is not whole".to_owned(),
    };
    CliError::new(exit, error.code(), error).hint(hint)
}
