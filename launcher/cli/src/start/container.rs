//! The workstation as a container.

use std::{
    io::{self, IsTerminal},
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
    time::Duration,
};

use gobag_bundle::VolumePurpose;
use gobag_engine::{
    container::{ContainerNetwork, ContainerSpec, User, VolumeSource, users},
    userns::probe_userns,
};
use gobag_format::manifest::ContainerEntry;
use gobag_mount::{ErrorHook, Hold};
use gobag_term::{CliError, ExitCode};

use super::{NetworkArg, Ran, Start};
use crate::{
    door::{Door, DoorOptions},
    error::{Explain, OrExplain, said},
    open::{Work, file_name},
    session::{Ended, Kind, keep},
    workplace::ContainerRun,
};

/// How long finding out about namespaces may take.
const PROBE: Duration = Duration::from_secs(10);

/// Mounts, enters, and keeps company until the container's program has ended.
pub(super) fn run(start: &mut Start<'_>, work: &Arc<Work>, hook: ErrorHook) -> Result<(Door, Ran), CliError> {
    let entry = entry(work)?;
    let proof = probe_userns(start.environment.path.as_deref(), PROBE).or_explain()?;
    let hold = Arc::new(Hold::default());
    let options = DoorOptions {
        on_error: Some(hook),
        hold: Some(Arc::clone(&hold)),
        on_end: None,
    };
    let door = Door::files(work.exports_for(&entry), &start.folder.mountpoint(), &options).or_explain()?;
    let spec = spec(start, work, &door, &entry)?;
    start
        .ui
        .say("Your workstation opens as a container. To end, leave its shell (`exit`).");
    let has_own_command = !start.args.command.is_empty();
    // With `--json` standard output is for our one document, and the container's programs speak on standard error.
    let diversion = start
        .ui
        .is_json()
        .then(Diversion::begin)
        .transpose()
        .map_err(|error| {
            said(
                ExitCode::Failed,
                "gobag.output",
                format!("cannot divert standard output: {error}"),
            )
        })?;
    let run =
        ContainerRun::start(spec, proof.map, start.environment.path.clone(), hold).map_err(|error| {
            said(
                ExitCode::Failed,
                "gobag.thread",
                format!("cannot start a thread: {error}"),
            )
        })?;
    let (ended, _) = keep(&run, Kind::Programs, work, &start.inbox, start.board, start.ui);
    drop(diversion);
    let mut ran = Ran {
        ended,
        exit: None,
        container: None,
        failure: None,
    };
    match run.take_result() {
        Some(Ok(report)) => {
            // A shell ends with the status of its last command, which says nothing about the session.
            if has_own_command && report.exit_code != 0 && !report.cancelled {
                ran.ended = Ended::Died;
            }
            ran.container = Some(report);
        }
        Some(Err(error)) => ran.failure = Some(error.explain()),
        None => {
            ran.failure = Some(said(
                ExitCode::Bug,
                "gobag.container-lost",
                "the container's thread is gone",
            ))
        }
    }
    Ok((door, ran))
}

/// While it lives, what is written to standard output goes to standard error.
struct Diversion {
    output: OwnedFd,
}

impl Diversion {
    fn begin() -> io::Result<Self> {
        let output = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self { output })
    }
}

impl Drop for Diversion {
    fn drop(&mut self) {
        if let Err(error) = rustix::stdio::dup2_stdout(&self.output) {
            tracing::error!(%error, "standard output is lost");
        }
    }
}

fn entry(work: &Work) -> Result<ContainerEntry, CliError> {
    let manifest = work.session().manifest();
    manifest.container.clone().ok_or_else(|| {
        let text = format!("image `{}` cannot be opened as a container", manifest.name);
        said(ExitCode::HostUnfit, "gobag.no-container", text)
            .hint("start it as a virtual machine: `gobag start --mode vm`")
    })
}

fn spec(
    start: &Start<'_>,
    work: &Work,
    door: &Door,
    entry: &ContainerEntry,
) -> Result<ContainerSpec, CliError> {
    let source = |purpose| {
        let image = door.file(&file_name(work.volume(purpose)?))?;
        Some(VolumeSource {
            image,
            read_only: false,
        })
    };
    let system = source(VolumePurpose::System).ok_or_else(|| {
        let text = format!("image `{}` has no system to open", work.session().manifest().name);
        said(ExitCode::Damaged, "gobag.no-system", text)
    })?;
    let user = user(
        &system.image,
        start.args.user.as_deref().or(entry.user.as_deref()),
    )?;
    let command = match start.args.command.as_slice() {
        [] => entry.command.iter().map(Into::into).collect(),
        given => given.to_vec(),
    };
    let mut environment: Vec<(String, String)> = entry
        .environment
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Some(terminal) = start
        .environment
        .terminal_type
        .as_ref()
        .and_then(|term| term.to_str())
    {
        environment.push(("TERM".to_owned(), terminal.to_owned()));
    }
    Ok(ContainerSpec {
        system,
        home: source(VolumePurpose::Home),
        user,
        command,
        network: match start.args.network {
            NetworkArg::On => ContainerNetwork::Host,
            NetworkArg::Off => ContainerNetwork::Off,
        },
        environment,
        shares: Vec::new(),
        hostname: work.session().manifest().name.clone(),
        terminal: io::stdin().is_terminal(),
        run_dir: start.folder.path().to_owned(),
    })
}

/// The wanted user of the system, by name or number; else its first person; else root.
fn user(system: &Path, wanted: Option<&str>) -> Result<User, CliError> {
    let known = users(system).or_explain()?;
    match wanted {
        None => Ok(known.into_iter().find(User::is_person).unwrap_or_else(User::root)),
        Some("root" | "0") => Ok(User::root()),
        Some(wanted) => {
            // An OCI image may say `user:group`.
            let name = wanted.split(':').next().unwrap_or(wanted);
            let is_wanted = |user: &User| user.name == name || user.uid.to_string() == name;
            known.into_iter().find(is_wanted).ok_or_else(|| {
                said(
                    ExitCode::Failed,
                    "gobag.no-such-user",
                    format!("the image has no user `{name}`"),
                )
            })
        }
    }
}
