//! The end: everything written, everything unmounted.
//!
//! 1. The door (mount or block socket) is flushed and closed: nobody can write any more.
//! 2. The log is closed: its last checkpoint is on the stick.
//!
//! Both can be repeated, and nothing is lost before they succeed, so a stick that is missing is waited for.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use gobag_bundle::SessionError;
use gobag_term::{CliError, ExitCode, Signal, Ui};

use super::LOOK_EVERY;
use crate::{
    control::{Board, SessionState},
    door::{Door, Obstacle},
    error::{Explain, said},
    open::{Found, Work},
};

/// How long others may take to close their files before they are named.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often those who still hold files are named again if they stay the same.
const NAME_EVERY: Duration = Duration::from_secs(120);

/// Closes the door, then the log. On success the stick is safe to remove: the caller says so, as its last word.
pub(crate) fn put_away(
    mut door: Door,
    mut work: Work,
    signals: &Receiver<Signal>,
    board: &Board,
    ui: &Ui,
) -> Result<(), CliError> {
    let waiting = Waiting {
        signals,
        board,
        ui,
        is_told: Cell::new(false),
    };
    waiting.show(SessionState::Saving);
    // Wishes to end that came before are fulfilled by being here.
    signals.try_iter().for_each(drop);
    let result = leave(&mut door, &work, &waiting).and_then(|()| close(&mut work, &waiting));
    match &result {
        Ok(()) => {
            work.tell(ui);
            waiting.show(SessionState::SafeToRemove);
            if !work.is_cut_off() {
                ui.ok("All changes are on the stick.");
            }
        }
        Err(_) => waiting.show(SessionState::Failed),
    }
    result
}

fn leave(door: &mut Door, work: &Work, waiting: &Waiting<'_>) -> Result<(), CliError> {
    let mut named: Option<(Instant, String)> = None;
    loop {
        let Err(error) = door.close(PATIENCE) else {
            return Ok(());
        };
        tracing::debug!(code = error.code(), %error, "the disks stay open");
        match error.obstacle() {
            Obstacle::Stick => {
                waiting.for_stick(work)?;
                door.release();
            }
            Obstacle::Busy => {
                let text = error.to_string();
                let is_news = |(at, said): &(Instant, String)| *said != text || at.elapsed() > NAME_EVERY;
                if named.as_ref().is_none_or(is_news) {
                    waiting.ui.warn(&format!(
                        "{text}. Please close it; then this ends by itself. Do not pull the stick out yet."
                    ));
                    named = Some((Instant::now(), text));
                }
                if waiting.is_impatient(LOOK_EVERY) {
                    return Err(error.explain());
                }
            }
            Obstacle::Other => return Err(error.explain()),
        }
    }
}

fn close(work: &mut Work, waiting: &Waiting<'_>) -> Result<(), CliError> {
    loop {
        match work.close() {
            Ok(()) => return Ok(()),
            Err(error) if is_medium(&error) => waiting.for_stick(work)?,
            Err(error) => return Err(error.explain()),
        }
    }
}

fn is_medium(error: &SessionError) -> bool {
    error.code().ends_with(".medium")
}

struct Waiting<'a> {
    signals: &'a Receiver<Signal>,
    board: &'a Board,
    ui: &'a Ui,
    /// Whether the person knows that the stick is waited for.
    is_told: Cell<bool>,
}

impl Waiting<'_> {
    fn show(&self, state: SessionState) {
        self.board.update(|report| report.state = state);
    }

    /// Whether the person does not want to wait, after at most `time`.
    fn is_impatient(&self, time: Duration) -> bool {
        self.signals.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }

    /// Waits for the stick, as long as the person does.
    fn for_stick(&self, work: &Work) -> Result<(), CliError> {
        self.show(SessionState::StickGone);
        if !self.is_told.replace(true) {
            self.ui.warn(
                "The last changes are not yet on the stick, and it does not answer. Plug it in again, and they will be written. \
                 (Ctrl-C gives them up; everything that was saved before is safe.)",
            );
        }
        loop {
            // First a pause: a stick that can be read and not written is "back" at once, every time.
            if self.is_impatient(LOOK_EVERY) {
                let text = "the stick did not come back, so the last changes are not on it";
                return Err(said(ExitCode::Failed, "gobag.not-saved", text)
                    .hint("everything that was saved before is safe; start again with `gobag start`"));
            }
            match work.look() {
                Some(Found::Back(_)) => {
                    self.show(SessionState::Saving);
                    return Ok(());
                }
                Some(Found::Changed(place)) => {
                    let text = format!(
                        "the stick at {} was used elsewhere, so the last changes cannot be written to it",
                        place.display()
                    );
                    return Err(said(ExitCode::Failed, "gobag.stick-changed", text)
                        .hint("what is on the stick is safe; start again with `gobag start`"));
                }
                None => {}
            }
        }
    }
}
