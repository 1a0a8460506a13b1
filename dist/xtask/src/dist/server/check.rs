//! The package in use: installed, started, upgraded, removed, in a copy of this system that is thrown away.
//!
//! The copy is this system's own tree with a layer of memory over it, so nothing here is touched and nothing is downloaded; it needs an
//! administrator. No systemd runs in it: the server is started as the unit says, as its user; the unit itself is judged by `systemd-analyze`.

use std::path::{Path, PathBuf};

use super::{CONFIG, DATA, NAME, Release, build};
use crate::company_side::Serving;
use crate::demo::scene::must_say;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::{self, Cmd};
use crate::steps::Steps;

/// What IT writes into the configuration: ports of the system's choice.
const OFFICE: &str = "listen = \"127.0.0.1:0\"";

/// Adds the steps of a package's life.
pub(super) fn run(steps: &mut Steps, release: &Release) {
    let mut made = None;
    let ready = steps.step("system", || {
        let system = System::make()?;
        let summary = system.root.display().to_string();
        made = Some(system);
        Ok(summary)
    });
    let (Some(system), true) = (&made, ready) else {
        return;
    };
    let mut before = None;
    let _ = steps.step("install", || install(system, release))
        && steps.step("start", || {
            let seen = started(system)?;
            let summary = seen.summary();
            before = Some(seen);
            Ok(summary)
        })
        && steps.step("upgrade", || upgrade(system, release))
        && steps.step("as before", || {
            let (seen, before) = (started(system)?, before.as_ref());
            match before.is_some_and(|before| before.ca_sha256 == seen.ca_sha256) {
                true => Ok("the same CA and the same people".to_owned()),
                false => Err(Error::new("the server founded another company")),
            }
        })
        && steps.step("remove", || remove(system))
        && steps.step("purge", || purge(system));
}

/// A copy of this system.
struct System {
    folder: PathBuf,
    root: PathBuf,
}

impl System {
    fn make() -> Result<Self> {
        if !sh::is_root() {
            return Err(Error::new("installing a package needs an administrator"));
        }
        let folder = disk::private_memory_dir()?
            .ok_or_else(|| Error::new("there is no /dev/shm for the copy of this system"))?;
        let root = folder.join("root");
        for name in ["root", "upper", "work"] {
            disk::make_dir(&folder.join(name))?;
        }
        let system = Self { folder, root };
        let at = |name: &str| system.folder.join(name).display().to_string();
        Cmd::new("mount")
            .args(["-t", "overlay", "overlay", "-o"])
            .arg(format!(
                "lowerdir=/,upperdir={},workdir={}",
                at("upper"),
                at("work")
            ))
            .arg(&system.root)
            .text()?;
        Cmd::new("mount")
            .args(["-t", "proc", "proc"])
            .arg(system.root.join("proc"))
            .text()?;
        Cmd::new("mount")
            .args(["--bind", "/dev"])
            .arg(system.root.join("dev"))
            .text()?;
        // What an earlier package left on this system is not to be seen.
        for there in ["usr/bin/gobag-server", "etc/gobag", "var/lib/gobag-server"] {
            disk::remove(&system.root.join(there))?;
        }
        Ok(system)
    }

    fn inside(&self, program: &str) -> Cmd {
        Cmd::new("chroot").arg(&self.root).arg(program).env("LC_ALL", "C")
    }

    /// `gobag-server …` as its user.
    fn server(&self, arguments: &[&str]) -> Cmd {
        Cmd::new("chroot")
            .arg(format!("--userspec={NAME}:{NAME}"))
            .arg(&self.root)
            .arg("/usr/bin/gobag-server")
            .args(arguments)
            .args(["--config", "/etc/gobag/server.toml"])
    }

    /// dpkg, with nobody there to answer a question.
    fn dpkg(&self, arguments: &[&str]) -> Result<String> {
        let output = self.inside("dpkg").args(arguments).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(Error::because(
                format!("`dpkg {}` failed", arguments.join(" ")),
                said,
            )),
        }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        for place in ["dev", "proc", ""] {
            // What was never mounted need not be taken away.
            let _ = Cmd::new("umount").arg(self.root.join(place)).output();
        }
        // Only once nothing of this system can be seen through it.
        let root_is_empty = std::fs::read_dir(&self.root).is_ok_and(|mut entries| entries.next().is_none());
        if root_is_empty {
            let _ = disk::remove(&self.folder);
        }
    }
}

fn install(system: &System, release: &Release) -> Result<String> {
    let name = format!("{NAME}_{}_amd64.deb", release.version);
    disk::copy(&release.out.join(&name), &system.path(&name))?;
    let said = system.dpkg(&["--install", &format!("/{name}")])?;
    must_say(&said, "set names in /etc/gobag/server.toml")?;
    system
        .inside("systemd-analyze")
        .args(["verify", "--man=no", "/lib/systemd/system/gobag-server.service"])
        .text()?;
    let config = disk::read(&system.path(CONFIG))?;
    let lines = config.lines().map(|line| match line.split_once(" = ") {
        Some(("listen", _)) => OFFICE,
        Some(("metrics_listen", _)) => "metrics_listen = \"127.0.0.1:0\"",
        _ => line,
    });
    let config: Vec<&str> = lines.collect();
    disk::write(&system.path(CONFIG), config.join("\n") + "\n")?;
    Ok(format!("{name}; systemd takes the unit"))
}

/// What a server says and does once it runs.
struct Seen {
    ca_sha256: String,
}

impl Seen {
    fn summary(&self) -> String {
        format!(
            "hello, health and people; CA {}",
            &self.ca_sha256[..16.min(self.ca_sha256.len())]
        )
    }
}

/// Starts the server, asks it, and ends it. People it had before are there; if there were none, one is made.
fn started(system: &System) -> Result<Seen> {
    let log = system.folder.join("log");
    let serving = Serving::start(system.server(&["serve"]), &log)?;
    let health = |path: &str| curl(&[&format!("http://{}{path}", serving.metrics_address)]);
    must_say(&health("/healthz")?, "ok")?;
    must_say(&health("/readyz")?, "ready")?;
    let ca = system.path(&format!("{DATA}/ca/ca.pem"));
    let ca = ca.to_string_lossy();
    let ask = |path: &str, more: &[&str]| {
        let url = format!("https://{}{path}", serving.address);
        curl(&[&["--cacert", &*ca, &url], more].concat())
    };
    must_say(&ask("/v1/hello", &[])?, "\"protocols\":[1]")?;
    let header = system.folder.join("authorization");
    if !header.exists() {
        let person = [
            "token", "create", "--tenant", "acme", "--role", "admin", "--name", "Grace",
        ];
        let token = system.server(&person).text()?;
        disk::write(&header, format!("Authorization: Bearer {}\n", token.trim()))?;
        disk::set_mode(&header, 0o600)?;
    }
    let header = format!("@{}", header.display());
    must_say(&ask("/v1/admin/tokens", &["--header", &header])?, "Grace")?;
    let ca_sha256 = serving.ca_sha256.clone();
    serving.end()?;
    Ok(Seen { ca_sha256 })
}

fn curl(arguments: &[&str]) -> Result<String> {
    Cmd::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "60"])
        .args(arguments)
        .text()
}

/// The next version, which asks nothing and keeps what IT wrote.
fn upgrade(system: &System, release: &Release) -> Result<String> {
    let next = Release {
        version: format!("{}+1", release.version),
        epoch: release.epoch,
        built: release.built.clone(),
        out: system.folder.join("next"),
    };
    let name = build(&next)?;
    disk::copy(&next.out.join(&name), &system.path(&name))?;
    system.dpkg(&["--install", &format!("/{name}")])?;
    must_say(&disk::read(&system.path(CONFIG))?, OFFICE)?;
    Ok(format!("{name}; IT's configuration is kept"))
}

fn remove(system: &System) -> Result<String> {
    system.dpkg(&["--remove", NAME])?;
    gone(&system.path("usr/bin/gobag-server"))?;
    must_say(&disk::read(&system.path(CONFIG))?, OFFICE)?;
    Ok("the program is gone, the configuration is not".to_owned())
}

fn purge(system: &System) -> Result<String> {
    let said = system.dpkg(&["--purge", NAME])?;
    gone(&system.path(CONFIG))?;
    for left in ["ca/ca-key.pem", "gobag.sqlite"] {
        if !system.path(DATA).join(left).exists() {
            return Err(Error::new(format!("purging removed {DATA}/{left}")));
        }
    }
    let left = said.lines().find(|line| line.contains("left as they are"));
    left.map(str::to_owned)
        .ok_or_else(|| Error::because("purging does not say what it leaves", said))
}

fn gone(path: &Path) -> Result<()> {
    match path.exists() {
        false => Ok(()),
        true => Err(Error::new(format!("{} is still there", path.display()))),
    }
}
