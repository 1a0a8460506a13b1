//! Listening at an address, and ending in good order.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use gobag_bundle::VolumeError;
use thiserror::Error;

use super::{
    handshake::{Menu, Secret, shake_hands},
    transmission,
};
use crate::{ErrorHook, Export, Hold, report::Reporter, served::Served};

/// Clients at the same time; QEMU has one for each disk.
const MAX_CLIENTS: usize = 16;
/// How long a client may take to choose.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Where the door is.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket at this path; its folder must be private, for whoever reaches the socket reaches the volumes.
    Unix(PathBuf),
    /// A free port of this computer's own network. Every user of the computer can reach it, so the secret stands before
    /// the name of every export: `SECRET/NAME`. Make a new one for every door.
    Loopback {
        /// What clients must know: letters and digits, at least 32 of them.
        secret: String,
    },
}

/// How to listen.
#[derive(Clone, Default)]
pub struct SocketOptions {
    /// Hears of every error of a volume's medium.
    pub on_error: Option<ErrorHook>,
    /// Lets requests wait for a medium that does not answer, instead of failing.
    pub hold: Option<Arc<Hold>>,
}

/// Why nobody listens.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The address cannot be used.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address, without its secret.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The secret could be guessed, or would not survive in an address.
    #[error("a secret needs at least {MIN_SECRET_LEN} letters and digits, and nothing else")]
    Secret,
}

/// 128 bits as hexadecimal digits.
const MIN_SECRET_LEN: usize = 32;

impl SocketError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "socket.listen",
            Self::Secret => "socket.secret",
        }
    }
}

/// Volumes served at an address, until [`BlockSocket::close`].
pub struct BlockSocket {
    listener: Arc<Listener>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    menu: Menu,
    clients: Mutex<Vec<Client>>,
    is_closing: AtomicBool,
}

struct Client {
    stream: Stream,
    thread: JoinHandle<()>,
}

enum Listener {
    Unix(UnixListener, PathBuf),
    Loopback(TcpListener, SocketAddr),
}

enum Stream {
    Unix(UnixStream),
    Loopback(TcpStream),
}

/// Serves `exports` at `address`.
pub fn listen(
    exports: Vec<Export>,
    address: &Address,
    options: &SocketOptions,
) -> Result<BlockSocket, SocketError> {
    let (listener, secret) = Listener::bind(address)?;
    let exports = exports
        .into_iter()
        .map(|export| {
            let reporter = Reporter::new(options.on_error.clone());
            Arc::new(Served::new(export, reporter, options.hold.clone()))
        })
        .collect();
    let shared = Arc::new(Shared {
        menu: Menu { exports, secret },
        clients: Mutex::default(),
        is_closing: AtomicBool::new(false),
    });
    let listener = Arc::new(listener);
    let (door, room) = (Arc::clone(&listener), Arc::clone(&shared));
    let accepting = thread::Builder::new()
        .name("gobag-door".to_owned())
        .spawn(move || accept(&door, &room))
        .map_err(|source| SocketError::Listen {
            address: address.to_string(),
            source,
        })?;
    Ok(BlockSocket {
        listener,
        shared,
        accepting: Some(accepting),
    })
}

fn accept(listener: &Listener, shared: &Arc<Shared>) {
    while let Ok(stream) = listener.accept() {
        let mut clients = lock(&shared.clients);
        clients.retain(|client| !client.thread.is_finished());
        if shared.is_closing.load(Ordering::Acquire) {
            break;
        }
        if clients.len() >= MAX_CLIENTS {
            // Dropped, and with it the connection.
            continue;
        }
        let Ok(own) = stream.try_clone() else { continue };
        let room = Arc::clone(shared);
        let thread = thread::Builder::new()
            .name("gobag-client".to_owned())
            .spawn(move || own.converse(&room.menu));
        if let Ok(thread) = thread {
            clients.push(Client { stream, thread });
        }
    }
}

impl BlockSocket {
    /// Where clients find export `name`, as NBD clients write it. With a secret in it: not for a command line.
    pub fn uri(&self, name: &str) -> String {
        let secret = match &self.shared.menu.secret {
            Some(Secret(secret)) => format!("{secret}/"),
            None => String::new(),
        };
        match &*self.listener {
            Listener::Unix(_, path) => format!("nbd+unix:///{name}?socket={}", path.display()),
            Listener::Loopback(_, address) => format!("nbd://{address}/{secret}{name}"),
        }
    }

    /// The address on this computer's own network, if the door is there.
    pub fn loopback(&self) -> Option<SocketAddr> {
        match &*self.listener {
            Listener::Unix(..) => None,
            Listener::Loopback(_, address) => Some(*address),
        }
    }

    /// Sends clients away, makes every acknowledged write durable, and stops listening. On an error the writes are
    /// still in memory; the volume can be flushed again.
    pub fn close(mut self) -> Result<(), VolumeError> {
        self.end();
        for served in &self.shared.menu.exports {
            if !served.is_read_only() {
                served.flush_volume()?;
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.shared.is_closing.store(true, Ordering::Release);
        self.listener.close();
        if let Some(accepting) = self.accepting.take() {
            // It has nothing to panic about.
            let _ = accepting.join();
        }
        let clients = std::mem::take(&mut *lock(&self.shared.clients));
        for client in &clients {
            client.stream.shut_down();
        }
        for client in clients {
            // A request under way is finished first: half a write must not be acknowledged to nobody.
            let _ = client.thread.join();
        }
    }
}

impl Drop for BlockSocket {
    fn drop(&mut self) {
        if self.accepting.is_some() {
            self.end();
        }
    }
}

impl Listener {
    #[expect(
        clippy::disallowed_methods,
        reason = "the door to this computer's own programs; it never leaves it"
    )]
    fn bind(address: &Address) -> Result<(Self, Option<Secret>), SocketError> {
        let failed = |source| SocketError::Listen {
            address: address.to_string(),
            source,
        };
        match address {
            Address::Unix(path) => {
                let listener = UnixListener::bind(path).map_err(failed)?;
                Ok((Self::Unix(listener, path.clone()), None))
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

    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Loopback(listener, _) => listener.accept().map(|(stream, _)| Stream::Loopback(stream)),
        }
    }

    /// Ends a waiting `accept`; nobody can connect any more.
    fn close(&self) {
        let _ = rustix::net::shutdown(self.as_fd(), rustix::net::Shutdown::Both);
        if let Self::Unix(_, path) = self {
            forget(path);
        }
    }

    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
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

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Loopback(stream) => stream.try_clone().map(Self::Loopback),
        }
    }

    fn shut_down(&self) {
        // One that is gone already is what we want.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Loopback(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Serves a client until it leaves.
    fn converse(self, menu: &Menu) {
        let ended = match &self {
            Self::Unix(stream) => greet(stream, menu, |limit| stream.set_read_timeout(limit))
                .map(|chosen| chosen.map(|served| transmission::serve(&served, stream, stream))),
            Self::Loopback(stream) => stream
                .set_nodelay(true)
                .and_then(|()| greet(stream, menu, |limit| stream.set_read_timeout(limit)))
                .map(|chosen| chosen.map(|served| transmission::serve(&served, stream, stream))),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a client of the block socket was not served");
        }
        // The list of clients holds the connection too; the client must see that it is over.
        self.shut_down();
    }
}

/// The handshake, within its time.
fn greet<S>(
    stream: &S,
    menu: &Menu,
    set_timeout: impl Fn(Option<Duration>) -> io::Result<()>,
) -> io::Result<Option<Arc<Served>>>
where
    for<'a> &'a S: io::Read + io::Write,
{
    set_timeout(Some(HANDSHAKE_WITHIN))?;
    let chosen = shake_hands(&mut &*stream, menu)?;
    set_timeout(None)?;
    Ok(chosen)
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
