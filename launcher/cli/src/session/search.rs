//! Looking for a stick that was pulled out, on a thread of its own: a dying device can block whoever asks it.

use std::{sync::Arc, thread::JoinHandle};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::LOOK_EVERY;
use crate::open::{Found, Work};

/// A search under way; dropping it ends it.
pub(crate) struct Search {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Search {
    /// Looks every second until the stick is back or the search is dropped. A changed stick is told once.
    pub(super) fn start(work: &Arc<Work>, found: Sender<Found>) -> Option<Self> {
        let (stop, stopped) = bounded::<()>(0);
        let work = Arc::clone(work);
        let look = move || {
            let mut told = None;
            loop {
                match work.look() {
                    Some(back @ Found::Back(_)) => {
                        let _ = found.send(back);
                        return;
                    }
                    Some(changed) if told.as_ref() != Some(&changed) => {
                        let _ = found.send(changed.clone());
                        told = Some(changed);
                    }
                    _ => {}
                }
                if stopped.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        match std::thread::Builder::new()
            .name("stick-search".to_owned())
            .spawn(look)
        {
            Ok(thread) => Some(Self {
                stop: Some(stop),
                thread: Some(thread),
            }),
            Err(error) => {
                tracing::error!(%error, "cannot look for the stick");
                None
            }
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; the next trouble starts another search.
            let _ = thread.join();
        }
    }
}
