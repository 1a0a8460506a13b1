//! How a pass tells the terminal where it is.

use std::time::Instant;

use gobag_format::Monitor;
use gobag_term::{Interrupt, ProgressBar, Ui};

/// The terminal's progress, as the libraries know it.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(ui: &Ui) -> Self {
        Self(ui.progress())
    }

    /// The last phase is complete.
    pub(crate) fn finish(&self) {
        self.0.finish();
    }
}

impl Monitor for Progress {
    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        self.0.phase(name, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Shows nothing, for a program that goes on; ends a pass when somebody ends that, or at a time.
pub(crate) struct Quiet {
    pub(crate) interrupt: Option<Interrupt>,
    pub(crate) until: Option<Instant>,
}

impl Monitor for Quiet {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        self.interrupt.as_ref().is_some_and(Interrupt::is_set)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }
}
