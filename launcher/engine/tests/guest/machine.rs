//! A small machine for the tests, and waiting for its events.

use std::path::{Path, PathBuf};

use gobag_engine::{
    accel::Accelerator,
    guest::{Event, Guest},
    machine::{
        Boot, Clock, CpuModel, Disk, DiskBus, DiskSource, Display, MachineSpec, Network, PINNED_MACHINE_TYPE,
        Serial,
    },
    supervise::{self, Fallback, StartOptions},
    tools,
};
use tempfile::TempDir;

use crate::{
    console::{Console, PATIENCE},
    initrd, kernel, require,
};

/// What a test guest is made of.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) qemu: PathBuf,
    pub(crate) spec: MachineSpec,
    pub(crate) fallback: Option<Fallback>,
}

/// The QEMU of this host, or none and the test is skipped.
pub(crate) fn qemu() -> Option<PathBuf> {
    let found = tools::find("qemu-system-x86_64", None);
    let missing = found.as_ref().err().map(ToString::to_string);
    require::have("qemu", missing).then_some(found.ok()?)
}

/// A machine that boots the test's system under the translator, or none and the test is skipped.
pub(crate) fn bench() -> Option<Bench> {
    let qemu = qemu()?;
    let folder = tempfile::Builder::new().prefix("gobag-test-").tempdir().unwrap();
    let kernel = kernel::kernel();
    let initrd = kernel
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|kernel| initrd::write(kernel, folder.path()));
    if !require::have("qemu", initrd.as_ref().err().cloned()) {
        return None;
    }
    let boot = Boot::Kernel {
        kernel: kernel.ok()?.image,
        initrd: initrd.ok(),
        command_line: "console=ttyS0 quiet loglevel=1 panic=-1".into(),
    };
    let spec = MachineSpec {
        name: "test".into(),
        machine_type: PINNED_MACHINE_TYPE.into(),
        accelerator: Accelerator::Tcg,
        cpu: CpuModel::Baseline,
        cores: 1,
        memory_mib: 256,
        uuid: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".into(),
        boot,
        disks: Vec::new(),
        network: Network::Off,
        display: Display::None,
        serial: Serial::Console,
        clock: Clock::Utc,
    };
    Some(Bench {
        folder,
        qemu,
        spec,
        fallback: None,
    })
}

impl Bench {
    /// Adds a virtio disk.
    pub(crate) fn disk(&mut self, serial: &str, path: &Path) {
        self.spec.disks.push(Disk {
            serial: serial.into(),
            source: DiskSource::File(path.into()),
            bus: DiskBus::Virtio,
            read_only: false,
        });
    }

    pub(crate) fn options(&self) -> StartOptions {
        StartOptions {
            qemu: self.qemu.clone(),
            folder: self.folder.path().to_owned(),
            env: Vec::new(),
            fallback: self.fallback,
        }
    }

    /// Starts it.
    pub(crate) fn start(&self) -> (Guest, Console) {
        let mut guest = supervise::start(self.spec.clone(), self.options()).unwrap();
        let console = Console::new(guest.take_console().unwrap());
        (guest, console)
    }
}

/// Reads events up to the first that `is_it`; returns it.
pub(crate) fn wait_for(guest: &Guest, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
    let mut seen = Vec::new();
    loop {
        match guest.events().recv_timeout(PATIENCE) {
            Ok(event) if is_it(&event) => return event,
            Ok(event) => seen.push(event),
            Err(error) => panic!("waited for {what}: {error}; before it: {seen:?}"),
        }
    }
}

/// Waits for the guest's end; returns whether QEMU was content, with its words.
pub(crate) fn wait_for_exit(guest: &Guest) -> (bool, String) {
    let event = wait_for(guest, "the end", |event| matches!(event, Event::Exited { .. }));
    let Event::Exited { exit } = event else {
        unreachable!()
    };
    (exit.success, format!("{} {}", exit.status, exit.stderr))
}
