//! What goes wrong in real life: a wrong passphrase, a second start, a flipped bit.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::scene::{Scene, expect, must_say};
use crate::disk;
use crate::error::{Error, Result};

pub(crate) fn wrong_passphrase(scene: &Scene) -> Result<String> {
    let command = scene
        .gobag("alice", "start")
        .arg("--passphrase-file")
        .arg(scene.passphrase("wrong"));
    must_say(&expect(command, 5)?, "passphrase")?;
    Ok("refused with exit code 5, nothing changed".to_owned())
}

pub(crate) fn flipped_bit(scene: &Scene) -> Result<String> {
    let pack = first_pack(scene)?;
    flip(&pack)?;
    let said = expect(scene.unlocked("bob", "verify"), 3)?;
    must_say(&said, "PACKS")?;
    flip(&pack)?;
    expect(scene.unlocked("bob", "verify"), 0)?;
    Ok("one bit in one pack: found, named, exit code 3; put right: sound again".to_owned())
}

fn first_pack(scene: &Scene) -> Result<PathBuf> {
    let mut packs = disk::files_below(&scene.stick("bob").join("GOBAG/PACKS"), &[])?;
    packs.sort();
    packs
        .into_iter()
        .next()
        .ok_or_else(|| Error::new("the stick has no pack"))
}

/// Flips one bit in the middle of a file.
fn flip(path: &PathBuf) -> Result<()> {
    let failed = |cause| Error::because(format!("cannot flip a bit of {}", path.display()), cause);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let middle = file.metadata().map_err(failed)?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).map_err(failed)?;
    byte[0] ^= 1;
    file.write_all_at(&byte, middle).map_err(failed)
}
