//! The life of a container, from the checked volumes to the unmounted ones.
//!
//! The order, and what a crash between two steps leaves behind:
//! 1. Repair the volumes. (They are as they were, or better.)
//! 2. Make the user's home folder in an empty home volume. (One more folder.)
//! 3. Make the mount points and start the agent; record it. (Empty folders, for [`super::cleanup_stale`].)
//! 4. Mount in the agent's namespaces, start `bwrap`, map its users, let it go. (A volume for step 1.)
//! 5. When it has ended, unmount, which writes everything back; only then is the run reported as done.

use std::{
    ffi::OsStr,
    fs::OpenOptions,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use rustix::process::geteuid;

use super::{
    ContainerError, ContainerReport, ContainerSpec, Tools,
    agent::{Agent, AgentError, unshare_args},
    attend::{Attendance, Sandbox},
    folder_in_home,
    mounts::{MountPoints, mount},
    plan::{self, Facts, Fds},
    seccomp, stale,
    terminal::Terminal,
    volume,
};
use crate::{
    child::{self, Watch},
    ext4,
    limits::{CONTAINER_START_DEADLINE, CONTAINER_UNMOUNT_DEADLINE, UNMOUNT_RETRY_PERIOD},
    userns::{self, ID_COUNT, IdMap},
};

/// Runs a container from beginning to end on the calling thread, and leaves its volumes unmounted.
///
/// `path` is the caller's `PATH`. `map` is what [`userns::probe_userns`] found. When `cancel` answers `true` (asked ten
/// times a second), the processes in the container are asked to end, and killed if they do not within some seconds.
pub fn enter(
    spec: &ContainerSpec,
    map: IdMap,
    path: Option<&OsStr>,
    cancel: &dyn Fn() -> bool,
) -> Result<ContainerReport, ContainerError> {
    let started = Instant::now();
    validate(spec, map)?;
    let tools = Tools::find(path)?;
    let repaired = prepare(spec, cancel)?;
    let facts = facts(spec)?;
    let folders = MountPoints::make(spec)?;

    let mounts = plan::mounts(spec, &tools, map);
    let args = unshare_args(&tools.sh, map != IdMap::Host, &spec.run_dir, &mounts);
    let mut agent =
        Agent::start(&tools.unshare, &args, CONTAINER_START_DEADLINE).map_err(ContainerError::Namespaces)?;
    stale::record(&spec.run_dir, agent.pid()).map_err(|source| ContainerError::Folder {
        path: spec.run_dir.clone(),
        source,
    })?;
    let (uid, gid) = (spec.user.uid, spec.user.gid);
    userns::write_maps(agent.pid(), map, uid, gid, path, CONTAINER_START_DEADLINE)?;
    mount(&mut agent, spec)?;

    let (mut sandbox, terminal) = start_sandbox(spec, &tools, map, &mut agent, facts)?;
    let start_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let attended = Attendance::new(&mut sandbox, &mut agent, terminal, cancel).attend();
    // Whatever happened: nothing may run in there when the volumes are unmounted.
    sandbox.kill(&mut agent);
    let unmounted = unmount(agent);
    folders.remove();
    let attended = attended?;
    unmounted.map_err(ContainerError::Unmount)?;
    Ok(ContainerReport {
        exit_code: attended.exit_code,
        map,
        repaired,
        cancelled: attended.cancelled,
        start_ms,
    })
}

fn validate(spec: &ContainerSpec, map: IdMap) -> Result<(), ContainerError> {
    let wrong = |reason: String| Err(ContainerError::Options { reason });
    if (map == IdMap::Host) != geteuid().is_root() {
        return wrong(format!("users cannot be mapped as {map:?} here"));
    }
    if map != IdMap::Single && (spec.user.uid >= ID_COUNT || spec.user.gid >= ID_COUNT) {
        return wrong(format!(
            "user `{}` has a number over {}",
            spec.user.name,
            ID_COUNT - 1
        ));
    }
    if !spec.run_dir.is_absolute() {
        return wrong(format!("{} is not an absolute path", spec.run_dir.display()));
    }
    let volumes = std::iter::once(&spec.system).chain(&spec.home);
    for volume in volumes {
        if !volume.image.is_absolute() {
            return wrong(format!("{} is not an absolute path", volume.image.display()));
        }
    }
    if spec
        .home
        .as_ref()
        .is_some_and(|home| home.image == spec.system.image)
    {
        return wrong("system and home are the same volume".to_owned());
    }
    Ok(())
}

/// Repairs the volumes that may be written to; returns those where something was wrong.
fn prepare(spec: &ContainerSpec, cancel: &dyn Fn() -> bool) -> Result<Vec<PathBuf>, ContainerError> {
    let mut repaired = Vec::new();
    for volume in std::iter::once(&spec.system).chain(&spec.home) {
        if !volume.read_only && ext4::repair(&volume.image, cancel)? {
            repaired.push(volume.image.clone());
        }
    }
    if let (Some(home), Some(folder)) = (&spec.home, folder_in_home(&spec.user))
        && !home.read_only
    {
        volume::ensure_folder(&home.image, folder, &spec.user)?;
    }
    if cancel() {
        return Err(ContainerError::Cancelled);
    }
    Ok(repaired)
}

fn facts(spec: &ContainerSpec) -> Result<Facts, ContainerError> {
    let user_home = &spec.user.home;
    let (image, user_home) = match (&spec.home, user_home.strip_prefix("/home")) {
        (Some(home), Ok(within)) => (&home.image, Path::new("/").join(within)),
        _ => (&spec.system.image, user_home.clone()),
    };
    // While `bwrap` builds the container, a link in the image can lead it to the host's files, and it makes the file that
    // something is to be put over. So `/etc` itself must be no link either.
    let etc_is_folder = volume::is_folder(&spec.system.image, Path::new("/etc"))?;
    Ok(Facts {
        resolv_conf_is_file: etc_is_folder
            && volume::is_file(&spec.system.image, Path::new("/etc/resolv.conf"))?,
        user_home_exists: volume::is_folder(image, &user_home)?,
    })
}

/// Starts `bwrap` and lets it go; returns it with the container's terminal.
fn start_sandbox(
    spec: &ContainerSpec,
    tools: &Tools,
    map: IdMap,
    agent: &mut Agent,
    facts: Facts,
) -> Result<(Sandbox, Option<Terminal>), ContainerError> {
    let contact = ContainerError::Contact;
    let (status_reader, status) = io::pipe().map_err(contact)?;
    let (block, mut release) = io::pipe().map_err(contact)?;
    let info = OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .map_err(contact)?;
    let (filter, mut filter_writer) = io::pipe().map_err(contact)?;
    // Far less than a pipe holds, so this does not block.
    filter_writer.write_all(&seccomp::bytes()).map_err(contact)?;
    drop(filter_writer);
    let inner_maps = plan::inner_maps(map);
    let fds = Fds {
        status: status.as_raw_fd(),
        block: inner_maps.as_ref().map(|_| block.as_raw_fd()),
        info: info.as_raw_fd(),
        seccomp: filter.as_raw_fd(),
    };
    let (program, args) = plan::enter(spec, tools, map, agent.pid(), fds, facts);
    let mut command = child::command(&program);
    command.args(args);
    let terminal = match spec.terminal {
        true => {
            let (terminal, theirs) = Terminal::new(io::stdin().as_fd()).map_err(contact)?;
            let stream = || -> io::Result<OwnedFd> { theirs.try_clone() };
            command.stdin(stream().map_err(contact)?);
            command.stdout(stream().map_err(contact)?);
            command.stderr(Stdio::from(theirs));
            Some(terminal)
        }
        false => None,
    };
    let keep = [status.as_fd(), block.as_fd(), info.as_fd(), filter.as_fd()];
    let child = child::spawn(&mut command, &keep).map_err(contact)?;
    drop(command);
    drop(status);
    let watch = Watch::new(&child).map_err(contact)?;
    let mut sandbox = Sandbox::new(child, watch, status_reader).map_err(contact)?;
    let pid = sandbox.first_process(CONTAINER_START_DEADLINE)?;
    if let Some(maps) = inner_maps {
        agent
            .tell(&format!("map {pid} {maps}"))
            .map_err(ContainerError::Namespaces)?;
        agent
            .expect(
                "mapped",
                "mapping the container's users",
                CONTAINER_START_DEADLINE,
            )
            .map_err(ContainerError::Namespaces)?;
        release.write_all(b"1").map_err(contact)?;
    }
    Ok((sandbox, terminal))
}

/// Unmounts everything and waits for the last byte to be written and for the agent's end.
fn unmount(mut agent: Agent) -> Result<(), AgentError> {
    let step = "unmounting";
    let deadline = CONTAINER_UNMOUNT_DEADLINE;
    let end = Instant::now() + deadline;
    loop {
        agent.tell("unmount")?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match agent.next(left)? {
                Some(word) if word == "unmounted" => return agent.finish(deadline),
                // The kernel is still taking the container's processes apart.
                Some(word) if word.starts_with("busy") => break,
                Some(_) => {}
                None if left.is_zero() => {
                    let step = step.to_owned();
                    return Err(AgentError::Deadline { step, deadline });
                }
                None => return Err(agent.failure(step)),
            }
        }
        agent.next(UNMOUNT_RETRY_PERIOD)?;
    }
}
