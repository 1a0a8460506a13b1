//! How a pass tells the terminal where it is.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use gobag_format::Monitor;
use gobag_term::{Interrupt, ProgressBar, Ui};

use crate::Program;

/// How often it is looked whether what a program needs is there.
const LOOK_MS: u64 = 500;

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

/// Ends a pass when what the program reaches workspaces by is taken away.
pub(crate) struct Watched<'a> {
    monitor: &'a dyn Monitor,
    program: &'a dyn Program,
    /// Since when it is looked, and milliseconds after that when it was looked last.
    began: Instant,
    looked_ms: AtomicU64,
    is_gone: AtomicBool,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(monitor: &'a dyn Monitor, program: &'a dyn Program) -> Self {
        Self {
            monitor,
            program,
            began: Instant::now(),
            looked_ms: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
        }
    }

    /// Whether it was taken away, by the last look.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }
}

impl Monitor for Watched<'_> {
    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        self.monitor.phase(name, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.monitor.advance(bytes);
    }

    fn is_cancelled(&self) -> bool {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked_ms = self.looked_ms.load(Ordering::SeqCst);
        let is_due = now_ms.saturating_sub(looked_ms) >= LOOK_MS;
        // One of those who ask at once looks.
        let takes_it = || {
            self.looked_ms
                .compare_exchange(looked_ms, now_ms, Ordering::SeqCst, Ordering::SeqCst)
        };
        if is_due && takes_it().is_ok() && !self.program.is_there() {
            self.is_gone.store(true, Ordering::SeqCst);
        }
        self.is_gone() || self.monitor.is_cancelled()
    }
}

/// Bytes to be copied of which a program that goes on shows how far it is.
const MUCH: u64 = 64 << 20;

/// Shows nothing but where much is copied, for a program that goes on; ends a pass when somebody ends that, or at a time.
pub(crate) struct Quiet<'a> {
    ui: &'a Ui,
    interrupt: Interrupt,
    until: Option<Instant>,
    bar: OnceLock<ProgressBar>,
}

impl<'a> Quiet<'a> {
    pub(crate) fn new(ui: &'a Ui, interrupt: &Interrupt, until: Option<Instant>) -> Self {
        Self {
            ui,
            interrupt: interrupt.clone(),
            until,
            bar: OnceLock::new(),
        }
    }

    /// The pass is over.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish();
        }
    }
}

impl Monitor for Quiet<'_> {
    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        if total_bytes.is_some_and(|total| total >= MUCH) {
            self.bar.get_or_init(|| self.ui.progress());
        }
        if let Some(bar) = self.bar.get() {
            bar.phase(name, total_bytes);
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = self.bar.get() {
            bar.advance(bytes);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_set() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}
