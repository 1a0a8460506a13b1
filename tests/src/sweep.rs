//! Runs many seeds on all cores, counts the cuts, and names the seed that failed.
//!
//! A sweep is cut points by the thousand only if it says how many there were: every crash of a simulated medium is counted
//! on the thread that made it, and a test can demand a number.

use std::{
    ops::Range,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{ask, sim};

/// How often a long run says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Seeds that ran.
    pub seeds: u64,
    /// Power cuts and pulled sticks, each looked at afterwards.
    pub cuts: u64,
}

impl Swept {
    /// Fails when the usual run had fewer cuts than this.
    pub fn had_cuts(self, least: u64) {
        assert!(!ask::is_usual() || self.cuts >= least, "only {self:?}");
    }
}

/// Calls `run` with each of `usual` seeds (more or fewer as [`ask`] says), several at a time. A seed that panics
/// is named with the way to run it again.
pub fn sweep(usual: u64, run: impl Fn(u64) + Sync) -> Swept {
    let swept = if let Some(seed) = ask::seed() {
        each_of(seed..seed + 1, run)
    } else {
        let first = ask::first_seed();
        each_of(first..first + ask::seeds(usual), run)
    };
    eprintln!("{} seeds, {} cuts", swept.seeds, swept.cuts);
    swept
}

/// Calls `run` with each number below `count`, several at a time.
pub fn each(count: u64, run: impl Fn(u64) + Sync) -> Swept {
    each_of(0..count, run)
}

fn each_of(numbers: Range<u64>, run: impl Fn(u64) + Sync) -> Swept {
    let next = AtomicU64::new(numbers.start);
    let stop = AtomicBool::new(false);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (done, finished) = mpsc::channel();
    let mut swept = Swept::default();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (next, stop, run, done) = (&next, &stop, &run, done.clone());
            let end = numbers.end;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        break;
                    }
                    let named = Named { number, stop };
                    sim::take_cuts();
                    run(number);
                    drop(named);
                    // The receiver lives longer than the threads.
                    let _ = done.send(sim::take_cuts());
                }
            });
        }
        drop(done);
        let mut progress = Progress::new(numbers.end - numbers.start);
        for cuts in finished {
            swept.seeds += 1;
            swept.cuts += cuts;
            progress.tell(swept);
        }
    });
    swept
}

/// Says from time to time how far a long run is.
struct Progress {
    all: u64,
    started: Instant,
    told: Instant,
    watched: bool,
}

impl Progress {
    fn new(all: u64) -> Self {
        let now = Instant::now();
        Self {
            all,
            started: now,
            told: now,
            watched: ask::wants_progress(),
        }
    }

    fn tell(&mut self, swept: Swept) {
        let is_last = swept.seeds == self.all;
        if !self.watched || (self.told.elapsed() < TOLD_EVERY && !is_last) {
            return;
        }
        self.told = Instant::now();
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = elapsed / swept.seeds as f64 * (self.all - swept.seeds) as f64;
        eprintln!(
            "{} of {} seeds, {} cuts, {:.0} cuts/s, {} s left",
            swept.seeds,
            self.all,
            swept.cuts,
            swept.cuts as f64 / elapsed.max(1e-9),
            left.ceil()
        );
    }
}

/// Names the number while a panic passes, and ends the run.
struct Named<'a> {
    number: u64,
    stop: &'a AtomicBool,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        self.stop.store(true, Ordering::Relaxed);
        if ask::wants_progress() {
            eprintln!(
                "failed: run it alone with `cargo xtask crash --from {} --seeds 1`",
                self.number
            );
        } else {
            eprintln!("failed: run it alone with GOBAG_SEED={}", self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::sim::SimMedium;

    #[test]
    fn every_number_runs_once_and_its_cuts_are_counted() {
        let seen = Mutex::new(Vec::new());
        let swept = each(50, |number| {
            seen.lock().unwrap().push(number);
            for _ in 0..number % 3 {
                SimMedium::new(&[], 1).crash_with(&[]);
            }
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert_eq!(
            swept,
            Swept {
                seeds: 50,
                cuts: (0..50).map(|number| number % 3).sum()
            }
        );
    }

    #[test]
    fn after_a_failure_no_further_number_is_begun() {
        // So many that the run ends in our lifetime only if it is stopped.
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            each(u64::MAX, |number| assert!(number != 3, "as the test wants it"))
        }));
        assert!(failed.is_err());
    }
}
