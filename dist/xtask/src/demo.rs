//! `cargo xtask demo`: the main job on real input, as one screen of explained output.
//!
//! Each step is one file below `demo/`; this file is their order. Everything is made below `target/demo`; the Debian
//! disk is kept there for the next run.

pub(crate) mod golden;
pub(crate) mod raw;

use crate::error::{Error, Result};
use crate::packages;
use crate::steps::Steps;

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let fresh = match args {
        [] => false,
        ["--fresh"] => true,
        _ => return Err(Error::usage(format!("`demo` does not know `{}`", args.join(" ")))),
    };
    let mut steps = Steps::new();
    let _ = steps.step("packages", || packages::ensure().map(|new| new.join(" ")))
        && steps.step("golden image", || {
            golden::ensure(fresh).map(|golden| golden.summary())
        });
    steps.finish("demo")
}
