//! Peers' programs that answer at an address of this computer, and are gone with the bench.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// The far folder of the tool that is called so.
pub(super) fn right(folder: &Path, word: &str) -> PathBuf {
    folder.join(word).join("right")
}

/// A program of a peer; killed when dropped.
pub(super) struct Daemon {
    child: Child,
    /// Where it answers, `host:port`.
    pub(super) address: String,
}

impl Daemon {
    pub(super) fn rsync(folder: &Path) -> Result<Self> {
        let right = right(folder, "rsync");
        disk::make_dir(&right)?;
        let config = folder.join("rsync/rsyncd.conf");
        let user = "uid = root\ngid = root\nuse chroot = no\n";
        let module = format!("{user}[right]\npath = {}\nread only = no\n", right.display());
        disk::write(&config, module)?;
        Self::start(|port| {
            Cmd::new("rsync")
                .args([
                    "--daemon",
                    "--no-detach",
                    "--address",
                    "127.0.0.1",
                    "--port",
                    port,
                    "--config",
                ])
                .arg(&config)
        })
    }

    pub(super) fn unison(folder: &Path) -> Result<Self> {
        disk::make_dir(&right(folder, "unison"))?;
        let state = folder.join("unison/far");
        Self::start(|port| {
            Cmd::new("unison")
                .args(["-host", "127.0.0.1", "-socket", port])
                .env("UNISON", &state)
                .env("HOME", &state)
        })
    }

    /// Starts it at a free port, and waits until it answers there.
    #[expect(clippy::disallowed_methods, reason = "a bench looks whether its peers are up")]
    pub(super) fn start(command: impl Fn(&str) -> Cmd) -> Result<Self> {
        let address = free_address()?;
        let port = address.rsplit(':').next().unwrap_or_default();
        let child = command(port).spawn(Stdio::null(), Stdio::null(), Stdio::null())?;
        let daemon = Self { child, address };
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match std::net::TcpStream::connect(&daemon.address) {
                Ok(_) => return Ok(daemon),
                Err(cause) if Instant::now() > until => {
                    return Err(Error::because("a peer does not start", cause));
                }
                Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Gone already is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this computer where nobody answers yet, `host:port`.
#[expect(clippy::disallowed_methods, reason = "a bench gives its peers their ports")]
pub(super) fn free_address() -> Result<String> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let free = free.map_err(|cause| Error::because("no port is free for a peer", cause))?;
    Ok(free.to_string())
}
