//! Keeps the door open while a medium is slow.
//!
//! A volume call may take long: a stick can stall for seconds, and the kernel waits half a minute before it gives up
//! on a dead one. If every thread that takes requests from the kernel sat in such a call, not even `stat` or the
//! unmount would be answered. So all event threads but one may work on a request themselves, which is the fast way (no
//! hand-over between threads); the last free one hands its request to a spare thread and goes back to the door.
//!
//! The queue needs no bound of its own: the kernel limits the requests under way.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread::JoinHandle,
};

use crossbeam_channel::{Sender, unbounded};

type Job = Box<dyn FnOnce() + Send>;

/// Admission to the event threads, and the spare threads behind them.
pub(crate) struct Lanes {
    /// Event threads that may be inside a volume call at the same time.
    limit: usize,
    occupied: AtomicUsize,
    /// `None` only while dropping.
    queue: Option<Sender<Job>>,
    spares: Vec<JoinHandle<()>>,
}

/// Permission to do the work on the event thread itself; gives it back when dropped.
pub(crate) struct Lane<'a>(&'a AtomicUsize);

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Lanes for `event_threads` threads at the door, with `spares` threads behind them.
    pub(crate) fn new(event_threads: usize, spares: usize) -> std::io::Result<Self> {
        let (queue, jobs) = unbounded::<Job>();
        let spares = (0..spares.max(1))
            .map(|number| {
                let jobs = jobs.clone();
                std::thread::Builder::new()
                    .name(format!("gobag-spare-{number}"))
                    .spawn(move || {
                        for job in jobs {
                            // A job answers for itself (see `served`); this only keeps the thread if one does not. The
                            // reply it dropped has told the kernel `EIO`.
                            let _ = catch_unwind(AssertUnwindSafe(job));
                        }
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            limit: event_threads.saturating_sub(1),
            occupied: AtomicUsize::new(0),
            queue: Some(queue),
            spares,
        })
    }

    /// A lane, unless this is the last event thread at the door.
    pub(crate) fn enter(&self) -> Option<Lane<'_>> {
        let lane = Lane(&self.occupied);
        (self.occupied.fetch_add(1, Ordering::Relaxed) < self.limit).then_some(lane)
    }

    /// Leaves the work to a spare thread.
    pub(crate) fn hand_over(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(queue) = &self.queue {
            // Cannot fail: the receivers live until `drop` has taken the sender away.
            let _ = queue.send(Box::new(job));
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.queue = None;
        for spare in self.spares.drain(..) {
            // The threads catch every panic.
            let _ = spare.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn one_event_thread_always_stays_at_the_door() {
        let lanes = Lanes::new(3, 1).unwrap();
        let first = lanes.enter();
        let second = lanes.enter();
        assert!(first.is_some() && second.is_some());
        assert!(lanes.enter().is_none(), "the third thread must not work itself");
        drop(first);
        assert!(lanes.enter().is_some(), "a lane that was left is free again");
        assert!(Lanes::new(1, 1).unwrap().enter().is_none());
    }

    #[test]
    fn a_panicking_job_does_not_cost_the_thread_and_dropping_finishes_the_queue() {
        let lanes = Lanes::new(1, 1).unwrap();
        let (sender, receiver) = mpsc::channel();
        lanes.hand_over(|| panic!("expected in this test"));
        lanes.hand_over(move || sender.send(7).unwrap());
        drop(lanes);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok(7));
    }
}
