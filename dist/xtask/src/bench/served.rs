//! A system that serves the disk: a process in the foreground, and the door it offers.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::bench::machine;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Seconds a system may take until its door is open.
const READY_WITHIN: u32 = 60;

/// Where the disk is found.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A file, by FUSE or plain.
    File(PathBuf),
    /// A file that cannot be opened past the kernel's cache.
    CachedFile(PathBuf),
    /// A block socket, as the address that clients understand.
    Socket(String),
}

/// How a serving process is asked to end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// By unmounting what it serves.
    Unmount,
    /// By SIGTERM.
    Terminate,
}

/// A running system; ended when dropped.
pub(super) struct Served {
    pub(super) target: Target,
    server: Option<Server>,
}

struct Server {
    child: Child,
    end: End,
    door: PathBuf,
}

impl Served {
    /// Nothing runs: the file itself.
    pub(super) fn plain(path: PathBuf) -> Self {
        Self {
            target: Target::File(path),
            server: None,
        }
    }

    /// Starts a program that mounts something at the folder or file `door`, in which `inside` is the disk.
    pub(super) fn mounted(program: Cmd, door: &Path, inside: &str) -> Result<Self> {
        let file = if inside.is_empty() {
            door.to_owned()
        } else {
            door.join(inside)
        };
        let server = Server::start(program, door, End::Unmount)?;
        let served = Self {
            target: Target::File(file),
            server: Some(server),
        };
        // Field 5 of mountinfo is the mount point.
        await_true(
            "awk -v door=\"$1\" '$5 == door { found = 1 } END { exit !found }' /proc/self/mountinfo",
            door,
        )?;
        Ok(served)
    }

    /// The file it shows refuses `O_DIRECT`.
    pub(super) fn through_the_cache(mut self) -> Self {
        if let Target::File(path) = self.target.clone() {
            self.target = Target::CachedFile(path);
        }
        self
    }

    /// The program unmounts by itself when it is told to end.
    pub(super) fn ended_by_signal(mut self) -> Self {
        if let Some(server) = &mut self.server {
            server.end = End::Terminate;
        }
        self
    }

    /// Starts a program that listens on the block socket `door`, a pattern for the shell without blanks; `export` is the
    /// name of the disk.
    pub(super) fn listening(program: Cmd, door: &Path, export: &str) -> Result<Self> {
        let server = Server::start(program, door, End::Terminate)?;
        let mut served = Self {
            target: Target::Socket(String::new()),
            server: Some(server),
        };
        await_true("test -S $1", door)?;
        let socket = Cmd::new("sh").args(["-c", "echo $1", "sh"]).arg(door).text()?;
        served.target = Target::Socket(format!("nbd+unix:///{export}?socket={}", socket.trim()));
        Ok(served)
    }

    /// Peak resident memory of the serving process so far, bytes.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let pid = self.server.as_ref()?.child.id();
        machine::peak_memory(pid).ok()
    }

    /// Processor time of the serving process so far.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        match &self.server {
            Some(server) => machine::running_program(server.child.id()),
            None => Ok(Duration::ZERO),
        }
    }

    /// Ends the system in good order, so that all it holds is on the medium.
    pub(super) fn end(mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Server::end)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // Another error is on its way to the person already.
            let _ = server.end();
        }
    }
}

impl Server {
    fn start(program: Cmd, door: &Path, end: End) -> Result<Self> {
        let child = program
            .quiet()
            .spawn(Stdio::null(), Stdio::null(), Stdio::null())?;
        Ok(Self {
            child,
            end,
            door: door.to_owned(),
        })
    }

    fn end(mut self) -> Result<()> {
        let asked = match self.end {
            End::Unmount => Cmd::new("umount").arg(&self.door),
            End::Terminate => Cmd::new("kill").arg(self.child.id().to_string()),
        };
        let asked = asked.output()?;
        if !asked.status.success() {
            // It did not listen; it must not outlive the bench.
            let _ = self.child.kill();
        }
        self.child
            .wait()
            .map_err(|cause| Error::because("a measured system does not end", cause))?;
        Ok(())
    }
}

/// Waits until the shell's `test` holds for `$1`.
fn await_true(test: &str, door: &Path) -> Result<()> {
    let script = format!("until {test}; do sleep 0.02; done");
    Cmd::new("timeout")
        .arg(READY_WITHIN.to_string())
        .args(["sh", "-c", &script, "sh"])
        .arg(door)
        .text()
        .map(drop)
        .map_err(|cause| Error::because("a measured system does not open its door", cause))
}
