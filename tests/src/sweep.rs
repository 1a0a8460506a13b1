//! Runs many seeds on all cores and names the one that failed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::ask;

/// Calls `run` with each of `usual` seeds (more or fewer as [`ask`] says), several at a time. A seed that panics
/// is named with the way to run it again.
pub fn sweep(usual: u64, run: impl Fn(u64) + Sync) {
    if let Some(seed) = ask::seed() {
        return run(seed);
    }
    each(ask::seeds(usual), run);
}

/// Calls `run` with each number below `count`, several at a time.
pub fn each(count: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let named = Named(number);
                    run(number);
                    drop(named);
                }
            });
        }
    });
}

/// Names the number while a panic passes.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed: run it alone with GOBAG_SEED={}", self.0);
        }
    }
}
