//! Python packages of tests, in virtual environments below the target folder, one for each list, so that none has to agree with another.
//!
//! A copy of the list is left in its environment last of all, behind the name of the folder, for an environment that was copied elsewhere does not work there: as long
//! as it equals the list in the tree, everything is there and nothing touches the network.

use std::path::PathBuf;

use crate::disk;
use crate::error::Result;
use crate::sh::Cmd;

/// A list of packages with their digests, and where they are installed.
pub(crate) struct Environment {
    list: &'static str,
    folder: &'static str,
}

/// The format's second reader.
pub(crate) const READER: Environment = Environment {
    list: "tests/reader/requirements.txt",
    folder: "venv",
};

/// Buckets for the server's tests: `moto`, which honours conditional writes, and `rclone serve s3`, which does not. Debian's rclone is older
/// than `serve s3`; PyPI's has the program itself.
pub(crate) const STORES: Environment = Environment {
    list: "sync/server/tests/stores/requirements.txt",
    folder: "venv-stores",
};

impl Environment {
    fn folder(&self) -> PathBuf {
        disk::target().join(self.folder)
    }

    /// Where a program of it is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder().join("bin").join(name)
    }

    /// Whether its programs can run.
    pub(crate) fn is_there(&self) -> bool {
        let installed = disk::read(&self.installed()).unwrap_or_default();
        installed.starts_with(&self.here())
    }

    /// What is installed.
    fn installed(&self) -> PathBuf {
        self.folder().join("requirements.txt")
    }

    /// Where it is, as the first line of that says it.
    fn here(&self) -> String {
        format!("# {}\n", self.folder().display())
    }

    /// Installs the packages unless the list in the tree is installed already.
    pub(crate) fn ensure(&self) -> Result<()> {
        let (folder, installed) = (self.folder(), self.installed());
        let wanted = self.here() + &disk::read(&disk::root().join(self.list))?;
        if self.is_there() && disk::read(&installed)? == wanted {
            eprintln!("Python packages of {}: installed", self.list);
            return Ok(());
        }
        eprintln!(
            "Python packages of {}: installing into {}",
            self.list,
            folder.display()
        );
        disk::remove(&folder)?;
        Cmd::new("python3").args(["-m", "venv"]).arg(&folder).run()?;
        Cmd::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--only-binary=:all:", "--require-hashes", "--requirement"])
            .arg(disk::root().join(self.list))
            .run()?;
        disk::write(&installed, wanted)
    }
}
