//! `gobag-sync` where the user works: in the workstation and in the container, on folders of their own.

use std::path::{Path, PathBuf};

use serde_json::{Deserializer, Value};

use super::guest::Workstation;
use super::scene::{Scene, expect, must_say};
use crate::disk;
use crate::error::{Error, Result};
use crate::programs;
use crate::sh::Cmd;

/// In what folder of the image the program is.
const FOLDER: &str = "usr/local/bin";
const PAIR: &str = "/home/documents /home/share";

/// The golden disk with the static program in it, as IT puts it there.
pub(crate) fn with_program(golden: &Path) -> Result<PathBuf> {
    let tar = disk::target().join("demo/with-sync.tar");
    disk::copy(golden, &tar)?;
    Cmd::new("tar")
        .args([
            "--append",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mode=755",
        ])
        .arg(format!("--transform=s,^,./{FOLDER}/,"))
        .arg("--file")
        .arg(&tar)
        .arg("--directory")
        .arg(programs::folder())
        .arg("gobag-sync")
        .text()?;
    Ok(tar)
}

/// Two folders of the workstation become the same, and stay so when both are changed.
pub(crate) fn in_guest(guest: &mut Workstation) -> Result<()> {
    guest.must("mkdir -p /home/documents/minutes /home/share")?;
    guest.must("echo 'what was said' > /home/documents/minutes/monday")?;
    guest.must("echo 'whom to phone' > /home/share/list")?;
    guest.must(&format!("gobag-sync pair {PAIR}"))?;
    guest.must(&format!("gobag-sync sync {PAIR}"))?;
    must_say(&guest.must("cat /home/share/minutes/monday")?, "what was said")?;
    guest.must("rm /home/documents/list && echo 'and mended' >> /home/share/minutes/monday")?;
    let said = guest.must(&format!("gobag-sync sync {PAIR}"))?;
    must_say(&said, "Both folders are the same.")?;
    guest.must("test ! -e /home/share/list && diff -r -x .gobag-sync /home/documents /home/share")?;
    Ok(())
}

/// The same folders in the container: what the workstation noted of them still holds.
pub(crate) fn in_container(scene: &Scene) -> Result<String> {
    let script = format!("echo 'of the container' > /home/share/note; gobag-sync sync {PAIR} --json");
    let said = expect(in_shell(scene, &script), 0)?;
    // The launcher has the last word.
    let report = said.get(said.find('{').unwrap_or(0)..).unwrap_or_default();
    let report = Deserializer::from_str(report).into_iter::<Value>().next();
    let report = report.and_then(std::result::Result::ok).unwrap_or_default();
    let put = |side: &str| report[side]["put"].as_u64();
    if (put("left"), put("right")) != (Some(1), Some(0)) {
        return Err(Error::because(
            "gobag-sync did something else",
            report.to_string(),
        ));
    }
    let said = expect(in_shell(scene, "cat /home/documents/note"), 0)?;
    must_say(&said, "of the container")?;
    Ok("gobag-sync kept two folders the same, in the workstation and in the container".to_owned())
}

fn in_shell(scene: &Scene, script: &str) -> Cmd {
    scene.container("alice").args(["--", "/bin/sh", "-c"]).arg(script)
}
