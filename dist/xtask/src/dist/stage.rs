//! The tree of files from which zip and Debian package are made: `zip/<folder>/…` and `deb/usr/…`.

use std::path::{Path, PathBuf};

use super::{PROGRAMS, Release};
use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

/// What a program called NAME says of itself, and where that belongs.
type Described = &'static [(&'static [&'static str], &'static str)];
const IN_ZIP: Described = &[
    (&["man"], "man/NAME.1"),
    (&["completions", "bash"], "completions/NAME.bash"),
    (&["completions", "zsh"], "completions/NAME.zsh"),
    (&["completions", "fish"], "completions/NAME.fish"),
];
pub(super) const IN_DEBIAN: Described = &[
    (&["man"], "usr/share/man/man1/NAME.1"),
    (
        &["completions", "bash"],
        "usr/share/bash-completion/completions/NAME",
    ),
    (&["completions", "zsh"], "usr/share/zsh/vendor-completions/_NAME"),
    (
        &["completions", "fish"],
        "usr/share/fish/vendor_completions.d/NAME.fish",
    ),
];
/// `gobag-sync` beside a company's share.
const UNIT: &str = "gobag-sync@.service";
const DOCUMENTS: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// The folder inside the zip, and the zip's own name.
pub(super) fn folder(release: &Release) -> String {
    format!("gobag-{}-linux-x86_64", release.version)
}

/// Fills both trees and gives every file the release's time.
pub(super) fn fill(release: &Release, stage: &Path) -> Result<String> {
    let zip = stage.join("zip").join(folder(release));
    let deb = stage.join("deb");
    for name in PROGRAMS {
        let program = release.built.join(name);
        describe(&program, name, IN_ZIP, &zip)?;
        describe(&program, name, IN_DEBIAN, &deb)?;
        for target in [zip.join(name), deb.join("usr/bin").join(name)] {
            disk::copy(&program, &target)?;
            disk::set_mode(&target, 0o755)?;
        }
    }
    for name in DOCUMENTS {
        let text = disk::read(&disk::root().join(name))?;
        put(&zip.join(name), text.as_bytes(), 0o644)?;
    }
    let changelog = disk::read(&disk::root().join("CHANGELOG.md"))?;
    put(
        &deb.join("usr/share/doc/gobag/changelog"),
        changelog.as_bytes(),
        0o644,
    )?;
    put(
        &deb.join("usr/share/doc/gobag/copyright"),
        copyright()?.as_bytes(),
        0o644,
    )?;
    let unit = disk::read(&disk::root().join("dist/sync").join(UNIT))?;
    put(
        &deb.join("usr/lib/systemd/system").join(UNIT),
        unit.as_bytes(),
        0o644,
    )?;
    compress(&deb, "gobag")?;
    set_times(stage, release.epoch)?;
    Ok(format!("{} files", disk::files_below(stage, &[])?.len()))
}

/// Writes what a program says of itself.
pub(super) fn describe(program: &Path, name: &str, what: Described, tree: &Path) -> Result<()> {
    for (words, place) in what {
        let text = Cmd::new(program).arg("docs").args(*words).text()?;
        put(&tree.join(place.replace("NAME", name)), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

pub(super) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    disk::write(path, bytes)?;
    disk::set_mode(path, mode)
}

/// Debian wants manual pages and change logs compressed; `-n` leaves name and time out.
pub(super) fn compress(deb: &Path, package: &str) -> Result<()> {
    let mut files: Vec<PathBuf> = disk::files_below(&deb.join("usr/share/man"), &[])?;
    files.push(deb.join("usr/share/doc").join(package).join("changelog"));
    Cmd::new("gzip").args(["-9", "-n"]).args(&files).quiet().run()
}

/// Every file and folder below `dir` gets one time, so that archives do not differ by when they were made.
pub(super) fn set_times(dir: &Path, epoch: u64) -> Result<()> {
    Cmd::new("find")
        .arg(dir)
        .args(["-exec", "touch", "--no-dereference", "--date"])
        .arg(format!("@{epoch}"))
        .args(["{}", "+"])
        .quiet()
        .run()
}

pub(super) fn copyright() -> Result<String> {
    let licence = disk::read(&disk::root().join("LICENSE-MIT"))?;
    let mit: String = licence
        .lines()
        .skip_while(|line| !line.starts_with("Permission"))
        .map(|line| {
            if line.is_empty() {
                " .\n".to_owned()
            } else {
                format!(" {line}\n")
            }
        })
        .collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: gobag\n\n\
         Files: *\nCopyright: the Gobag contributors\nLicense: MIT or Apache-2.0\n\n\
         License: MIT\n{mit}\n\
         License: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n"
    ))
}
