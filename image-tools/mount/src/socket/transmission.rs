//! The requests of one connection.
//!
//! Several threads take turns: one reads a request from the connection, lets the next one read, does the work, and
//! answers. So a single reader has no hand-over between threads, and a slow medium still has several requests before
//! it. Answers come in the order in which the work ends, as the protocol allows.

use std::{
    io::{self, Read, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use super::wire::{
    self, Command, EINVAL, EIO, ENOSPC, EOVERFLOW, EPERM, MAX_TRANSFER, ParsedRequest, REPLY_LEN, REQUEST_LEN,
};
use crate::served::Served;

/// Threads of a connection, and so the requests it has under way.
const THREADS: usize = 4;
/// A buffer that grew beyond this for one request is given back after it, bytes.
const KEPT_BUFFER: usize = 1 << 20;

/// A connection as its threads share it.
struct Connection<'a, R, W> {
    served: &'a Served,
    /// `None` once the client has said goodbye or nonsense.
    reader: Mutex<Option<R>>,
    writer: Mutex<W>,
}

/// Serves one volume to one client until the client leaves. What it wrote is flushed then: a client that goes without
/// a word may have counted on that, as with the closing of a file.
pub(super) fn serve(served: &Served, reader: impl Read + Send, writer: impl Write + Send) {
    let connection = Connection {
        served,
        reader: Mutex::new(Some(reader)),
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

impl<R: Read, W: Write> Connection<'_, R, W> {
    /// Takes requests until there are no more.
    fn work(&self) {
        // A header stands before the bytes of a read, so that both leave in one piece.
        let mut buffer = Vec::new();
        while let Some(request) = self.next(&mut buffer) {
            let error = self.answer(&request, &mut buffer);
            if error != 0 || request.command != Some(Command::Read) {
                buffer.truncate(REPLY_LEN);
            }
            buffer[..REPLY_LEN].copy_from_slice(&wire::reply(error, request.cookie));
            if lock(&self.writer).write_all(&buffer).is_err() {
                // Nobody listens; whoever reads next meets the same.
                *lock(&self.reader) = None;
            }
            buffer.truncate(KEPT_BUFFER);
            buffer.shrink_to(KEPT_BUFFER);
        }
    }

    /// The next request; its data stand in `buffer` behind the place of the answer's header. `None`: there will be no
    /// more.
    fn next(&self, buffer: &mut Vec<u8>) -> Option<ParsedRequest> {
        let mut reader = lock(&self.reader);
        let request = match take(reader.as_mut()?, buffer) {
            Ok(request) => request,
            Err(error) => {
                if error.kind() != io::ErrorKind::UnexpectedEof {
                    tracing::debug!(export = self.served.name(), %error, "a client of the block socket ended");
                }
                None
            }
        };
        let request = request.filter(|request| request.command != Some(Command::Disconnect));
        if request.is_none() {
            *reader = None;
        }
        request
    }

    /// Does the work; the error number of the answer. A read's bytes are in `buffer` then.
    fn answer(&self, request: &ParsedRequest, buffer: &mut Vec<u8>) -> u32 {
        let Some(command) = request.command else {
            return EINVAL;
        };
        let is_inside = request
            .offset
            .checked_add(request.len.into())
            .is_some_and(|end| end <= self.served.size_bytes());
        if command != Command::Flush && !is_inside {
            return EINVAL;
        }
        let done = match command {
            Command::Read if request.len > MAX_TRANSFER => return EOVERFLOW,
            Command::Read => {
                buffer.resize(REPLY_LEN + request.len as usize, 0);
                self.served
                    .read(request.offset, &mut buffer[REPLY_LEN..])
                    .map(drop)
            }
            Command::Write => {
                let data = &buffer[REPLY_LEN..];
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
        };
        done.map_or_else(|errno| number(errno.code()), |()| 0)
    }
}

/// Reads one request with what belongs to it; `None` when its data would be absurdly long, which ends the connection,
/// for nothing after it could be found.
fn take(reader: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<ParsedRequest>> {
    let mut header = [0; REQUEST_LEN];
    reader.read_exact(&mut header)?;
    let Some(request) = wire::parse_request(&header).filter(|request| request.payload <= MAX_TRANSFER) else {
        return Ok(None);
    };
    buffer.resize(REPLY_LEN + request.payload as usize, 0);
    reader.read_exact(&mut buffer[REPLY_LEN..])?;
    Ok(Some(request))
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
