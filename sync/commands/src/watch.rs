//! `sync --watch`: pass after pass, until somebody ends it.
//!
//! A pass is made when something changed and it has been quiet for a moment, when a root came or went, and from time to time anyway. Between two passes nothing
//! is held open, so that a drive can be pulled and other commands have their turn. Nothing that goes wrong ends it.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Select};
use gobag_pair::{Outcome, PairError, Report};
use gobag_term::{CliError, ErrorReport, ExitCode, Signal, human};
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::{
    Shell,
    error::OrExplain as _,
    news,
    passing::{Passing, gone},
    progress::Quiet,
    text,
    units::{Window, standing},
    watcher::{Hint, Watcher, presence},
};

/// So long nothing has to change before a pass.
const QUIET: Duration = Duration::from_secs(1);
/// Longer than this after a change nobody waits for quiet.
const RESTLESS: Duration = Duration::from_secs(10);
/// So often it is looked whether both folders are there, and what the program needs.
const LOOK: Duration = Duration::from_secs(2);
/// The first pause after something went wrong, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];
/// The clock may be set while nothing is to be done.
const SCHEDULE: Duration = Duration::from_secs(60);

/// When passes are made.
pub(crate) struct When<'a> {
    /// At least so often.
    pub(crate) every: Duration,
    /// Only then; none: always.
    pub(crate) windows: &'a [Window],
}

/// A pass, as one line of JSON.
#[derive(Serialize)]
struct Line {
    /// Seconds since 1970 UTC.
    began_s: i64,
    ended_s: i64,
    outcome: Outcome,
    /// None: nothing could be done.
    report: Option<Report>,
    error: Option<ErrorReport>,
}

pub(crate) fn watch(passing: &Passing<'_>, when: &When<'_>, shell: &Shell<'_>) -> Result<ExitCode, CliError> {
    let Some(interrupt) = shell.ui.interrupt() else {
        return Ok(ExitCode::Ok);
    };
    let (mut watcher, hints) = Watcher::new();
    news::listen(passing.right, &shell.program, watcher.teller(), &interrupt);
    let mut desk = Desk {
        signals: interrupt.subscribe(),
        hints,
        is_limited: false,
        standing: BTreeSet::new(),
        was_well: None,
        pauses: 0,
        is_closed: false,
        shell,
    };
    let tops: Vec<&Path> = std::iter::once(passing.left)
        .chain(passing.right.folder())
        .collect();
    let presences = || tops.iter().copied().map(presence).collect::<Vec<_>>();
    while !interrupt.is_set() {
        let open = standing(when.windows, &Zoned::now());
        if !open.is_open {
            if !shell.program.is_there() {
                return Err(gone()).or_explain(shell);
            }
            desk.wait_for_window(open.lasts);
            continue;
        }
        desk.is_closed = false;
        watcher.refresh(&tops);
        desk.drain();
        let was_there = presences();
        let until = open.lasts.map(|lasts| Instant::now() + lasts);
        let quiet = Quiet::new(shell.ui, &interrupt, until);
        let began_s = Timestamp::now().as_second();
        let passed = passing.pass(shell, &quiet);
        if passed.is_ok() {
            quiet.finish();
        }
        // What nobody can wait for is an error, as long as nothing was ever done.
        let is_wrong = match &passed {
            Err(PairError::NotPaired { .. }) => !may_come(passing.left),
            Err(PairError::Overlap { .. }) => true,
            _ => false,
        };
        if is_wrong && desk.was_well.is_none() {
            return passed.map(|_| ExitCode::Ok).or_explain(shell);
        }
        // Whoever takes the keys away has gone, too: nothing is kept of them until they are back.
        if !shell.program.is_there() {
            return Err(gone()).or_explain(shell);
        }
        // By somebody, or by the schedule.
        if matches!(passed, Err(PairError::Ended)) {
            continue;
        }
        desk.tell(passed, began_s)?;
        desk.wait(desk.pause(when.every), &|| {
            presences() != was_there || !shell.program.is_there()
        });
    }
    shell.ui.say("Ended. What was done is whole.");
    Ok(ExitCode::Ok)
}

/// Whether a folder may be on a drive that is not plugged in: it is not there, or as empty as where one is mounted.
fn may_come(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// What was said, and what is waited for.
struct Desk<'a> {
    signals: Receiver<Signal>,
    hints: Receiver<Hint>,
    is_limited: bool,
    /// What was wrong after the last pass: it is not said again.
    standing: BTreeSet<String>,
    /// Whether the last pass went well; none: there was none.
    was_well: Option<bool>,
    /// Passes in a row that did not.
    pauses: u32,
    /// Whether it was said that nothing is done at this time of day.
    is_closed: bool,
    shell: &'a Shell<'a>,
}

impl Desk<'_> {
    /// Says what a pass came to, as far as it is new.
    fn tell(&mut self, passed: Result<Report, PairError>, began_s: i64) -> Result<(), CliError> {
        let outcome = match &passed {
            Ok(report) => Outcome::of(report),
            Err(_) => Outcome::Failed,
        };
        let is_well = matches!(outcome, Outcome::InStep | Outcome::Ended);
        let (news, standing, same) = match &passed {
            Ok(report) => (
                text::news(report),
                text::wrong(report, self.shell),
                text::same(report),
            ),
            Err(_) => (String::new(), BTreeSet::new(), ""),
        };
        let (report, error) = match passed.or_explain(self.shell) {
            Ok(report) => (Some(report), None),
            Err(error) => (None, Some(error.report())),
        };
        let standing = match &error {
            Some(error) => BTreeSet::from([text::explained(error)]),
            None => standing,
        };
        let mut text = news;
        text.extend(standing.difference(&self.standing).cloned());
        match (self.was_well, outcome) {
            (None | Some(false), Outcome::InStep) => {
                text.push_str(&same.replace(".\n", "; they are kept so.\n"));
            }
            (Some(true), Outcome::InStep) if !text.is_empty() => text.push_str(same),
            _ => {}
        }
        self.pauses = if is_well { 0 } else { self.pauses + 1 };
        self.was_well = Some(is_well);
        self.standing = standing;
        let line = Line {
            began_s,
            ended_s: Timestamp::now().as_second(),
            outcome,
            report,
            error,
        };
        let clock = Zoned::now().strftime("%H:%M:%S ").to_string();
        self.shell.ui.answer_line(&line, |_| {
            text.lines().map(|line| format!("{clock}{line}\n")).collect()
        })?;
        Ok(())
    }

    /// How long to wait at most.
    fn pause(&self, every: Duration) -> Duration {
        let [first, longest] = PAUSES;
        match self.pauses.checked_sub(1) {
            None => every,
            Some(doublings) => first
                .saturating_mul(1 << doublings.min(16))
                .min(longest)
                .min(every),
        }
    }

    /// Waits until a pass is due, or somebody ends all.
    fn wait(&mut self, most: Duration, came_or_went: &dyn Fn() -> bool) {
        let mut rhythm = Rhythm::new(Instant::now() + most);
        loop {
            let now = Instant::now();
            if rhythm.due() <= now || came_or_went() {
                return;
            }
            match self.next(rhythm.due().min(now + LOOK)) {
                Next::End => return,
                Next::Changed => rhythm.change(Instant::now()),
                Next::Time => {}
            }
        }
    }

    fn wait_for_window(&mut self, lasts: Option<Duration>) {
        let lasts = lasts.unwrap_or(SCHEDULE);
        if !std::mem::replace(&mut self.is_closed, true) {
            let time = human::duration(lasts);
            self.shell.ui.say(&format!(
                "By the schedule nothing is done now. It goes on in {time}."
            ));
        }
        let until = Instant::now() + lasts.min(LOOK);
        // Changes are found by the pass that comes then.
        while matches!(self.next(until), Next::Changed) {}
    }

    /// What happens next, until then.
    fn next(&mut self, until: Instant) -> Next {
        let mut select = Select::new();
        let signals = select.recv(&self.signals);
        select.recv(&self.hints);
        match select.ready_deadline(until) {
            Err(_) => Next::Time,
            Ok(ready) if ready == signals => Next::End,
            Ok(_) => {
                self.drain();
                Next::Changed
            }
        }
    }

    /// Takes all hints.
    fn drain(&mut self) {
        let is_limited = self
            .hints
            .try_iter()
            .fold(false, |is, hint| is | (hint == Hint::Limited));
        if is_limited && !std::mem::replace(&mut self.is_limited, true) {
            self.shell.ui.warn(
                "Not all folders can be watched: the system's limit is reached (`fs.inotify.max_user_watches`). What changes in the others is found when all is \
                 looked at (`--every`).",
            );
        }
    }
}

enum Next {
    End,
    Changed,
    Time,
}

/// When a pass is due.
struct Rhythm {
    latest: Instant,
    /// The first change, and the last.
    changed: Option<[Instant; 2]>,
}

impl Rhythm {
    fn new(latest: Instant) -> Self {
        Self {
            latest,
            changed: None,
        }
    }

    fn change(&mut self, now: Instant) {
        let first = self.changed.map_or(now, |[first, _]| first);
        self.changed = Some([first, now]);
    }

    fn due(&self) -> Instant {
        let quiet = self
            .changed
            .map(|[first, last]| (last + QUIET).min(first + RESTLESS));
        quiet.map_or(self.latest, |quiet| quiet.min(self.latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_comes_when_it_is_quiet_and_not_too_late() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut rhythm = Rhythm::new(at(60_000));
        assert_eq!(rhythm.due(), at(60_000));
        rhythm.change(at(5000));
        assert_eq!(rhythm.due(), at(6000));
        for ms in (5500..30_000).step_by(500) {
            rhythm.change(at(ms));
        }
        assert_eq!(
            rhythm.due(),
            at(15_000),
            "somebody who never rests is not waited for"
        );
        let mut late = Rhythm::new(at(5500));
        late.change(at(5000));
        assert_eq!(late.due(), at(5500));
    }
}
