//! Generated documents: the programs describe themselves, the repository keeps what they said.

use std::path::Path;

use crate::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// A document and the words that make `gobag` print it.
const GENERATED: &[(&str, &[&str])] = &[
    ("docs/exit-codes.md", &["docs", "exit-codes"]),
    ("docs/cli.md", &["docs", "cli"]),
];

/// Writes every generated document again.
pub(crate) fn write() -> Result<()> {
    let programs = cargo::build_programs()?;
    for (path, words) in GENERATED {
        disk::write(&disk::root().join(path), printed(&programs, words)?)?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Fails when a stored document is not what the programs print; `programs` must be built.
pub(crate) fn check(programs: &Path) -> Result<String> {
    for (path, words) in GENERATED {
        let stored = disk::read(&disk::root().join(path))?;
        if stored != printed(programs, words)? {
            return Err(Error::new(format!("{path} is not what the program prints now"))
                .hint("write it again with `cargo xtask docs` and commit it"));
        }
    }
    Ok(format!("{} documents", GENERATED.len()))
}

fn printed(programs: &Path, words: &[&str]) -> Result<String> {
    Cmd::new(programs.join("gobag")).args(words).text()
}
