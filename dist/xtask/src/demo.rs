//! `cargo xtask demo`: the main job on real input, as one screen of explained output.
//!
//! Each step is one function below `demo/`; this file is their order. Everything is made below `target/demo`; the Debian
//! disk is kept there for the next run.

mod documents;
pub(crate) mod golden;
pub(crate) mod guest;
pub(crate) mod installable;
pub(crate) mod office;
pub(crate) mod scene;
mod trouble;
mod update;

use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::programs;
use crate::steps::Steps;

use golden::Golden;
use scene::Scene;

/// The time in the demo's programs: any will do, and one that changed with each commit would build all of C again.
pub(crate) const EPOCH: u64 = 1;

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let fresh = match args {
        [] => false,
        ["--fresh"] => true,
        _ => return Err(Error::usage(format!("`demo` does not know `{}`", args.join(" ")))),
    };
    let mut steps = Steps::new();
    let mut golden = None;
    let ready = steps.step("packages", || packages::ensure().map(|new| new.join(" ")))
        && steps.step("programs", || programs::build(EPOCH))
        && steps.step("golden disk", || {
            let made = golden::ensure(fresh)?;
            let summary = made.summary();
            golden = Some(made);
            Ok(summary)
        });
    if let Some(golden) = golden.filter(|_| ready) {
        play(&mut steps, &golden);
    }
    steps.finish("demo")
}

fn play(steps: &mut Steps, golden: &Golden) {
    let scene = match Scene::set(disk::target().join("demo/scene")) {
        Ok(scene) => scene,
        Err(error) => {
            steps.step("stage", || Err(error));
            return;
        }
    };
    let _ = steps.step("organisation", || office::init(&scene))
        && steps.step("image", || {
            office::build(&scene, &documents::with_program(&golden.tar)?)
        })
        && steps.step("sticks", || office::sticks(&scene))
        && steps.step("check", || guest::check(&scene))
        && steps.step("work", || guest::work_and_be_killed(&scene))
        && steps.step("again", || guest::find_it_again(&scene))
        && steps.step("judged", || guest::judged(&scene))
        && steps.step("results", || office::results(&scene))
        && steps.step("container", || guest::as_container(&scene))
        && steps.step("documents", || documents::in_container(&scene))
        && steps.step("reset", || guest::reset(&scene))
        && steps.step("update", || update::update(&scene, golden))
        && steps.step("wrong word", || trouble::wrong_passphrase(&scene))
        && steps.step("flipped bit", || trouble::flipped_bit(&scene))
        && steps.step("rescue", || office::rescue(&scene));
}
