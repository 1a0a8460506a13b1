//! Mounting the volumes of a container in the namespaces of its agent.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use super::{
    ContainerError, ContainerSpec,
    agent::{Agent, AgentError},
    plan, stale,
};
use crate::{child::timespec, limits::CONTAINER_START_DEADLINE};

/// The mount points of one container; removed, when they are empty, whatever happens.
pub(super) struct MountPoints(PathBuf);

impl MountPoints {
    pub(super) fn make(spec: &ContainerSpec) -> Result<Self, ContainerError> {
        let folders = Self(spec.run_dir.clone());
        for name in [plan::SYSTEM, plan::HOME] {
            let path = spec.run_dir.join(name);
            fs::create_dir(&path).map_err(|source| ContainerError::Folder { path, source })?;
        }
        Ok(folders)
    }

    pub(super) fn remove(self) {
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
pub(super) fn mount(agent: &mut Agent, spec: &ContainerSpec) -> Result<(), ContainerError> {
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
pub(super) fn is_mount_point(mountinfo: &str, point: &Path) -> bool {
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
