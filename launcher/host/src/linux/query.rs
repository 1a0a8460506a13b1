//! What Linux is asked beside files and programs.

use std::path::Path;

use gobag_checklists::Obstacle;

use crate::capture::Capture;

pub(crate) fn ask(_home: Option<&Path>, name: &str) -> Capture {
    Capture::failed(
        Obstacle::Missing,
        format!("{name}: this system has no such query"),
    )
}
