//! Replication of the volumes while a session lasts: begun with the first contact that works, ended with the session.
//!
//! It runs on a thread of its own, which holds the stick; so the session waits for it at its end: for the last changes as long as they
//! go through and the person has patience, then no longer than a request takes to be broken off.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, after, bounded, select};
use gobag_bundle::{Ambient, ReplicaSource};
use gobag_client::Client;
use gobag_protocol::points::BookmarkKind;
use gobag_replica::{
    Company,
    runner::{Control, Phase, ReplicaStatus, run},
};
use gobag_term::{Signal, Ui, human};

use crate::control::Board;

/// How long the end of a session waits for the last changes to get through.
const PATIENCE: Duration = Duration::from_secs(30);

/// The replication of one session.
#[derive(Default)]
pub(crate) struct Replicating {
    control: Arc<Control>,
    running: Mutex<Option<Running>>,
    /// Wakes whoever speaks to the company otherwise.
    wake: Option<Sender<()>>,
}

struct Running {
    line: Arc<Company>,
    client: Client,
    thread: JoinHandle<()>,
    done: Receiver<()>,
}

impl Replicating {
    /// One that sends a word to `wake` when it hears that the company cut the stick off.
    pub(crate) fn waking(wake: Sender<()>) -> Self {
        Self {
            wake: Some(wake),
            ..Self::default()
        }
    }

    /// Begins with a client that was let in, or goes on with it: its certificate may be a newer one.
    pub(crate) fn by(&self, client: Client, source: impl FnOnce() -> Option<ReplicaSource>, board: &Board) {
        let mut running = lock(&self.running);
        if let Some(running) = &mut *running {
            running.line.replace(client.clone());
            running.client = client;
            return;
        }
        let Some(source) = source() else { return };
        let line = Arc::new(Company::new(client.clone()));
        let (finished, done) = bounded::<()>(0);
        let (control, remote, board) = (Arc::clone(&self.control), Arc::clone(&line), board.clone());
        let wake = self.wake.clone();
        let replicate = move || {
            // Dropped with the thread: whoever waits for the end hears it.
            let _finished = finished;
            let tell = |status: &ReplicaStatus| {
                let code = status.problem.as_ref().map(|problem| problem.code.as_str());
                if let Some(wake) = wake.as_ref().filter(|_| code == Some("replica.cut-off")) {
                    // One word is enough.
                    let _ = wake.try_send(());
                }
                board.update(|report| report.company.get_or_insert_default().replica = Some(status.clone()));
            };
            run(source, remote, &control, &Ambient::system().clock, tell);
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

    /// Names the first state that goes to the company from now on.
    pub(crate) fn mark(&self, name: &str) {
        // Who asked has checked how long it is.
        let _ = self.control.mark(BookmarkKind::User, name);
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
        let is_stuck = before.problem.is_some() || before.phase == Phase::Starting;
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
        let left = self.control.status().unsent_bytes;
        match left {
            0 => ui.ok("Your company has all changes."),
            left => ui.say(&format!(
                "{} of changes are not with your company yet; they go there next time. Leave the stick in.",
                human::bytes(left)
            )),
        }
    }
}

/// How replication stands, in words.
pub(crate) fn text(status: &ReplicaStatus) -> String {
    let left = human::bytes(status.unsent_bytes);
    let time = match status.left_s {
        Some(left_s) => format!(", about {} more", human::duration(Duration::from_secs(left_s))),
        None => String::new(),
    };
    let text = match status.phase {
        Phase::Starting => "not begun yet".to_owned(),
        Phase::FirstCopy => format!("first copy: {left} left{time}"),
        Phase::CatchingUp => format!("catching up: {left} left{time}"),
        Phase::InStep if status.unsent_bytes == 0 => "in step".to_owned(),
        Phase::InStep => format!("in step; {left} since the last time"),
        Phase::Unknown => "in a state that this version does not know".to_owned(),
    };
    match &status.problem {
        Some(problem) => format!("{text} ({})", human::printable(&problem.message)),
        None => text,
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
