//! What a running workstation's keeper does about what happens: a pure state machine.
//!
//! [`State::on`] takes one [`Input`] and says what to do; [`crate::session`] does it and feeds the results back. So every
//! story (a pulled stick, an impatient Ctrl-C, a guest that ignores its power button) is a test without a guest.
//!
//! What must stay true:
//! - nothing ever lets the guest go on before the stick has been found again and recognised;
//! - every way of being asked to end leads to [`Action::PowerDown`], then after a bounded time to [`Action::Quit`], then
//!   to [`Action::Kill`]; a second wish shortens the wait;
//! - a guest that stands still cannot hear its power button, so it is never waited for.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use gobag_engine::guest::{Event, Exit, PauseReason};
use gobag_term::Signal;

use crate::words::Message;

/// How long a guest may take to shut down by itself. Installing updates takes longer than this; then
/// a person asks a second time or waits with `gobag stop`.
pub(crate) const POWER_DOWN: Duration = Duration::from_secs(120);
/// How long the computer's own shutdown leaves us (systemd's usual limit is 90 s).
pub(crate) const POWER_DOWN_HURRIED: Duration = Duration::from_secs(45);
/// How long QEMU may take to finish what its disks were asked to do.
pub(crate) const QUIT: Duration = Duration::from_secs(20);
/// A guest that stands still again so soon after it went on has the same trouble as before: it is not told again,
const SAME_TROUBLE: Duration = Duration::from_secs(10);
/// unless it lasts longer than this.
const LASTING_TROUBLE: Duration = Duration::from_secs(3);

/// Something happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// To the guest.
    Guest(Event),
    /// A signal arrived.
    Signal(Signal),
    /// `gobag stop` asks.
    Stop {
        /// Without the guest's consent.
        now: bool,
    },
    /// A volume reported an error with this code; the guest may not know yet.
    Trouble(&'static str),
    /// The stick was found and recognised.
    StickBack(PathBuf),
    /// The stick was found, but it is not in the state in which it went.
    StickChanged(PathBuf),
    /// A deadline of [`State::deadline`] has passed.
    Time,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the person.
    Tell(Message),
    /// Press the guest's power button.
    PowerDown,
    /// End the hypervisor; for the guest a power cut, but its disks' requests are finished.
    Quit,
    /// Kill the hypervisor.
    Kill,
    /// Let the guest go on.
    Continue,
    /// Look for the stick until it is found.
    Search,
    /// Stop looking for it.
    EndSearch,
}

/// What is kept company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A virtual machine: stands still by itself when its disk fails, and says so.
    Machine,
    /// Programs of this computer (a container, or whoever uses the files): their requests wait when the stick does not
    /// answer, and only the volumes' own reports say so.
    Programs,
}

/// What the guest does, as far as its keeper knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its first instructions.
    Starting,
    /// It runs.
    Running,
    /// It stands still because the stick does not answer.
    StickGone,
    /// It stands still because the stick is full.
    Full,
    /// It stands still because something on the stick is damaged.
    Damaged,
    /// It stands still for another reason.
    Paused,
    /// It was asked to end.
    Stopping,
    /// It has ended.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Asked,
    Quitting,
    Killed,
}

/// The keeper's mind.
#[derive(Debug)]
pub(crate) struct State {
    kind: Kind,
    phase: Phase,
    /// The end that is under way, and when patience ends.
    ending: Option<(Ending, Instant)>,
    /// Last code that a volume reported since the guest last ran.
    trouble: Option<&'static str>,
    /// When the guest last went on after trouble, or programs were last told of it.
    resumed: Option<Instant>,
    /// The stick is gone and nothing was said, because it was gone a moment ago: when to say it after all.
    untold: Option<Instant>,
    exit: Option<Exit>,
}

impl State {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            phase: match kind {
                Kind::Machine => Phase::Starting,
                Kind::Programs => Phase::Running,
            },
            ending: None,
            trouble: None,
            resumed: None,
            untold: None,
            exit: None,
        }
    }

    /// What the guest does.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// How it ended, once it has.
    pub(crate) fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// Whether somebody asked for the end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// When to come back with [`Input::Time`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Over {
            return None;
        }
        let ending = self.ending.filter(|(ending, _)| *ending < Ending::Killed);
        let ending = ending.map(|(_, until)| until);
        let untold = self.untold.filter(|_| self.phase == Phase::StickGone);
        ending.into_iter().chain(untold).min()
    }

    /// What to do about `input` at `now`.
    pub(crate) fn on(&mut self, input: Input, now: Instant) -> Vec<Action> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        match input {
            Input::Guest(event) => self.guest(event, now),
            Input::Signal(signal) => self.signal(signal, now),
            Input::Stop { now: false } => self.end(now, POWER_DOWN),
            Input::Stop { now: true } => self.quit(now),
            Input::Trouble(code) => self.trouble(code, now),
            Input::StickBack(path) => self.stick_back(path, now),
            Input::StickChanged(path) => self.stick_changed(path),
            Input::Time => self.time(now),
        }
    }

    fn trouble(&mut self, code: &'static str, now: Instant) -> Vec<Action> {
        self.trouble = Some(code);
        if self.kind == Kind::Machine || self.phase == Phase::StickGone {
            // A machine tells itself what it makes of it.
            return Vec::new();
        }
        let is_same = self.is_same_trouble(now);
        let told = |message| {
            if is_same {
                Vec::new()
            } else {
                vec![Action::Tell(message)]
            }
        };
        match code {
            "volume.medium" => {
                self.phase = Phase::StickGone;
                self.untold = is_same.then_some(now + LASTING_TROUBLE);
                let mut actions = told(Message::StickGone);
                actions.push(Action::Search);
                actions
            }
            "volume.full" | "volume.damaged" => {
                self.resumed = Some(now);
                told(if code == "volume.full" {
                    Message::FullInUse
                } else {
                    Message::DamagedInUse
                })
            }
            _ => Vec::new(),
        }
    }

    fn is_same_trouble(&self, now: Instant) -> bool {
        self.resumed
            .is_some_and(|at| now.duration_since(at) < SAME_TROUBLE)
    }

    fn guest(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Started { accelerator, .. } => vec![Action::Tell(Message::Starting(accelerator))],
            Event::SignOfLife { .. } => {
                self.set_running(Phase::Running);
                vec![Action::Tell(Message::Running)]
            }
            Event::FellBack { from, to, .. } => vec![Action::Tell(Message::FellBack { from, to })],
            Event::Paused { reason } => self.paused(reason, now),
            Event::Resumed => {
                self.set_running(Phase::Running);
                Vec::new()
            }
            Event::ShuttingDown { by_guest } => {
                let is_news = by_guest && self.ending.is_none();
                self.set_running(Phase::Stopping);
                is_news
                    .then_some(Action::Tell(Message::GuestShutsDown))
                    .into_iter()
                    .collect()
            }
            Event::Exited { exit } => {
                self.phase = Phase::Over;
                self.exit = Some(exit);
                vec![Action::EndSearch]
            }
            // `Reset`, and whatever a later version reports, needs nothing from us.
            _ => Vec::new(),
        }
    }

    /// The guest goes on, towards `phase` unless it was asked to end.
    fn set_running(&mut self, phase: Phase) {
        self.trouble = None;
        self.phase = if self.ending.is_some() {
            Phase::Stopping
        } else {
            phase
        };
    }

    fn paused(&mut self, reason: PauseReason, now: Instant) -> Vec<Action> {
        let (phase, message, search) = match reason {
            PauseReason::Asked => {
                self.phase = Phase::Paused;
                return Vec::new();
            }
            PauseReason::IoError { no_space: true, .. } => (Phase::Full, Message::Full, false),
            PauseReason::IoError { .. } if self.trouble == Some("volume.damaged") => {
                (Phase::Damaged, Message::Damaged, false)
            }
            PauseReason::IoError { .. } => (Phase::StickGone, Message::StickGone, true),
            PauseReason::Other { state } => (Phase::Paused, Message::GuestStandsStill { state }, false),
            _ => (
                Phase::Paused,
                Message::GuestStandsStill {
                    state: "unknown".to_owned(),
                },
                false,
            ),
        };
        self.phase = phase;
        let is_same = self.is_same_trouble(now);
        let mut actions = Vec::new();
        self.untold = (is_same && search).then_some(now + LASTING_TROUBLE);
        if self.untold.is_none() {
            actions.push(Action::Tell(message));
        }
        if search {
            actions.push(Action::Search);
        }
        if self.ending.is_some_and(|(ending, _)| ending == Ending::Asked) && !search {
            // It was asked to end and cannot hear it any more.
            actions.extend(self.quit(now));
        }
        actions
    }

    fn stick_back(&mut self, path: PathBuf, now: Instant) -> Vec<Action> {
        if self.phase != Phase::StickGone {
            return Vec::new();
        }
        let was_told = self.untold.take().is_none();
        self.resumed = Some(now);
        self.set_running(Phase::Running);
        let mut actions = Vec::new();
        if was_told {
            actions.push(Action::Tell(Message::StickBack { path }));
        }
        actions.push(Action::Continue);
        if let Some((Ending::Asked, _)) = self.ending {
            // It could not hear the button while it stood still.
            self.ending = Some((Ending::Asked, now + POWER_DOWN));
            actions.push(Action::PowerDown);
        }
        actions
    }

    fn stick_changed(&mut self, path: PathBuf) -> Vec<Action> {
        match self.phase {
            Phase::StickGone => vec![Action::Tell(Message::StickChanged { path })],
            _ => Vec::new(),
        }
    }

    fn signal(&mut self, signal: Signal, now: Instant) -> Vec<Action> {
        match signal {
            Signal::Interrupt => self.end(now, POWER_DOWN),
            // Nobody reads us any more, or the computer is shutting down.
            Signal::Terminate | Signal::HangUp => self.end(now, POWER_DOWN_HURRIED),
        }
    }

    /// Somebody asks for the end; a second time means impatience.
    fn end(&mut self, now: Instant, patience: Duration) -> Vec<Action> {
        match (self.ending, self.phase) {
            (Some((Ending::Asked, _)), _) => self.quit(now),
            (Some(_), _) => Vec::new(),
            (None, Phase::StickGone) => {
                // Not lost yet: with the stick it can still shut down properly.
                self.ending = Some((Ending::Asked, now + patience));
                vec![Action::Tell(Message::StopWithoutStick)]
            }
            (None, Phase::Full | Phase::Damaged | Phase::Paused) => self.quit(now),
            (None, _) => {
                self.phase = Phase::Stopping;
                self.ending = Some((Ending::Asked, now + patience));
                let message = match self.kind {
                    Kind::Machine => Message::ShuttingDown,
                    Kind::Programs => Message::Ending,
                };
                vec![Action::Tell(message), Action::PowerDown]
            }
        }
    }

    fn quit(&mut self, now: Instant) -> Vec<Action> {
        if self.ending.is_some_and(|(ending, _)| ending >= Ending::Quitting) {
            return Vec::new();
        }
        self.phase = Phase::Stopping;
        self.ending = Some((Ending::Quitting, now + QUIT));
        vec![
            Action::EndSearch,
            Action::Tell(Message::SwitchingOff),
            Action::Quit,
        ]
    }

    fn time(&mut self, now: Instant) -> Vec<Action> {
        if self.phase == Phase::StickGone && self.untold.is_some_and(|until| until <= now) {
            self.untold = None;
            return vec![Action::Tell(Message::StickGone)];
        }
        match self.ending {
            Some((Ending::Asked, until)) if until <= now => {
                let mut actions = vec![Action::Tell(Message::TookTooLong)];
                actions.extend(self.quit(now));
                actions
            }
            Some((Ending::Quitting, until)) if until <= now => {
                self.ending = Some((Ending::Killed, until));
                vec![Action::Kill]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
