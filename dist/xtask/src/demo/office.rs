//! IT's side: keys, an image from the golden disk, sticks for two people.

use super::scene::{Scene, expect, must_say, size_of};
use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

pub(crate) fn init(scene: &Scene) -> Result<String> {
    let command = scene
        .image(&[
            "init",
            "--name",
            "Example Company",
            "--contact",
            "IT, phone 555 0100",
        ])
        .arg("--new-passphrase-file")
        .arg(scene.passphrase("it"))
        .arg(scene.org());
    expect(command, 0)?;
    Ok("signing key and escrow key, both encrypted under IT's passphrase".to_owned())
}

pub(crate) fn build(scene: &Scene, root: &std::path::Path) -> Result<String> {
    let command = scene
        .image(&["build", "--name", "office", "--system-size", "2GiB", "--org"])
        .arg(scene.org())
        .arg("--passphrase-file")
        .arg(scene.passphrase("it"))
        .arg(root);
    expect(command, 0)?;
    let bytes = size_of(&scene.org().join("repository/packs"))?;
    Ok(format!(
        "a 2 GiB disk with Debian 12, {} MiB of encrypted packs",
        bytes >> 20
    ))
}

pub(crate) fn sticks(scene: &Scene) -> Result<String> {
    for user in ["alice", "bob"] {
        stick(scene, user)?;
    }
    let bytes = size_of(&scene.stick("alice"))?;
    Ok(format!(
        "two sticks of {} MiB, own keys and passphrase each",
        bytes >> 20
    ))
}

/// One stick.
pub(crate) fn stick(scene: &Scene, user: &str) -> Result<()> {
    let command = scene
        .image(&[
            "stick",
            "--image",
            "office",
            "--home-size",
            "256MiB",
            "--system-space",
            "512MiB",
        ])
        .args(["--user", user, "--org"])
        .arg(scene.org())
        .arg("--passphrase-file")
        .arg(scene.passphrase("it"))
        .arg("--new-passphrase-file")
        .arg(scene.passphrase(user))
        .arg(scene.stick(user));
    expect(command, 0).map(drop)
}

/// IT lets all sticks pass without malware protection on the computer, for a week.
pub(crate) fn waive(scene: &Scene) -> Result<()> {
    let day = Cmd::new("date")
        .args(["-u", "-d", "+7 days", "+%F"])
        .output()?
        .stdout;
    let day = String::from_utf8_lossy(&day).trim().to_owned();
    let command = scene
        .image(&["waive", "antivirus.active", "--all-sticks", "--until", &day])
        .args(["--reason", "this is a demonstration", "--org"])
        .arg(scene.org())
        .arg("--passphrase-file")
        .arg(scene.passphrase("it"));
    eprintln!("$ {}", command.line());
    let letter = command.output()?.stdout;
    disk::write(&scene.waiver(), &letter)?;
    eprintln!(
        "  {}",
        String::from_utf8_lossy(&letter).trim().replace('\n', "\n  ")
    );
    Ok(())
}

/// IT takes what alice's starts found of her computer off her stick, and counts it by the stick's signature.
pub(crate) fn results(scene: &Scene) -> Result<String> {
    let folder = scene.place("results");
    let take = scene
        .image(&["results", "--org"])
        .arg(scene.org())
        .arg("--passphrase-file")
        .arg(scene.passphrase("it"))
        .arg("--output")
        .arg(&folder)
        .arg(scene.stick("alice"));
    expect(take, 0)?;
    let count = scene
        .image(&["coverage", "--signed-only", "--org"])
        .arg(scene.org())
        .arg(&folder);
    let said = expect(count, 0)?;
    must_say(&said, "1 of 1 are signed by a stick of yours")?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// IT gives bob a new passphrase: he forgot his, and the stick is all there is.
pub(crate) fn rescue(scene: &Scene) -> Result<String> {
    let open = scene
        .image(&["passwd", "--org"])
        .arg(scene.org())
        .arg("--passphrase-file")
        .arg(scene.passphrase("it"))
        .arg("--new-passphrase-file")
        .arg(scene.passphrase("alice"))
        .arg(scene.stick("bob"));
    expect(open, 0)?;
    expect(scene.unlocked("bob", "verify"), 5)?;
    let new = scene
        .gobag("bob", "verify")
        .arg("--passphrase-file")
        .arg(scene.passphrase("alice"));
    expect(new, 0)?;
    Ok("IT's escrow key gave a forgotten stick a new passphrase; the old one is refused".to_owned())
}
