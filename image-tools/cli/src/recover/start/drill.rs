//! Whether a moment is good, seen by nobody: its guest agent answers, which it does when the system has started its services; then
//! everything that the moment consists of is fetched and opened once, also what no start reads.

use std::time::{Duration, Instant};

use gobag_bundle::{Volume, VolumeError};
use gobag_engine::guest::{Event, agent::Agent};
use gobag_replica::restore;
use gobag_term::{CliError, ExitCode, Interrupt};

use super::{Company, twin::Twin};
use crate::{
    error::{OrExplain, said},
    progress::Progress,
    recover::Found,
};

/// How long a guest may take to come up: an emulated one on a busy computer needs minutes.
const UP_LIMIT: Duration = Duration::from_secs(900);
/// How long its agent may take for an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it may take to switch itself off; nothing in it is kept.
const DOWN_LIMIT: Duration = Duration::from_secs(30);

/// Waits until the guest is up, switches it off, reads everything, and tells the server.
pub(super) fn drill(
    company: &mut Company<'_>,
    twin: &mut Twin,
    found: &Found,
    interrupt: &Interrupt,
) -> Result<(), CliError> {
    let begun = Instant::now();
    let guest = twin.guest();
    while Agent::connect(&twin.agent_socket(), ANSWER).is_err() {
        if interrupt.is_set() {
            let text = "the drill was stopped; nothing is proved";
            return Err(said(ExitCode::Interrupted, "recover.cancelled", text));
        }
        if begun.elapsed() > UP_LIMIT {
            let minutes = UP_LIMIT.as_secs() / 60;
            let text = format!(
                "the workstation did not come up in {minutes} minutes: {}",
                twin.last_words()
            );
            return Err(said(ExitCode::GuestFailed, "recover.not-up", text)
                .hint("look at it yourself with `gobag-image recover start`; an image without a guest agent cannot be drilled"));
        }
        match guest.events().recv_timeout(PAUSE) {
            Ok(Event::Exited { exit }) => return Err(twin.died(&exit)),
            Ok(event) => {
                if company.hear(&event) {
                    guest.cont().or_explain()?;
                }
            }
            Err(_) => {}
        }
    }
    company.report.up_bytes = Some(found.view.remote().fetched_bytes());
    company.report.up_after_s = Some(company.begun.elapsed().as_secs());
    guest.power_down().or_explain()?;
    if guest.wait(DOWN_LIMIT).is_none() {
        guest.quit().or_explain()?;
    }
    let progress = Progress::new(company.ui);
    restore(&found.view, |_| Some(&Nowhere as &dyn Volume), &progress).or_explain()?;
    progress.finish();
    found.view.remote().drilled(found.point.generation).or_explain()?;
    company.report.drilled = true;
    Ok(())
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Volume for Nowhere {
    fn size_bytes(&self) -> u64 {
        u64::MAX
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, _offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        buffer.fill(0);
        Ok(())
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<(), VolumeError> {
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, _offset: u64, _len: u64) -> Result<(), VolumeError> {
        Ok(())
    }
}
