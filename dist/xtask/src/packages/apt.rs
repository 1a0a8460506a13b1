//! Installing with apt, and getting out of the two traps fresh machines set.
//!
//! 1. Package lists absent or old: `apt-get update` runs only when they are, or when a package or its file turns out
//!    to be unknown.
//! 2. A package preinstalled from backports (seen: `qemu-utils 1:10.0.2~bpo12`) that conflicts with the release's
//!    packages of the same source: the second attempt takes it back to the release's version.
//!
//! Nothing that is installed is ever removed: apt would rather remove a preinstalled package than report the conflict,
//! and reports success; so removing is forbidden, which turns it into the conflict it is.
//!
//! A lock held by another apt or dpkg is waited for. Every command is shown.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sh::{self, Cmd};

/// Lists older than this may name files the mirror has already replaced.
const LISTS_MAX_AGE: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long apt waits for another package manager to finish.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=600";

/// A mirror that stumbles once is asked again.
const RETRIES: &str = "Acquire::Retries=5";

/// What an unsuccessful attempt tells about the next one.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    ListsStale,
    Conflict,
    Other,
}

/// Installs `names`, escalating from the plain command to the pinned one.
pub(super) fn install(names: &[&str]) -> Result<()> {
    if !sh::is_root() && !sh::on_path("sudo") {
        return Err(Error::new("installing packages needs root or sudo")
            .hint(format!("as root: apt-get install {}", names.join(" "))));
    }
    let mut updated = false;
    if lists_are_old() {
        update()?;
        updated = true;
    }
    let wanted: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut trouble = match attempt(&wanted, &[])? {
        None => return Ok(()),
        Some(trouble) => trouble,
    };
    if trouble == Trouble::ListsStale && !updated {
        eprintln!("a package is unknown to the current lists; updating them");
        update()?;
        trouble = match attempt(&wanted, &[])? {
            None => return Ok(()),
            Some(trouble) => trouble,
        };
    }
    if trouble == Trouble::Conflict {
        let release = release()?;
        let strangers = strangers(names)?;
        eprintln!("the plain install is in conflict with what is installed");
        for name in &strangers {
            eprintln!("  {name} is not from Debian {release}: it goes back to the release's version");
        }
        let pinned = strangers.iter().map(|name| format!("{name}/{release}"));
        let pinned: Vec<String> = wanted.iter().cloned().chain(pinned).collect();
        if attempt(&pinned, &["--allow-downgrades"])?.is_none() {
            return Ok(());
        }
    }
    Err(Error::new(format!("apt could not install {}", names.join(" ")))
        .hint("the lines above are apt's own; solve them and run the task again"))
}

fn attempt(names: &[String], options: &[&str]) -> Result<Option<Trouble>> {
    let (good, text) = apt(&["install", "--yes", "--no-remove", "--no-install-recommends"])
        .args(options)
        .args(names)
        .tee()?;
    Ok(if good { None } else { Some(diagnose(&text)) })
}

fn update() -> Result<()> {
    let (good, _) = apt(&["update"]).tee()?;
    if good {
        Ok(())
    } else {
        Err(Error::new("`apt-get update` failed")
            .hint("packages are missing, so this step needs the network once"))
    }
}

fn apt(words: &[&str]) -> Cmd {
    // `env` keeps the variables through sudo, which drops those of the caller.
    let base = if sh::is_root() {
        Cmd::new("env")
    } else {
        Cmd::new("sudo").arg("env")
    };
    base.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q"])
        .args(["-o", LOCK_TIMEOUT, "-o", RETRIES, "-o", "Dpkg::Use-Pty=0"])
        .args(words)
}

fn diagnose(text: &str) -> Trouble {
    const STALE: &[&str] = &[
        "Unable to locate package",
        "has no installation candidate",
        "404  Not Found",
        "Unable to fetch",
    ];
    const CONFLICT: &[&str] = &[
        "unmet dependencies",
        "held broken packages",
        "pkgProblemResolver",
        "trying to overwrite",
        "remove is disabled",
    ];
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if says(STALE) {
        Trouble::ListsStale
    } else if says(CONFLICT) {
        Trouble::Conflict
    } else {
        Trouble::Other
    }
}

/// Whether apt has no package lists, or only old ones.
fn lists_are_old() -> bool {
    let Ok(entries) = std::fs::read_dir(Path::new("/var/lib/apt/lists")) else {
        return true;
    };
    let youngest = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
        .filter_map(|entry| entry.metadata().ok()?.modified().ok()?.elapsed().ok())
        .min();
    youngest.is_none_or(|age| age > LISTS_MAX_AGE)
}

fn release() -> Result<String> {
    let text = crate::disk::read(Path::new("/etc/os-release"))?;
    codename(&text).ok_or_else(|| Error::new("/etc/os-release names no VERSION_CODENAME"))
}

fn codename(os_release: &str) -> Option<String> {
    let value = os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(value.trim_matches('"').to_owned())
}

/// Installed backports whose source package is also the source of something wanted.
fn strangers(wanted: &[&str]) -> Result<Vec<String>> {
    let installed = Cmd::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${Version} ${source:Package}\n"])
        .text()?;
    let shown = Cmd::new("apt-cache")
        .arg("show")
        .args(wanted)
        .env("LC_ALL", "C")
        .text()?;
    Ok(backports_of(&installed, &sources(&shown)))
}

/// The source packages in the output of `apt-cache show`; a stanza without `Source:` is its own source.
fn sources(shown: &str) -> Vec<String> {
    let mut found = Vec::new();
    for stanza in shown.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let source = field("Source: ").or_else(|| field("Package: "));
        if let Some(name) = source.and_then(|text| text.split_whitespace().next()) {
            found.push(name.to_owned());
        }
    }
    found.sort();
    found.dedup();
    found
}

fn backports_of(installed: &str, sources: &[String]) -> Vec<String> {
    installed
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, version, source) = (words.next()?, words.next()?, words.next()?);
            let foreign = version.contains("~bpo") && sources.iter().any(|known| known == source);
            foreign.then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_s_words_are_understood() {
        assert_eq!(diagnose("E: Unable to locate package fio"), Trouble::ListsStale);
        assert_eq!(
            diagnose("E: Failed to fetch http://x  404  Not Found"),
            Trouble::ListsStale
        );
        assert_eq!(
            diagnose("The following packages have unmet dependencies:\nE: you have held broken packages."),
            Trouble::Conflict
        );
        assert_eq!(
            diagnose("E: Packages need to be removed but remove is disabled."),
            Trouble::Conflict
        );
        assert_eq!(
            diagnose("E: Write error - write (28: No space left on device)"),
            Trouble::Other
        );
    }

    #[test]
    fn only_backports_of_the_same_source_go_back() {
        let installed = "qemu-utils 1:10.0.2~bpo12 qemu\ngit 1:2.39 git\ncurl 8~bpo12 curl\n";
        let sources = sources("Package: qemu-system-x86\nSource: qemu (1:7.2)\nVersion: 1\n\nPackage: fio\n");
        assert_eq!(sources, ["fio", "qemu"]);
        assert_eq!(backports_of(installed, &sources), ["qemu-utils"]);
    }

    #[test]
    fn the_release_is_read_from_os_release() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(),
            Some("bookworm")
        );
        assert_eq!(codename("ID=arch\n"), None);
    }
}
