//! Cargo as the house calls it.
//!
//! Every call keeps the same `RUSTFLAGS` and the same workspace-wide selection, so that one set of dependencies serves
//! clippy and rustdoc (metadata) and another serves the tests and the programs (code). Strictness is passed behind
//! `--`, never by `RUSTFLAGS`, which would compile everything again.

use std::path::PathBuf;

use crate::disk;
use crate::error::Result;
use crate::sh::{self, Cmd};

/// `cargo <words>` in the root of the repository.
pub(crate) fn cargo(words: &[&str]) -> Cmd {
    let program = sh::env("CARGO").unwrap_or_else(|| "cargo".to_owned());
    Cmd::new(program).args(words).dir(disk::root())
}

/// Whether the test runner nextest is installed.
pub(crate) fn has_nextest() -> bool {
    cargo(&["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Builds `gobag` and `gobag-image` for development and returns their folder.
pub(crate) fn build_programs() -> Result<PathBuf> {
    cargo(&["build", "--workspace", "--bins"]).run()?;
    Ok(disk::target().join("debug"))
}

/// The workspace as `cargo metadata` describes it, without dependencies of dependencies.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]).text()?;
    serde_json::from_str(&text)
        .map_err(|cause| crate::error::Error::because("`cargo metadata` printed no JSON", cause))
}
