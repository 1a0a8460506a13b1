//! Checking and repairing with `e2fsck`.

use std::path::Path;

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

/// Replays the journal and repairs what can be repaired without losing anything; more is [`Ext4Error::Damaged`].
/// Returns whether anything was changed. Quick when the file system was closed properly.
pub fn repair(path: &Path, cancel: &dyn Fn() -> bool) -> Result<bool, Ext4Error> {
    let output = e2fsck(path, "-p", cancel)?;
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(Ext4Error::Damaged {
            path: path.to_owned(),
            text: said(&output),
        }),
    }
}

fn e2fsck(path: &Path, mode: &str, cancel: &dyn Fn() -> bool) -> Result<Output, Ext4Error> {
    // Bits of the exit status. Both are set when the damage was too much to go on checking.
    const ERRORS_LEFT: i32 = 4;
    const OPERATIONAL_ERROR: i32 = 8;
    let program = tools::find("e2fsck", None)?;
    let path = std::path::absolute(path).map_err(|source| file_error(path, source))?;
    let failed = |source| Ext4Error::Check {
        path: path.clone(),
        source,
    };
    let output = Run::new(&program)
        .arg(mode)
        .arg(&path)
        .cancel(cancel)
        .run()
        .map_err(failed)?;
    match output.status.code() {
        Some(code) if code < OPERATIONAL_ERROR || code & ERRORS_LEFT != 0 => Ok(output),
        _ => Err(failed(RunError::Failed {
            program,
            status: output.status,
            stderr: said(&output),
        })),
    }
}

/// The tool's words, without its version banner, short enough for a message.
fn said(output: &Output) -> String {
    const TEXT_BYTES: usize = 2 << 10;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("e2fsck 1."))
        .collect();
    let mut text = lines.join("\n");
    let end = text.floor_char_boundary(TEXT_BYTES);
    text.truncate(end);
    text
}
