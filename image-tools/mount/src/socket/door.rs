//! Listening at an address, and ending in good order.
//!
//! Order of [`BlockSocket::close`], so that nothing acknowledged is lost and a failure leaves everything as it was:
//! 1. flush every volume; an error stops here, and the caller can try again;
//! 2. let nobody in and wait a bounded time for the clients to leave by themselves, for only they know what they still
//!    want to write. Busy stops here, and names them; so does a client that has left while the stick does not answer its
//!    last request;
//! 3. stop listening. From now on no thread can reach a volume;
//! 4. flush once more, for what was written between 1 and 2, and let the volumes go.

use std::{
    io,
    net::SocketAddr,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use gobag_bundle::VolumeError;
use thiserror::Error;

use super::{
    address::{Address, Listener, MIN_SECRET_LEN, Stream, Timed},
    handshake::{Menu, Secret, shake_hands},
    room::{Place, Room},
    transmission::{self, Budget},
};
use crate::{ErrorHook, Export, Hold, Holder, limits::END_OF_THREADS, report::Reporter, served::Served};

/// How long a client may take to choose.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long to leave the door alone when the system has no more descriptors or memory for a client.
const BREATH: Duration = Duration::from_millis(100);

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

impl SocketError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "socket.listen",
            Self::Secret => "socket.secret",
        }
    }
}

/// Why a door could not be closed; it is still open then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloseError {
    /// A volume could not make its writes durable; they are kept in memory, and the call can be made again.
    #[error("changes of `{export}` are not yet safe on the stick")]
    Flush {
        /// The export.
        export: String,
        /// The cause.
        #[source]
        source: VolumeError,
    },
    /// Clients have not left.
    #[error("the block socket is still in use by {who}", who = list(.clients))]
    Busy {
        /// Who.
        clients: Vec<Holder>,
    },
    /// Requests do not come to an end: the medium does not answer.
    #[error("the stick has not answered the last requests of the block socket yet")]
    Stuck,
}

impl CloseError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Flush { .. } => "socket.flush",
            Self::Busy { .. } => "socket.busy",
            Self::Stuck => "socket.stuck",
        }
    }
}

fn list(clients: &[Holder]) -> String {
    let names: Vec<String> = clients.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Volumes served at an address. Dropping it flushes and sends clients away without waiting for them; use
/// [`BlockSocket::close`] to know that all is well.
pub struct BlockSocket {
    listener: Arc<Listener>,
    menu: Arc<Menu>,
    room: Arc<Room>,
    /// `None` once nobody listens any more.
    accepting: Option<JoinHandle<()>>,
    is_over: bool,
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
    let menu = Arc::new(Menu { exports, secret });
    let (room, listener) = (Arc::new(Room::default()), Arc::new(listener));
    let (door, to_serve, clients) = (Arc::clone(&listener), Arc::clone(&menu), Arc::clone(&room));
    let accepting = thread::Builder::new()
        .name("gobag-door".to_owned())
        .spawn(move || accept(&door, &to_serve, &clients))
        .map_err(|source| {
            listener.close();
            SocketError::Listen {
                address: address.to_string(),
                source,
            }
        })?;
    Ok(BlockSocket {
        listener,
        menu,
        room,
        accepting: Some(accepting),
        is_over: false,
    })
}

fn accept(listener: &Listener, menu: &Arc<Menu>, room: &Arc<Room>) {
    let budget = Arc::new(Budget::default());
    loop {
        let stream = match listener.accept() {
            Ok(stream) => Arc::new(stream),
            // How a listener that was closed answers.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => {
                tracing::warn!(%error, "a client of the block socket was not let in");
                thread::park_timeout(BREATH);
                continue;
            }
        };
        // Whoever is not let in is dropped, and with it the connection.
        if !stream.is_welcome() {
            continue;
        }
        let Some(place) = room.enter(&stream) else {
            continue;
        };
        let (menu, budget) = (Arc::clone(menu), Arc::clone(&budget));
        let converse = move || converse(&stream, &place, &menu, &budget);
        // Without a thread the place is dropped with the closure.
        let started = thread::Builder::new()
            .name("gobag-client".to_owned())
            .spawn(converse);
        if let Err(error) = started {
            tracing::warn!(%error, "a client of the block socket was not let in");
        }
    }
}

/// Serves a client until it leaves.
fn converse(stream: &Stream, place: &Place, menu: &Menu, budget: &Budget) {
    let mut timed = Timed::new(stream, HANDSHAKE_WITHIN);
    let chosen = shake_hands(&mut timed, menu).and_then(|chosen| timed.lift().map(|()| chosen));
    match chosen {
        Ok(Some(served)) if place.serve(served.name()) => {
            transmission::serve(&served, stream, stream, budget);
        }
        Ok(Some(_)) => tracing::info!("a client of the block socket was one too many"),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a client of the block socket was not served"),
    }
}

impl BlockSocket {
    /// Where clients find export `name`, as NBD clients write it. With a secret in it: not for a command line.
    pub fn uri(&self, name: &str) -> String {
        let name = encoded(name.as_bytes());
        match &*self.listener {
            Listener::Unix(_, path) => {
                format!(
                    "nbd+unix:///{name}?socket={}",
                    encoded(path.as_os_str().as_bytes())
                )
            }
            Listener::Loopback(_, address) => match &self.menu.secret {
                Some(Secret(secret)) => format!("nbd://{address}/{secret}/{name}"),
                None => format!("nbd://{address}/{name}"),
            },
        }
    }

    /// The Unix socket, if the door is one.
    pub fn path(&self) -> Option<&Path> {
        match &*self.listener {
            Listener::Unix(_, path) => Some(path),
            Listener::Loopback(..) => None,
        }
    }

    /// The address on this computer's own network, if the door is there.
    pub fn loopback(&self) -> Option<SocketAddr> {
        match &*self.listener {
            Listener::Unix(..) => None,
            Listener::Loopback(_, address) => Some(*address),
        }
    }

    /// Who is being served now.
    pub fn clients(&self) -> Vec<Holder> {
        self.room.holders()
    }

    /// Makes every acknowledged write of every volume durable.
    pub fn flush(&self) -> Result<(), CloseError> {
        let mut writable = self.menu.exports.iter().filter(|served| !served.is_read_only());
        writable.try_for_each(|served| {
            served.flush_volume().map_err(|source| CloseError::Flush {
                export: served.name().to_owned(),
                source,
            })
        })
    }

    /// Waits at most `patience` for clients to leave, makes every acknowledged write durable, and returns when nobody
    /// can reach a volume through the door any more. After an error it can be called again.
    pub fn close(&mut self, patience: Duration) -> Result<(), CloseError> {
        if self.is_over {
            return Ok(());
        }
        self.flush()?;
        if self.accepting.is_some() {
            self.room.close(true);
            if !self.room.wait_for_last(Instant::now() + patience) {
                self.room.close(false);
                let clients = self.room.holders();
                return Err(match clients.is_empty() {
                    true => CloseError::Stuck,
                    false => CloseError::Busy { clients },
                });
            }
            self.stop_listening();
            // Only such as were still choosing; they have touched nothing.
            self.room.clear(Instant::now() + END_OF_THREADS);
        }
        self.flush()?;
        self.menu.exports.iter().for_each(|served| served.retire());
        self.is_over = true;
        Ok(())
    }

    fn stop_listening(&mut self) {
        self.listener.close();
        if let Some(accepting) = self.accepting.take() {
            // It has nothing to panic about.
            let _ = accepting.join();
        }
    }
}

impl Drop for BlockSocket {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.room.close(true);
        self.stop_listening();
        // A request under way is finished first, unless the stick does not answer it.
        self.room.clear(Instant::now() + END_OF_THREADS);
        if let Err(error) = self.flush() {
            tracing::error!(code = error.code(), %error, "left the block socket without a flush");
        }
    }
}

/// Text for an address: what could mean something else there as `%` and its number.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
