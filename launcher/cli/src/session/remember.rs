//! Telling the memory of this computer how far the log is, on a thread of its own: its disk may be slow, and the stick gone.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use gobag_term::Ui;

use crate::open::Work;

/// How often. What is written is the state of the time before: a stick that confirms what it still holds back has long
/// written it by then, so that an honest person with a poor stick is not refused.
const REMEMBER_EVERY: Duration = Duration::from_secs(60);

/// The thread; dropping it ends it.
pub(super) struct Remembering {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Remembering {
    pub(super) fn start(work: &Arc<Work>, ui: &Ui) -> Self {
        let (stop, stopped) = bounded::<()>(0);
        let (work, ui) = (Arc::clone(work), ui.clone());
        let remember = move || {
            while stopped.recv_timeout(REMEMBER_EVERY) == Err(RecvTimeoutError::Timeout) {
                work.remember(&ui);
            }
        };
        let thread = std::thread::Builder::new().name("remember".to_owned());
        // Without it the memory is told at the end.
        let thread = thread
            .spawn(remember)
            .inspect_err(|error| tracing::error!(%error, "cannot remember while running"));
        Self {
            stop: Some(stop),
            thread: thread.ok(),
        }
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; the end tells the memory once more.
            let _ = thread.join();
        }
    }
}
