//! Progress of one task on standard error: a live line on a terminal, one line per tenth elsewhere.
//!
//! [`ProgressBar::advance`] is called from the inner loops of many threads: it is one atomic addition, and takes the lock
//! only when a line is due. The live line is drawn by a thread of its own, so it also shows a task that hangs.

mod meter;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::human;
use crate::limits::{PROGRESS_DELAY, PROGRESS_PERIOD};
use crate::table::cut;
use crate::ui::Ui;
use meter::Meter;

/// Shows how far a task is, phase by phase.
///
/// Dropped without [`ProgressBar::finish`], it takes its live line away and claims nothing about the last phase.
pub struct ProgressBar {
    shared: Arc<Shared>,
    /// Dropping the sender ends the drawing thread.
    drawing: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

struct Shared {
    ui: Ui,
    style: Style,
    done: AtomicU64,
    /// In [`Style::Lines`]: the count of bytes at which the next line is due.
    next_line: AtomicU64,
    phase: Mutex<Option<Phase>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Hidden,
    Live,
    Lines,
}

struct Phase {
    name: String,
    total: Option<u64>,
    started: Instant,
    meter: Meter,
    message: String,
}

impl ProgressBar {
    pub(crate) fn new(ui: Ui) -> Self {
        let style = match () {
            () if ui.is_quiet() => Style::Hidden,
            () if ui.err_is_terminal() => Style::Live,
            () => Style::Lines,
        };
        Self::styled(ui, style)
    }

    fn styled(ui: Ui, style: Style) -> Self {
        let (done, next_line) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        let shared = Shared {
            ui,
            style,
            done,
            next_line,
            phase: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
            drawing: Mutex::new(None),
        }
    }

    /// Ends the phase before, if any, and begins one of `total_bytes` if that is known.
    pub fn phase(&self, name: &str, total_bytes: Option<u64>) {
        self.end_phase();
        let name = human::printable(name).replace('\n', " ");
        let shared = &self.shared;
        shared.done.store(0, Ordering::Relaxed);
        if shared.style == Style::Lines {
            let of = total_bytes.map_or_else(String::new, |total| format!(" ({})", human::bytes(total)));
            shared.ui.say(&format!("{name}: started{of}"));
        }
        let due = if shared.style == Style::Lines {
            next_tenth(0, total_bytes)
        } else {
            u64::MAX
        };
        let (started, meter, message) = (Instant::now(), Meter::default(), String::new());
        *shared.lock() = Some(Phase {
            name,
            total: total_bytes,
            started,
            meter,
            message,
        });
        shared.next_line.store(due, Ordering::Relaxed);
        if shared.style == Style::Live {
            self.start_drawing();
        }
    }

    /// Counts bytes of work done.
    pub fn advance(&self, bytes: u64) {
        let done = self
            .shared
            .done
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        if done >= self.shared.next_line.load(Ordering::Relaxed) {
            self.shared.line();
        }
    }

    /// Shows what is being worked on, beside the numbers; only on a terminal.
    pub fn message(&self, text: &str) {
        if let Some(phase) = self.shared.lock().as_mut() {
            phase.message = human::printable(text).replace('\n', " ");
        }
    }

    /// Has the person asked to end? Long work asks this often.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared
            .ui
            .interrupt()
            .is_some_and(|interrupt| interrupt.is_set())
    }

    /// The last phase is complete.
    pub fn finish(&self) {
        self.end_phase();
        self.stop_drawing();
    }

    fn end_phase(&self) {
        let shared = &self.shared;
        shared.next_line.store(u64::MAX, Ordering::Relaxed);
        let Some(phase) = shared.lock().take() else { return };
        let elapsed = phase.started.elapsed();
        let short = shared.style == Style::Live && elapsed < PROGRESS_DELAY;
        shared.ui.hide_live();
        if shared.style != Style::Hidden && !short {
            shared.ui.ok(&meter::ended(
                &phase.name,
                shared.done.load(Ordering::Relaxed),
                elapsed,
            ));
        }
    }

    fn start_drawing(&self) {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        if drawing.is_some() {
            return;
        }
        let (stop, stopped) = bounded::<()>(0);
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(PROGRESS_PERIOD) == Err(RecvTimeoutError::Timeout) {
                    shared.draw();
                }
            });
        // Without a thread there is no live line; the work is more important.
        *drawing = thread.ok().map(|thread| (stop, thread));
    }

    fn stop_drawing(&self) {
        let drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = drawing {
            drop(stop);
            // A panic of the drawing thread was shown by Rust; the work goes on.
            let _ = thread.join();
            self.shared.ui.hide_live();
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        self.stop_drawing();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Phase>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the phase's lock while drawing, so that no live line appears after the phase has ended.
    fn draw(&self) {
        let mut phase = self.lock();
        let Some(phase) = phase.as_mut() else { return };
        let elapsed = phase.started.elapsed();
        let done = self.done.load(Ordering::Relaxed);
        phase.meter.record(elapsed, done);
        if elapsed >= PROGRESS_DELAY {
            let mut text = meter::running(&phase.name, done, phase.total, phase.meter.speed());
            if !phase.message.is_empty() {
                text = format!("{text}  {}", phase.message);
            }
            // One column stays free: a full line would wrap on some terminals and could not be taken back.
            self.ui
                .show_live(&cut(&text, self.ui.err_columns().saturating_sub(1)));
        }
    }

    /// A line for every tenth; whoever gets the lock first writes it.
    fn line(&self) {
        let mut phase = self.lock();
        let Some(phase) = phase.as_mut() else { return };
        let done = self.done.load(Ordering::Relaxed);
        if done < self.next_line.load(Ordering::Relaxed) {
            return;
        }
        self.next_line
            .store(next_tenth(done, phase.total), Ordering::Relaxed);
        phase.meter.record(phase.started.elapsed(), done);
        self.ui.say(&meter::running(
            &phase.name,
            done,
            phase.total,
            phase.meter.speed(),
        ));
    }
}

/// The first count of bytes after `done` that completes another tenth, but not the last: that is the phase's end.
fn next_tenth(done: u64, total: Option<u64>) -> u64 {
    let Some(total) = total.filter(|total| *total > 0) else {
        return u64::MAX;
    };
    let next = u128::from(done) * 10 / u128::from(total) + 1;
    if next >= 10 {
        return u64::MAX;
    }
    u64::try_from((next * u128::from(total)).div_ceil(10)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
