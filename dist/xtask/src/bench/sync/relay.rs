//! A line between two programs of this computer: it counts, and is as long and as narrow as one wants it. This kernel has no traffic control, so it is a program.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Bytes taken at a time, and how many such pieces may be on the line in one direction of a connection.
const PIECE: usize = 16 << 10;
const PIECES: usize = 64;

/// How long and how narrow a line is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    /// From one end to the other.
    pub(super) delay: Duration,
    /// In each direction, for all connections together.
    pub(super) bytes_per_s: u64,
}

/// What everybody on it shares.
#[derive(Default)]
struct Shared {
    length: Mutex<Option<Length>>,
    bytes: AtomicU64,
    connections: AtomicU64,
    /// When each direction has room again.
    free_at: [Mutex<Option<Instant>>; 2],
}

/// A line to one address, for as long as the program runs.
pub(super) struct Relay {
    /// Its near end, `host:port`.
    pub(super) address: String,
    shared: Arc<Shared>,
}

impl Relay {
    /// Lays it to `far`.
    #[expect(clippy::disallowed_methods, reason = "a bench is a line itself")]
    pub(super) fn lay(far: &str) -> Result<Self> {
        let failed = |cause: io::Error| Error::because("no line can be laid", cause);
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?.to_string();
        let shared = Arc::new(Shared::default());
        let (far, its) = (far.to_owned(), Arc::clone(&shared));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(io::Result::ok) {
                its.connections.fetch_add(1, Ordering::Relaxed);
                // Nobody at the other end: it is closed, as a network does.
                if let Ok(far) = TcpStream::connect(&far) {
                    let _ = connect(near, far, &its);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// From now on it is so long; none: as short as can be.
    pub(super) fn set_length(&self, length: Option<Length>) {
        *lock(&self.shared.length) = length;
    }

    /// Bytes that went over it so far, both ways.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Connections that were made over it so far.
    pub(super) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

/// Joins both ends; the threads end with the connection.
fn connect(near: TcpStream, far: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    // What comes first waits for the hands to be shaken.
    let opened = Instant::now();
    let ways = [(near.try_clone()?, far.try_clone()?), (far, near)];
    for (way, (from, to)) in ways.into_iter().enumerate() {
        let (give, take) = sync_channel(PIECES);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || read(from, &give, &shared, way, opened));
        std::thread::spawn(move || write(to, &take));
    }
    Ok(())
}

type Piece = (Instant, Vec<u8>);

fn read(mut from: TcpStream, give: &SyncSender<Piece>, shared: &Shared, way: usize, opened: Instant) {
    loop {
        let mut bytes = vec![0; PIECE];
        let count = match from.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        bytes.truncate(count);
        shared.bytes.fetch_add(count as u64, Ordering::Relaxed);
        let length = *lock(&shared.length);
        let now = Instant::now();
        let due = length.map_or(now, |length| {
            let mut free_at = lock(&shared.free_at[way]);
            let begins = free_at.unwrap_or(now).max(now).max(opened + 2 * length.delay);
            let takes = Duration::from_secs_f64(count as f64 / length.bytes_per_s as f64);
            *free_at = Some(begins + takes);
            begins + takes + length.delay
        });
        if give.send((due, bytes)).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, take: &Receiver<Piece>) {
    while let Ok((due, bytes)) = take.recv() {
        while Instant::now() < due {
            std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is both ends")]
    fn a_long_line_takes_its_time_and_counts() {
        let far = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay::lay(&far.local_addr().unwrap().to_string()).unwrap();
        let delay = Duration::from_millis(20);
        let bytes_per_s = 1_000_000;
        relay.set_length(Some(Length { delay, bytes_per_s }));
        let begun = Instant::now();
        let mut near = TcpStream::connect(&relay.address).unwrap();
        near.write_all(&[7; 50_000]).unwrap();
        let (mut end, _) = far.accept().unwrap();
        let mut bytes = vec![0; 50_000];
        end.read_exact(&mut bytes).unwrap();
        end.write_all(b"!").unwrap();
        near.read_exact(&mut bytes[..1]).unwrap();
        // Shaking hands, there and back: four delays; and the bytes at their speed.
        assert!(begun.elapsed() >= 4 * delay + Duration::from_millis(50));
        assert_eq!((relay.bytes(), relay.connections()), (50_001, 1));
        assert!(bytes[1..].iter().all(|byte| *byte == 7));
    }
}
