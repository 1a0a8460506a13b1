//! The workstation of a lost stick as a virtual machine: disks, firmware, screen.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use gobag_bundle::{
    base::{BaseImage, BaseOptions},
    repository::{RepositoryMedium, StoredImage},
};
use gobag_checklists::Requirements;
use gobag_engine::{
    accel::{Accelerator, prove},
    guest::{Exit, Guest},
    limits::{PROOF_DEADLINE, SIGN_OF_LIFE},
    machine::{
        Boot, CpuModel, DiskSource, Display, MachineSpec, RuntimePaths, Workstation, machine_type, uefi,
    },
    supervise::{self, Fallback, StartOptions},
    tools,
};
use gobag_format::{
    header::VolumeRole,
    manifest::{BootWay, Manifest, VolumeKind},
    replica::HeadVolume,
};
use gobag_mount::{Export, MountOptions, Mounted, mount};
use gobag_term::{CliError, ExitCode, Ui};
use tempfile::TempDir;

use super::MachineArgs;
use crate::{
    environment::Environment,
    error::{OrExplain, said, unusable},
    recover::{Found, disk::served, scratch::Scratch},
};

/// How long QEMU may take to list its machine types.
const QEMU_ANSWER: Duration = Duration::from_secs(20);
/// How long programs may hold on to the disks when it has ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// Cores that it gets by itself.
const MOST_CORES: usize = 4;
/// How much of its console is remembered, bytes.
const CONSOLE_BYTES: usize = 2048;

/// The end of what a console said.
type LastWords = Arc<Mutex<Vec<u8>>>;

/// A running one. Fields end in this order: the guest before its disks.
pub(super) struct Twin {
    guest: Guest,
    disks: Mounted,
    words: LastWords,
    has_screen: bool,
    folder: TempDir,
}

impl Twin {
    pub(super) fn start(
        found: &Found,
        args: &MachineArgs,
        display: Display,
        environment: &Environment,
        ui: &Ui,
    ) -> Result<Self, CliError> {
        let qemu = tools::find("qemu-system-x86_64", environment.path.as_deref()).or_explain()?;
        let (system, image) = system(found, args.image.as_deref())?;
        let manifest = &image.manifest;
        let folder = tempfile::Builder::new().prefix("gobag-recover-").tempdir();
        let folder = folder.map_err(|error| no_folder(&std::env::temp_dir(), &error))?;
        let place = folder.path().join("disks");
        std::fs::create_dir(&place).map_err(|error| no_folder(&place, &error))?;

        let home = found
            .volumes()
            .into_iter()
            .find(|(_, volume)| volume.role == VolumeRole::Home);
        let mut exports = blobs(found, &image)?;
        exports.push(disk(found, "system.raw", &system, folder.path())?);
        if let Some((_, home)) = &home {
            exports.push(disk(found, "home.raw", home, folder.path())?);
        }
        let disks = mount(exports, &place, &MountOptions::default()).or_explain()?;

        let accelerator = match prove(&qemu, Accelerator::Kvm, CpuModel::Baseline, PROOF_DEADLINE) {
            Ok(_) => Accelerator::Kvm,
            Err(error) => {
                tracing::info!(code = error.code(), %error, "no hardware acceleration");
                ui.say("This computer cannot speed up virtual machines, so this one is slow.");
                Accelerator::Tcg
            }
        };
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_CORES));
        let workstation = Workstation {
            name: manifest.name.clone(),
            stick: found.view.head().bundle.0,
            accelerator,
            cores: args.cores.unwrap_or(cores as u32),
            memory_mib: args.memory.map_or_else(|| memory_mib(manifest), Ok)?,
            boot: boot(manifest, &place, folder.path(), home.is_some())?,
            system: DiskSource::File(place.join("system.raw")),
            home: home.map(|_| DiskSource::File(place.join("home.raw"))),
            is_windows: manifest.is_windows(),
            is_compatible: false,
            is_offline: args.offline || display == Display::None,
            display,
        };
        let mut spec = workstation.spec();
        spec.machine_type = machine_type(&qemu, &spec.machine_type, QEMU_ANSWER)
            .or_explain()?
            .name;
        let mut guest = run(spec, qemu, folder.path(), environment)?;
        let words = LastWords::default();
        if let Some(console) = guest.take_console() {
            let words = Arc::clone(&words);
            // Ends with the guest; without it the guest would wait with each letter.
            thread::spawn(move || listen(console, &words));
        }
        Ok(Self {
            guest,
            disks,
            words,
            has_screen: display == Display::Vnc,
            folder,
        })
    }

    pub(super) fn guest(&self) -> &Guest {
        &self.guest
    }

    /// The VNC server's socket.
    pub(super) fn screen(&self) -> Option<PathBuf> {
        self.has_screen.then(|| self.paths().vnc())
    }

    pub(super) fn agent_socket(&self) -> PathBuf {
        self.paths().agent()
    }

    fn paths(&self) -> RuntimePaths {
        RuntimePaths {
            folder: self.folder.path().to_owned(),
            qmp_fd: -1,
            console_fd: None,
        }
    }

    /// What its console said last.
    pub(super) fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&words).into_owned()
    }

    pub(super) fn died(&self, exit: &Exit) -> CliError {
        let text = format!("the virtual machine died ({}): {}", exit.status, exit.stderr);
        said(ExitCode::GuestFailed, "recover.guest-died", text)
    }

    /// Gives the disks back when the guest has ended.
    pub(super) fn close(self) -> Result<(), CliError> {
        let Self { guest, mut disks, .. } = self;
        drop(guest);
        disks.unmount(PATIENCE).or_explain()
    }
}

/// The system volume that is meant, and its image.
fn system(found: &Found, wanted: Option<&str>) -> Result<(HeadVolume, StoredImage), CliError> {
    let head = found.view.head();
    let systems: Vec<_> = head
        .volumes
        .iter()
        .filter_map(|volume| match volume.role {
            VolumeRole::System { image, .. } => {
                let known = head.images.iter().find(|known| known.id == image)?;
                Some((volume, known))
            }
            VolumeRole::Home => None,
        })
        .filter(|(_, known)| wanted.is_none_or(|name| known.name == name))
        .collect();
    match systems[..] {
        [(volume, known)] => Ok((volume.clone(), found.image(known)?)),
        _ => {
            let names = head.images.iter().map(|image| format!("`{}`", image.name));
            let names: Vec<_> = names.collect();
            let text = "the stick had no such image, or several";
            Err(said(ExitCode::Usage, "recover.image", text).hint(format!(
                "say which with `--image NAME`; it had {}",
                names.join(", ")
            )))
        }
    }
}

fn disk(found: &Found, name: &str, volume: &HeadVolume, folder: &Path) -> Result<Export, CliError> {
    let below = served(found, volume.id, found.base(volume)?)?;
    let scratch = Scratch::over(below, folder).map_err(|error| no_folder(folder, &error))?;
    Ok(Export::volume(name, Arc::new(scratch)))
}

/// What the hypervisor loads itself, from memory.
fn blobs(found: &Found, image: &StoredImage) -> Result<Vec<Export>, CliError> {
    let medium = Arc::new(RepositoryMedium::new(&found.office.office.repository, image));
    let manifest = Arc::new(image.manifest.clone());
    let base = BaseImage::from_manifest(medium, manifest, &image.key, &BaseOptions::default());
    let entries = image.manifest.volumes.iter().enumerate();
    let blobs = entries.filter(|(_, entry)| entry.kind == VolumeKind::Blob);
    let export = |(number, entry): (usize, &gobag_format::manifest::VolumeEntry)| {
        let blob = base.volume(number as u8).or_explain()?;
        let mut bytes = vec![0; blob.size_bytes() as usize];
        blob.read_at(0, &mut bytes).or_explain()?;
        Ok(Export::bytes(entry.name.clone(), bytes))
    };
    blobs.map(export).collect()
}

fn boot(manifest: &Manifest, blobs: &Path, folder: &Path, has_home: bool) -> Result<Boot, CliError> {
    match (manifest.boot_way(), &manifest.boot.kernel) {
        (_, Some(kernel)) => Ok(Boot::Kernel {
            kernel: blobs.join(&kernel.kernel),
            initrd: kernel.initrd.as_ref().map(|initrd| blobs.join(initrd)),
            command_line: kernel.words(has_home),
        }),
        (Some(BootWay::Uefi), None) => uefi(folder).or_explain(),
        (Some(_), None) => Ok(Boot::Bios),
        (None, None) => {
            let text = "the image starts in a way that this version does not know";
            Err(said(ExitCode::Failed, "recover.firmware", text))
        }
    }
}

fn memory_mib(manifest: &Manifest) -> Result<u32, CliError> {
    let requirements: Requirements = match &manifest.requirements {
        serde_json::Value::Null => Requirements::default(),
        stated => serde_json::from_value(stated.clone()).map_err(|error| {
            let text = format!(
                "the requirements of image `{}` cannot be read: {error}",
                manifest.name
            );
            said(ExitCode::Damaged, "recover.requirements", text)
        })?,
    };
    Ok(u32::try_from(requirements.vm.guest_memory_bytes >> 20).unwrap_or(u32::MAX))
}

/// Starts the machine; where the host's QEMU cannot show one kind of window, the other.
fn run(
    mut spec: MachineSpec,
    qemu: PathBuf,
    folder: &Path,
    environment: &Environment,
) -> Result<Guest, CliError> {
    let options = StartOptions {
        qemu,
        folder: folder.to_owned(),
        env: environment.window.clone(),
        fallback: (spec.accelerator != Accelerator::Tcg).then_some(Fallback {
            accelerator: Accelerator::Tcg,
            after: SIGN_OF_LIFE,
        }),
    };
    match supervise::start(spec.clone(), options.clone()) {
        Err(supervise::StartError::Ended { .. }) if spec.display == Display::Gtk => {
            spec.display = Display::Sdl;
            supervise::start(spec, options).or_explain()
        }
        started => started.or_explain(),
    }
}

fn listen(mut console: impl Read, words: &LastWords) {
    let mut piece = [0; 512];
    while let Ok(len @ 1..) = console.read(&mut piece) {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&piece[..len]);
        let too_many = words.len().saturating_sub(CONSOLE_BYTES);
        words.drain(..too_many);
    }
}

fn no_folder(folder: &Path, error: &std::io::Error) -> CliError {
    unusable("recover.folder", "write to", folder, error)
}
