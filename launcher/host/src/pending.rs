//! One probe in a thread of its own, with a deadline.
//!
//! A thread that hangs in the kernel cannot be ended: it is left behind, and ends with the program. A child process it
//! started was given its own, shorter deadline.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use gobag_checklists::Fact;

/// A fact that is being found out.
pub(crate) struct Pending<T> {
    receiver: Receiver<Fact<T>>,
    limit: Duration,
    until: Instant,
}

impl<T: Send + 'static> Pending<T> {
    /// Starts `probe`; its answer counts if it comes within `limit`.
    pub(crate) fn start(
        name: &str,
        limit: Duration,
        probe: impl FnOnce() -> Fact<T> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name(format!("probe {name}"));
        // Without a thread the sender is dropped, and `take` says that nobody answered.
        let _ = thread.spawn(move || {
            // Too late: nobody listens any more.
            let _ = sender.send(probe());
        });
        Self {
            receiver,
            limit,
            until: Instant::now() + limit,
        }
    }

    /// Waits for the answer.
    pub(crate) fn take(self) -> Fact<T> {
        let left = self.until.saturating_duration_since(Instant::now());
        match self.receiver.recv_timeout(left) {
            Ok(fact) => fact,
            Err(RecvTimeoutError::Timeout) => {
                Fact::unknown(format!("no answer within {} s", self.limit.as_secs_f32()))
            }
            Err(RecvTimeoutError::Disconnected) => Fact::unknown("the probe broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T>(fact: Fact<T>) -> String {
        match fact {
            Fact::Unknown { reason } => reason,
            _ => panic!("not unknown"),
        }
    }

    #[test]
    fn an_answer_arrives() {
        let pending = Pending::start("test", Duration::from_secs(10), || Fact::from_kernel(7, "test"));
        assert_eq!(pending.take().value(), Some(&7));
    }

    #[test]
    fn a_probe_that_hangs_is_unknown_after_its_deadline() {
        let (keep, blocked) = channel::<()>();
        let limit = Duration::from_millis(50);
        let started = Instant::now();
        let pending = Pending::start("test", limit, move || {
            // Ends when the test drops its end.
            let _ = blocked.recv();
            Fact::from_kernel(7, "test")
        });
        assert_eq!(reason(pending.take()), "no answer within 0.05 s");
        assert!(started.elapsed() >= limit);
        drop(keep);
    }

    #[test]
    fn a_probe_that_panics_is_unknown() {
        let pending = Pending::<u32>::start("test", Duration::from_secs(10), || panic!("on purpose"));
        assert_eq!(reason(pending.take()), "the probe broke off");
    }
}
