//! Keeping a running workstation company: from its first event until the stick is safe to remove.
//!
//! [`keep`] carries out what [`state::State`] decides, until the workplace has ended. [`put_away()`] then unmounts and closes
//! in an order in which nothing acknowledged is lost: mount flushed and gone, then the log closed. Either may find
//! the stick missing; then it waits for it, as long as the person does.

mod put_away;
mod remember;
mod search;
mod state;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, after, never, select, unbounded};
use gobag_engine::guest::{Event, Exit};
use gobag_mount::ErrorHook;
use gobag_replica::allowance::Wish;
use gobag_term::{Signal, Ui};

use crate::{
    company::Company,
    control::{Board, Command, SessionState},
    open::{Found, Work},
    workplace::Workplace,
};

pub(crate) use put_away::put_away;
pub(crate) use state::Kind;

use remember::Remembering;
use search::Search;
use state::{Action, Input, Phase, State};

/// What reaches a session from outside.
pub(crate) struct Inbox {
    /// Ctrl-C and its kind.
    pub(crate) signals: Receiver<Signal>,
    /// `gobag stop`.
    pub(crate) commands: Receiver<Command>,
    /// Codes of the volumes' errors.
    pub(crate) troubles: Receiver<&'static str>,
    /// What the person said of sending changes to the company.
    pub(crate) wish: Wish,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    /// The guest, or the container's program, ended by itself.
    ByItself,
    /// It was asked to and did.
    Asked,
    /// It was ended without its consent.
    Forced,
    /// It died.
    Died,
}

/// A hook for the mount, and where its reports arrive. Never blocks: a report that finds the queue full is one of many.
pub(crate) fn troubles() -> (ErrorHook, Receiver<&'static str>) {
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let hook: ErrorHook = Arc::new(move |_, error| {
        let _ = sender.try_send(error.code());
    });
    (hook, receiver)
}

/// Keeps `workplace` company until it has ended; says how.
pub(crate) fn keep(
    workplace: &dyn Workplace,
    kind: Kind,
    work: &Arc<Work>,
    inbox: &Inbox,
    board: &Board,
    ui: &Ui,
) -> (Ended, Option<Exit>) {
    let (found, finds) = unbounded();
    let mut state = State::new(kind);
    let mut search = None;
    let mut was_forced = false;
    let never = never();
    let _remembering = Remembering::start(work, ui);
    let company = Company::start(work, inbox.wish, workplace.agent(), board, ui);
    let mut cut_off = company.cut_off();
    post(board, &state, work);
    while state.phase() != Phase::Over {
        let timer = state.deadline().map_or_else(crossbeam_channel::never, |until| {
            after(until.saturating_duration_since(Instant::now()))
        });
        let input = select! {
            recv(workplace.events()) -> event => Input::Guest(event.unwrap_or_else(|_| lost())),
            recv(inbox.signals) -> signal => Input::Signal(signal.unwrap_or(Signal::Terminate)),
            recv(inbox.commands) -> command => match command {
                Ok(Command::Stop { now }) => Input::Stop { now },
                Ok(Command::Mark { name }) => {
                    company.mark(&name);
                    continue;
                }
                Err(_) => Input::Stop { now: false },
            },
            recv(cut_off) -> told => {
                cut_off = &never;
                match told {
                    Ok(()) => Input::Stop { now: true },
                    // Nobody looks for the company.
                    Err(_) => continue,
                }
            }
            recv(inbox.troubles) -> trouble => Input::Trouble(trouble.unwrap_or("volume.medium")),
            recv(finds) -> found => match found {
                Ok(Found::Back(path)) => Input::StickBack(path),
                Ok(Found::Changed(path)) => Input::StickChanged(path),
                Err(_) => continue,
            },
            recv(timer) -> _ => Input::Time,
        };
        note(&input, board);
        tracing::debug!(?input, phase = ?state.phase(), "session");
        for action in state.on(input, Instant::now()) {
            match action {
                Action::Tell(message) => message.tell(ui),
                Action::PowerDown => workplace.power_down(),
                Action::Quit => {
                    was_forced = true;
                    workplace.quit();
                }
                Action::Kill => workplace.kill(),
                Action::Continue => {
                    search = None;
                    workplace.resume();
                }
                Action::Search => search = search.or_else(|| Search::start(work, found.clone())),
                Action::EndSearch => search = None,
            }
        }
        post(board, &state, work);
    }
    drop(search);
    company.see_off(was_forced || work.is_cut_off(), &inbox.signals, ui);
    let exit = state.exit().cloned();
    (ended(&state, was_forced), exit)
}

fn ended(state: &State, was_forced: bool) -> Ended {
    match (
        state.exit().is_some_and(|exit| exit.success),
        state.is_ending(),
        was_forced,
    ) {
        (_, _, true) => Ended::Forced,
        (true, true, false) => Ended::Asked,
        (true, false, false) => Ended::ByItself,
        (false, ..) => Ended::Died,
    }
}

/// The supervising thread is gone without a last event, which cannot happen unless it panicked.
fn lost() -> Event {
    Event::Exited {
        exit: Exit {
            success: false,
            status: "its supervisor ended".to_owned(),
            stderr: String::new(),
        },
    }
}

/// What others may want to know of an event.
fn note(input: &Input, board: &Board) {
    let accelerator = match input {
        Input::Guest(Event::Started { accelerator, .. }) => *accelerator,
        Input::Guest(Event::FellBack { to, .. }) => *to,
        _ => return,
    };
    board.update(|report| report.accelerator = Some(accelerator.to_string()));
}

fn post(board: &Board, state: &State, work: &Work) {
    let shown = match state.phase() {
        Phase::Starting => SessionState::Starting,
        Phase::Running => SessionState::Running,
        Phase::StickGone => SessionState::StickGone,
        Phase::Full => SessionState::StickFull,
        Phase::Damaged => SessionState::StickDamaged,
        Phase::Paused => SessionState::Paused,
        Phase::Stopping => SessionState::Stopping,
        Phase::Over => SessionState::Saving,
    };
    let place = work.place().display().to_string();
    board.update(|report| (report.state, report.stick) = (shown, place));
}

/// How long to wait between two looks for a stick.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
