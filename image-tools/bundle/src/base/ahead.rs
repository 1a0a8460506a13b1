//! Bringing chunks into memory on all cores before their reader gets to them.
//!
//! Opening a chunk takes a processor far longer than copying it, and a reader is one thread. So a few threads open
//! the further chunks of a long read while the reader is at its first, and, when reads follow each other, those of
//! the reads to come. It is only ever an advantage: errors are dropped (the reader meets them itself), a chunk that
//! the reader needs before a thread has begun it is opened by the reader, and when there is enough to do already
//! the rest is forgotten.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use super::volume::Source;
use crate::parallel::all_cores;

/// Most threads; more would only crowd the medium.
const MAX_THREADS: usize = 4;
/// Reads in a row before what follows them is read, too.
const READS_IN_A_ROW: u32 = 2;
/// How far a read may be from the end of those before it and still be one of them, in chunks: a guest's reads reach
/// us in no strict order.
const NEAR: u64 = 8;
/// Most chunks that wait for a thread.
const QUEUE: usize = 64;
/// A chunk that the reader has left so little behind was asked for too late: opening it now would be wasted.
const JUST_PASSED: u64 = 2 * QUEUE as u64;
/// Chunks read ahead at first; as many again with every further read, up to the window.
const FIRST_WINDOW: u64 = 4;

/// The threads, started when first needed, and what is known of the reader.
pub(super) struct ReadAhead {
    source: Arc<Source>,
    stream: Mutex<Stream>,
    /// The chunk that the reader is at; a guess where several read at once.
    reader_at: Arc<AtomicU64>,
    crew: OnceLock<Crew>,
    window: u64,
}

struct Crew {
    /// Chunks to bring. `None` only while dropping, and where no thread could be started.
    queue: Option<Sender<u64>>,
    threads: Vec<JoinHandle<()>>,
}

/// First chunk and the one after the last.
type Range = std::ops::Range<u64>;

/// A sequence of reads.
#[derive(Default)]
struct Stream {
    /// The end of the furthest read.
    expected: u64,
    /// Reads in a row that went further.
    row: u32,
    /// Nothing before this needs to be asked for again.
    asked: u64,
}

impl ReadAhead {
    pub(super) fn new(source: &Arc<Source>, window: u64) -> Self {
        Self {
            source: Arc::clone(source),
            stream: Mutex::default(),
            reader_at: Arc::default(),
            crew: OnceLock::new(),
            window,
        }
    }

    /// Tells that `chunks` are about to be read, in order.
    pub(super) fn note(&self, chunks: Range) {
        let ahead = {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.next(&chunks, self.window)
        };
        let end = ahead.end.min(self.source.chunks());
        let wanted = (chunks.start + 1..chunks.end).chain(ahead.start..end);
        for chunk in wanted.filter(|chunk| !self.source.is_at_hand(*chunk)) {
            let queue = self.crew.get_or_init(|| self.start()).queue.as_ref();
            if queue.is_none_or(|queue| queue.try_send(chunk).is_err()) {
                return;
            }
        }
    }

    /// Tells that `chunk` is being read.
    pub(super) fn reached(&self, chunk: u64) {
        self.reader_at.store(chunk, Ordering::Relaxed);
    }

    fn start(&self) -> Crew {
        let (sender, receiver) = bounded::<u64>(QUEUE);
        let threads: Vec<_> = (0..all_cores().get().min(MAX_THREADS))
            .filter_map(|_| {
                let (source, queue, at) = (
                    Arc::clone(&self.source),
                    receiver.clone(),
                    Arc::clone(&self.reader_at),
                );
                let thread = thread::Builder::new().name("gobag-ahead".to_owned());
                let work = move || {
                    for chunk in queue {
                        if !is_just_passed(chunk, at.load(Ordering::Relaxed)) && !source.is_at_hand(chunk) {
                            let _ = source.read_chunk(chunk);
                        }
                    }
                };
                thread.spawn(work).ok()
            })
            .collect();
        Crew {
            queue: (!threads.is_empty()).then_some(sender),
            threads,
        }
    }
}

/// Whether a reader at `reader_at` has left `chunk` behind, or is at it.
fn is_just_passed(chunk: u64, reader_at: u64) -> bool {
    reader_at
        .checked_sub(chunk)
        .is_some_and(|behind| behind <= JUST_PASSED)
}

impl Stream {
    /// What to bring beyond `chunks`.
    fn next(&mut self, chunks: &Range, window: u64) -> Range {
        let (first, end) = (chunks.start, chunks.end);
        let is_near = first.abs_diff(self.expected) <= NEAR;
        if !is_near {
            *self = Self {
                expected: end,
                ..Self::default()
            };
            return end..end;
        }
        if end <= self.expected {
            return end..end;
        }
        self.expected = end;
        self.row = self.row.saturating_add(1);
        if self.row < READS_IN_A_ROW {
            return end..end;
        }
        // Never less than the read itself: then there is work while its answer is on its way.
        let grown = FIRST_WINDOW << (self.row - READS_IN_A_ROW).min(16);
        let window = grown.max(end - first).min(window);
        // Half a window left is early enough.
        if self.asked > end + window / 2 {
            return end..end;
        }
        let from = self.asked.max(end);
        self.asked = end + window;
        from..self.asked
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // It stops after the chunks it was asked for; a panic there has nothing to tell us here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is brought ahead for reads of `chunks` chunks each.
    fn ahead(first_chunks: impl IntoIterator<Item = u64>, chunks: u64) -> Vec<Range> {
        let mut stream = Stream::default();
        let reads = first_chunks.into_iter();
        let ahead = reads.map(|first| stream.next(&(first..first + chunks), 32));
        ahead.filter(|range| !range.is_empty()).collect()
    }

    #[test]
    fn a_sequential_reader_is_led_without_gaps_and_by_a_growing_lead() {
        for len in [1, 2, 16] {
            let asked = ahead((100..1000).step_by(len), len as u64);
            assert!(
                asked.windows(2).all(|pair| pair[0].end == pair[1].start),
                "{asked:?}"
            );
            let first = asked.first().unwrap();
            assert!(first.start <= 100 + 3 * len as u64, "{first:?}");
            assert!(first.end - first.start <= 4.max(len as u64), "{first:?}");
            assert!(asked.last().unwrap().end > 1000 + 16, "{asked:?}");
        }
    }

    #[test]
    fn reads_in_no_strict_order_are_a_sequence_too() {
        let asked = ahead([100, 102, 101, 103, 106, 104, 105, 107], 1);
        assert!(asked.last().is_some_and(|range| range.end > 110), "{asked:?}");
    }

    #[test]
    fn what_the_reader_has_just_left_behind_is_not_brought_any_more() {
        assert!(is_just_passed(70, 70) && is_just_passed(69, 70) && is_just_passed(0, JUST_PASSED));
        // Ahead of the reader, or asked for by another.
        assert!(!is_just_passed(71, 70) && !is_just_passed(0, JUST_PASSED + 1));
    }

    #[test]
    fn a_jumping_reader_asks_for_nothing() {
        assert_eq!(ahead([500, 9000, 300, 400, 7000, 200], 1), []);
        assert_eq!(ahead([500, 500, 500, 501], 1), []);
    }
}
