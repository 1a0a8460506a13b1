//! What replication tells of itself.

use gobag_protocol::points::BookmarkKind;
use serde::{Deserialize, Serialize};

use super::pace::Pace;
use crate::{
    allowance::{Limit, Why},
    error::SendError,
    sender::Passed,
};

/// How far the company's copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is known yet.
    #[default]
    Starting,
    /// There was no complete point yet.
    FirstCopy,
    /// There was one, and more has changed than one pass takes.
    CatchingUp,
    /// The newest point shows everything but what changed in the last minute.
    InStep,
    /// A phase this program does not know.
    #[serde(other)]
    Unknown,
}

/// What replication tells of itself. Fields only get added, and each has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaStatus {
    /// How far it is.
    pub phase: Phase,
    /// Bytes of changes that the company does not have, or not yet as part of a point.
    pub unsent_bytes: u64,
    /// Whether nothing waits after the last pass, not even blocks that became zero.
    pub all_sent: bool,
    /// The pass under way.
    pub pass: Option<PassStatus>,
    /// Bytes of data sent a second, by the pass under way or the last ones.
    pub bytes_per_s: Option<u64>,
    /// Seconds that the rest takes at that speed.
    pub left_s: Option<u64>,
    /// By whose rule nothing may be sent now.
    pub paused: Option<Why>,
    /// How fast bytes may leave now.
    pub limit: Option<Limit>,
    /// When the last pass began that found everything sent, or sent it: what was written since is what a loss of the stick would
    /// cost now. Seconds since 1970 UTC, by the PC's clock.
    pub complete_s: Option<u64>,
    /// The newest point.
    pub generation: Option<u64>,
    /// Names given to points by the person in this session.
    pub marks: u64,
    /// What became of the last of them.
    pub last_mark: Option<MarkStatus>,
    /// Names given to points by the clock in this session.
    pub automatic_marks: u64,
    /// Why the last pass failed: code and words.
    pub problem: Option<Problem>,
}

/// A pass under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassStatus {
    /// Bytes of data in it.
    pub data_bytes: u64,
    /// Those of them that reached the server.
    pub done_bytes: u64,
    /// Bytes that reached it, compressed and sealed.
    pub sent_bytes: u64,
}

/// A name that the company has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkStatus {
    /// What it stands for.
    pub kind: BookmarkKind,
    /// Its point.
    pub generation: u64,
}

/// Why the last pass failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// In words.
    pub message: String,
    /// Whether it goes away with nobody doing anything.
    pub passes: bool,
}

impl ReplicaStatus {
    /// Bytes that are still to go to the server.
    pub fn left_bytes(&self) -> u64 {
        let done_bytes = self.pass.map_or(0, |pass| pass.done_bytes);
        self.unsent_bytes.saturating_sub(done_bytes)
    }

    /// A pass goes on: it is so far, at such a speed, if that is known yet.
    pub(super) fn advance(&mut self, pass: PassStatus, unsent_bytes: u64, bytes_per_s: Option<u64>) {
        self.unsent_bytes = unsent_bytes;
        self.pass = Some(pass);
        self.bytes_per_s = bytes_per_s.or(self.bytes_per_s);
        self.estimate();
    }

    pub(super) fn learn(
        &mut self,
        passed: &Result<Passed, SendError>,
        pace: &Pace,
        first_copied: bool,
        started_s: u64,
        left: u64,
    ) {
        self.unsent_bytes = left;
        self.pass = None;
        self.bytes_per_s = pace.bytes_per_s;
        self.estimate();
        let (unreadable, more) = match passed {
            Ok(Passed::Unreadable { runs, more }) => (*runs, *more),
            Ok(Passed::Point { unreadable, more, .. }) => (*unreadable, *more),
            _ => (0, false),
        };
        let failed = passed.as_ref().err().map(Problem::of);
        let damaged = || (unreadable > 0).then(|| Problem::unreadable(unreadable, more));
        self.problem = failed.or_else(damaged).or_else(|| pace.problem());
        match passed {
            Ok(Passed::Nothing | Passed::Point { complete: true, .. }) => {
                self.phase = Phase::InStep;
                self.complete_s = Some(started_s);
            }
            Ok(Passed::Point { .. }) if self.complete_s.is_some() || first_copied => {
                self.phase = Phase::CatchingUp;
            }
            Ok(Passed::Point { .. }) => self.phase = Phase::FirstCopy,
            Ok(Passed::Unreadable { .. }) | Err(_) => {}
        }
        if let Ok(Passed::Point { generation, .. }) = passed {
            self.generation = Some(*generation);
        }
    }

    fn estimate(&mut self) {
        let left_bytes = self.left_bytes();
        let rate = self.bytes_per_s.filter(|rate| *rate > 0);
        self.left_s = rate.map(|rate| left_bytes.div_ceil(rate));
    }
}

impl Problem {
    fn unreadable(runs: usize, more: bool) -> Self {
        let rest = match more {
            true => "the rest is still on its way",
            false => "all else is with the company",
        };
        Self {
            code: "replica.unreadable".to_owned(),
            message: format!("the stick cannot read {runs} parts of what changed; {rest}"),
            passes: false,
        }
    }

    fn of(error: &SendError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: words(error),
            passes: error.is_transient(),
        }
    }
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_and_how_long_it_takes_follow_the_pass() {
        let mut status = ReplicaStatus::default();
        let pass = |done_bytes| PassStatus {
            data_bytes: 600,
            done_bytes,
            sent_bytes: done_bytes / 2,
        };
        status.advance(pass(0), 1000, None);
        assert_eq!((status.left_bytes(), status.left_s), (1000, None));
        status.advance(pass(400), 1000, Some(100));
        assert_eq!((status.left_bytes(), status.left_s), (600, Some(6)));
        // Nothing counts as the company's before it is part of a point.
        assert_eq!(status.unsent_bytes, 1000);
        let failed = Err(SendError::Stopped);
        status.learn(&failed, &Pace::default(), false, 7, 1000);
        assert_eq!((status.left_bytes(), status.pass), (1000, None));
        assert_eq!(status.problem.unwrap().code, "replica.stopped");
    }

    #[test]
    fn an_older_and_a_newer_program_s_status_can_be_read() {
        let status: ReplicaStatus =
            serde_json::from_str(r#"{"phase":"dreaming","marks":2,"paused":"moon","mood":1}"#).unwrap();
        assert_eq!(
            (status.phase, status.marks, status.paused),
            (Phase::Unknown, 2, Some(Why::Unknown))
        );
    }
}
