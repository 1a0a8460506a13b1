//! Work spread over threads, results gathered on the caller's.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread;

use crossbeam_channel::bounded;

/// Runs `work` on every job with `threads` threads and hands each result to `gather` as it comes. `jobs` is
/// asked for the next job only when a thread is about to be free, so it bounds what is in memory, and it
/// decides when to stop.
pub(crate) fn for_each<J: Send, R: Send>(
    threads: NonZeroUsize,
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(J) -> R + Sync,
    mut gather: impl FnMut(R),
) {
    let (job_sender, job_receiver) = bounded(threads.get());
    let (result_sender, result_receiver) = bounded(threads.get());
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            let (jobs, results, work) = (job_receiver.clone(), result_sender.clone(), &work);
            scope.spawn(move || {
                for job in jobs {
                    if results.send(work(job)).is_err() {
                        return;
                    }
                }
            });
        }
        // Only the threads hold their ends from here on, so that each side sees when the other is done.
        drop((job_receiver, result_sender));
        scope.spawn(move || {
            for job in jobs {
                if job_sender.send(job).is_err() {
                    return;
                }
            }
        });
        result_receiver.iter().for_each(&mut gather);
    });
}

/// As many threads as the computer has processors. Asked once: finding out reads files of the system.
pub(crate) fn all_cores() -> NonZeroUsize {
    static CORES: OnceLock<NonZeroUsize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once() {
        let mut results = Vec::new();
        for_each(
            NonZeroUsize::new(3).unwrap(),
            0..1000u32,
            |job| job * 2,
            |result| results.push(result),
        );
        results.sort_unstable();
        assert_eq!(results, (0..1000).map(|job| job * 2).collect::<Vec<_>>());
    }
}
