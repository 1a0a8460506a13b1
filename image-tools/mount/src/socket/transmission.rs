//! The requests of one connection.
//!
//! Several threads take turns: one reads a request from the connection, lets the next one read, does the work, and
//! answers. So a single reader has no hand-over between threads, and a slow medium still has several requests before
//! it. Answers come in the order in which the work ends, as the protocol allows.
//!
//! Memory. The protocol lets a client ask for 32 MiB at once. A long write is taken in and written piece by piece, for
//! nobody promises that it is atomic; a long read must be there as a whole before its answer begins (the answer's header
//! says whether it went well), so all long reads of a door together have a [`Budget`].

use std::{
    io::{self, BufReader, Read, Write},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::wire::{
    self, Command, EINVAL, EIO, ENOSPC, EOVERFLOW, EPERM, MAX_TRANSFER, ParsedRequest, REPLY_LEN, REQUEST_LEN,
};
use crate::served::Served;

/// Threads of a connection, and so the requests it has under way.
const THREADS: usize = 4;
/// What each thread may keep for itself, bytes; and the pieces in which longer writes are done.
const OWN_BUFFER: usize = 1 << 20;
/// For all reads of a door that are longer than that, bytes; at least the longest one.
const BUDGET: u32 = 2 * MAX_TRANSFER;
/// Several small requests come with one system call, bytes.
const READ_AHEAD: usize = 64 << 10;

/// The memory of long reads.
pub(super) struct Budget {
    left: Mutex<u32>,
    given_back: Condvar,
}

/// A part of it; given back when dropped.
struct Share<'a> {
    budget: &'a Budget,
    len: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: Mutex::new(BUDGET),
            given_back: Condvar::new(),
        }
    }
}

impl Budget {
    /// Waits for `len` bytes, at most [`MAX_TRANSFER`]. Whoever has them gives them back when its client has read them.
    fn take(&self, len: u32) -> Share<'_> {
        let enough = self.given_back.wait_while(lock(&self.left), |left| *left < len);
        *enough.unwrap_or_else(PoisonError::into_inner) -= len;
        Share { budget: self, len }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *lock(&self.budget.left) += self.len;
        self.budget.given_back.notify_all();
    }
}

/// A connection as its threads share it.
struct Connection<'a, R, W> {
    served: &'a Served,
    budget: &'a Budget,
    /// `None` once the client has said goodbye or nonsense.
    reader: Mutex<Option<BufReader<R>>>,
    writer: Mutex<W>,
}

/// A request that was taken in.
struct Taken {
    request: ParsedRequest,
    /// The answer's error number, if the work was done while its data came in.
    done: Option<u32>,
}

/// Serves one volume to one client until the client leaves. What it wrote is flushed then: a client that goes without
/// a word may have counted on that, as with the closing of a file.
pub(super) fn serve(served: &Served, reader: impl Read + Send, writer: impl Write + Send, budget: &Budget) {
    let connection = Connection {
        served,
        budget,
        reader: Mutex::new(Some(BufReader::with_capacity(READ_AHEAD, reader))),
        writer: Mutex::new(writer),
    };
    thread::scope(|scope| {
        for _ in 1..THREADS {
            // Fewer threads are slower, not wrong.
            let _ = thread::Builder::new()
                .name("gobag-socket".to_owned())
                .spawn_scoped(scope, || connection.work());
        }
        connection.work();
    });
    if !served.is_read_only() {
        // An error is reported where errors of the medium are; the client is gone.
        let _ = served.flush();
    }
}

/// The same on the caller's thread alone: answers come in the order of the requests.
pub(super) fn serve_alone(served: &Served, reader: impl Read, writer: impl Write, budget: &Budget) {
    let connection = Connection {
        served,
        budget,
        reader: Mutex::new(Some(BufReader::with_capacity(READ_AHEAD, reader))),
        writer: Mutex::new(writer),
    };
    connection.work();
}

impl<R: Read, W: Write> Connection<'_, R, W> {
    /// Takes requests until there are no more.
    fn work(&self) {
        // A header stands before the bytes of a read, so that both leave in one piece.
        let mut buffer = vec![0; REPLY_LEN];
        while let Some(Taken { request, done }) = self.next(&mut buffer) {
            let is_long_read = request.command == Some(Command::Read)
                && request.len as usize > OWN_BUFFER
                && request.len <= MAX_TRANSFER;
            let share = is_long_read.then(|| self.budget.take(request.len));
            let error = match done {
                Some(error) => error,
                None => self.answer(&request, &mut buffer),
            };
            let len = match request.command {
                Some(Command::Read) if error == 0 => request.len as usize,
                _ => 0,
            };
            buffer[..REPLY_LEN].copy_from_slice(&wire::reply(error, request.cookie));
            if lock(&self.writer).write_all(&buffer[..REPLY_LEN + len]).is_err() {
                // Nobody listens; whoever reads next meets the same.
                *lock(&self.reader) = None;
            }
            buffer.truncate(REPLY_LEN + OWN_BUFFER);
            buffer.shrink_to(REPLY_LEN + OWN_BUFFER);
            drop(share);
        }
    }

    /// The next request; its data stand in `buffer` behind the place of the answer's header. `None`: there will be no
    /// more.
    fn next(&self, buffer: &mut Vec<u8>) -> Option<Taken> {
        let mut reader = lock(&self.reader);
        let taken = match self.take(reader.as_mut()?, buffer) {
            Ok(taken) => taken,
            Err(error) => {
                if error.kind() != io::ErrorKind::UnexpectedEof {
                    tracing::debug!(export = self.served.name(), %error, "a client of the block socket ended");
                }
                None
            }
        };
        let taken = taken.filter(|taken| taken.request.command != Some(Command::Disconnect));
        if taken.is_none() {
            *reader = None;
        }
        taken
    }

    /// Reads one request with what belongs to it; `None` when its data would be absurdly long, which ends the
    /// connection, for nothing after it could be found.
    fn take(&self, reader: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<Taken>> {
        let mut header = [0; REQUEST_LEN];
        reader.read_exact(&mut header)?;
        let Some(request) = wire::parse_request(&header).filter(|request| request.payload <= MAX_TRANSFER)
        else {
            return Ok(None);
        };
        let len = request.payload as usize;
        if len <= OWN_BUFFER {
            reader.read_exact(room(buffer, len))?;
            return Ok(Some(Taken { request, done: None }));
        }
        let mut error = if self.is_inside(&request) { 0 } else { EINVAL };
        let mut offset = request.offset;
        let mut left = len;
        while left > 0 {
            let piece = room(buffer, left.min(OWN_BUFFER));
            reader.read_exact(piece)?;
            if error == 0 {
                error = outcome(self.served.write(offset, piece, false).map(drop));
            }
            // Inside, or nothing is written at all.
            offset = offset.wrapping_add(piece.len() as u64);
            left -= piece.len();
        }
        if error == 0 && request.durable {
            error = outcome(self.served.flush());
        }
        let done = Some(error);
        Ok(Some(Taken { request, done }))
    }

    fn is_inside(&self, request: &ParsedRequest) -> bool {
        let end = request.offset.checked_add(request.len.into());
        end.is_some_and(|end| end <= self.served.size_bytes())
    }

    /// Does the work; the error number of the answer. A read's bytes are in `buffer` then.
    fn answer(&self, request: &ParsedRequest, buffer: &mut Vec<u8>) -> u32 {
        let Some(command) = request.command else {
            return EINVAL;
        };
        if command != Command::Flush && !self.is_inside(request) {
            return EINVAL;
        }
        outcome(match command {
            Command::Read if request.len > MAX_TRANSFER => return EOVERFLOW,
            Command::Read => {
                let data = room(buffer, request.len as usize);
                self.served.read(request.offset, data).map(drop)
            }
            Command::Write => {
                let data = room(buffer, request.payload as usize);
                self.served.write(request.offset, data, request.durable).map(drop)
            }
            Command::Zero => {
                let zeroed = self.served.discard(request.offset, request.len.into());
                match request.durable {
                    true => zeroed.and_then(|()| self.served.flush()),
                    false => zeroed,
                }
            }
            Command::Flush | Command::Disconnect => self.served.flush(),
        })
    }
}

/// The place for `len` bytes behind the answer's header. Only grows: what was there is overwritten, or never sent.
fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < REPLY_LEN + len {
        buffer.resize(REPLY_LEN + len, 0);
    }
    &mut buffer[REPLY_LEN..REPLY_LEN + len]
}

fn outcome(done: Result<(), fuser::Errno>) -> u32 {
    done.map_or_else(|errno| number(errno.code()), |()| 0)
}

/// The protocol has few numbers of its own.
fn number(errno: i32) -> u32 {
    match rustix::io::Errno::from_raw_os_error(errno) {
        rustix::io::Errno::NOSPC => ENOSPC,
        rustix::io::Errno::ROFS => EPERM,
        rustix::io::Errno::INVAL | rustix::io::Errno::FBIG => EINVAL,
        _ => EIO,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
