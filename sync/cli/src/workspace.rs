//! `gobag-sync workspace`: workspaces that are kept elsewhere than at the company's server.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use gobag_commands::{OrExplain as _, Shell, SystemRandom};
use gobag_format::crypto::Key;
use gobag_protocol::{
    ids::{WorkspaceId, WorkspaceName},
    place::Place,
    workspace_letter::WorkspaceLetter,
};
use gobag_stores::ElsewhereError;
use gobag_term::{CliError, ExitCode};
use serde::Serialize;

use crate::{
    elsewhere::{self, CredentialsArgs},
    member::StateArgs,
};

/// Workspaces without a Gobag server: in a bucket, on a share, by SFTP or WebDAV
///
/// What is kept there is sealed: whoever has the place can lose or withhold it, and not read it.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkspaceArgs {
    #[command(subcommand)]
    command: WorkspaceCommand,
}

#[derive(Debug, Subcommand)]
enum WorkspaceCommand {
    Make(MakeArgs),
    TakeOver(TakeOverArgs),
}

/// Begin a workspace, with the letter by which others join it
///
/// In a bucket (`s3://`) all members may write at once, if the service proves that it refuses to write over what is there; else it is refused, or one
/// member writes (`--single-writer`). At every other place one member writes and the others read: the first who has something to put there, until
/// somebody takes it over.
///
/// Exit codes: 0: it is begun. 1: it is not, or the place cannot be reached. 2: the place or the name is none. 6: what is there is damaged.
#[derive(Debug, clap::Args)]
struct MakeArgs {
    /// Its name, of a-z, 0-9 and `-`
    #[arg(value_parser = name)]
    name: WorkspaceName,
    /// Where: `/FOLDER`, `s3://BUCKET/PREFIX?region=…&endpoint=https://…`, `sftp://USER@HOST:PORT/FOLDER` by your own `ssh`, `webdavs://HOST/FOLDER`
    #[arg(long, value_name = "PLACE")]
    at: Place,
    /// Where to put the letter; whoever has it can read the workspace
    #[arg(long, value_name = "FILE")]
    letter: PathBuf,
    #[command(flatten)]
    credentials: CredentialsArgs,
    /// Put the credentials into the letter, too
    #[arg(long, requires = "credentials")]
    credentials_in_letter: bool,
    /// One member writes, although the place might let all
    #[arg(long)]
    single_writer: bool,
    #[command(flatten)]
    state: StateArgs,
}

fn name(text: &str) -> Result<WorkspaceName, &'static str> {
    WorkspaceName::parse(text).ok_or("the name of a workspace has 1 to 64 of a-z, 0-9 and `-`")
}

/// Be the one who writes, where only one may
///
/// Only when the other one has ended, or is lost. What that one had not put there yet is put again when it is the one who writes again.
///
/// Exit codes: 0: it is you. 1: the workspace is not known here, or its place cannot be reached. 2: all may write there. 6: what is there is damaged.
#[derive(Debug, clap::Args)]
struct TakeOverArgs {
    /// The workspace's name
    name: String,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Serialize)]
struct Made {
    workspace: String,
    id: String,
    place: String,
    mode: gobag_stores::Mode,
    letter: String,
}

#[derive(Serialize)]
struct TakenOver {
    workspace: String,
}

pub(crate) fn workspace(args: &WorkspaceArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    match &args.command {
        WorkspaceCommand::Make(args) => make(args, shell),
        WorkspaceCommand::TakeOver(args) => take_over(args, shell),
    }
}

fn make(args: &MakeArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let credentials = args.credentials.read()?;
    let mut member = args.state.open().or_explain(shell)?;
    let id = WorkspaceId::generate(&SystemRandom);
    let letter = WorkspaceLetter::new(id, args.name.clone(), Key::generate(&SystemRandom));
    let in_letter = credentials.clone().filter(|_| args.credentials_in_letter);
    // First, so that there is never a workspace whose key nobody has.
    write(&args.letter, &letter.clone().at(args.at.clone(), in_letter)).map_err(|error| {
        let text = format!("cannot write the letter to {}: {error}", args.letter.display());
        CliError::new(
            ExitCode::Failed,
            "sync.letter-file",
            io::Error::new(error.kind(), text),
        )
        .hint("name a file that is not there yet")
    })?;
    let joined = member.join(&letter.at(args.at.clone(), credentials.clone()), &SystemRandom);
    if joined.is_err() {
        let _ = rustix::fs::unlink(&args.letter);
    }
    joined.or_explain(shell)?;
    let made = elsewhere::make(&args.at, credentials.as_ref(), id, args.single_writer);
    if made.as_ref().is_err_and(ElsewhereError::is_nothing_begun) {
        // A letter of what is not there.
        let _ = member.leave(id);
        let _ = rustix::fs::unlink(&args.letter);
    }
    let (mode, proved) = made.or_explain(shell)?;
    if let Some(proved) = proved {
        member.note_proved(id, proved).or_explain(shell)?;
    }
    let made = Made {
        workspace: args.name.to_string(),
        id: id.to_string(),
        place: args.at.to_string(),
        mode,
        letter: args.letter.display().to_string(),
    };
    shell.ui.answer(&made, |made| {
        format!(
            "ok   `{0}` is at {1}. Others get the letter {2}, keep it from anybody else, and run `gobag-sync join LETTER`; here: `gobag-sync pair LEFT workspace:{0}`.\n{3}",
            made.workspace,
            made.place,
            made.letter,
            elsewhere::words_of(mode)
        )
    })?;
    Ok(ExitCode::Ok)
}

/// For its owner alone, durably, where there is nothing of that name.
fn write(path: &Path, letter: &WorkspaceLetter) -> io::Result<()> {
    let text = zeroize::Zeroizing::new(letter.to_json());
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn take_over(args: &TakeOverArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let member = args.state.open().or_explain(shell)?;
    let joined = member.joined(&args.name).or_explain(shell)?;
    let store = elsewhere::open(joined).or_explain(shell)?;
    let store = store.filter(|store| store.mode() == gobag_stores::Mode::SingleWriter);
    let Some(store) = store else {
        let error = io::Error::other(format!("all members may write in `{}`", args.name));
        return Err(CliError::new(ExitCode::Usage, "sync.many-writers", error)
            .hint("nothing has to be taken over; run `gobag-sync sync`"));
    };
    store.take_over().or_explain(shell)?;
    let taken = TakenOver {
        workspace: args.name.clone(),
    };
    shell.ui.answer(&taken, |taken| {
        format!(
            "ok   This member is the one who writes in `{}` from now on.\n",
            taken.workspace
        )
    })?;
    Ok(ExitCode::Ok)
}
