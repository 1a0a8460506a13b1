//! `gobag-image recover start`: a lost stick's workstation at once, from what the company's server keeps.
//!
//! The same door as on a stick: its disks are files of a FUSE folder, whose blocks come over the network when the guest first reads
//! them. What the guest writes goes into files without a name, and is gone with them. With `--drill` nobody looks: whether it comes up is
//! told to the server, which keeps the last moment so proved.

mod drill;
mod twin;

use crossbeam_channel::{Receiver, never, select, tick};
use gobag_engine::{
    guest::{Event, PauseReason},
    machine::Display,
};
use gobag_term::{CliError, ExitCode, Interrupt, Ui, human};
use serde::Serialize;
use std::time::{Duration, Instant};

use self::twin::Twin;
use super::{FromArgs, Lost, WhenArgs, time};
use crate::{environment::Environment, error::OrExplain};

/// How often a guest that waits for the server is let try again.
const AGAIN_EVERY: Duration = Duration::from_secs(5);

/// Start a lost stick's workstation at once, before anything has been copied
///
/// Only what the guest reads comes over the network, so it is usable within minutes. What is done in it is gone when it is switched off:
/// to go on working for good, bring the stick back with `recover stick`. Ctrl-C switches it off.
#[derive(Debug, clap::Args)]
pub(super) struct StartArgs {
    #[command(flatten)]
    from: FromArgs,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// Only see whether it is good: start it without screen and network, wait for its guest agent, switch it off, read everything that
    /// the moment consists of, and let the server note that it was proved
    #[arg(long, conflicts_with_all = ["vnc", "offline"])]
    drill: bool,
}

/// The machine.
#[derive(Debug, clap::Args)]
struct MachineArgs {
    /// The image to start, if the stick had several
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Memory; what IT's requirements say if not given
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// Processor cores
    #[arg(long, value_name = "NUMBER")]
    cores: Option<u32>,
    /// Give it no network: the lost stick may be at work somewhere
    #[arg(long)]
    offline: bool,
    /// A VNC server at a private socket instead of a window
    #[arg(long)]
    vnc: bool,
}

#[derive(Serialize)]
struct StartReport {
    generation: u64,
    time_s: u64,
    time_local: String,
    time_utc: String,
    /// Until the guest's own kernel was seen to run, from when the command was given; seconds.
    runs_after_s: Option<u64>,
    /// Until its guest agent answered.
    up_after_s: Option<u64>,
    /// What had come over the network by then, bytes.
    up_bytes: Option<u64>,
    /// What came over the network in all, bytes.
    fetched_bytes: u64,
    /// What a whole copy of the volumes would have, bytes.
    volumes_bytes: u64,
    /// Whether the server was told that this moment was proved.
    drilled: bool,
}

pub(super) fn start(
    args: &StartArgs,
    ui: &Ui,
    environment: &Environment,
    interrupt: &Interrupt,
) -> Result<ExitCode, CliError> {
    let begun = Instant::now();
    let signals = interrupt.subscribe();
    let found = Lost::open(&args.from, ui)?.view(&args.when, ui)?;
    let display = match &args.machine {
        _ if args.drill => Display::None,
        machine if machine.vnc || !environment.has_window_system() => Display::Vnc,
        _ => Display::Gtk,
    };
    let mut twin = Twin::start(&found, &args.machine, display, environment, ui)?;
    let (local, utc) = time::both(found.point.time_s);
    ui.ok(&format!("Starting the workstation as it was at {local} ({utc})."));
    if let Some(socket) = twin.screen() {
        ui.say(&format!("Its screen is a VNC server at {}", socket.display()));
    }
    let mut report = StartReport {
        generation: found.point.generation,
        time_s: found.point.time_s,
        time_local: local,
        time_utc: utc,
        runs_after_s: None,
        up_after_s: None,
        up_bytes: None,
        fetched_bytes: 0,
        volumes_bytes: found
            .view
            .head()
            .volumes
            .iter()
            .map(|volume| volume.size_bytes)
            .sum(),
        drilled: false,
    };
    let mut company = Company {
        ui,
        begun,
        signals,
        report: &mut report,
    };
    match args.drill {
        true => drill::drill(&mut company, &mut twin, &found, interrupt)?,
        false => company.keep(&twin)?,
    }
    twin.close()?;
    report.fetched_bytes = found.view.remote().fetched_bytes();
    ui.answer(&report, |report| {
        let fetched = human::bytes(report.fetched_bytes);
        match (report.drilled, report.up_after_s, report.up_bytes) {
            (true, Some(up_after_s), Some(up_bytes)) => format!(
                "It was up after {up_after_s} s, with {} over the network, and all {fetched} of it can be read. The server has noted that this \
                 moment was proved.\n",
                human::bytes(up_bytes)
            ),
            _ => format!("It is switched off; {fetched} came over the network.\n"),
        }
    })?;
    Ok(ExitCode::Ok)
}

/// Who keeps a guest company until it ends.
struct Company<'a> {
    ui: &'a Ui,
    begun: Instant,
    signals: Receiver<gobag_term::Signal>,
    report: &'a mut StartReport,
}

impl Company<'_> {
    /// Until the guest has ended. Ctrl-C asks it to, a second one does not ask.
    fn keep(&mut self, twin: &Twin) -> Result<(), CliError> {
        let guest = twin.guest();
        let (mut asked, mut again) = (false, never());
        loop {
            select! {
                recv(guest.events()) -> event => match event {
                    Ok(Event::Exited { exit }) if exit.success || asked => return Ok(()),
                    Ok(Event::Exited { exit }) => return Err(twin.died(&exit)),
                    Ok(event) => {
                        if self.hear(&event) {
                            again = tick(AGAIN_EVERY);
                        } else if event == Event::Resumed {
                            again = never();
                        }
                    }
                    Err(_) => return Ok(()),
                },
                recv(again) -> _ => guest.cont().or_explain()?,
                recv(self.signals) -> _ => match std::mem::replace(&mut asked, true) {
                    false => guest.power_down().or_explain()?,
                    true => guest.quit().or_explain()?,
                },
            }
        }
    }

    /// Notes what happened; whether the guest stands still because the server did not answer.
    fn hear(&mut self, event: &Event) -> bool {
        match event {
            Event::SignOfLife { .. } if self.report.runs_after_s.is_none() => {
                self.report.runs_after_s = Some(self.begun.elapsed().as_secs());
            }
            Event::FellBack { reason, .. } => self.ui.warn(reason),
            Event::Paused {
                reason: PauseReason::IoError { no_space, .. },
            } => {
                self.ui.warn(match no_space {
                    true => "The folder for temporary files is full; the workstation stands still until there is room.",
                    false => "The company's server does not answer; the workstation stands still until it does.",
                });
                return true;
            }
            _ => {}
        }
        false
    }
}
