//! Finding the host's programs.
//!
//! The search path is an argument (this crate reads no environment). The system's own folders are looked at as well,
//! because an ordinary user's `PATH` on Debian lacks `/usr/sbin`, where `mke2fs` lives.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

/// The `PATH` that child processes get, and where [`find`] looks last.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program is not on this host.
#[derive(Debug, thiserror::Error)]
#[error("program `{name}` is not installed")]
pub struct NotFound {
    /// The name that was looked for.
    pub name: String,
}

impl NotFound {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        "engine.tool-missing"
    }
}

/// The absolute path of program `name`: the first executable file of that name in `path` (a `PATH` value), then in
/// [`SYSTEM_PATH`]. Relative and empty entries of `path` are passed over: what the current folder holds is no tool.
pub fn find(name: &str, path: Option<&OsStr>) -> Result<PathBuf, NotFound> {
    let given = path.into_iter().flat_map(std::env::split_paths);
    let system = std::env::split_paths(SYSTEM_PATH);
    given
        .chain(system)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| is_program(candidate))
        .ok_or_else(|| NotFound {
            name: name.to_owned(),
        })
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes its own files")]
    fn the_given_path_comes_first_and_must_be_executable_and_absolute() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("sh");
        std::fs::write(&program, "#!/bin/true").unwrap();
        let path = folder.path().as_os_str();

        assert_ne!(find("sh", Some(path)).unwrap(), program, "mode 0644");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(find("sh", Some(path)).unwrap(), program);
        assert!(find("sh", Some(OsStr::new(".:"))).unwrap().is_absolute());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = find("gobag-no-such-program", None).unwrap_err();
        assert_eq!(error.code(), "engine.tool-missing");
        assert!(error.to_string().contains("gobag-no-such-program"));
    }
}
