//! What the program knows from outside: read here, once, and handed on as an argument.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place where this program reads its environment"
)]

use std::{env, ffi::OsString, path::PathBuf};

use gobag_bundle::Ambient;

/// The outside world as one value.
#[derive(Clone)]
pub(crate) struct Environment {
    /// Where programs are looked for.
    pub(crate) path: Option<OsString>,
    /// This program's own file.
    pub(crate) program: Option<PathBuf>,
    /// Randomness and clock.
    pub(crate) ambient: Ambient,
}

impl Environment {
    /// Of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            path: env::var_os("PATH"),
            program: env::current_exe().ok(),
            ambient: Ambient::system(),
        }
    }

    /// Seconds since 1970 UTC.
    pub(crate) fn now_s(&self) -> u64 {
        (self.ambient.clock)()
    }
}
