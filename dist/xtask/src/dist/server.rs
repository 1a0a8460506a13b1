//! `cargo xtask package server`: the Debian package of `gobag-server`, into `target/dist-server`.
//!
//! The program, its systemd unit, its commented configuration and its maintainer scripts (`dist/server`). Unlike the programs of a stick it
//! is linked with the system's own C library: it looks up names of databases and buckets as the system says. `--check` installs it into a
//! Debian made for that, starts it, upgrades it and purges it ([`check`]).

mod check;

use std::path::{Path, PathBuf};

use super::{Release, deb, epoch, stage, version};
use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::sh::Cmd;
use crate::steps::Steps;

const USAGE: &str = "usage: cargo xtask package server [--debug] [--no-build] [--check]";
const NAME: &str = "gobag-server";
/// Where its data are once it is installed.
const DATA: &str = "/var/lib/gobag-server";
/// What the program says of itself, and what an installed one needs.
const DATA_LINE: &str = "data = \"gobag-server-data\"";
const CONFIG: &str = "etc/gobag/server.toml";

#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    /// The development build: only for trying the package.
    debug: bool,
    no_build: bool,
    check: bool,
}

/// `package …`.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let asked = parse(args)?;
    let profile = if asked.debug { "debug" } else { "release" };
    let release = Release {
        version: version()?,
        epoch: epoch()?,
        built: disk::target().join(profile),
        out: disk::target().join("dist-server"),
    };
    let mut steps = Steps::new();
    let built = steps.step("packages", || packages::ensure().map(|new| new.join(" ")))
        && (asked.no_build || steps.step("build", || build_program(asked.debug)))
        && steps.step("unit", check_unit)
        && steps.step("deb", || {
            disk::remove(&release.out)?;
            build(&release)
        });
    if built && asked.check {
        check::run(&mut steps, &release);
    }
    steps.finish("package server")
}

fn parse(args: &[&str]) -> Result<Asked> {
    let Some((&"server", options)) = args.split_first() else {
        return Err(Error::usage(USAGE));
    };
    let mut asked = Asked::default();
    for option in options {
        match *option {
            "--debug" => asked.debug = true,
            "--no-build" => asked.no_build = true,
            "--check" => asked.check = true,
            _ => return Err(Error::usage(USAGE)),
        }
    }
    Ok(asked)
}

fn build_program(debug: bool) -> Result<String> {
    let profile: &[&str] = if debug { &[] } else { &["--release"] };
    cargo(&["build", "--locked", "--package", NAME])
        .args(profile)
        .run()
        .map(|()| String::new())
}

/// Systemd's own judgement of the unit: 0 is safest, 10 without any protection; in tenths.
const MOST_EXPOSED: &str = "20";

fn check_unit() -> Result<String> {
    let unit = source("gobag-server.service");
    let said = Cmd::new("systemd-analyze")
        .args([
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            MOST_EXPOSED,
        ])
        .arg(&unit)
        .text()?;
    said.lines()
        .rfind(|line| line.contains("exposure level"))
        .map(|line| line.trim_start_matches('→').trim().to_owned())
        .ok_or_else(|| Error::new("`systemd-analyze security` does not judge the unit"))
}

fn source(name: &str) -> PathBuf {
    disk::root().join("dist/server").join(name)
}

/// Builds the package and returns its file name.
fn build(release: &Release) -> Result<String> {
    let tree = release.out.join("tree");
    fill(release, &tree)?;
    let needs = Needs::of(&release.built.join(NAME))?;
    let control = control(&release.version, deb::size(&tree)?, &needs);
    disk::write(&tree.join("DEBIAN/control"), control)?;
    disk::write(&tree.join("DEBIAN/conffiles"), format!("/{CONFIG}\n"))?;
    for script in ["postinst", "prerm", "postrm"] {
        let text = disk::read(&source(script))?;
        stage::put(&tree.join("DEBIAN").join(script), text.as_bytes(), 0o755)?;
    }
    let name = deb::pack(release, &tree, NAME)?;
    disk::remove(&tree)?;
    Ok(name)
}

fn fill(release: &Release, tree: &Path) -> Result<()> {
    let program = tree.join("usr/bin").join(NAME);
    disk::copy(&release.built.join(NAME), &program)?;
    disk::set_mode(&program, 0o755)?;
    // The development build has its source's names in it, which nobody needs.
    Cmd::new("strip").arg("--strip-unneeded").arg(&program).text()?;
    let config = Cmd::new(&program).arg("default-config").text()?;
    stage::put(&tree.join(CONFIG), installed(&config)?.as_bytes(), 0o644)?;
    let unit = disk::read(&source("gobag-server.service"))?;
    stage::put(
        &tree.join("lib/systemd/system/gobag-server.service"),
        unit.as_bytes(),
        0o644,
    )?;
    let documents = tree.join("usr/share/doc").join(NAME);
    stage::put(
        &documents.join("copyright"),
        stage::copyright()?.as_bytes(),
        0o644,
    )?;
    stage::put(
        &documents.join("changelog"),
        disk::read(&disk::root().join("CHANGELOG.md"))?.as_bytes(),
        0o644,
    )?;
    stage::describe(&program, NAME, stage::IN_DEBIAN, tree)?;
    stage::compress(tree, NAME)
}

/// The configuration that the program prints, for a program that is installed.
fn installed(default: &str) -> Result<String> {
    let line = format!("data = \"{DATA}\"");
    match default.lines().filter(|found| *found == DATA_LINE).count() {
        1 => Ok(default.replacen(DATA_LINE, &line, 1)),
        _ => Err(Error::new(format!(
            "`gobag-server default-config` has no line `{DATA_LINE}`"
        ))),
    }
}

/// What a program needs of the system's libraries.
#[derive(Debug, PartialEq, Eq)]
struct Needs {
    /// The newest version of the C library whose symbols it names.
    libc: (u32, u32),
    /// Whether it wants the compiler's own library.
    gcc: bool,
}

impl Needs {
    fn of(program: &Path) -> Result<Self> {
        let said = Cmd::new("readelf")
            .args(["--dynamic", "--version-info", "--wide"])
            .arg(program)
            .text()?;
        Self::read(&said)
            .ok_or_else(|| Error::new(format!("{} is linked with no C library", program.display())))
    }

    fn read(said: &str) -> Option<Self> {
        let versions = said.split("GLIBC_").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (major, minor) = rest[..end].split_once('.')?;
            let minor = minor.split('.').next()?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Some(Self {
            libc: versions.max()?,
            gcc: said.contains("[libgcc_s.so.1]"),
        })
    }

    fn packages(&self) -> String {
        let (major, minor) = self.libc;
        let gcc = if self.gcc { ", libgcc-s1" } else { "" };
        format!("adduser, libc6 (>= {major}.{minor}){gcc}")
    }
}

fn control(version: &str, bytes: u64, needs: &Needs) -> String {
    format!(
        "Package: {NAME}\n\
         Version: {version}\n\
         Architecture: amd64\n\
         Maintainer: the Gobag contributors <maintainers@gobag.invalid>\n\
         Installed-Size: {}\n\
         Depends: {}\n\
         Recommends: ca-certificates, systemd\n\
         Suggests: postgresql\n\
         Section: admin\n\
         Priority: optional\n\
         Description: company's side of business continuity on a stick\n \
         Keeps what sticks send, sealed, and gives it back; hands out leases and cuts off\n \
         lost sticks. SQLite and a folder out of the box, PostgreSQL and a bucket with\n \
         conditional writes for several replicas.\n",
        bytes.div_ceil(1024),
        needs.packages(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        assert_eq!(parse(&["server"]).unwrap(), Asked::default());
        let all = parse(&["server", "--debug", "--no-build", "--check"]).unwrap();
        assert!(all.debug && all.no_build && all.check);
        for wrong in [&[] as &[&str], &["client"], &["server", "--fast"]] {
            assert_eq!(parse(wrong).err().map(|error| error.exit()), Some(2), "{wrong:?}");
        }
    }

    #[test]
    fn the_configuration_of_the_source_is_made_one_of_a_system() {
        let default = disk::read(&disk::root().join("sync/server/src/default-config.toml")).unwrap();
        let config = installed(&default).unwrap();
        assert!(
            config.contains("\ndata = \"/var/lib/gobag-server\"\n"),
            "{config}"
        );
        assert_eq!(config.lines().count(), default.lines().count());
        assert!(installed("data = 1\n").is_err());
    }

    #[test]
    fn libraries_are_read_off_a_program() {
        let said = "NEEDED Shared library: [libgcc_s.so.1]\n NEEDED Shared library: [libc.so.6]\n\
                    Name: GLIBC_2.9  Flags: none\n Name: GLIBC_2.34  Flags\n Name: GLIBC_2.2.5 \n";
        let needs = Needs::read(said).unwrap();
        assert_eq!(needs.packages(), "adduser, libc6 (>= 2.34), libgcc-s1");
        assert_eq!(Needs::read("There is no dynamic section"), None);
        let here = Needs::of(&std::env::current_exe().unwrap()).unwrap();
        assert!(here.libc >= (2, 17), "{here:?}");
    }

    #[test]
    fn control_fields_stand_at_the_line_start() {
        let needs = Needs {
            libc: (2, 34),
            gcc: false,
        };
        let text = control("1.2.3", 2049, &needs);
        let is_field = |line: &str| line.starts_with(' ') || line.contains(": ");
        assert!(text.lines().all(is_field) && text.ends_with('\n'), "{text}");
        assert!(
            text.contains("\nVersion: 1.2.3\n") && text.contains("\nDepends: adduser, libc6 (>= 2.34)\n")
        );
    }
}
