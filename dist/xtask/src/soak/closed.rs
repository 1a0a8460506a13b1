//! The stick between two sessions: the launcher's own verification, and e2fsck on both volumes.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use super::deadline;
use super::plan::{Ending, Session};
use super::report::Tally;
use super::stick::Stick;
use crate::demo::guest::show_disks;
use crate::demo::scene::expect;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// A killed launcher's guest may hold the stick for a moment longer.
const FREE_WITHIN: Duration = Duration::from_secs(30);
const BUSY: i32 = 7;

/// Looks at everything.
pub(super) fn look(stick: &Stick, planned: &Session, tally: &mut Tally) -> Result<()> {
    verify(stick)?;
    let shut_down = planned.ending == Ending::ShutDown;
    let disks = stick.private.join("disks");
    show_disks(stick.unlocked("mount"), stick.gobag("stop"), &disks, |disks| {
        for name in ["system.img", "home.img"] {
            let volume = disks.join(name);
            if shut_down || planned.replay {
                check(&volume, shut_down, tally)?;
            } else {
                on_a_copy(&volume, tally)?;
            }
            tally.checked_volumes += 1;
        }
        Ok(())
    })
}

fn verify(stick: &Stick) -> Result<()> {
    let until = deadline(FREE_WITHIN);
    loop {
        let output = stick.unlocked("verify").output()?;
        match output.status.code() {
            Some(0) => return Ok(()),
            Some(BUSY) if until > std::time::Instant::now() => std::thread::yield_now(),
            _ => return Err(Error::because("`gobag verify` is not content", said(&output))),
        }
    }
}

/// The stick stays as it is, so that the guest's own kernel has the journal to replay.
fn on_a_copy(volume: &Path, tally: &mut Tally) -> Result<()> {
    let folder = match disk::private_memory_dir()? {
        Some(folder) => folder,
        None => disk::private_dir()?,
    };
    let copy = folder.join("volume.img");
    Cmd::new("cp")
        .arg("--sparse=always")
        .args([volume, &copy])
        .text()?;
    let checked = check(&copy, false, tally);
    disk::remove(&folder)?;
    checked
}

/// A file system that was closed is clean; one that was not is so after its journal was replayed.
fn check(volume: &Path, was_closed: bool, tally: &mut Tally) -> Result<()> {
    if !was_closed {
        expect_quietly(
            Cmd::new("e2fsck").args(["-E", "journal_only", "-y"]).arg(volume),
            &[0, 1],
        )?;
    }
    let found = Cmd::new("e2fsck").arg("-fn").arg(volume).output()?;
    let text = said(&found);
    match found.status.code() {
        Some(0) => Ok(()),
        // Files that were deleted while open: their list is part of what the journal keeps, and using the file system clears it.
        Some(_) if !was_closed && text.contains("orphan") => {
            tally.orphans += 1;
            expect_quietly(Cmd::new("e2fsck").arg("-fp").arg(volume), &[0, 1])?;
            expect(Cmd::new("e2fsck").arg("-fn").arg(volume), 0).map(drop)
        }
        _ => Err(Error::because(
            format!("e2fsck finds {} damaged", volume.display()),
            text,
        )),
    }
}

fn expect_quietly(command: Cmd, codes: &[i32]) -> Result<()> {
    let line = command.line();
    let output = command.output()?;
    match output.status.code() {
        Some(code) if codes.contains(&code) => Ok(()),
        _ => Err(Error::because(
            format!("`{line}` ended with {}", output.status),
            said(&output),
        )),
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
}
