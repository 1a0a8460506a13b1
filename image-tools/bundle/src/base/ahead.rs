//! Reading ahead of a sequential reader, on a thread of its own.
//!
//! A reader that asked for chunk `n` after `n - 1` will ask for `n + 1`: the thread brings the next chunks
//! into the cache while the reader uses the present one. It is only ever an advantage: errors are dropped
//! (the reader meets them itself), and a full queue means that there is enough to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use super::volume::Source;

/// Neighbours in a row before the thread is asked: a 64 KiB read of an unaligned guest touches two.
const NEIGHBOURS: u64 = 2;

pub(super) struct ReadAhead {
    state: State,
    thread: Option<(Sender<Range>, JoinHandle<()>)>,
}

/// First chunk and the one after the last.
type Range = (u64, u64);

struct State {
    /// The chunk asked for last.
    last: AtomicU64,
    /// How many in a row before it.
    run: AtomicU64,
    /// The first chunk nobody was asked to bring yet.
    ahead_to: AtomicU64,
    window: u64,
    chunks: u64,
}

impl ReadAhead {
    pub(super) fn new(source: &Arc<Source>, window: u64) -> Self {
        let (sender, receiver) = bounded::<Range>(2);
        let worker = Arc::clone(source);
        let thread = thread::Builder::new()
            .name("gobag-ahead".to_owned())
            .spawn(move || {
                for (first, end) in receiver {
                    for index in first..end {
                        if !worker.is_at_hand(index) && worker.read_chunk(index).is_err() {
                            break;
                        }
                    }
                }
            });
        let state = State {
            last: AtomicU64::new(u64::MAX),
            run: AtomicU64::new(0),
            ahead_to: AtomicU64::new(0),
            window,
            chunks: source.chunks(),
        };
        // Without a thread there is no reading ahead, and nothing else is lost.
        Self {
            state,
            thread: thread.ok().map(|thread| (sender, thread)),
        }
    }

    /// Tells that chunk `index` was asked for.
    pub(super) fn note(&self, index: u64) {
        let Some((sender, _)) = &self.thread else { return };
        if let Some((first, end)) = self.state.next(index) {
            // Should the queue be full, the range is forgotten, and asked for again by a later note.
            if sender.try_send((first, end)).is_ok() {
                self.state.ahead_to.store(end, Ordering::Relaxed);
            }
        }
    }
}

impl State {
    /// Races between readers can only make the guess worse, never the data; so relaxed order is enough.
    fn next(&self, index: u64) -> Option<(u64, u64)> {
        let last = self.last.swap(index, Ordering::Relaxed);
        if index == last {
            return None;
        }
        if index != last.wrapping_add(1) {
            self.run.store(0, Ordering::Relaxed);
            self.ahead_to.store(0, Ordering::Relaxed);
            return None;
        }
        if self.run.fetch_add(1, Ordering::Relaxed) + 1 < NEIGHBOURS {
            return None;
        }
        let asked = self.ahead_to.load(Ordering::Relaxed);
        // Half a window left is early enough, and makes the requests few and long.
        if asked > index + self.window / 2 {
            return None;
        }
        let first = asked.max(index + 1);
        let end = (index + 1 + self.window).min(self.chunks);
        (first < end).then_some((first, end))
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // It stops after the range it is at; a panic there has nothing to tell us here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            last: AtomicU64::new(u64::MAX),
            run: AtomicU64::new(0),
            ahead_to: AtomicU64::new(0),
            window: 8,
            chunks: 100,
        }
    }

    fn notes(state: &State, indexes: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
        let mut asked = Vec::new();
        for index in indexes {
            if let Some((first, end)) = state.next(index) {
                state.ahead_to.store(end, Ordering::Relaxed);
                asked.push((first, end));
            }
        }
        asked
    }

    #[test]
    fn a_sequential_reader_is_served_in_long_ranges_without_gaps_up_to_the_end() {
        let asked = notes(&state(), 10..100);
        assert_eq!(asked[0], (13, 21));
        assert!(asked.windows(2).all(|pair| pair[0].1 == pair[1].0), "{asked:?}");
        assert_eq!(asked.last().unwrap().1, 100);
        assert!(asked.len() < 25, "{}", asked.len());
    }

    #[test]
    fn a_jumping_reader_asks_for_nothing() {
        assert_eq!(notes(&state(), [5, 90, 3, 4, 70, 2]), []);
        assert_eq!(notes(&state(), [5, 5, 5, 6, 6]), []);
    }
}
