//! Starting a virtual machine and keeping it company until it ends.
//!
//! Each guest has a thread of its own, which starts QEMU, listens to its monitor, tells the launcher what happens, and
//! reaps it. The thread lives exactly as long as the guest, which matters: QEMU is killed by the kernel when the thread
//! that started it ends (see `child`), and with the launcher all its threads end. So no guest is left behind
//! by a launcher that crashed.
//!
//! A guest that shows no sign of life under one accelerator is started again under another ([`Fallback`]); see `life`
//! for what counts as one. This is the second net: the first is [`crate::accel::prove`] before the start.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use crossbeam_channel::{bounded, unbounded};

use crate::{
    accel::Accelerator,
    guest::{Exit, Guest, Shared},
    machine::{MachineSpec, Serial, SpecError},
    qmp::QmpError,
};

mod company;
mod life;
mod process;

/// What a start needs besides the machine.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The QEMU program.
    pub qemu: PathBuf,
    /// The private runtime folder; sockets are made in it.
    pub folder: PathBuf,
    /// The environment of QEMU, for a window: [`crate::machine::WINDOW_VARIABLES`] of the launcher's own.
    pub env: Vec<(String, OsString)>,
    /// What to do with a guest that shows no sign of life.
    pub fallback: Option<Fallback>,
}

/// What to do with a guest that shows no sign of life.
#[derive(Debug, Clone, Copy)]
pub struct Fallback {
    /// The accelerator to try instead.
    pub accelerator: Accelerator,
    /// How long to wait for a sign of life. Firmware and boot loader need their time, and a boot menu may wait for
    /// somebody: [`crate::limits::SIGN_OF_LIFE`] is enough for both.
    pub after: Duration,
}

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The machine cannot be built.
    #[error(transparent)]
    Spec(SpecError),
    /// The operating system refused to start QEMU.
    #[error("cannot start {}", qemu.display())]
    Spawn {
        /// The QEMU program.
        qemu: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU ended at once.
    #[error("qemu ended at once ({}): {}", exit.status, exit.stderr)]
    Ended {
        /// How, and what it said.
        exit: Exit,
    },
    /// QEMU runs, but its monitor does not answer; it was killed.
    #[error("the monitor of qemu does not answer")]
    Monitor {
        /// What went wrong.
        source: QmpError,
    },
}

impl StartError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Spec(error) => error.code(),
            Self::Spawn { .. } => "engine.qemu-spawn",
            Self::Ended { .. } => "engine.qemu-ended",
            Self::Monitor { .. } => "engine.qemu-monitor",
        }
    }
}

/// Starts a virtual machine; returns when QEMU's monitor answers.
pub fn start(spec: MachineSpec, options: StartOptions) -> Result<Guest, StartError> {
    spec.check(&options.folder).map_err(StartError::Spec)?;
    let spawn_error = |source| StartError::Spawn {
        qemu: options.qemu.clone(),
        source,
    };
    let console = match spec.serial {
        Serial::Console => Some(UnixStream::pair().map_err(spawn_error)?),
        _ => None,
    };
    let (console, qemu_console) = console.unzip();
    let (events, queue) = unbounded();
    let (first, started) = bounded(1);
    let shared = Arc::new(Shared::default());
    let folder = options.folder.clone();
    let supervisor = company::Supervisor {
        spec,
        qemu_console: qemu_console.map(OwnedFd::from),
        shared: Arc::clone(&shared),
        events,
        options: options.clone(),
    };
    thread::Builder::new()
        .name("guest".into())
        .spawn(move || supervisor.run(&first))
        .map_err(spawn_error)?;
    match started.recv() {
        Ok(Ok(())) => Ok(Guest {
            shared,
            events: queue,
            console,
            folder,
        }),
        Ok(Err(error)) => Err(error),
        // The thread cannot end without an answer, unless it panicked.
        Err(_) => Err(spawn_error(io::ErrorKind::Other.into())),
    }
}
