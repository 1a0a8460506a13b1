//! The thread that starts QEMU, listens to it, and reaps it.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Instant,
};

use crossbeam_channel::{Receiver, Sender, never, select, tick};
use serde_json::json;

use super::{Fallback, StartError, StartOptions, life, process::Process};
use crate::{
    guest::{Event, Exit, PauseReason, Running, Shared},
    limits::{LIFE_PERIOD, QEMU_START_DEADLINE, QMP_DEADLINE},
    machine::MachineSpec,
    qmp::{Client, QmpError, QmpEvent},
};

/// The supervising thread.
pub(super) struct Supervisor {
    pub(super) spec: MachineSpec,
    pub(super) options: StartOptions,
    /// Kept here over a fall-back, so that the launcher's end stays open.
    pub(super) qemu_console: Option<OwnedFd>,
    pub(super) shared: Arc<Shared>,
    pub(super) events: Sender<Event>,
}

/// How keeping one QEMU company ended.
enum Company {
    /// It has ended or hung up.
    Over {
        /// Whether the guest had shown a sign of life.
        alive: bool,
    },
    /// It still runs, but shows no sign of life, for this reason.
    Lifeless(String),
}

/// A QEMU whose monitor has answered.
type Launched = (Process, Arc<Client>, Receiver<QmpEvent>);

impl Supervisor {
    /// Tells `first` how the start went, and then lives as long as the guest.
    pub(super) fn run(mut self, first: &Sender<Result<(), StartError>>) {
        let launched = match self.launch() {
            Err(error @ (StartError::Ended { .. } | StartError::Monitor { .. })) => {
                match self.options.fallback.take() {
                    Some(fallback) => self.fall_back(fallback, error.to_string()),
                    None => Err(error),
                }
            }
            other => other,
        };
        let launched = match launched {
            Ok(launched) => launched,
            Err(error) => {
                let _ = first.send(Err(error));
                return;
            }
        };
        let _ = first.send(Ok(()));
        let exit = self.live(launched);
        self.shared.set_ended(exit.clone());
        self.tell(Event::Exited { exit });
    }

    /// Keeps one QEMU after the other company; returns the exit of the last.
    fn live(&mut self, mut launched: Launched) -> Exit {
        loop {
            let (process, client, qmp_events) = launched;
            if self.shared.is_asked_to_end() {
                process.kill();
            }
            let company = self.keep_company(&client, &qmp_events);
            self.shared.set_running(None);
            drop(client);
            let exit = process.end(matches!(company, Company::Lifeless(_)));
            let Some((fallback, reason)) = self.wants_fallback(company, &exit) else {
                return exit;
            };
            launched = match self.fall_back(fallback, reason) {
                Ok(launched) => launched,
                Err(error) => return not_started(&error),
            };
        }
    }

    fn fall_back(&mut self, fallback: Fallback, reason: String) -> Result<Launched, StartError> {
        self.tell(Event::FellBack {
            from: self.spec.accelerator,
            to: fallback.accelerator,
            reason,
        });
        self.spec.accelerator = fallback.accelerator;
        self.launch()
    }

    /// Starts QEMU and greets its monitor.
    fn launch(&self) -> Result<Launched, StartError> {
        let console = self.qemu_console.as_ref().map(AsFd::as_fd);
        let (process, monitor) =
            Process::start(&self.spec, &self.options, console).map_err(|source| StartError::Spawn {
                qemu: self.options.qemu.clone(),
                source,
            })?;
        let (client, events) = match Client::connect(monitor, QEMU_START_DEADLINE) {
            Ok(connected) => connected,
            Err(source @ QmpError::Deadline { .. }) => {
                process.end(true);
                return Err(StartError::Monitor { source });
            }
            // It hung up without a greeting: its exit status and words say why.
            Err(_) => {
                let exit = process.end(false);
                return Err(StartError::Ended { exit });
            }
        };
        let client = Arc::new(client);
        let accelerator = self.spec.accelerator;
        let pid = process.pid();
        self.shared.set_running(Some(Running {
            client: Arc::clone(&client),
            watch: process.watch(),
            accelerator,
            pid,
        }));
        self.tell(Event::Started { accelerator, pid });
        Ok((process, client, events))
    }

    /// Listens to QEMU until it hangs up or is given up.
    fn keep_company(&self, client: &Client, qmp_events: &Receiver<QmpEvent>) -> Company {
        let started = Instant::now();
        let mut alive = false;
        let mut io_error = None;
        let mut ticks = tick(LIFE_PERIOD);
        loop {
            select! {
                recv(qmp_events) -> event => match event {
                    Ok(event) => self.hear(client, &event, &mut io_error),
                    Err(_) => return Company::Over { alive },
                },
                recv(ticks) -> _ => match life::look(client) {
                    Ok(life::Sign::Alive) => {
                        alive = true;
                        ticks = never();
                        self.tell(Event::SignOfLife { after: started.elapsed() });
                    }
                    Ok(life::Sign::Broken(state)) if self.may_fall_back() => {
                        return Company::Lifeless(state);
                    }
                    Ok(_) | Err(_) => {
                        if let Some(reason) = self.waited_too_long(started) {
                            return Company::Lifeless(reason);
                        }
                    }
                },
            }
        }
    }

    fn may_fall_back(&self) -> bool {
        self.options.fallback.is_some() && !self.shared.is_asked_to_end()
    }

    fn waited_too_long(&self, started: Instant) -> Option<String> {
        let after = self.options.fallback?.after;
        let waited = started.elapsed() > after && !self.shared.is_asked_to_end();
        waited.then(|| format!("no sign of life within {} s", after.as_secs()))
    }

    /// Whether to try another accelerator, once, and why. A QEMU that failed before the guest showed a sign of life, and
    /// was not asked to end, failed because of the accelerator; one that ended well did what the guest wanted.
    fn wants_fallback(&mut self, company: Company, exit: &Exit) -> Option<(Fallback, String)> {
        if self.shared.is_asked_to_end() {
            return None;
        }
        let reason = match company {
            Company::Lifeless(reason) => reason,
            Company::Over { alive } if alive || exit.success => return None,
            Company::Over { .. } => format!("qemu ended ({}) {}", exit.status, exit.stderr),
        };
        Some((self.options.fallback.take()?, reason))
    }

    /// Translates an event of QEMU's. `io_error` is the last one: QEMU tells first that a disk failed, then, when all
    /// processors have come to a halt, that the machine stands still.
    fn hear(&self, client: &Client, event: &QmpEvent, io_error: &mut Option<PauseReason>) {
        let text = |key: &str| event.data[key].as_str().unwrap_or_default().to_owned();
        match event.name.as_str() {
            "BLOCK_IO_ERROR" if event.data["action"] == "stop" => {
                *io_error = Some(PauseReason::IoError {
                    disk: text("node-name"),
                    operation: text("operation"),
                    no_space: event.data["nospace"] == true,
                });
            }
            "STOP" => {
                let reason = pause_reason(client, io_error.take());
                self.tell(Event::Paused { reason });
            }
            "RESUME" => self.tell(Event::Resumed),
            "RESET" => self.tell(Event::Reset),
            "SHUTDOWN" => self.tell(Event::ShuttingDown {
                by_guest: event.data["guest"] == true,
            }),
            name => tracing::debug!("qemu: {name} {}", event.data),
        }
    }

    fn tell(&self, event: Event) {
        tracing::debug!(?event, "guest");
        // A launcher that has dropped the queue does not want to know.
        let _ = self.events.send(event);
    }
}

/// Why the machine stands still, as QEMU sees it now.
fn pause_reason(client: &Client, io_error: Option<PauseReason>) -> PauseReason {
    let status = client.execute("query-status", json!({}), QMP_DEADLINE);
    let state = match &status {
        Ok(status) => status["status"].as_str().unwrap_or_default(),
        Err(_) => "unknown",
    };
    match (state, io_error) {
        ("io-error", Some(error)) => error,
        ("paused", _) => PauseReason::Asked,
        (state, _) => PauseReason::Other {
            state: state.to_owned(),
        },
    }
}

fn not_started(error: &StartError) -> Exit {
    Exit {
        success: false,
        status: "not started".into(),
        stderr: error.to_string(),
    }
}
