//! The commands by which somebody keeps a folder the same as another, or as a workspace: for the programs that offer them. One file per command; what they do is in
//! `gobag-pair` and `gobag-files`, and what differs from program to program is a [`Program`].
#![cfg(target_os = "linux")]

mod conflicts;
mod earlier;
mod error;
mod holds;
mod news;
mod other;
mod pair;
mod passing;
mod program;
mod progress;
mod random;
mod restore;
mod status;
mod sync;
mod text;
mod time;
mod units;
mod versions;
mod watch;
mod watcher;
mod who;

pub use conflicts::{ConflictsArgs, conflicts};
pub use error::OrExplain;
pub use holds::{HoldsArgs, holds};
pub use other::Right;
pub use pair::{PairArgs, pair};
pub use program::{KeptAt, Program, ReachError, Reached, Shell, quoted};
pub use random::SystemRandom;
pub use restore::{RestoreArgs, restore};
pub use status::{StatusArgs, status};
pub use sync::{SyncArgs, SyncOptions, sync, sync_these};
pub use versions::{VersionsArgs, versions};
pub use who::who;
