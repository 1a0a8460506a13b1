//! What the program knows from its environment: read here alone.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place where this program reads its environment"
)]

use std::{env, path::PathBuf};

/// Where this user's programs keep what they know from run to run; none: there is no home folder.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let folder = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    state.map(|state| state.join("gobag-sync"))
}
