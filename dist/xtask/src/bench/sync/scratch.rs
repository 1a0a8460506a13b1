//! A folder that is gone when this program is, however it ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Removes the folder once its input is closed, which the kernel does when we are killed. Before that it has said that an interrupt, which the terminal
/// sends to it as well, no longer ends it. Programs that we ran may need a moment to end and make files until then, so it looks again.
const KEEPER: &str = "trap '' INT TERM HUP; echo ready; cat > /dev/null; \
                      for again in 1 2 3 4 5; do rm -rf -- \"$1\" && break; sleep 1; done";

/// The folder, for as long as this lives.
pub(super) struct Scratch {
    folder: PathBuf,
    keeper: Child,
}

impl Scratch {
    /// Makes it; what an earlier run may have left there goes.
    pub(super) fn new(folder: PathBuf) -> Result<Self> {
        disk::remove(&folder)?;
        let mut keeper = Cmd::new("sh").args(["-c", KEEPER, "sh"]).arg(&folder).spawn(
            Stdio::piped(),
            Stdio::piped(),
            Stdio::inherit(),
        )?;
        let mut said = String::new();
        if let Some(words) = keeper.stdout.take() {
            BufReader::new(words)
                .read_line(&mut said)
                .map_err(|cause| Error::because("nobody would clean up", cause))?;
        }
        if said.trim_end() != "ready" {
            return Err(Error::new("nobody would clean up"));
        }
        disk::make_dir(&folder)?;
        Ok(Self { folder, keeper })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // What cannot be removed is named by `rm`; the figures are there all the same.
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("xtask-scratch-{}", std::process::id()));
        disk::write(&folder.join("of an earlier run"), "").unwrap();
        let scratch = Scratch::new(folder.clone()).unwrap();
        assert!(!folder.join("of an earlier run").exists());
        disk::write(&scratch.folder().join("deep/file"), "").unwrap();
        Cmd::new("kill")
            .args(["-INT", &scratch.keeper.id().to_string()])
            .text()
            .unwrap();
        assert!(folder.exists());
        drop(scratch);
        assert!(!folder.exists());
    }
}
