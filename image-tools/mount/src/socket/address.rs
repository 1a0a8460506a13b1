//! Where a door is, and the connections that come to it.
//!
//! A Unix socket is made for its owner alone, and who connects is asked for its user all the same: the folder around it is
//! the caller's promise, not ours. On the loopback network nobody can be asked; there the secret decides.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::sockopt::socket_peercred,
    process::geteuid,
};

use super::{SocketError, handshake::Secret};

/// 128 bits as hexadecimal digits.
pub(super) const MIN_SECRET_LEN: usize = 32;

/// Where the door is.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket at this path, in a private folder.
    Unix(PathBuf),
    /// A free port of this computer's own network. Every user of the computer can reach it, so the secret stands before
    /// the name of every export: `SECRET/NAME`. Make a new one for every door.
    Loopback {
        /// What clients must know: letters and digits, at least 32 of them.
        secret: String,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Loopback { .. } => f.write_str("the loopback network"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret must not reach a log.
        write!(f, "Address({self})")
    }
}

/// An address that is listened at.
pub(super) enum Listener {
    Unix(UnixListener, PathBuf),
    Loopback(TcpListener, SocketAddr),
}

impl Listener {
    #[expect(
        clippy::disallowed_methods,
        reason = "the door to this computer's own programs; it never leaves it"
    )]
    pub(super) fn bind(address: &Address) -> Result<(Self, Option<Secret>), SocketError> {
        let failed = |source| SocketError::Listen {
            address: address.to_string(),
            source,
        };
        match address {
            Address::Unix(path) => {
                let listener = UnixListener::bind(path).map_err(failed)?;
                let listener = Self::Unix(listener, path.clone());
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|source| {
                    listener.close();
                    failed(source)
                })?;
                Ok((listener, None))
            }
            Address::Loopback { secret } => {
                let is_word = secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if secret.len() < MIN_SECRET_LEN || !is_word {
                    return Err(SocketError::Secret);
                }
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
                let at = listener.local_addr().map_err(failed)?;
                Ok((Self::Loopback(listener, at), Some(Secret(secret.clone()))))
            }
        }
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Loopback(listener, _) => {
                let (stream, _) = listener.accept()?;
                // Requests are answered one by one; none should wait for the next. Without it they do.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Loopback(stream))
            }
        }
    }

    /// Ends a waiting `accept`; nobody can connect any more.
    pub(super) fn close(&self) {
        // A listener that is shut down already is what we want.
        let _ = rustix::net::shutdown(self.as_fd(), rustix::net::Shutdown::Both);
        if let Self::Unix(_, path) = self {
            forget(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener, _) => listener.as_fd(),
            Self::Loopback(listener, _) => listener.as_fd(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the socket's own name, which this module made"
)]
fn forget(path: &Path) {
    // Its folder may be gone already.
    let _ = fs::remove_file(path);
}

/// A connection.
pub(super) enum Stream {
    Unix(UnixStream),
    Loopback(TcpStream),
}

impl Stream {
    /// Whether the other side may be here at all: our own user, or root, as far as the system tells.
    pub(super) fn is_welcome(&self) -> bool {
        match self {
            Self::Unix(stream) => {
                socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid())
            }
            Self::Loopback(_) => true,
        }
    }

    /// The process at the other side, where the system tells.
    pub(super) fn process(&self) -> Option<u32> {
        match self {
            Self::Unix(stream) => {
                let peer = socket_peercred(stream).ok()?;
                u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
            }
            Self::Loopback(_) => None,
        }
    }

    /// Whether the other side has left, also when what it sent before has not been read yet.
    pub(super) fn is_left(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::RDHUP)];
        let polled = poll(&mut fds, Some(&Timespec::default()));
        polled.is_ok()
            && fds[0]
                .revents()
                .intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    }

    pub(super) fn shut_down(&self) {
        // One that is gone already is what we want.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Loopback(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    fn set_timeouts(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream
                .set_read_timeout(limit)
                .and_then(|()| stream.set_write_timeout(limit)),
            Self::Loopback(stream) => stream
                .set_read_timeout(limit)
                .and_then(|()| stream.set_write_timeout(limit)),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Loopback(stream) => stream.as_fd(),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).read(buffer),
            Stream::Loopback(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).write(data),
            Stream::Loopback(stream) => (&*stream).write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection on which everything together must be over at one moment: a client that sends or takes a byte now and
/// then does not hold it open.
pub(super) struct Timed<'a> {
    stream: &'a Stream,
    until: Instant,
}

impl<'a> Timed<'a> {
    pub(super) fn new(stream: &'a Stream, within: Duration) -> Self {
        Self {
            stream,
            until: Instant::now() + within,
        }
    }

    /// Ends the limit; from now on the connection waits as long as it takes.
    pub(super) fn lift(self) -> io::Result<()> {
        self.stream.set_timeouts(None)
    }

    fn arm(&self) -> io::Result<()> {
        match self.until.checked_duration_since(Instant::now()) {
            // A limit of zero would mean none.
            Some(left) if !left.is_zero() => self.stream.set_timeouts(Some(left)),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.arm()?;
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.arm()?;
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
