//! The stand-in for a company's golden image: a real Debian 12 from Debian's packages, as a root file system tar.
//!
//! mmdebstrap makes it from the machine's own apt sources, so a local mirror or proxy is used. What differs from a
//! plain Debian stands as files in `dist/demo/golden` (serial login, wired network, a small initrd) and in [`MASKED`].
//! The result is kept under the hash of its recipe; `--fresh` makes it again. [`ensure_with`] makes another one with more packages.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};
use crate::sh::{self, Cmd};

const RELEASE: &str = "bookworm";
const FALLBACK_SOURCE: &str = "deb http://deb.debian.org/debian bookworm main";
const PACKAGES: &[&str] = &[
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "linux-image-cloud-amd64",
    "qemu-guest-agent",
    "iproute2",
    "procps",
    "nano",
];
/// Units that only cost time in a machine that lives for minutes under emulation.
const MASKED: &[&str] = &[
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
];
/// The time every file of the image carries that is younger.
const EPOCH: &str = "1750000000";

/// The finished root file system.
#[derive(Clone, Debug)]
pub(crate) struct Golden {
    pub(crate) tar: PathBuf,
    was_cached: bool,
}

impl Golden {
    pub(crate) fn summary(&self) -> String {
        let bytes = self.tar.metadata().map_or(0, |meta| meta.len());
        let how = if self.was_cached {
            "kept from before"
        } else {
            "made now"
        };
        format!("Debian 12 with systemd, {} MiB tar, {how}", bytes >> 20)
    }
}

/// Makes the root file system, or finds the one an earlier run made by the same recipe.
pub(crate) fn ensure(fresh: bool) -> Result<Golden> {
    ensure_with("golden", &[], fresh)
}

/// The same with more packages, kept beside it under a name of its own.
pub(crate) fn ensure_with(kind: &str, more: &[&str], fresh: bool) -> Result<Golden> {
    let packages: Vec<&str> = PACKAGES.iter().chain(more).copied().collect();
    let folder = disk::target().join("demo");
    disk::make_dir(&folder)?;
    let overlay = folder.join("overlay.tar");
    pack_overlay(&overlay)?;
    let recipe = disk::sha256(std::slice::from_ref(&overlay))?.concat();
    disk::write(
        &folder.join("recipe"),
        format!("{recipe} {packages:?} {:?}", hooks(&overlay)),
    )?;
    let name = disk::sha256(&[folder.join("recipe")])?.concat();
    let tar = folder.join(format!("{kind}-{}.tar", &name[..12]));
    if tar.exists() && !fresh {
        return Ok(Golden {
            tar,
            was_cached: true,
        });
    }
    let unfinished = folder.join(format!("{kind}-unfinished.tar"));
    let sources = folder.join("sources.list");
    disk::write(&sources, own_sources()?)?;
    let made = mmdebstrap(&packages, &overlay, &sources, &unfinished);
    if made.is_err() {
        disk::remove(&unfinished)?;
    }
    made?;
    forget_older(&folder, kind)?;
    disk::rename(&unfinished, &tar)?;
    Ok(Golden {
        tar,
        was_cached: false,
    })
}

/// Removes what earlier recipes made.
fn forget_older(folder: &Path, kind: &str) -> Result<()> {
    let unreadable = |cause| Error::because(format!("cannot list {}", folder.display()), cause);
    for entry in folder.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with(&format!("{kind}-")) && name != format!("{kind}-unfinished.tar") {
            disk::remove(&path)?;
        }
    }
    Ok(())
}

fn mmdebstrap(packages: &[&str], overlay: &Path, sources: &Path, out: &Path) -> Result<()> {
    let mut command = Cmd::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--skip=output/mknod"])
        .arg(format!("--include={}", packages.join(",")))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            "--aptopt=Acquire::Retries \"3\"",
        ])
        .args(["man", "locale", "doc"].map(|dir| format!("--dpkgopt=path-exclude=/usr/share/{dir}/*")))
        .arg("--dpkgopt=path-include=/usr/share/doc/*/copyright")
        .args(proxies()?)
        .args(hooks(overlay));
    if sh::is_root() {
        command = command.arg("--mode=root");
    }
    command
        .arg(RELEASE)
        .arg(out)
        .arg(sources)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .run()
        .map_err(|cause| {
            Error::because("the guest's Debian could not be made", cause)
                .hint("this step needs a Debian mirror once; afterwards target/demo keeps the result")
        })
}

fn hooks(overlay: &Path) -> Vec<String> {
    let masked = MASKED.join(" ");
    vec![
        // Before the kernel is installed, so that its initrd is made by these settings.
        format!("--essential-hook=tar-in {} /", overlay.display()),
        "--customize-hook=chroot \"$1\" systemctl --quiet set-default multi-user.target".to_owned(),
        "--customize-hook=chroot \"$1\" systemctl --quiet enable systemd-networkd.service".to_owned(),
        "--customize-hook=chroot \"$1\" systemctl --quiet disable systemd-networkd-wait-online.service"
            .to_owned(),
        format!("--customize-hook=chroot \"$1\" systemctl --quiet mask {masked}"),
        "--customize-hook=echo gobag-demo > \"$1/etc/hostname\"".to_owned(),
    ]
}

/// The files of `dist/demo/golden` as a tar that is the same on every machine.
fn pack_overlay(to: &Path) -> Result<()> {
    Cmd::new("tar")
        .args([
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mode=u=rwX,go=rX",
        ])
        .arg(format!("--mtime=@{EPOCH}"))
        .arg("--create")
        .arg("--file")
        .arg(to)
        .arg("--directory")
        .arg(disk::root().join("dist/demo/golden"))
        .args(["etc", "usr"])
        .quiet()
        .run()
}

/// The machine's own sources of this Debian release, as apt knows them; else Debian's main mirror.
fn own_sources() -> Result<String> {
    let format = "$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)|$(SIGNED_BY)";
    let listing = match Cmd::new("apt-get")
        .args(["indextargets", "--format", format, "Created-By: Packages"])
        .text()
    {
        Ok(text) => text,
        Err(_) if !sh::on_path("apt-get") => String::new(),
        Err(error) => return Err(error),
    };
    let lines = source_lines(&listing);
    Ok(if lines.is_empty() {
        format!("{FALLBACK_SOURCE}\n")
    } else {
        lines
    })
}

fn source_lines(listing: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for row in listing.lines() {
        let fields: Vec<&str> = row.split('|').collect();
        let [origin, codename, release, component, uri, key] = fields[..] else {
            continue;
        };
        let suits = [RELEASE, "bookworm-updates", "bookworm-security"].contains(&codename);
        if origin != "Debian" || !suits {
            continue;
        }
        let signed = if key.starts_with('/') {
            format!("[signed-by={key}] ")
        } else {
            String::new()
        };
        let line = format!("deb {signed}{uri} {release} {component}\n");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    // Without the release itself the updates alone are useless.
    if lines.iter().any(|line| line.contains(&format!(" {RELEASE} "))) {
        lines.concat()
    } else {
        String::new()
    }
}

/// The machine's own proxies: mmdebstrap does not read the host's apt configuration.
fn proxies() -> Result<Vec<String>> {
    if !sh::on_path("apt-config") {
        return Ok(Vec::new());
    }
    let dump = Cmd::new("apt-config")
        .args(["dump", "--no-empty", "Acquire"])
        .text()?;
    let proxies = dump.lines().filter(|line| line.contains("::Proxy"));
    Ok(proxies.map(|line| format!("--aptopt={line}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_s_own_sources_of_the_release_are_taken() {
        let listing = "Debian|bookworm|bookworm|main|http://m/debian/|/k.gpg\n\
                       Debian|bookworm|bookworm|main|http://m/debian/|/k.gpg\n\
                       Debian|bookworm-security|bookworm-security|main|http://m/sec/|$(SIGNED_BY)\n\
                       Debian Backports|bookworm-backports|bookworm-backports|main|http://m/debian/|\n\
                       Node|nodistro|nodistro|main|http://n/|\n";
        assert_eq!(
            source_lines(listing),
            "deb [signed-by=/k.gpg] http://m/debian/ bookworm main\n\
             deb http://m/sec/ bookworm-security main\n"
        );
        assert_eq!(source_lines("Debian|trixie|trixie|main|http://m/debian/|\n"), "");
    }
}
