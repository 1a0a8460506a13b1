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
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::geteuid,
};

use super::{
    ContainerError, ContainerReport, ContainerSpec, Tools,
    agent::{Agent, AgentError, unshare_args},
    attend::{Attendance, Sandbox},
    folder_in_home,
    plan::{self, Facts, Fds},
    seccomp, stale,
    terminal::Terminal,
    volume,
};
use crate::{
    child::{self, Watch, timespec},
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

/// The mount points of one container; removed, when they are empty, whatever happens.
struct MountPoints(PathBuf);

impl MountPoints {
    fn make(spec: &ContainerSpec) -> Result<Self, ContainerError> {
        let folders = Self(spec.run_dir.clone());
        for name in [plan::SYSTEM, plan::HOME] {
            let path = spec.run_dir.join(name);
            fs::create_dir(&path).map_err(|source| ContainerError::Folder { path, source })?;
        }
        Ok(folders)
    }

    fn remove(self) {
        drop(self);
    }
}

impl Drop for MountPoints {
    fn drop(&mut self) {
        // The agent is gone by now; if a folder cannot be removed, the next start's cleaning says why.
        if let Err(error) = stale::cleanup_stale(&self.0, Duration::ZERO) {
            tracing::warn!(%error, "mount points are left");
        }
    }
}

/// Lets the agent mount, and waits until the kernel lists the mounts.
fn mount(agent: &mut Agent, spec: &ContainerSpec) -> Result<(), ContainerError> {
    const STEP: &str = "mounting";
    let deadline = CONTAINER_START_DEADLINE;
    let end = Instant::now() + deadline;
    let lost = |source: io::Error| ContainerError::Mount(source.into());
    // Opened before anything is mounted, so that no change is missed.
    let mut list = File::open(format!("/proc/{}/mountinfo", agent.pid())).map_err(lost)?;
    agent.tell("go").map_err(ContainerError::Mount)?;
    agent
        .expect("mounting", STEP, deadline)
        .map_err(ContainerError::Mount)?;
    let mut wanted = vec![spec.run_dir.join(plan::SYSTEM)];
    wanted.extend(spec.home.as_ref().map(|_| spec.run_dir.join(plan::HOME)));
    loop {
        let mut text = String::new();
        list.rewind()
            .and_then(|()| list.read_to_string(&mut text))
            .map_err(lost)?;
        if wanted.iter().all(|point| is_mount_point(&text, point)) {
            return Ok(());
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let step = STEP.to_owned();
            return Err(ContainerError::Mount(AgentError::Deadline { step, deadline }));
        }
        // The kernel reports each change of the list once. A word now can only be that a `fuse2fs` has ended.
        let mut fds = [
            PollFd::new(&list, PollFlags::PRI),
            PollFd::from_borrowed_fd(agent.fd(), PollFlags::IN),
        ];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(lost(errno.into())),
        }
        if !fds[1].revents().is_empty() && agent.next(Duration::ZERO).map_err(lost)?.is_some() {
            return Err(ContainerError::Mount(agent.failure(STEP)));
        }
        if agent.has_ended() {
            return Err(ContainerError::Mount(agent.failure(STEP)));
        }
    }
}

/// Whether the text of a `mountinfo` lists `point`; blanks and backslashes are written in octal there.
fn is_mount_point(mountinfo: &str, point: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let mut escaped = Vec::new();
    for &byte in point.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").bytes()),
            _ => escaped.push(byte),
        }
    }
    mountinfo.lines().any(|line| {
        line.split(' ')
            .nth(4)
            .is_some_and(|field| field.as_bytes() == escaped)
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
