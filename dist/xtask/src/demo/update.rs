//! IT releases the next version of the image, and a stick in use gets it.

use super::golden::Golden;
use super::guest::LETTER;
use super::office;
use super::scene::{Scene, expect, must_say};
use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

/// What is new in it.
const NEWS: &str = "the second version of the office";

/// Alice's stick gets a new system; her change to the old one goes, her letter stays.
pub(crate) fn update(scene: &Scene, golden: &Golden) -> Result<String> {
    in_container(scene, "echo mine > /root/my-change && test -e /root/my-change")?;
    office::build(scene, &next_version(scene, golden)?)?;
    let command = scene
        .image(&["update", "--yes", "--org"])
        .arg(scene.org())
        .arg("--passphrase-file")
        .arg(scene.passphrase("it"))
        .arg("--stick")
        .arg(scene.stick("alice"));
    expect(command, 0)?;
    let said = in_container(
        scene,
        "test ! -e /root/my-change && cat /etc/office-news /home/letter.txt",
    )?;
    must_say(&said, NEWS)?;
    must_say(&said, LETTER)?;
    expect(scene.unlocked("alice", "verify"), 0)?;
    Ok("the stick has the next version of the system, and the letter".to_owned())
}

/// The golden root file system with one more file.
fn next_version(scene: &Scene, golden: &Golden) -> Result<std::path::PathBuf> {
    let (tar, news) = (scene.place("next.tar"), scene.place("news"));
    disk::copy(&golden.tar, &tar)?;
    disk::write(&news.join("etc/office-news"), format!("{NEWS}\n"))?;
    Cmd::new("tar")
        .args(["--append", "--owner=0", "--group=0", "--file"])
        .arg(&tar)
        .arg("--directory")
        .arg(&news)
        .arg("etc/office-news")
        .run()?;
    Ok(tar)
}

fn in_container(scene: &Scene, script: &str) -> Result<String> {
    let command = scene.container("alice").args(["--", "/bin/sh", "-c"]).arg(script);
    expect(command, 0)
}
