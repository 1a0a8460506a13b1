//! The running session's side.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;

use super::{LINE_BYTES, Report, Request, SOCKET};

/// How long a client may take to say what it wants, or to take what it asked for.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);
/// More connections at once are closed unanswered.
const MAX_CLIENTS: usize = 16;

/// What a client wants the session to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Give the state of the volumes a name.
    Mark {
        /// The name.
        name: String,
    },
    /// End the guest.
    Stop {
        /// Cut the power instead of asking.
        now: bool,
    },
}

/// The session's report, written by the session and read by the clients' threads.
#[derive(Clone, Default)]
pub(crate) struct Board {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    report: Mutex<Report>,
    changed: Condvar,
    clients: AtomicUsize,
    is_closing: AtomicBool,
}

impl Board {
    /// Changes the report and tells everybody who waits.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock());
        self.shared.changed.notify_all();
    }

    /// The report now.
    pub(crate) fn report(&self) -> Report {
        self.lock().clone()
    }

    /// Waits until the report differs from `seen`.
    fn next(&self, seen: &Report) -> Report {
        let report = self.lock();
        let same = |report: &mut Report| report == seen;
        let report = self.shared.changed.wait_while(report, same);
        report.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.shared.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers on the socket until it is dropped.
pub(crate) struct Server {
    board: Board,
    socket: std::path::PathBuf,
}

impl Server {
    /// Listens in `folder`, which must be private. Wishes go to `commands`.
    pub(crate) fn start(folder: &Path, board: &Board, commands: Sender<Command>) -> std::io::Result<Self> {
        let socket = folder.join(SOCKET);
        let listener = UnixListener::bind(&socket)?;
        let (accepting, server) = (
            board.clone(),
            Self {
                board: board.clone(),
                socket,
            },
        );
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &accepting, &commands))?;
        Ok(server)
    }
}

impl Drop for Server {
    /// The report should be a last one by now: whoever waits for it gets it before this returns.
    fn drop(&mut self) {
        let shared = &self.board.shared;
        shared.is_closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over. The folder's owner removes the socket.
        let _ = UnixStream::connect(&self.socket);
        let until = Instant::now() + CLIENT_PATIENCE;
        let mut report = self.board.lock();
        while shared.clients.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let waited = shared.changed.wait_timeout(report, left);
            report = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn accept(listener: &UnixListener, board: &Board, commands: &Sender<Command>) {
    for stream in listener.incoming() {
        if board.shared.is_closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let client = Client::new(board.clone());
        if client.board.shared.clients.load(Ordering::SeqCst) > MAX_CLIENTS {
            continue;
        }
        let commands = commands.clone();
        let serve = move || {
            if let Err(error) = client.serve(&stream, &commands) {
                tracing::debug!(%error, "a client of the control socket went away");
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("control-client".to_owned())
            .spawn(serve)
        {
            tracing::warn!(%error, "cannot answer on the control socket");
        }
    }
}

/// Counts itself, so that the end can wait for it.
struct Client {
    board: Board,
}

impl Client {
    fn new(board: Board) -> Self {
        board.shared.clients.fetch_add(1, Ordering::SeqCst);
        Self { board }
    }

    fn serve(&self, stream: &UnixStream, commands: &Sender<Command>) -> std::io::Result<()> {
        stream.set_read_timeout(Some(CLIENT_PATIENCE))?;
        stream.set_write_timeout(Some(CLIENT_PATIENCE))?;
        let mut line = String::new();
        BufReader::new(stream.take(LINE_BYTES)).read_line(&mut line)?;
        let request: Request = serde_json::from_str(&line)?;
        let mut report = self.board.report();
        let command = match request.clone() {
            Request::Status => None,
            Request::Mark { name } => Some(Command::Mark { name }),
            Request::Stop { now } => Some(Command::Stop { now }),
        };
        if let Some(command) = command {
            // The session may be past caring; then the report is a last one already or becomes it.
            let _ = commands.send(command);
        }
        loop {
            send(stream, &report)?;
            if report.state.is_last() || request == Request::Status {
                return Ok(());
            }
            report = self.board.next(&report);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Under the lock, so that the waiting end cannot miss it.
        let _report = self.board.lock();
        self.board.shared.clients.fetch_sub(1, Ordering::SeqCst);
        self.board.shared.changed.notify_all();
    }
}

fn send(mut stream: &UnixStream, report: &Report) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    stream.write_all(&line)
}
