//! Checking and repairing with `e2fsck`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Ext4Error, file_error};
use crate::{
    run::{Output, Run, RunError},
    tools,
};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ext4Check {
    /// Nothing is wrong with it.
    pub clean: bool,
    /// What the checker said, in its own words.
    pub text: String,
}

/// Checks the file system at `path` without writing to it. Damage is an answer, not an error.
pub fn check(path: &Path, cancel: &dyn Fn() -> bool) -> Result<Ext4Check, Ext4Error> {
    let output = e2fsck(path, "-fn", cancel)?;
    Ok(Ext4Check {
        clean: output.status.code() == Some(0),
        text: said(&output),
    })
}

/// Replays the journal and repairs what can be repaired without losing anything. Returns whether anything was changed. Quick when the file system was
/// closed properly.
///
/// `fuse2fs` writes without the journal. Where it was cut off, a file made in that moment may, seldom, be half there, which `e2fsck -p`
/// leaves to a person: there everything is repaired, for what was flushed is whole, unless something of it cannot be read. In any other file system that
/// is damage, [`Ext4Error::Damaged`]. A repair that is cut off itself leaves the file system as one that was, and is made again.
pub fn repair(path: &Path, cancel: &dyn Fn() -> bool) -> Result<bool, Ext4Error> {
    let output = match was_cut_off_without_journal(path, cancel)? {
        false => e2fsck(path, "-p", cancel)?,
        // Not with `-p` first: one that gives up marks the file system as one with errors.
        true => {
            let looked = e2fsck(path, "-fn", cancel)?;
            // What cannot be read now may be read later; a full repair would write over it.
            if said_in_full(&looked).contains("Error reading block") {
                return Err(damaged(path, &looked));
            }
            let output = e2fsck(path, "-fy", cancel)?;
            tracing::warn!(path = %path.display(), text = said(&output), "a file system that was cut off is repaired");
            output
        }
    };
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(damaged(path, &output)),
    }
}

fn damaged(path: &Path, output: &Output) -> Ext4Error {
    Ext4Error::Damaged {
        path: path.to_owned(),
        text: said(output),
    }
}

/// Whether whoever had it mounted for writing, and kept no journal, is gone without closing it.
fn was_cut_off_without_journal(path: &Path, cancel: &dyn Fn() -> bool) -> Result<bool, Ext4Error> {
    let output = Run::new(&tools::find("dumpe2fs", None)?)
        .arg("-h")
        .arg(&absolute(path)?)
        .cancel(cancel)
        .run()
        .map_err(|source| failed(path, source))?;
    let text = said_in_full(&output);
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map(str::trim).unwrap_or_default()
    };
    // `fuse2fs` does not write the superblock in one piece. Who else tore it is not known; its second copy takes its place.
    let is_torn = text.contains("Superblock checksum does not match");
    let is_open = field("Filesystem state:") == "not clean"
        && !field("Filesystem features:").contains("needs_recovery");
    Ok(is_torn || is_open)
}

fn e2fsck(path: &Path, mode: &str, cancel: &dyn Fn() -> bool) -> Result<Output, Ext4Error> {
    // Bits of the exit status. Both are set when the damage was too much to go on checking.
    const ERRORS_LEFT: i32 = 4;
    const OPERATIONAL_ERROR: i32 = 8;
    let program = tools::find("e2fsck", None)?;
    let output = Run::new(&program)
        .arg(mode)
        .arg(&absolute(path)?)
        .cancel(cancel)
        .run()
        .map_err(|source| failed(path, source))?;
    match output.status.code() {
        Some(code) if code < OPERATIONAL_ERROR || code & ERRORS_LEFT != 0 => Ok(output),
        _ => {
            let (status, stderr) = (output.status, said(&output));
            Err(failed(
                path,
                RunError::Failed {
                    program,
                    status,
                    stderr,
                },
            ))
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Ext4Error> {
    std::path::absolute(path).map_err(|source| file_error(path, source))
}

fn failed(path: &Path, source: RunError) -> Ext4Error {
    Ext4Error::Check {
        path: path.to_owned(),
        source,
    }
}

fn said_in_full(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// The tool's words, without its version banner, short enough for a message.
fn said(output: &Output) -> String {
    const TEXT_BYTES: usize = 2 << 10;
    let text = said_in_full(output);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("e2fsck 1."))
        .collect();
    let mut text = lines.join("\n");
    let end = text.floor_char_boundary(TEXT_BYTES);
    text.truncate(end);
    text
}
