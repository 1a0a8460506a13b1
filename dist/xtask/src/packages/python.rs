//! Python packages of the format's second reader (`tests/reader/`), in a virtual environment below the target folder.
//!
//! A copy of the list is left in the environment last of all: as long as it equals the list in the tree, everything is
//! there and nothing touches the network.

use std::path::PathBuf;

use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

/// Where the environment is.
fn folder() -> PathBuf {
    disk::target().join("venv")
}

/// Whether the reader can run.
pub(crate) fn is_there() -> bool {
    folder().join("requirements.txt").is_file()
}

/// Installs the packages unless the list in the tree is installed already.
pub(crate) fn ensure() -> Result<()> {
    let list = disk::root().join("tests/reader/requirements.txt");
    let (folder, wanted) = (folder(), disk::read(&list)?);
    let installed = folder.join("requirements.txt");
    if is_there() && disk::read(&installed)? == wanted {
        eprintln!("Python packages of tests/reader: installed");
        return Ok(());
    }
    eprintln!(
        "Python packages of tests/reader: installing into {}",
        folder.display()
    );
    disk::remove(&folder)?;
    Cmd::new("python3").args(["-m", "venv"]).arg(&folder).run()?;
    Cmd::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--only-binary=:all:", "--require-hashes", "--requirement"])
        .arg(&list)
        .run()?;
    disk::write(&installed, wanted)
}
