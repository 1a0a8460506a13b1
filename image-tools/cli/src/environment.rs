//! What the program knows from outside: read here, once, and handed on as an argument.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place where this program reads its environment"
)]

use std::{env, ffi::OsString, path::PathBuf};

use gobag_bundle::Ambient;
use gobag_engine::machine::WINDOW_VARIABLES;

/// The outside world as one value.
#[derive(Clone)]
pub(crate) struct Environment {
    /// Where programs are looked for.
    pub(crate) path: Option<OsString>,
    /// What QEMU needs for a window.
    pub(crate) window: Vec<(String, OsString)>,
    /// This program's own file.
    pub(crate) program: Option<PathBuf>,
    /// Randomness and clock.
    pub(crate) ambient: Ambient,
}

impl Environment {
    /// Of this process.
    pub(crate) fn of_process() -> Self {
        let variable = |name: &&str| Some(((*name).to_owned(), env::var_os(name)?));
        Self {
            path: env::var_os("PATH"),
            window: WINDOW_VARIABLES.iter().filter_map(variable).collect(),
            program: env::current_exe().ok(),
            ambient: Ambient::system(),
        }
    }

    /// Whether a window can be shown.
    pub(crate) fn has_window_system(&self) -> bool {
        let names = ["DISPLAY", "WAYLAND_DISPLAY"];
        let mut shown = self
            .window
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        shown.any(|(_, value)| !value.is_empty())
    }

    /// Seconds since 1970 UTC.
    pub(crate) fn now_s(&self) -> u64 {
        (self.ambient.clock)()
    }
}
