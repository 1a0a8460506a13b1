//! Generated documents: the programs describe themselves, the repository keeps what they said.

use std::path::Path;

use crate::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// A document, and the programs and words that print its parts.
const GENERATED: &[(&str, &[&str], &[&str])] = &[
    ("docs/exit-codes.md", &["gobag"], &["docs", "exit-codes"]),
    (
        "docs/cli.md",
        &["gobag", "gobag-image", "gobag-server", "gobag-sync"],
        &["docs", "cli"],
    ),
];

/// Writes every generated document again.
pub(crate) fn write() -> Result<()> {
    let programs = cargo::build_programs()?;
    for (path, names, words) in GENERATED {
        disk::write(&disk::root().join(path), printed(&programs, names, words)?)?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Fails when a stored document is not what the programs print; `programs` must be built.
pub(crate) fn check(programs: &Path) -> Result<String> {
    for (path, names, words) in GENERATED {
        let stored = disk::read(&disk::root().join(path))?;
        if stored != printed(programs, names, words)? {
            return Err(Error::new(format!("{path} is not what the program prints now"))
                .hint("write it again with `cargo xtask docs` and commit it"));
        }
    }
    Ok(format!("{} documents", GENERATED.len()))
}

fn printed(programs: &Path, names: &[&str], words: &[&str]) -> Result<String> {
    let mut parts = Vec::new();
    for name in names {
        parts.push(Cmd::new(programs.join(name)).args(words).text()?);
    }
    Ok(parts.join("\n"))
}
