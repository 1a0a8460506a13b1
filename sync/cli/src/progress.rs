//! How a pass tells the terminal where it is.

use gobag_format::Monitor;
use gobag_term::{ProgressBar, Ui};

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
