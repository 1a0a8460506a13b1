//! What Linux is asked beside files and programs.
//!
//! | query | answer |
//! |---|---|
//! | `stat PATH` | kind, owner, mode, size and time of a file, links followed |
//! | `head PATH` | its first 512 bytes |
//! | `units NAMES` | what systemd says of units, names may end in `*`; and which unit files exist |
//! | `bus-owner NAME` | does a service of that name run? |
//! | `property SERVICE PATH INTERFACE NAME` | one property of a service |
//! | `processes NAMES` | processes with these names, and whether others' processes can be seen at all |
//! | `network` | is there a route out, is a link up: numbers, no names and no addresses |
//! | `read-speed FOLDER` | of the medium, past the caches |
//! | `names` | what a recording must not hold; never recorded itself |

use std::path::{Path, PathBuf};

use gobag_checklists::Obstacle;
use serde::Serialize;

use crate::capture::{Capture, refused};

mod bus;
mod names;
mod network;
mod processes;
mod speed;

pub(super) use bus::{Owner, Property, Unit, Units};
pub(super) use network::Network;
pub(super) use processes::{Process, Processes};
pub(super) use speed::Speed;

/// Asks.
pub(crate) fn ask(home: Option<&Path>, name: &str) -> Capture {
    let (query, rest) = name.split_once(' ').unwrap_or((name, ""));
    match query {
        "stat" => stat(&place(home, rest), rest),
        "head" => head(&place(home, rest), rest),
        "units" => bus::units(rest),
        "bus-owner" => bus::owner(rest),
        "property" => bus::property(rest),
        "processes" => processes::find(Path::new("/proc"), rest),
        "network" => network::look(),
        "read-speed" => speed::read(Path::new(rest)),
        "names" => names::all(),
        _ => Capture::failed(Obstacle::Missing, format!("{name}: Linux has no such query")),
    }
}

/// An answer with parts.
fn answer(parts: &impl Serialize) -> Capture {
    match serde_json::to_vec(parts) {
        Ok(bytes) => Capture::Bytes(bytes),
        Err(error) => Capture::failed(Obstacle::NotWorking, error.to_string()),
    }
}

fn place(home: Option<&Path>, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// What `stat` tells of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct Stat {
    /// A folder?
    #[serde(default)]
    pub(super) folder: bool,
    /// Number of its owner.
    pub(super) owner: u32,
    /// Access rights, as the lowest twelve bits.
    pub(super) mode: u32,
    /// Bytes.
    #[serde(default)]
    pub(super) size: u64,
    /// When its content was last changed, seconds since 1970 UTC.
    pub(super) changed_s: i64,
}

fn stat(path: &Path, shown: &str) -> Capture {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata(path) {
        Ok(data) => answer(&Stat {
            folder: data.is_dir(),
            owner: data.uid(),
            mode: data.mode() & 0o7777,
            size: data.size(),
            changed_s: data.mtime(),
        }),
        Err(error) => refused("look at", shown, &error),
    }
}

fn head(path: &Path, shown: &str) -> Capture {
    use std::io::Read;
    let mut bytes = Vec::new();
    match gobag_checklists::regular::open(path).and_then(|file| file.take(512).read_to_end(&mut bytes)) {
        Ok(_) => Capture::Bytes(bytes),
        Err(error) => refused("read", shown, &error),
    }
}
