//! `cargo xtask test`: packages, then every test of the workspace, then the numbers.
//!
//! nextest runs the tests where it is installed, plain cargo elsewhere. `GOBAG_REQUIRE` tells the tests what this
//! machine must be able to do, so that a missing FUSE or QEMU fails instead of skipping; a value set by the caller is
//! left alone. `--long` sets `GOBAG_LONG=1`.

mod counts;

use std::path::Path;

use crate::cargo::{build_programs, cargo, has_nextest};
use crate::company_side;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages::python;
use crate::sh;
use crate::steps::Steps;

use counts::Counts;

/// How the tests run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    long: bool,
    filters: Vec<String>,
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let mut options = Options::default();
    for arg in args {
        match *arg {
            "--long" => options.long = true,
            word if word.starts_with('-') => {
                return Err(Error::usage(format!("`test` knows no option `{word}`")));
            }
            filter => options.filters.push(filter.to_owned()),
        }
    }
    let mut steps = Steps::new();
    if steps.step("packages", crate::packages::ensure_for_tests) {
        run_steps(&mut steps, &options, &capabilities(false));
    }
    steps.finish("test")
}

/// Adds the test steps; stops at the first that fails to build.
pub(crate) fn run_steps(steps: &mut Steps, options: &Options, require: &str) -> bool {
    eprintln!("GOBAG_REQUIRE={require}");
    steps.step("build", || build_programs().map(|_| String::new()))
        && steps.step("tests", || tests(options, require))
        && (!options.filters.is_empty() || steps.step("doc tests", || doc_tests(require)))
}

/// What the tests may insist on: `strict` (CI) demands FUSE and QEMU whether they are here or not.
pub(crate) fn capabilities(strict: bool) -> String {
    if let Some(chosen) = sh::env("GOBAG_REQUIRE") {
        return chosen;
    }
    let fuse = Path::new("/dev/fuse").exists();
    let qemu = sh::on_path("qemu-system-x86_64") && sh::on_path("qemu-img");
    let all = [
        ("fuse", strict || fuse),
        ("age", strict || sh::on_path("age")),
        ("qemu", strict || qemu),
        (
            "container",
            strict || (sh::on_path("bwrap") && sh::on_path("fuse2fs")),
        ),
        ("sfdisk", strict || Path::new("/usr/sbin/sfdisk").exists()),
        ("nbd", strict || sh::on_path("nbdinfo")),
        ("python", strict || python::READER.is_there()),
        ("postgres", strict || company_side::postgres_programs().is_some()),
        ("moto", strict || python::STORES.is_there()),
        ("rclone", strict || python::STORES.is_there()),
        (
            "peers",
            strict
                || ["rsync", "smbd", "smbclient", "vim", "ed"]
                    .into_iter()
                    .all(sh::on_path),
        ),
        ("sshd", strict || Path::new("/usr/sbin/sshd").exists()),
        ("apache", strict || Path::new("/usr/sbin/apache2").exists()),
        ("root", sh::is_root()),
        // seen by root alone
        ("clamav", sh::is_root() && (strict || sh::on_path("clamd"))),
        ("nft", sh::is_root() && (strict || sh::on_path("nft"))),
        (
            "chromium",
            strict || (sh::on_path("chromium") && sh::on_path("pdfinfo")),
        ),
    ];
    let held: Vec<&str> = all
        .iter()
        .filter(|(_, has)| *has)
        .map(|(name, _)| *name)
        .collect();
    held.join(",")
}

fn tests(options: &Options, require: &str) -> Result<String> {
    let nextest = has_nextest();
    let mut command = if nextest {
        disk::remove(&counts::junit_file())?;
        cargo(&["nextest", "run", "--workspace", "--no-tests=pass"])
    } else {
        eprintln!("cargo-nextest is not installed; `cargo test` does the same, only slower");
        cargo(&[
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ])
    };
    command = command.env("GOBAG_REQUIRE", require).args(&options.filters);
    if options.long {
        command = command.env("GOBAG_LONG", "1");
    }
    let (good, counts) = if nextest {
        let good = command.run().is_ok();
        (good, Counts::of_junit(&disk::read(&counts::junit_file())?))
    } else {
        let (good, text) = command.tee()?;
        (good, Counts::of_libtest(&text))
    };
    counts.verdict(good)
}

fn doc_tests(require: &str) -> Result<String> {
    let (good, text) = cargo(&["test", "--workspace", "--doc"])
        .env("GOBAG_REQUIRE", require)
        .tee()?;
    Counts::of_libtest(&text).verdict(good)
}
