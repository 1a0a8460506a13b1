//! Whether each program works where there is nothing else: no library, no configuration, no other program, no network.

use std::path::Path;

use super::{PROGRAMS, Release};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// All say what they are; `gobag-sync`, which runs in guests and containers of any kind, also keeps two folders the same.
pub(super) fn check(release: &Release) -> Result<String> {
    let desk = disk::private_dir()?;
    for name in PROGRAMS {
        let said = alone(&release.built.join(name), &desk).arg("--version").text()?;
        if !said.starts_with(&format!("{name} {}", release.version)) {
            return Err(Error::new(format!("alone, {name} says `{}`", said.trim())));
        }
    }
    sync(&release.built.join("gobag-sync"), &desk)?;
    disk::remove(&desk)?;
    Ok("each with nothing else; gobag-sync kept two folders the same".to_owned())
}

fn sync(program: &Path, desk: &Path) -> Result<()> {
    let (left, right) = (desk.join("left"), desk.join("right"));
    disk::write(&left.join("minutes/monday.txt"), "what was said\n")?;
    disk::write(&right.join("list.txt"), "whom to phone\n")?;
    let run = |command: &str| {
        let run = alone(program, desk).args([command, "/desk/left", "/desk/right"]);
        run.text().map(drop)
    };
    run("pair")?;
    run("sync")?;
    disk::write(&right.join("minutes/monday.txt"), "what was said, mended\n")?;
    disk::remove(&left.join("list.txt"))?;
    run("sync")?;
    let text = disk::read(&left.join("minutes/monday.txt"))?;
    if text != "what was said, mended\n" || right.join("list.txt").exists() {
        return Err(Error::new("alone, gobag-sync did not keep two folders the same"));
    }
    Ok(())
}

/// The program, at a desk where it is the only file.
fn alone(program: &Path, desk: &Path) -> Cmd {
    Cmd::new("bwrap")
        .args(["--unshare-all", "--clearenv", "--die-with-parent"])
        .args(["--proc", "/proc", "--dev", "/dev"])
        .arg("--ro-bind")
        .arg(program)
        .arg("/program")
        .arg("--bind")
        .arg(desk)
        .arg("/desk")
        .args(["--chdir", "/desk", "/program"])
}
