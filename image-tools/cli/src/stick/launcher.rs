//! The program that goes onto every stick.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use gobag_checklists::regular;
use gobag_term::{CliError, ExitCode, Ui};

use crate::error::said;

/// What it is called where programs are.
const PROGRAM: &str = "gobag";
const PT_INTERP: u32 = 3;
/// No program of ours has more program headers.
const MAX_PROGRAM_HEADERS: u16 = 64;

/// The launcher: the named file, else the one beside this program. Warns when it would not start everywhere.
pub(super) fn find(given: Option<&Path>, program: Option<&Path>, ui: &Ui) -> Result<PathBuf, CliError> {
    let beside = || program.and_then(Path::parent).map(|folder| folder.join(PROGRAM));
    let path = given
        .map(Path::to_owned)
        .or_else(beside)
        .unwrap_or_else(|| PathBuf::from(PROGRAM));
    match needs_interpreter(&path) {
        Ok(false) => {}
        Ok(true) => ui.warn(&format!(
            "{} needs libraries of the computer it runs on, so it may not start on every PC; release builds do not",
            path.display()
        )),
        Err(error) => {
            let text = format!("cannot use {} as launcher: {error}", path.display());
            return Err(said(ExitCode::Failed, "stick.launcher", text)
                .hint("name the launcher with `--launcher FILE`; `cargo xtask dist` makes it"));
        }
    }
    Ok(path)
}

/// Whether a Linux program asks for a loader, and so for the libraries of its host.
fn needs_interpreter(path: &Path) -> io::Result<bool> {
    let mut file = regular::open(path)?;
    let mut header = [0; 64];
    file.read_exact(&mut header)?;
    // 64-bit, little-endian.
    if header[..6] != *b"\x7fELF\x02\x01" {
        return Err(io::Error::other("it is no 64-bit Linux program"));
    }
    let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let mut offset = [0; 8];
    offset.copy_from_slice(&header[32..40]);
    let (offset, size, count) = (u64::from_le_bytes(offset), u16_at(54), u16_at(56));
    for number in 0..count.min(MAX_PROGRAM_HEADERS) {
        file.seek(SeekFrom::Start(
            offset.saturating_add(u64::from(number) * u64::from(size)),
        ))?;
        let mut kind = [0; 4];
        file.read_exact(&mut kind)?;
        if u32::from_le_bytes(kind) == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_an_interpreter_and_a_text_is_no_program() {
        let program = std::env::current_exe().unwrap();
        assert!(needs_interpreter(&program).unwrap());
        assert!(needs_interpreter(Path::new("Cargo.toml")).is_err());
        assert!(needs_interpreter(Path::new("/nowhere")).is_err());
    }
}
