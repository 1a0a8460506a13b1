//! Ctrl-C, `kill` and a closed terminal, as a flag, a channel and a file descriptor.
//!
//! No signal ends the program by itself: each is recorded and told to whoever waits, so that the guest is asked to power
//! down and the stick is flushed first. A second Ctrl-C is told like the first; what it means is the caller's
//! decision. A program started under `nohup` keeps ignoring the closed terminal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::CliError;
use crate::exit::ExitCode;

/// Why somebody wants the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, or the computer is shutting down.
    Terminate,
    /// The terminal was closed.
    HangUp,
}

/// The signals could not be taken over.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare for Ctrl-C and other signals")]
pub struct InterruptError {
    source: io::Error,
}

impl InterruptError {
    pub(crate) fn new(source: io::Error) -> Self {
        Self { source }
    }

    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "term.signals"
    }
}

impl From<InterruptError> for CliError {
    fn from(error: InterruptError) -> Self {
        Self::new(ExitCode::Failed, error.code(), error)
    }
}

/// The wish that the program ends. Clones share it.
#[derive(Clone, Debug)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Readable from the first signal on, for ever: nobody reads from it.
    reader: OwnedFd,
    writer: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    count: u32,
    last: Option<Signal>,
    subscribers: Vec<Sender<Signal>>,
}

impl Interrupt {
    /// Takes over the signals of this process; call once, before the first question and the first child process.
    pub fn install() -> Result<Self, InterruptError> {
        let interrupt = Self::unconnected()?;
        let mut wanted = vec![SIGINT, SIGTERM];
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if !ignored(&status, SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted).map_err(InterruptError::new)?;
        let told = interrupt.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for number in signals.forever() {
                    told.raise(match number {
                        SIGINT => Signal::Interrupt,
                        SIGHUP => Signal::HangUp,
                        _ => Signal::Terminate,
                    });
                }
            })
            .map_err(InterruptError::new)?;
        Ok(interrupt)
    }

    /// One that no signal reaches, only [`Interrupt::raise`].
    pub fn unconnected() -> Result<Self, InterruptError> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reader, writer) = pipe_with(flags).map_err(|source| InterruptError::new(source.into()))?;
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                reader,
                writer,
            }),
        })
    }

    /// Records a signal and tells everybody who waits.
    pub fn raise(&self, signal: Signal) {
        let mut state = self.lock();
        state.count = state.count.saturating_add(1);
        state.last = Some(signal);
        if state.count == 1 {
            // One byte into an empty pipe cannot fail while both ends are ours.
            let _ = rustix::io::write(&self.shared.writer, &[1]);
        }
        state
            .subscribers
            .retain(|subscriber| subscriber.send(signal).is_ok());
    }

    /// Has anybody asked to end?
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.count() > 0
    }

    /// How often; two means the person is impatient.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.lock().count
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<Signal> {
        self.lock().last
    }

    /// One message per signal, also the last one if it came before; for `crossbeam_channel::select!`.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<Signal> {
        let (sender, receiver) = unbounded();
        let mut state = self.lock();
        if let Some(signal) = state.last {
            // The receiver is right here.
            let _ = sender.send(signal);
        }
        state.subscribers.push(sender);
        receiver
    }

    /// Waits for the first signal, at most `timeout`; `None` waits for ever. Says whether there was one.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = [PollFd::new(&self.shared.reader, PollFlags::IN)];
            // A signal may cut the wait short before the signal thread has recorded it.
            if poll(&mut fds, left.as_ref()) != Err(Errno::INTR) {
                return self.is_set();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Interrupt {
    /// Readable from the first signal on; for `poll`. Never read from it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.reader.as_fd()
    }
}

/// Is this signal in the mask of ignored ones of `/proc/self/status`?
fn ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as OsSignal, getpid, kill_process};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn everybody_who_waits_is_told_and_the_second_time_too() {
        let interrupt = Interrupt::unconnected().expect("made");
        let early = interrupt.subscribe();
        assert!(!interrupt.is_set());
        assert!(!interrupt.wait(Some(Duration::ZERO)));
        interrupt.raise(Signal::Interrupt);
        interrupt.raise(Signal::Terminate);
        let late = interrupt.subscribe();
        assert_eq!(
            early.try_iter().collect::<Vec<_>>(),
            [Signal::Interrupt, Signal::Terminate]
        );
        assert_eq!(late.try_recv(), Ok(Signal::Terminate));
        assert_eq!(
            (interrupt.count(), interrupt.last()),
            (2, Some(Signal::Terminate))
        );
        for _ in 0..2 {
            assert!(interrupt.wait(Some(Duration::ZERO)), "stays readable");
        }
    }

    #[test]
    fn a_waiter_in_another_thread_wakes() {
        let interrupt = Interrupt::unconnected().expect("made");
        let waiter = interrupt.clone();
        let thread = std::thread::spawn(move || waiter.wait(Some(DEADLINE)));
        interrupt.raise(Signal::HangUp);
        assert!(thread.join().expect("ends"));
    }

    /// nextest runs every test in a process of its own, so the real signals hit nobody else.
    #[test]
    fn real_signals_arrive() {
        let interrupt = Interrupt::install().expect("installed");
        let told = interrupt.subscribe();
        for (sent, expected) in [
            (OsSignal::INT, Signal::Interrupt),
            (OsSignal::TERM, Signal::Terminate),
            (OsSignal::HUP, Signal::HangUp),
            (OsSignal::INT, Signal::Interrupt),
        ] {
            kill_process(getpid(), sent).expect("sent");
            assert_eq!(told.recv_timeout(DEADLINE), Ok(expected));
        }
        assert_eq!(interrupt.count(), 4);
    }

    #[test]
    fn nohup_is_seen_in_the_mask() {
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigIgn:\tgarbage\n", false),
            ("", false),
        ] {
            assert_eq!(ignored(status, SIGHUP), expected, "{status:?}");
        }
    }
}
