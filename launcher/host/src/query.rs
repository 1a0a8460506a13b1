//! Looks that are neither files nor programs, by name; each system has its own list in its own module.

use std::path::Path;

use crate::capture::Capture;

#[cfg(target_os = "linux")]
pub(crate) fn ask(home: Option<&Path>, name: &str) -> Capture {
    crate::linux::query::ask(home, name)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ask(_home: Option<&Path>, name: &str) -> Capture {
    Capture::failed(
        gobag_checklists::Obstacle::Missing,
        format!("{name}: this system has no such query"),
    )
}
