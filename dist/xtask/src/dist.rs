//! `cargo xtask dist`: the release, in `target/dist`.
//!
//! Static programs, one zip, one Debian package, `SHA256SUMS`. The same commit gives the same bytes on the same
//! toolchain: paths are remapped, times are the commit's (`SOURCE_DATE_EPOCH`), names are sorted.

mod alone;
mod deb;
pub(crate) mod server;
mod stage;

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::programs::{self, PROGRAMS};
use crate::sh::{self, Cmd};
use crate::steps::Steps;

/// What every part of the release needs to know.
struct Release {
    version: String,
    /// Seconds since 1970 that every file of the release carries.
    epoch: u64,
    /// Where the built programs are.
    built: PathBuf,
    /// `target/dist`.
    out: PathBuf,
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    if !args.is_empty() {
        return Err(Error::usage("`dist` takes no arguments"));
    }
    let release = Release {
        version: version()?,
        epoch: epoch()?,
        built: programs::folder(),
        out: disk::target().join("dist"),
    };
    let stage = release.out.join("stage");
    let mut steps = Steps::new();
    let _ = steps.step("packages", || packages::ensure().map(|new| new.join(" ")))
        && steps.step("build", || programs::build(release.epoch))
        && steps.step("static", || {
            PROGRAMS
                .iter()
                .try_for_each(|name| must_be_static(&release.built.join(name)))
                .map(|()| PROGRAMS.join(" "))
        })
        && steps.step("alone", || alone::check(&release))
        && steps.step("stage", || {
            disk::remove(&release.out).and_then(|()| stage::fill(&release, &stage))
        })
        && steps.step("zip", || zip(&release, &stage))
        && steps.step("deb", || deb::build(&release, &stage))
        && steps.step("checksums", || checksums(&release, &stage));
    steps.finish("dist")
}

/// A program that asks for an interpreter or a shared library is not static.
fn must_be_static(program: &Path) -> Result<()> {
    let headers = Cmd::new("readelf")
        .args(["--program-headers", "--dynamic", "--wide"])
        .arg(program)
        .text()?;
    for word in ["INTERP", "(NEEDED)"] {
        if headers.contains(word) {
            return Err(Error::new(format!(
                "{} is not static: its headers hold {word}",
                program.display()
            )));
        }
    }
    Ok(())
}

fn zip(release: &Release, stage: &Path) -> Result<String> {
    let name = format!("{}.zip", stage::folder(release));
    let archive = release.out.join(&name);
    let mut files: Vec<String> = disk::files_below(&stage.join("zip"), &[])?
        .iter()
        .filter_map(|path| path.strip_prefix(stage.join("zip")).ok())
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    files.sort();
    // TZ: zip keeps local times, which would differ from machine to machine.
    Cmd::new("zip")
        .args(["-X", "-9", "-q"])
        .arg(&archive)
        .args(&files)
        .env("TZ", "UTC")
        .dir(stage.join("zip"))
        .quiet()
        .run()?;
    Ok(name)
}

fn checksums(release: &Release, stage: &Path) -> Result<String> {
    disk::remove(stage)?;
    let files = disk::files_below(&release.out, &[])?;
    let sums = disk::sha256(&files)?;
    let mut text = String::new();
    for (path, sum) in files.iter().zip(&sums) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{sum}  {name}\n"));
    }
    disk::write(&release.out.join("SHA256SUMS"), &text)?;
    print!("{text}");
    Ok(format!("{} files in {}", files.len(), release.out.display()))
}

fn version() -> Result<String> {
    let metadata = crate::cargo::metadata()?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array);
    packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").is_some_and(|name| name == PROGRAMS[0]))
        .and_then(|package| package.get("version")?.as_str().map(str::to_owned))
        .ok_or_else(|| Error::new("`cargo metadata` names no package gobag"))
}

/// `SOURCE_DATE_EPOCH` of the caller, else the time of the last commit.
fn epoch() -> Result<u64> {
    let text = match sh::env("SOURCE_DATE_EPOCH") {
        Some(text) => text,
        None => Cmd::new("git")
            .args(["log", "-1", "--format=%ct"])
            .dir(disk::root())
            .text()?,
    };
    text.trim()
        .parse()
        .map_err(|cause| Error::because(format!("`{}` is no SOURCE_DATE_EPOCH", text.trim()), cause))
}

#[cfg(test)]
mod tests;
