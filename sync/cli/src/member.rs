//! `gobag-sync enrol` and `gobag-sync join`: becoming a member of the company's workspaces.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_checklists::regular;
use gobag_client::{Options as ClientOptions, UploadLimit};
use gobag_commands::{KeptAt, OrExplain as _, Program, ReachError, Reached, Shell, SystemRandom};
use gobag_member::{MemberError, Membership};
use gobag_protocol::{
    letter::EnrolmentLetter,
    limits::{MAX_LETTER_BYTES, MAX_WORKSPACE_LETTER_BYTES},
    place::Place,
    workspace_letter::{WorkspaceLetter, WorkspaceLetterError},
};
use gobag_term::{CliError, ExitCode, Interrupt, human};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    elsewhere::{self, CredentialsArgs},
    environment::state_folder,
};

// Where this computer keeps who it is to your company. No text of its own in the help..
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StateArgs {
    /// Where to keep the keys of workspaces and for your company's server; only you may read them. Else in your home folder
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

impl StateArgs {
    pub(crate) fn open(&self) -> Result<Membership, MemberError> {
        let folder = self.state.clone().or_else(state_folder);
        Membership::open(&folder.ok_or(MemberError::NoFolder)?)
    }
}

/// This program, as a member by what it keeps of its own.
pub(crate) struct Standalone {
    state: StateArgs,
}

impl Standalone {
    pub(crate) fn new(state: &StateArgs) -> Self {
        let state = state.clone();
        Self { state }
    }
}

impl Program for Standalone {
    fn call(&self, command: &str) -> String {
        let asks_for_it = !command.starts_with("conflicts") && !command.starts_with("holds");
        let state = self.state.state.as_ref().filter(|_| asks_for_it);
        let state = state.map_or_else(String::new, |state| {
            format!(" --state {}", gobag_commands::quoted(&state.to_string_lossy()))
        });
        format!("gobag-sync {command}{state}")
    }

    fn reach(
        &self,
        workspace: &str,
        limit: &UploadLimit,
        interrupt: Option<Interrupt>,
    ) -> Result<Reached, ReachError> {
        let mut member = self.state.open()?;
        let joined = member.joined(workspace)?.clone();
        if let Some(mut store) = elsewhere::open(&joined)? {
            elsewhere::keep_to(&mut store, limit, interrupt);
            return Ok(Reached {
                id: joined.workspace,
                key: joined.key,
                at: KeptAt::Elsewhere(Arc::new(store)),
            });
        }
        let options = ClientOptions {
            upload: limit.clone(),
        };
        let now_s = Timestamp::now().as_second().try_into().unwrap_or(0);
        let client = member.connect(now_s, &options, &SystemRandom)?;
        Ok(Reached::at_server(&joined, client))
    }

    fn words_at_pairing(&self, workspace: &str) -> Result<Option<String>, ReachError> {
        elsewhere::words_at_pairing(&mut self.state.open()?, workspace)
    }
}

/// Make this computer known to your company's server, with the letter that IT gave you
///
/// Needed once, for workspaces. The letter counts for 15 minutes; if this is cut off, run it again.
///
/// Exit codes: 0: it is known. 1: the letter cannot be used, or the server is not to be reached. 6: what this computer keeps of itself is damaged. 8: the server said no.
#[derive(Debug, clap::Args)]
pub(crate) struct EnrolArgs {
    /// The letter, as `gobag-server enrol` or IT made it
    letter: PathBuf,
    #[command(flatten)]
    state: StateArgs,
}

/// Take the key of a workspace, from the letter that IT gave you
///
/// Then `gobag-sync pair LEFT workspace:NAME`. At the company's server IT has to admit this computer, too; `gobag-sync enrol` says its number. Of a workspace that
/// is kept elsewhere the letter says where; to get in there it may take `--credentials`, or for SFTP a key that your `ssh` knows.
///
/// Exit codes: 0: this computer has the key. 1: the letter cannot be used. 2: it does not go with the options. 6: what this computer keeps of itself is damaged.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    /// The workspace letter; keep it from others
    letter: PathBuf,
    /// Where it is for this computer, such as a share that is mounted at another place
    #[arg(long, value_name = "PLACE")]
    at: Option<Place>,
    #[command(flatten)]
    credentials: CredentialsArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Serialize)]
struct Enrolled {
    server: String,
    bundle: String,
}

#[derive(Serialize)]
struct Joined {
    workspace: String,
    id: String,
}

pub(crate) fn enrol(args: &EnrolArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let letter = EnrolmentLetter::parse(&read(&args.letter, MAX_LETTER_BYTES)?).map_err(|error| {
        CliError::new(ExitCode::Failed, error.code(), error).hint("ask IT for the letter again")
    })?;
    let mut member = args.state.open().or_explain(shell)?;
    let server = member.enrol(&letter, &SystemRandom).or_explain(shell)?;
    let enrolled = Enrolled {
        server,
        bundle: letter.bundle.to_string(),
    };
    shell.ui.answer(&enrolled, |enrolled| {
        format!(
            "ok   This computer is known to your company's server ({}), by the number {}. IT admits it to workspaces by that.\n",
            human::printable(&enrolled.server),
            enrolled.bundle
        )
    })?;
    Ok(ExitCode::Ok)
}

pub(crate) fn join(args: &JoinArgs, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let mut letter =
        WorkspaceLetter::parse(&read(&args.letter, MAX_WORKSPACE_LETTER_BYTES)?).map_err(no_letter)?;
    let credentials = args.credentials.read()?;
    if letter.place.is_none() && (args.at.is_some() || credentials.is_some()) {
        let error = std::io::Error::other("this workspace is at the company's server");
        return Err(CliError::new(ExitCode::Usage, "sync.at-server", error)
            .hint("join it without `--at` and `--credentials`"));
    }
    letter.place = args.at.clone().or(letter.place.take());
    letter.credentials = credentials.or(letter.credentials.take());
    let mut member = args.state.open().or_explain(shell)?;
    member.join(&letter, &SystemRandom).or_explain(shell)?;
    let joined = Joined {
        workspace: letter.name.to_string(),
        id: letter.workspace.to_string(),
    };
    shell.ui.answer(&joined, |joined| {
        format!(
            "ok   This computer has the key of `{0}`. To pair a folder with it: `gobag-sync pair LEFT workspace:{0}`.\n",
            joined.workspace
        )
    })?;
    Ok(ExitCode::Ok)
}

fn no_letter(error: WorkspaceLetterError) -> CliError {
    CliError::new(ExitCode::Failed, error.code(), error).hint("ask IT for the letter again")
}

fn read(path: &Path, most: usize) -> Result<Vec<u8>, CliError> {
    regular::read(path, most as u64).map_err(|error| {
        let text = format!("cannot read the letter in {}", path.display());
        let error = std::io::Error::new(error.kind(), format!("{text}: {error}"));
        CliError::new(ExitCode::Failed, "sync.letter-file", error).hint("see that the file is there")
    })
}
