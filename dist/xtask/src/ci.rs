//! `cargo xtask ci`: everything a change must pass, cheapest first, with one table at the end.
//!
//! Formatting and tidy always run; from clippy on, the first failure stops the rest, because what follows would only
//! repeat it. In CI a missing FUSE, QEMU or PostgreSQL is a failure: the tests run with all words of `GOBAG_REQUIRE` that `cargo xtask`
//! can install something for (and `root` where we are root).

use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::steps::Steps;
use crate::{docs, packages, test, tidy};

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let with_demo = match args {
        [] => false,
        ["--with-demo"] => true,
        _ => return Err(Error::usage(format!("`ci` does not know `{}`", args.join(" ")))),
    };
    let mut steps = Steps::new();
    let ready = steps.step("packages", packages::ensure_for_tests);
    steps.step("fmt", || plain(&["fmt", "--all", "--check"]));
    steps.step("tidy", tidy::check);
    let passed = ready
        && steps.step("clippy", || {
            plain(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
        })
        && test::run_steps(&mut steps, &test::Options::default(), &test::capabilities(true))
        && steps.step("rustdoc", rustdoc)
        && steps.step("generated docs", || docs::check(&disk::target().join("debug")));
    if passed && with_demo {
        steps.step("demo", || crate::demo::run(&[]).map(|()| String::new()));
    }
    steps.finish("ci")
}

fn plain(words: &[&str]) -> Result<String> {
    cargo(words).run().map(|()| String::new())
}

fn rustdoc() -> Result<String> {
    cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"])
        // The pages are for us and show private items, so links to them are good.
        .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links")
        .run()
        .map(|()| String::new())
}
