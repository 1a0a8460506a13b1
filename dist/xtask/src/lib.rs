//! The house around Gobag: everything a maintainer or a CI machine runs.
//!
//! `cargo xtask <task>` is the only entrance; `.ci/run` is a two-line caller of it. The crate never ships, so it may
//! start processes and write files, but each of these has one place: processes in [`sh`], files in [`disk`].
//! It depends on `serde_json` only and compiles in seconds on a cold machine.
//!
//! [`console`] is public: the demo and the integration tests drive a guest's serial console with the same source.

mod bench;
mod cargo;
mod ci;
mod clock;
mod company;
mod company_side;
pub mod console;
mod crash;
mod cross;
mod demo;
mod disk;
mod dist;
mod docs;
mod error;
mod fuzz;
mod guest_checks;
mod packages;
mod programs;
mod rng;
mod sh;
mod soak;
mod steps;
mod test;
mod tidy;

pub use error::{Error, Result};

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task> [options]

  ci    [--with-demo]      everything a change must pass: fmt, tidy, clippy, tests, docs
  test  [--long] [FILTER…] install what is missing, then unit, integration and doc tests
  tidy                     rules no compiler checks: arrows between crates, sizes, docs, layout hash
  demo  [--fresh]          the main job on a real Debian disk, in minutes, on one screen
  fuzz  [TARGET…] [--runs N|--seconds N]
                           parsers under a coverage-guided fuzzer; the corpora are stored
  bench <name> [options]   measure; without a name: list the benches
  crash [--seeds N] [--from SEED] | --kill ROUNDS | --peers [--points N]
                           random crash runs, for as long as one likes; the same for others
  soak  [--minutes N] [--seed N] [--json]
                           a real Debian at work while its stick is pulled and its launcher killed
  guest-checks [--fresh] [--gobag PROGRAM] [--record FOLDER] [--json]
                           a real Debian with systemd: its protection switched on and off, and what `gobag check` says
  company [--network bad] [--no-build]
                           a guest kept in step with a real server, its stick lost, revoked and recovered on another
  cross                    the probes for protection built for Windows, and run under wine (optional)
  package server [--debug] [--no-build] [--check]
                           the Debian package of gobag-server; --check installs, starts, upgrades and purges it (optional, root)
  dist                     release: static binaries, completions, man pages, zip, .deb, SHA256SUMS
  packages                 install the system packages the other tasks need
  docs                     write the generated documents again
";

/// Runs one task named by the first argument and reports failure on standard error.
pub fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    let Some((task, rest)) = args.split_first() else {
        print!("{USAGE}");
        return ExitCode::from(2);
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let result = match task.as_str() {
        "ci" => ci::run(&rest),
        "test" => test::run(&rest),
        "tidy" => tidy::run(&rest),
        "demo" => demo::run(&rest),
        "fuzz" => fuzz::run(&rest),
        "bench" => bench::run(&rest),
        "company" => company::run(&rest),
        "crash" => crash::run(&rest),
        "cross" => cross::run(&rest),
        "guest-checks" => guest_checks::run(&rest),
        "soak" => soak::run(&rest),
        "dist" => dist::run(&rest),
        "package" => dist::server::run(&rest),
        "packages" => packages::ensure().map(drop),
        "docs" => docs::write(),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(Error::usage(format!("unknown task `{other}`"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", error.report());
            ExitCode::from(error.exit())
        }
    }
}
