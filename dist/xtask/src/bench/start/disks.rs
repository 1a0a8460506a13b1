//! The disks of a session: a stick after its first start, the same as plain files, and fresh copies of either on a medium.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::System;
use super::process::Process;
use super::raw::{Format, Machine};
use crate::bench::medium::{Medium, Mounted};
use crate::bench::qcow;
use crate::demo::guest::{Workstation, with_disks};
use crate::demo::scene::Scene;
use crate::demo::{golden, installable, office};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const USER: &str = "alice";

/// What copies are made of.
pub(super) struct Templates {
    folder: PathBuf,
    /// Copies for the model of a stick: in memory where possible, so that this machine's disk does not add its own time.
    fast: PathBuf,
    scene: Scene,
    machine: Machine,
}

/// A copy in use; gone when dropped.
pub(super) struct Copy {
    mounted: Option<Mounted>,
    backing: PathBuf,
}

impl Templates {
    /// Everything below `folder`; one start that nobody measures tells how the launcher calls QEMU.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        disk::remove(folder)?;
        let scene = Scene::set(folder.join("scene"))?;
        office::init(&scene)?;
        office::build(&scene, &installable::ensure(&golden::ensure(false)?)?)?;
        office::stick(&scene, USER)?;
        let machine = first_start(&scene)?;
        for format in [Format::Raw, Format::QcowLuks] {
            disk::make_dir(&folder.join(format.folder()))?;
        }
        with_disks(&scene, USER, |disks| {
            for file in disk::files_below(disks, &[])? {
                copy(&file, &folder.join(Format::Raw.folder()))?;
            }
            Ok(())
        })?;
        for file in disk::files_below(&folder.join(Format::Raw.folder()), &[])? {
            let to = folder.join(Format::QcowLuks.folder());
            // The kernel and its initial RAM disk stay files; the launcher's names of disks end like this.
            if file.extension().is_some_and(|kind| kind == "img") {
                qcow::make(&file, &to.join(file.file_name().unwrap_or_default()))?;
            } else {
                copy(&file, &to)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            fast: disk::private_memory_dir()?.unwrap_or_else(|| folder.to_owned()),
            scene,
            machine,
        })
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A fresh copy, seen through the medium.
    pub(super) fn copy(&self, medium: Medium, system: System) -> Result<Copy> {
        let backing = match medium {
            Medium::Native => self.folder.join("copy"),
            Medium::Stick(_) => self.fast.join("copy"),
        };
        disk::remove(&backing)?;
        let template = match system {
            System::Gobag => self.scene.stick(USER),
            System::Files(format) => self.folder.join(format.folder()),
        };
        copy(&template, &backing)?;
        Ok(Copy {
            mounted: Some(medium.mount(&backing)?),
            backing,
        })
    }

    /// `gobag COMMAND` for a copy of the stick.
    pub(super) fn gobag(&self, stick: &Path, command: &str) -> Cmd {
        Scene::gobag_of(stick, command)
            .arg("--passphrase-file")
            .arg(self.scene.passphrase(USER))
    }

    /// Switches the machine of a copy off.
    pub(super) fn stop(&self, stick: &Path) -> Cmd {
        Scene::gobag_of(stick, "stop").arg("--now")
    }

    /// All that unlocking costs, and nothing else: the wrong passphrase needs the same work to be refused.
    pub(super) fn refuse_wrong_passphrase(&self) -> Result<Duration> {
        let started = Instant::now();
        let output = self
            .scene
            .gobag(USER, "start")
            .arg("--passphrase-file")
            .arg(self.scene.passphrase("wrong"))
            .output()?;
        match output.status.code() {
            Some(5) => Ok(started.elapsed()),
            _ => Err(Error::because(
                "a wrong passphrase was not refused",
                String::from_utf8_lossy(&output.stderr).trim(),
            )),
        }
    }

    pub(super) fn remove(&self) -> Result<()> {
        disk::remove(&self.folder)
    }
}

impl Drop for Templates {
    fn drop(&mut self) {
        // Memory must not stay occupied, whatever happened; the folder stays, for a look at what went wrong.
        if self.fast != self.folder {
            let _ = disk::remove(&self.fast);
        }
    }
}

impl Format {
    /// The folder of its template.
    fn folder(self) -> &'static str {
        match self {
            Self::Raw | Self::RawCached => "raw",
            Self::QcowLuks => "qcow2",
        }
    }
}

impl Copy {
    /// Where it is seen.
    pub(super) fn folder(&self) -> &Path {
        self.mounted.as_ref().map_or(&self.backing, Mounted::folder)
    }

    /// Bytes written to the medium so far and the time it was at work; where it counts nothing, what `process` has written.
    pub(super) fn counted(&self, process: Process) -> Result<(u64, Option<Duration>)> {
        match self.mounted.as_ref().map(Mounted::counted).transpose()?.flatten() {
            Some(counted) => Ok((counted.written, Some(counted.busy))),
            None => Ok((process.written()?, None)),
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Another error may be on its way to the person already, and the next run begins with removing it.
        let _ = self.mounted.take().map(Mounted::end);
        let _ = disk::remove(&self.backing);
    }
}

fn first_start(scene: &Scene) -> Result<Machine> {
    let mut first = Workstation::start(scene, USER)?;
    first.until_shell()?;
    let qemu = Process::child_of(first.launcher(), "qemu-system")?;
    let arguments = qemu.arguments()?;
    first.shut_down()?;
    Machine::new(&arguments)
}

/// A file into a folder, or a folder with all it holds to a new place.
fn copy(from: &Path, to: &Path) -> Result<()> {
    Cmd::new("cp")
        .args(["-r", "--sparse=always", "--"])
        .args([from, to])
        .text()
        .map(drop)
}
