//! What works on the mounted volumes: a virtual machine, a container, or nobody but the person.

use std::{
    ffi::OsString,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use gobag_engine::{
    container::{self, ContainerError, ContainerReport, ContainerSpec},
    guest::{Event, Exit, Guest},
    userns::IdMap,
};
use gobag_mount::{EndHook, Hold};

/// The guest agent's socket in the run's folder, as the engine names it.
const AGENT_SOCKET: &str = "agent.sock";

/// Something that runs until it ends, and can be asked to.
pub(crate) trait Workplace {
    /// What happens to it; the last one is [`Event::Exited`].
    fn events(&self) -> &Receiver<Event>;
    /// Asks it to end in good order.
    fn power_down(&self);
    /// Ends it without its consent, finishing what its disks were asked to do.
    fn quit(&self);
    /// Ends it at any price.
    fn kill(&self);
    /// Lets it go on after the stick is back.
    fn resume(&self);
    /// The folder with the socket of an agent in it, where there can be one.
    fn agent(&self) -> Option<&Path> {
        None
    }
}

/// A virtual machine.
pub(crate) struct Machine {
    guest: Guest,
    /// Where the guest agent's socket is.
    folder: PathBuf,
    /// The agent's connection, held open while the guest shuts down. Seen with QEMU 7.2 and Debian 12: an agent whose
    /// reader goes away while it carries out the shutdown hangs, and holds the guest's shutdown up for 90 s.
    agent: Mutex<Option<UnixStream>>,
}

impl Machine {
    /// A guest whose sockets are in `folder`.
    pub(crate) fn new(guest: Guest, folder: &Path) -> Self {
        Self {
            guest,
            folder: folder.to_owned(),
            agent: Mutex::default(),
        }
    }
}

impl Workplace for Machine {
    fn events(&self) -> &Receiver<Event> {
        self.guest.events()
    }

    fn power_down(&self) {
        log("power down", self.guest.power_down());
        // A guest without an agent has the socket all the same; an error means that QEMU has ended.
        let held = UnixStream::connect(self.folder.join(AGENT_SOCKET));
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = held.ok();
    }

    fn quit(&self) {
        if self.guest.quit().is_err() {
            self.guest.kill();
        }
    }

    fn kill(&self) {
        self.guest.kill();
    }

    fn resume(&self) {
        log("continue", self.guest.cont());
    }

    fn agent(&self) -> Option<&Path> {
        Some(&self.folder)
    }
}

/// A command that does not reach QEMU is no news: its end comes as an event, and deadlines do the rest.
fn log(command: &str, result: Result<(), gobag_engine::qmp::QmpError>) {
    if let Err(error) = result {
        tracing::warn!(command, code = error.code(), %error, "the virtual machine did not take a command");
    }
}

/// A container, on a thread of its own: its processes are killed by the kernel when that thread ends.
pub(crate) struct ContainerRun {
    events: Receiver<Event>,
    is_cancelled: Arc<AtomicBool>,
    hold: Arc<Hold>,
    result: Arc<Mutex<Option<Result<ContainerReport, ContainerError>>>>,
}

impl ContainerRun {
    /// Enters the container; `hold` is where its volumes' requests wait.
    pub(crate) fn start(
        spec: ContainerSpec,
        map: IdMap,
        path: Option<OsString>,
        hold: Arc<Hold>,
    ) -> std::io::Result<Self> {
        let (sender, events) = unbounded();
        let run = Self {
            events,
            is_cancelled: Arc::default(),
            hold,
            result: Arc::default(),
        };
        let (is_cancelled, slot) = (Arc::clone(&run.is_cancelled), Arc::clone(&run.result));
        let enter = move || {
            let cancel = || is_cancelled.load(Ordering::Relaxed);
            let result = container::enter(&spec, map, path.as_deref(), &cancel);
            let success = result.is_ok();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            send_exit(&sender, success);
        };
        std::thread::Builder::new()
            .name("container".to_owned())
            .spawn(enter)?;
        Ok(run)
    }

    /// How it ended, once.
    pub(crate) fn take_result(&self) -> Option<Result<ContainerReport, ContainerError>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Workplace for ContainerRun {
    fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    fn power_down(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    fn quit(&self) {
        self.power_down();
        if self.hold.held() > 0 {
            // Its processes cannot even be killed while they wait for the stick.
            self.hold.give_up();
        }
    }

    fn kill(&self) {
        self.power_down();
        self.hold.give_up();
    }

    fn resume(&self) {
        self.hold.release();
    }
}

/// Nothing runs: the volumes are files for the person, until asked to end.
pub(crate) struct Bare {
    events: Receiver<Event>,
    sender: Sender<Event>,
    hold: Arc<Hold>,
}

impl Bare {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        let (sender, events) = unbounded();
        Self { events, sender, hold }
    }

    /// What to call when the volumes can no longer be reached: then it has ended.
    pub(crate) fn ender(&self) -> EndHook {
        let sender = self.sender.clone();
        Arc::new(move || send_exit(&sender, true))
    }
}

impl Workplace for Bare {
    fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    fn power_down(&self) {
        send_exit(&self.sender, true);
    }

    fn quit(&self) {
        self.hold.give_up();
        send_exit(&self.sender, true);
    }

    fn kill(&self) {
        self.quit();
    }

    fn resume(&self) {
        self.hold.release();
    }
}

fn send_exit(sender: &Sender<Event>, success: bool) {
    let exit = Exit {
        success,
        status: String::new(),
        stderr: String::new(),
    };
    // Nobody listens any more if the session is over already.
    let _ = sender.send(Event::Exited { exit });
}
