//! Replication of the volumes while a session lasts: begun with the first contact that works, ended with the session.
//!
//! It runs on a thread of its own, which holds the stick; so the session waits for it at its end: for the last changes as long as they
//! go through and the person has patience, then no longer than a request takes to be broken off.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, after, bounded, select};
use gobag_bundle::{Ambient, ReplicaSource};
use gobag_client::{Client, UploadLimit};
use gobag_protocol::points::BookmarkKind;
use gobag_replica::{
    Company,
    allowance::Why,
    runner::{Control, Phase, Problem, ReplicaStatus, Rules, run},
};
use gobag_term::{Signal, Ui, human};

use super::sending;
use crate::control::Board;

/// How long the end of a session waits for the last changes to get through.
const PATIENCE: Duration = Duration::from_secs(30);

/// The problem of a pass that failed for want of a server.
const OFFLINE: &str = "replica.offline";
/// The problem of one that heard that the company cut the stick off.
const CUT_OFF: &str = "replica.cut-off";

/// The replication of one session.
pub(crate) struct Replicating {
    control: Arc<Control>,
    rules: Arc<Rules>,
    running: Mutex<Option<Running>>,
    /// Wakes whoever speaks to the company otherwise.
    wake: Sender<Call>,
    ui: Ui,
}

/// Why the company is to be spoken to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A pass heard that it cut the stick off.
    CutOff,
    /// A pass did not reach it; it may answer elsewhere.
    Unreached,
}

struct Running {
    line: Arc<Company>,
    client: Client,
    thread: JoinHandle<()>,
    done: Receiver<()>,
}

impl Replicating {
    /// One that sends a word to `wake` when the company is to be spoken to.
    pub(super) fn new(rules: Rules, wake: Sender<Call>, ui: &Ui) -> Self {
        Self {
            control: Arc::default(),
            rules: Arc::new(rules),
            running: Mutex::default(),
            wake,
            ui: ui.clone(),
        }
    }

    /// How fast changes may leave.
    pub(crate) fn upload_limit(&self) -> UploadLimit {
        self.rules.limit.clone()
    }

    /// How it stands, once it was begun.
    pub(crate) fn status(&self) -> Option<ReplicaStatus> {
        lock(&self.running).is_some().then(|| self.control.status())
    }

    /// Begins with a client that was let in, or goes on with it: its certificate may be a newer one.
    pub(crate) fn by(&self, client: Client, source: impl FnOnce() -> Option<ReplicaSource>, board: &Board) {
        let mut running = lock(&self.running);
        if let Some(running) = &mut *running {
            running.line.replace(client.clone());
            let before = mem::replace(&mut running.client, client);
            if before.server() != running.client.server() {
                // What still waits for an answer there gets none.
                before.close();
                self.control.hurry();
            }
            return;
        }
        let Some(source) = source() else { return };
        let line = Arc::new(Company::new(client.clone()));
        let (finished, done) = bounded::<()>(0);
        let (control, remote, board) = (Arc::clone(&self.control), Arc::clone(&line), board.clone());
        let (wake, ui, rules) = (self.wake.clone(), self.ui.clone(), Arc::clone(&self.rules));
        let replicate = move || {
            // Dropped with the thread: whoever waits for the end hears it.
            let _finished = finished;
            let told: Mutex<Vec<Why>> = Mutex::default();
            let tell = |status: &ReplicaStatus| {
                if let Some(call) = call(status) {
                    // One word is enough.
                    let _ = wake.try_send(call);
                }
                tell_pause(status, &told, &ui);
                board.update(|report| report.company.get_or_insert_default().replica = Some(status.clone()));
            };
            run(source, remote, &control, &rules, &Ambient::system().clock, tell);
        };
        match Builder::new().name("replica".to_owned()).spawn(replicate) {
            Ok(thread) => {
                *running = Some(Running {
                    line,
                    client,
                    thread,
                    done,
                });
            }
            Err(error) => tracing::error!(%error, "cannot keep the company in step while running"),
        }
    }

    /// Names the first state that goes to the company from now on; the guest is held still for it, where it has an agent.
    pub(crate) fn mark(&self, name: &str) {
        // Who asked has checked how long it is.
        let _ = self.control.mark(BookmarkKind::Application, name);
    }

    /// Ends it at once: nothing more may be sent.
    pub(crate) fn cut_off(&self) {
        self.control.end(true);
        if let Some(running) = &*lock(&self.running) {
            running.client.close();
        }
    }

    /// Lets the last changes go, as long as they do and nobody presses Ctrl-C; afterwards the stick is free.
    pub(crate) fn see_off(&self, signals: &Receiver<Signal>, ui: &Ui) {
        let Some(Running {
            client, thread, done, ..
        }) = lock(&self.running).take()
        else {
            return;
        };
        let before = self.control.status();
        let is_stuck = is_stuck(&before);
        self.control.end(is_stuck);
        if !is_stuck {
            // Quick as a rule: nothing is said of it.
            let quick = after(Duration::from_secs(2));
            select! {
                recv(done) -> _ => {}
                recv(quick) -> _ => {
                    ui.say("The last changes go to your company. Ctrl-C leaves them for the next time. Leave the stick in.");
                    select! {
                        recv(done) -> _ => {}
                        recv(signals) -> _ => {}
                        recv(after(PATIENCE)) -> _ => {}
                    }
                }
            }
        }
        self.control.end(true);
        client.close();
        if thread.join().is_err() {
            tracing::error!("replication ended with a panic");
        }
        let status = self.control.status();
        match status.unsent_bytes {
            0 if status.all_sent => ui.ok("Your company has all changes."),
            0 => ui.say("The last changes are not with your company yet; they go there next time. Leave the stick in."),
            left => ui.say(&format!(
                "{} of changes are not with your company yet; they go there next time. Leave the stick in.",
                human::bytes(left)
            )),
        }
    }
}

/// What whoever speaks to the company otherwise should hear of a pass that has just ended.
fn call(status: &ReplicaStatus) -> Option<Call> {
    let code = status.problem.as_ref().map(|problem| problem.code.as_str());
    match code {
        Some(CUT_OFF) => Some(Call::CutOff),
        // Told again and again while nothing may be sent, and during the next pass.
        Some(OFFLINE) if status.pass.is_none() && status.paused.is_none() => Some(Call::Unreached),
        _ => None,
    }
}

/// Whether the last changes cannot go through anyway. One error that passes does not say so, nor that the stick cannot read all or the line
/// is slow.
fn is_stuck(status: &ReplicaStatus) -> bool {
    let is_offline = |problem: &Problem| problem.code == OFFLINE;
    status.problem.as_ref().is_some_and(is_offline)
        || status.paused.is_some()
        || status.phase == Phase::Starting
}

/// Says that sending stops by a rule, once for each rule.
fn tell_pause(status: &ReplicaStatus, told: &Mutex<Vec<Why>>, ui: &Ui) {
    let Some((why, text)) = status.paused.zip(sending::paused(status)) else {
        return;
    };
    let mut told = lock(told);
    if !told.contains(&why) {
        told.push(why);
        ui.say(&text);
    }
}

/// How replication stands, in words.
pub(crate) fn text(status: &ReplicaStatus) -> String {
    let left = human::bytes(status.left_bytes());
    let speed = match (status.pass, status.bytes_per_s) {
        (Some(_), Some(rate)) => format!(", {}", human::speed(rate as f64)),
        _ => String::new(),
    };
    let time = match status.left_s.filter(|_| status.paused.is_none()) {
        Some(left_s) => format!(
            "{speed}, about {} more",
            human::duration(Duration::from_secs(left_s))
        ),
        None => speed,
    };
    let text = match status.phase {
        Phase::Starting => "not begun yet".to_owned(),
        Phase::FirstCopy => format!("first copy: {left} left{time}"),
        Phase::CatchingUp => format!("catching up: {left} left{time}"),
        Phase::InStep if status.left_bytes() == 0 => "in step".to_owned(),
        Phase::InStep => format!("in step; {left} since the last time"),
        Phase::Unknown => "in a state that this version does not know".to_owned(),
    };
    let text = match sending::words(status) {
        Some(rule) => format!("{text} ({rule})"),
        None => text,
    };
    match &status.problem {
        Some(problem) => format!("{text} ({})", human::printable(&problem.message)),
        None => text,
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_changes_are_tried_unless_there_is_nobody_to_take_them() {
        let with = |code: &str| ReplicaStatus {
            phase: Phase::InStep,
            problem: Some(Problem {
                code: code.to_owned(),
                ..Problem::default()
            }),
            ..ReplicaStatus::default()
        };
        assert!(is_stuck(&with("replica.offline")));
        for code in ["replica.unreadable", "replica.too-slow", "replica.overtaken"] {
            assert!(!is_stuck(&with(code)), "{code}");
        }
        let mut paused = with("replica.overtaken");
        paused.paused = Some(Why::Metered);
        assert!(is_stuck(&paused) && is_stuck(&ReplicaStatus::default()));
    }
}
