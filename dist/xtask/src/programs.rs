//! The programs as users get them: optimised and static. `dist` ships them, `demo` runs them.

use std::path::PathBuf;

use crate::cargo::cargo;
use crate::disk;
use crate::error::Result;
use crate::sh;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The programs of a release.
pub(crate) const PROGRAMS: &[&str] = &["gobag", "gobag-image", "gobag-sync"];

/// Where [`build`] leaves them.
pub(crate) fn folder() -> PathBuf {
    disk::target().join(TARGET).join("release")
}

/// Builds them; `epoch` is the time their bytes may carry.
pub(crate) fn build(epoch: u64) -> Result<String> {
    let root = disk::root();
    let home = sh::env("CARGO_HOME")
        .or_else(|| sh::env("HOME").map(|home| format!("{home}/.cargo")))
        .unwrap_or_default();
    let flags = format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=/gobag --remap-path-prefix={home}=/cargo",
        root.display()
    );
    let mut command = cargo(&["build", "--release", "--locked", "--target", TARGET]);
    for program in PROGRAMS {
        command = command.args(["--package", program]);
    }
    command
        .env("RUSTFLAGS", flags)
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .run()?;
    let sizes = PROGRAMS.iter().map(|name| {
        let bytes = folder().join(name).metadata().map_or(0, |meta| meta.len());
        format!("{name} {:.1} MB", bytes as f64 / 1e6)
    });
    Ok(sizes.collect::<Vec<_>>().join(", "))
}
