//! Workspaces that are not at the company's server: what it takes to get in there, and opening one.

use std::{
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_checklists::regular;
use gobag_client::UploadLimit;
use gobag_commands::{ReachError, SystemRandom, who};
use gobag_format::ids::WorkspaceId;
use gobag_member::{Joined, Membership, Proved};
use gobag_protocol::place::{Credentials, Place};
use gobag_stores::{Access, Elsewhere, ElsewhereError, Me, Mode};
use gobag_term::{CliError, ExitCode, Interrupt};
use jiff::Timestamp;
use zeroize::Zeroizing;

/// Bytes of a file with credentials at most.
const MAX_FILE: u64 = 4096;

/// What it takes to get in where a workspace is kept.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CredentialsArgs {
    /// A file with what the place asks of whoever comes: lines `name = …` and `secret = …`; only you may be able to read it
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
}

impl CredentialsArgs {
    pub(crate) fn read(&self) -> Result<Option<Credentials>, CliError> {
        self.credentials.as_deref().map(read).transpose()
    }
}

fn read(path: &Path) -> Result<Credentials, CliError> {
    let failed = |error: io::Error| {
        let text = format!("cannot read the credentials in {}: {error}", path.display());
        CliError::new(
            ExitCode::Failed,
            "sync.credentials-file",
            io::Error::new(error.kind(), text),
        )
        .hint("see that the file is there")
    };
    let file = regular::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.mode() & 0o077 != 0 {
        let text = format!("others can read the credentials in {}", path.display());
        let error = io::Error::new(io::ErrorKind::PermissionDenied, text);
        let hint = format!("`chmod 600 {}`", path.display());
        return Err(CliError::new(ExitCode::Failed, "sync.credentials-open", error).hint(&hint));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    Credentials::parse(&text).ok_or_else(|| {
        let text = format!("{} has not the form of credentials", path.display());
        let error = io::Error::new(io::ErrorKind::InvalidData, text);
        CliError::new(ExitCode::Usage, "sync.credentials-form", error)
            .hint("write two lines, `name = …` and `secret = …`: the access key and its secret, or user and password")
    })
}

/// Opens the store of a workspace that is kept elsewhere; none: it is at the company's server.
pub(crate) fn open(joined: &Joined) -> Result<Option<Elsewhere>, ElsewhereError> {
    let Some(known) = &joined.elsewhere else {
        return Ok(None);
    };
    let access = Access {
        place: known.place.clone(),
        credentials: known.credentials.clone(),
    };
    let me = Me {
        member: known.member,
        name: me(),
    };
    let is_proved = known.proved.is_some();
    Elsewhere::open(&access, joined.workspace, me, is_proved, Arc::new(SystemRandom)).map(Some)
}

/// By what name this member goes to others: who, and at which computer.
fn me() -> String {
    let system = rustix::system::uname();
    format!("{} on {}", who(), system.nodename().to_string_lossy())
}

/// Sends no faster than the limit says.
pub(crate) fn keep_to(store: &mut Elsewhere, limit: &UploadLimit, interrupt: Option<Interrupt>) {
    let limit = limit.clone();
    store.set_pace(Box::new(move |bytes| {
        let wait = limit.reserve(bytes);
        if let (false, Some(interrupt)) = (wait.is_zero(), &interrupt) {
            let _ = interrupt.wait(Some(wait));
        }
    }));
}

/// Begins a workspace at a place; says how it is written there, and what was seen of it.
pub(crate) fn make(
    place: &Place,
    credentials: Option<&Credentials>,
    workspace: WorkspaceId,
    single_writer: bool,
) -> Result<(Mode, Option<Proved>), ElsewhereError> {
    let access = Access {
        place: place.clone(),
        credentials: credentials.cloned(),
    };
    let (mode, proof) = Elsewhere::make(&access, workspace, single_writer, &SystemRandom)?;
    Ok((mode, proof.map(|proof| proved(proof.kept))))
}

fn proved(kept: &[&str]) -> Proved {
    Proved {
        at_s: Timestamp::now().as_second().try_into().unwrap_or(0),
        kept: kept.iter().map(|&kept| kept.to_owned()).collect(),
    }
}

/// What somebody who pairs a folder with a workspace elsewhere has to know; none of one at the company's server.
pub(crate) fn words_at_pairing(member: &mut Membership, name: &str) -> Result<Option<String>, ReachError> {
    let joined = member.joined(name)?.clone();
    let Some(store) = open(&joined)? else {
        return Ok(None);
    };
    let proof = match store.prove() {
        // Who may only read proves nothing, and loses nothing.
        Err(ElsewhereError::Refused { .. }) => return Ok(Some(READS.to_owned())),
        proof => proof?,
    };
    if let Some(proof) = proof {
        member.note_proved(joined.workspace, proved(proof.kept))?;
        return Ok(Some(MANY.to_owned()));
    }
    let writer = store.writer()?;
    Ok(Some(match writer {
        Some(writer) if store.is_mine(&writer) => format!("{ONE} That is you.\n"),
        Some(writer) => {
            let writer = gobag_term::human::printable(&writer.name).replace('\n', " ");
            format!(
                "{ONE} That is {writer}: you get what is there, and what you change stays here, until you take it over: `gobag-sync workspace take-over {name}`.\n"
            )
        }
        None => format!("{ONE} That will be the first who has something to put there.\n"),
    }))
}

/// How a workspace is written, in words for whoever made it.
pub(crate) fn words_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Conditional => MANY,
        Mode::SingleWriter => {
            "warn Only one member writes at this place, for it cannot keep two from writing over each other; the others only read.\n"
        }
    }
}

const MANY: &str = "ok   This place was tried, and refuses to write over what somebody else wrote: all members may write there, also at once.\n";
const ONE: &str =
    "warn Only one member writes at this place, for it cannot keep two from writing over each other.";
const READS: &str =
    "warn This place does not let you write: you get what is there, and what you change stays here.\n";
