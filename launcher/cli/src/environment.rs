//! What the program knows from outside: read here, once, and handed on as an argument.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place where this program reads its environment"
)]

use std::{env, ffi::OsString, path::PathBuf};

use gobag_engine::machine::WINDOW_VARIABLES;

/// The outside world as one value.
#[derive(Clone)]
pub(crate) struct Environment {
    /// Where programs are looked for.
    pub(crate) path: Option<OsString>,
    /// This program's own file.
    pub(crate) program: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: a folder in memory that ends with the user's login.
    pub(crate) runtime_folder: Option<PathBuf>,
    /// Where this user's programs keep what they know from run to run.
    pub(crate) state_folder: Option<PathBuf>,
    /// What a window needs to be shown.
    pub(crate) window: Vec<(String, OsString)>,
    /// `LC_ALL`, `LC_MESSAGES`, `LANG`: the person's language, the first that is not empty counts.
    pub(crate) languages: Vec<String>,
    /// `TERM`, for a shell in a container.
    pub(crate) terminal_type: Option<OsString>,
}

impl Environment {
    /// Of this process.
    pub(crate) fn of_process() -> Self {
        let variable = |name: &&str| Some(((*name).to_owned(), env::var_os(name)?));
        Self {
            path: env::var_os("PATH"),
            program: gobag_engine::resident::program(),
            runtime_folder: env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            state_folder: state_folder(),
            window: WINDOW_VARIABLES.iter().filter_map(variable).collect(),
            languages: ["LC_ALL", "LC_MESSAGES", "LANG"]
                .into_iter()
                .filter_map(|name| env::var(name).ok())
                .collect(),
            terminal_type: env::var_os("TERM"),
        }
    }

    /// Where this program may put temporary files.
    pub(crate) fn temporary_folder(&self) -> PathBuf {
        env::temp_dir()
    }

    /// The user's home folder, where the desktop keeps its settings.
    pub(crate) fn home_folder(&self) -> Option<PathBuf> {
        env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    /// What the desktop calls itself.
    pub(crate) fn desktop(&self) -> Option<String> {
        env::var("XDG_CURRENT_DESKTOP")
            .ok()
            .filter(|name| !name.is_empty())
    }

    /// Whether a window can be shown.
    pub(crate) fn has_window_system(&self) -> bool {
        let names = ["DISPLAY", "WAYLAND_DISPLAY"];
        self.window
            .iter()
            .any(|(name, value)| names.contains(&name.as_str()) && !value.is_empty())
    }
}

/// `XDG_STATE_HOME`, which the user chose, or the usual place. Root has one that does not follow whose home is named.
fn state_folder() -> Option<PathBuf> {
    let named = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    named("XDG_STATE_HOME").or_else(|| match rustix::process::geteuid().is_root() {
        true => Some(PathBuf::from("/var/lib")),
        false => Some(named("HOME")?.join(".local/state")),
    })
}
