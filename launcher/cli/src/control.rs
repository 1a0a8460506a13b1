//! How `gobag status` and `gobag stop` talk to a running `gobag start`.
//!
//! A Unix socket in the run's private folder (mode 0700: who can reach it is this user or root). One request line of
//! JSON, then answer lines of JSON, each a whole [`Report`]: one for `status`; for `stop` and `mark` one now and one at every
//! change, until the state is a last one. The connection's end is no answer.

mod client;
mod server;

use serde::{Deserialize, Serialize};

use crate::company::CompanyReport;

pub(crate) use client::{ControlError, mark, status, stop};
pub(crate) use server::{Board, Command, Server};

/// Name of the socket in the run's folder.
pub(crate) const SOCKET: &str = "control.sock";
/// Longest line either side reads.
const LINE_BYTES: u64 = 64 << 10;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
enum Request {
    /// One report.
    Status,
    /// Give the state of the volumes a name, and report until the company has it.
    Mark {
        /// The name.
        name: String,
    },
    /// Shut down, and report until it is done.
    Stop {
        /// Cut the power instead of asking the guest.
        now: bool,
    },
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SessionState {
    /// Unlocking, mounting, starting.
    #[default]
    Starting,
    /// The guest runs.
    Running,
    /// The guest waits for the stick.
    StickGone,
    /// The guest waits because the stick is full.
    StickFull,
    /// The guest stands still because of damage.
    StickDamaged,
    /// The guest stands still for another reason.
    Paused,
    /// The guest shuts down.
    Stopping,
    /// The last changes are being written to the stick.
    Saving,
    /// All is written; the last state.
    SafeToRemove,
    /// It ended without everything being written; the last state.
    Failed,
    /// A state this program does not know.
    #[serde(other)]
    Unknown,
}

impl SessionState {
    /// Whether nothing comes after it.
    pub(crate) fn is_last(self) -> bool {
        matches!(self, Self::SafeToRemove | Self::Failed)
    }

    /// In words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::StickGone => "waiting for the stick: plug it in again",
            Self::StickFull => "standing still: the stick is full",
            Self::StickDamaged => "standing still: a part of the stick cannot be read",
            Self::Paused => "standing still",
            Self::Stopping => "shutting down",
            Self::Saving => "writing the last changes to the stick",
            Self::SafeToRemove => "ended; the stick is safe to remove",
            Self::Failed => "ended, but not everything is written to the stick",
            Self::Unknown => "in a state that this version does not know",
        }
    }
}

/// A session, as others see it. Fields only get added, and each has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// What it is doing.
    pub(crate) state: SessionState,
    /// Process id of the launcher.
    pub(crate) pid: u32,
    /// Id of the bundle.
    pub(crate) bundle: String,
    /// Where the stick is, or was last seen.
    pub(crate) stick: String,
    /// Whose stick it is; known once it is unlocked.
    pub(crate) user: Option<String>,
    /// The image that runs.
    pub(crate) image: Option<String>,
    /// `vm`, `container` or `mount`.
    pub(crate) mode: Option<String>,
    /// What runs the guest's instructions.
    pub(crate) accelerator: Option<String>,
    /// When it started, seconds since 1970.
    pub(crate) since_s: u64,
    /// Where the disks are, for `mount`.
    pub(crate) mountpoint: Option<String>,
    /// The block socket where the disks are, if it is one.
    pub(crate) socket: Option<String>,
    /// Socket of the screen, for `--vnc`.
    pub(crate) vnc: Option<String>,
    /// How it stands with the company; absent until the stick is found to be enrolled.
    pub(crate) company: Option<CompanyReport>,
}
