//! Replication that goes on by itself while a session lasts, and what it tells of itself.
//!
//! A pass every half minute while there is something new; one right after the other while more has gathered. Without a network
//! it tries again, at longer and longer intervals. Nothing here can stop a guest: what cannot be sent stays on the stick.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use gobag_bundle::{ReplicaSource, store::Clock};
use gobag_protocol::{
    limits::MAX_BOOKMARKS,
    points::{Bookmark, BookmarkKind},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::SendError,
    remote::Remote,
    sender::{Pass, Passed, Progress, Sender},
};

/// From the begin of one pass to that of the next.
const EVERY: Duration = Duration::from_secs(30);
/// How often the stick notes what the server has, if little is sent.
const NOTE_EVERY: Duration = Duration::from_secs(300);
/// What a pass takes at least, and at most as long as passes gain on the guest, bytes.
const LEAST_BYTES: u64 = 4 << 20;
/// What it takes at least on a line that breaks.
const FEWEST_BYTES: u64 = 1 << 20;
/// Longest name of a moment, bytes: sealed, it fits a label.
const MAX_NAME: usize = 512;
const MOST_BYTES: u64 = 256 << 20;
/// How long a pass that leaves something over should take, seconds: what is lost when it is cut.
const PASS_S: u64 = 60;
/// Passes in a row that left no less than they found, after which it is said.
const LOSING: u32 = 3;
/// How often it is looked whether the company still has what it was sent, a part each time.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// The longest wait for a network.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The wait after a refusal that only people can lift.
const REFUSED_WAIT: Duration = Duration::from_secs(600);

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
    /// Bytes of changes that the company does not have.
    pub unsent_bytes: u64,
    /// Bytes of data sent a second, by the last passes.
    pub bytes_per_s: Option<u64>,
    /// Seconds that the rest takes at that speed.
    pub left_s: Option<u64>,
    /// When the last pass began that found everything sent, or sent it: what was written since is what a loss of the stick would
    /// cost now. Seconds since 1970 UTC, by the PC's clock.
    pub complete_s: Option<u64>,
    /// The newest point.
    pub generation: Option<u64>,
    /// Names given to points in this session.
    pub marks: u64,
    /// Why the last pass failed: code and words.
    pub problem: Option<Problem>,
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

/// A name for the moment at which it is asked for.
struct Mark {
    kind: BookmarkKind,
    name: String,
}

#[derive(Default)]
struct Shared {
    status: ReplicaStatus,
    marks: Vec<Mark>,
    ending: bool,
}

/// Between the thread that replicates and everybody else.
#[derive(Default)]
pub struct Control {
    shared: Mutex<Shared>,
    wake: Condvar,
    progress: Progress,
}

impl Control {
    /// What replication tells of itself now.
    pub fn status(&self) -> ReplicaStatus {
        self.shared().status.clone()
    }
    /// Names the first state that is sent complete from now on; [`ReplicaStatus::marks`] counts those that were. `false` if the name is
    /// too long.
    pub fn mark(&self, kind: BookmarkKind, name: &str) -> bool {
        let fits = name.len() <= MAX_NAME;
        if fits {
            let name = name.to_owned();
            self.shared().marks.push(Mark { kind, name });
            self.wake.notify_all();
        }
        fits
    }

    /// Lets [`run`] end: when everything is sent, or, if `at_once`, now.
    pub fn end(&self, at_once: bool) {
        self.shared().ending = true;
        if at_once {
            self.progress.stop.store(true, Ordering::Relaxed);
        }
        self.wake.notify_all();
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `at_most`, or until there is something to do.
    fn wait(&self, at_most: Duration) {
        let idle = |shared: &mut Shared| !shared.ending && shared.marks.is_empty();
        // Poisoned or not, what it guards is only told.
        let _ = self.wake.wait_timeout_while(self.shared(), at_most, idle);
    }

    fn is_ending(&self) -> bool {
        self.shared().ending
    }
}

/// Replicates until [`Control::end`]; on a thread of its own. After each pass `tell` hears how it stands.
pub fn run<R: Remote>(
    source: ReplicaSource,
    remote: R,
    control: &Control,
    clock: &Clock,
    tell: impl Fn(&ReplicaStatus),
) {
    let mut sender = Sender::new(source.clone(), remote);
    let mut pace = Pace::default();
    let (mut noted, mut looked) = (Instant::now(), Instant::now());
    loop {
        let ending = control.is_ending();
        let (started, started_s) = (Instant::now(), clock());
        let passed = one_pass(&mut sender, pace.most_bytes, control);
        let left = source.unsent_bytes();
        let wait = pace.after(&passed, started.elapsed(), left); // Whoever ends it gets passes until all is sent, or one fails.
        let last = ending
            && !matches!(
                passed,
                Ok(Passed::Point {
                    complete: false,
                    unreadable: 0,
                    ..
                })
            );
        let status = {
            let mut shared = control.shared();
            let first_copied = sender.is_first_copied();
            shared.status.learn(&passed, &pace, first_copied, started_s, left);
            shared.status.clone()
        };
        tell(&status);
        if sender.is_note_due() || noted.elapsed() >= NOTE_EVERY || last {
            noted = Instant::now();
            if let Err(error) = sender.note() {
                tracing::warn!(code = error.code(), %error, "the stick cannot note what the company has");
            }
        }
        if last {
            return;
        }
        if matches!(passed, Ok(Passed::Nothing)) && looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            match sender.look_after() {
                Ok(0) => {}
                Ok(packs) => tracing::warn!(
                    packs,
                    "the company has lost parts of its copy; they are sent again"
                ),
                Err(error) => {
                    tracing::warn!(code = error.code(), %error, "the company's copy cannot be looked at");
                }
            }
        }
        control.wait(wait.saturating_sub(started.elapsed()));
    }
}

fn one_pass<R: Remote>(
    sender: &mut Sender<R>,
    most_bytes: u64,
    control: &Control,
) -> Result<Passed, SendError> {
    let marks: Vec<Mark> = {
        let mut shared = control.shared();
        let most = shared.marks.len().min(MAX_BOOKMARKS);
        shared.marks.drain(..most).collect()
    };
    let bookmarks = marks.iter().map(|mark| {
        let label = sender.label(&mark.name);
        gobag_protocol::bytes::Sealed::new(label).map(|label| Bookmark {
            kind: mark.kind,
            label,
        })
    });
    // Names that are too long were refused where they were given.
    let bookmarks: Vec<Bookmark> = bookmarks.filter_map(Result::ok).collect();
    let passed = sender.pass(
        &Pass {
            most_bytes,
            bookmarks,
        },
        &control.progress,
    );
    let mut shared = control.shared();
    if matches!(passed, Ok(Passed::Point { complete: true, .. })) {
        shared.status.marks += marks.len() as u64;
    } else {
        let newer = std::mem::replace(&mut shared.marks, marks);
        shared.marks.extend(newer);
    }
    drop(shared);
    passed
}

impl ReplicaStatus {
    fn learn(
        &mut self,
        passed: &Result<Passed, SendError>,
        pace: &Pace,
        first_copied: bool,
        started_s: u64,
        left: u64,
    ) {
        self.unsent_bytes = left;
        self.bytes_per_s = pace.bytes_per_s;
        self.left_s = pace
            .bytes_per_s
            .filter(|rate| *rate > 0)
            .map(|rate| left.div_ceil(rate));
        let unreadable = match passed {
            Ok(Passed::Unreadable { runs }) => *runs,
            Ok(Passed::Point { unreadable, .. }) => *unreadable,
            _ => 0,
        };
        let failed = passed.as_ref().err().map(Problem::of);
        let damaged = || (unreadable > 0).then(|| Problem::unreadable(unreadable));
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
}

impl Problem {
    fn unreadable(runs: usize) -> Self {
        Self {
            code: "replica.unreadable".to_owned(),
            message: format!(
                "the stick cannot read {runs} parts of what changed; all else is with the company"
            ),
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

/// How much a pass takes, and when the next one comes.
struct Pace {
    most_bytes: u64,
    bytes_per_s: Option<u64>,
    failures: u32,
    left_before: u64,
    losing: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            most_bytes: 32 << 20,
            bytes_per_s: None,
            failures: 0,
            left_before: u64::MAX,
            losing: 0,
        }
    }
}

impl Pace {
    /// Learns from a pass that took so long and left so much; returns from its begin to that of the next.
    fn after(&mut self, passed: &Result<Passed, SendError>, took: Duration, left: u64) -> Duration {
        match passed {
            Ok(Passed::Nothing | Passed::Unreadable { .. }) => {
                self.failures = 0;
                EVERY
            }
            Ok(Passed::Point {
                complete,
                data_bytes,
                unreadable,
                ..
            }) => {
                self.failures = 0;
                self.learn(*data_bytes, took);
                self.size(*complete, left);
                if *complete || *unreadable > 0 {
                    EVERY
                } else {
                    Duration::ZERO
                }
            }
            Err(error) if error.is_transient() => {
                self.failures = (self.failures + 1).min(16);
                // A line that breaks before so much is through gets less at once.
                self.most_bytes = (self.most_bytes / 2).max(FEWEST_BYTES);
                took + Duration::from_secs(1 << self.failures.min(9)).min(LONGEST_WAIT)
            }
            Err(_) => took + REFUSED_WAIT,
        }
    }

    /// That the guest writes more than the line takes.
    fn problem(&self) -> Option<Problem> {
        (self.losing >= LOSING).then(|| Problem {
            code: "replica.too-slow".to_owned(),
            message: "more is written than the line to the company takes".to_owned(),
            passes: true,
        })
    }

    fn learn(&mut self, data_bytes: u64, took: Duration) {
        let millis = took.as_millis().max(1) as u64;
        if data_bytes >= LEAST_BYTES / 4 {
            let rate = data_bytes.saturating_mul(1000) / millis;
            // The newest counts half.
            self.bytes_per_s = Some(self.bytes_per_s.map_or(rate, |before| (before + rate) / 2));
        }
    }

    /// While passes gain on the guest they are short. When they do not, the next ones take ever more, until one takes
    /// everything: a point that is complete must come.
    fn size(&mut self, complete: bool, left: u64) {
        self.losing = match !complete && left >= self.left_before {
            true => self.losing + 1,
            false => 0,
        };
        self.left_before = if complete { u64::MAX } else { left };
        let usual = self
            .bytes_per_s
            .map_or(LEAST_BYTES, |rate| rate.saturating_mul(PASS_S));
        let usual = usual.clamp(LEAST_BYTES, MOST_BYTES) << self.losing.min(8);
        // After failures it grows again step by step.
        self.most_bytes = match self.losing {
            0 => usual.min(self.most_bytes.saturating_mul(2)),
            _ => usual,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(complete: bool, data_bytes: u64) -> Result<Passed, SendError> {
        Ok(Passed::Point {
            generation: 1,
            time_s: 0,
            complete,
            data_bytes,
            unreadable: 0,
        })
    }

    #[test]
    fn passes_are_a_minute_long_and_follow_each_other_while_something_is_left() {
        let mut pace = Pace::default();
        let second = Duration::from_secs(1);
        assert_eq!(
            pace.after(&point(false, 2 << 20), second, 100 << 20),
            Duration::ZERO
        );
        assert_eq!(pace.bytes_per_s, Some(2 << 20));
        assert_eq!(pace.most_bytes, 64 << 20);
        assert_eq!(pace.after(&point(true, 1 << 20), second, 0), EVERY);
        assert_eq!(pace.after(&Ok(Passed::Nothing), second, 0), EVERY);
    }

    #[test]
    fn a_guest_that_writes_faster_than_the_line_still_gets_a_complete_point() {
        let mut pace = Pace::default();
        assert_eq!(pace.problem(), None);
        let mut most = 0;
        for _ in 0..12 {
            pace.after(&point(false, 1 << 20), Duration::from_secs(1), 10 << 30);
            most = most.max(pace.most_bytes);
        }
        assert!(most >= 10 << 30, "{most}");
        assert_eq!(pace.problem().unwrap().code, "replica.too-slow");
        pace.after(&point(true, 10 << 30), Duration::from_secs(3600), 0);
        assert!(pace.most_bytes <= MOST_BYTES && pace.problem().is_none());
    }

    #[test]
    fn waits_grow_to_five_minutes_and_end_with_success() {
        let mut pace = Pace::default();
        let offline = || Err(SendError::Snapshot(gobag_bundle::store::SnapshotError::Gone));
        let waits: Vec<u64> = (0..10)
            .map(|_| pace.after(&offline(), Duration::ZERO, 0).as_secs())
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pace.after(&Ok(Passed::Nothing), Duration::ZERO, 0), EVERY);
        assert_eq!(pace.after(&offline(), Duration::ZERO, 0).as_secs(), 2);
        let refused = Err(SendError::Generation);
        assert_eq!(pace.after(&refused, Duration::ZERO, 0), REFUSED_WAIT);
    }
}
