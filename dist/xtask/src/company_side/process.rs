//! `gobag-server serve` as a process, and waiting for what a process says.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::bench::machine;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Lines a server says when it serves, and the words before what they name.
const SAYS: [&str; 3] = ["serving at ", "metrics at ", "CA SHA-256 "];

/// A server that serves; killed when dropped.
pub(crate) struct Serving {
    child: Option<Child>,
    /// Where sticks ask, `host:port`.
    pub(crate) address: String,
    /// Where Prometheus and load balancers ask.
    pub(crate) metrics_address: String,
    /// The CA's fingerprint.
    pub(crate) ca_sha256: String,
}

impl Serving {
    /// Runs `command`, which ends in `serve …`, and waits until it serves. Its log goes to the file `log`.
    pub(crate) fn start(command: Cmd, log: &Path) -> Result<Self> {
        let log = disk::append(log)?;
        let mut child = command.spawn(Stdio::null(), Stdio::piped(), log.into())?;
        let said = child.stdout.take().map(BufReader::new);
        let lines = said.into_iter().flat_map(BufRead::lines);
        let said: Vec<String> = lines.take(SAYS.len()).map_while(std::io::Result::ok).collect();
        let words = |nth: usize| Some(said.get(nth)?.strip_prefix(SAYS[nth])?.to_owned());
        let found = (words(0), words(1), words(2));
        let (Some(address), Some(metrics_address), Some(ca_sha256)) = found else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::because("the server does not serve", said.join("\n")));
        };
        Ok(Self {
            child: Some(child),
            address,
            metrics_address,
            ca_sha256,
        })
    }

    fn pid(&self) -> Result<u32> {
        let child = self.child.as_ref();
        child
            .map(Child::id)
            .ok_or_else(|| Error::new("the server has ended"))
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        machine::running_program(self.pid()?)
    }

    /// Most memory it ever had, bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        machine::peak_memory(self.pid()?)
    }

    /// Tells it to end, and waits until it has, which must be in good order.
    pub(crate) fn end(mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        Cmd::new("kill").arg(child.id().to_string()).text()?;
        let status = child
            .wait()
            .map_err(|cause| Error::because("the server is lost", cause))?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::new(format!("the server ended with {status}"))),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already is what we want.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The first line for which `is_it` holds; what comes after is read by a thread, or the program would wait for somebody to.
pub(crate) fn await_line(from: impl Read + Send + 'static, is_it: impl Fn(&str) -> bool) -> Option<String> {
    let mut lines = BufReader::new(from).lines().map_while(std::io::Result::ok);
    let found = lines.by_ref().find(|line| is_it(line));
    std::thread::spawn(move || lines.for_each(drop));
    found
}
