//! The same machine over plain files: QEMU as the launcher starts it, without the launcher.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::process::Process;
use crate::bench::qcow;
use crate::console::Console;
use crate::demo::guest::BOOT_LIMIT;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// What the launcher's disks become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Raw files, cached as the launcher asks for: by nobody.
    Raw,
    /// Raw files through the host's page cache, as QEMU does when nothing is asked for.
    RawCached,
    /// [`qcow`] files.
    QcowLuks,
}

/// How the launcher's QEMU was called, and where its disks were.
pub(super) struct Machine {
    arguments: Vec<String>,
    shown: String,
}

impl Machine {
    /// The machine of a QEMU with these `arguments`.
    pub(super) fn new(arguments: &[String]) -> Result<Self> {
        let shown = arguments
            .iter()
            .filter_map(|argument| argument.split_once("file.filename="))
            .find_map(|(_, path)| path.strip_suffix("/system.img"))
            .ok_or_else(|| Error::new("QEMU has no disk `system.img` open"))?;
        Ok(Self {
            arguments: arguments.to_vec(),
            shown: shown.to_owned(),
        })
    }

    /// Starts it over the files in `folder`, which have the names of the launcher's disks.
    pub(super) fn start(&self, folder: &Path, format: Format) -> Result<Guest> {
        // Short and private: a socket's path has at most 107 bytes, and a guessable one could be taken by another.
        let private = disk::private_dir()?;
        let socket = private.join("console.sock");
        let listener = UnixListener::bind(&socket)
            .map_err(|cause| Error::because(format!("cannot listen on {}", socket.display()), cause))?;
        let arguments = arguments(&self.arguments, &self.shown, folder, &private, format);
        let child = Cmd::new("qemu-system-x86_64").args(arguments).quiet().spawn(
            Stdio::null(),
            Stdio::null(),
            Stdio::inherit(),
        )?;
        let running = Running { child, private };
        let console = Console::accept(listener, BOOT_LIMIT)
            .map_err(|cause| Error::because("QEMU did not open its serial console", cause))?;
        Ok(Guest { console, running })
    }
}

/// A guest of plain files; gone when dropped.
pub(super) struct Guest {
    console: Console,
    running: Running,
}

impl Guest {
    /// Waits for the login prompt.
    pub(super) fn until_login(&mut self) -> Result<()> {
        self.console
            .wait_for("login: ", BOOT_LIMIT)
            .map(drop)
            .map_err(|error| Error::because("the plain disks do not start", error))
    }

    pub(super) fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    pub(super) fn process(&self) -> Process {
        Process::of(self.running.child.id())
    }
}

/// A QEMU that does not outlive us.
struct Running {
    child: Child,
    private: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = disk::remove(&self.private);
    }
}

/// The launcher's arguments with other files, without its descriptors.
fn arguments(launcher: &[String], shown: &str, folder: &Path, private: &Path, format: Format) -> Vec<String> {
    let runtime = shown.trim_end_matches("/disks");
    let mut changed: Vec<String> = Vec::new();
    if format == Format::QcowLuks {
        changed.extend(["-object", qcow::SECRET].map(str::to_owned));
    }
    for argument in launcher {
        if argument.starts_with("socket,id=qmp,") || argument == "chardev=qmp,mode=control" {
            // With the option that it belongs to.
            changed.pop();
        } else if argument.starts_with("socket,id=serial,") {
            changed.push(format!(
                "socket,id=serial,path={}/console.sock",
                private.display()
            ));
        } else {
            let argument = argument
                .replace(shown, &folder.display().to_string())
                .replace(runtime, &private.display().to_string());
            changed.push(match format {
                Format::Raw => argument,
                Format::RawCached => argument.replace("cache.direct=on", "cache.direct=off"),
                Format::QcowLuks => {
                    argument.replace("driver=raw,", &format!("driver=qcow2,{},", qcow::ENCRYPTION))
                }
            });
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_and_descriptors_differ_from_the_launcher_s_machine() {
        let launcher = [
            "-m",
            "size=768M",
            "-kernel",
            "/run/gobag/1/disks/boot.kernel",
            "-blockdev",
            "driver=raw,cache.direct=on,file.filename=/run/gobag/1/disks/system.img",
            "-chardev",
            "socket,id=serial,fd=32",
            "-serial",
            "chardev:serial",
            "-chardev",
            "socket,id=qmp,fd=34",
            "-mon",
            "chardev=qmp,mode=control",
            "-chardev",
            "socket,id=agent,server=on,wait=off,path=/run/gobag/1/agent.sock",
        ]
        .map(str::to_owned);
        let machine = Machine::new(&launcher).unwrap();
        assert_eq!(machine.shown, "/run/gobag/1/disks");
        let expected = [
            "-m",
            "size=768M",
            "-kernel",
            "/raw/boot.kernel",
            "-blockdev",
            "driver=raw,cache.direct=off,file.filename=/raw/system.img",
            "-chardev",
            "socket,id=serial,path=/p/console.sock",
            "-serial",
            "chardev:serial",
            "-chardev",
            "socket,id=agent,server=on,wait=off,path=/p/agent.sock",
        ];
        let with = |format| {
            let (folder, private) = (Path::new("/raw"), Path::new("/p"));
            arguments(&launcher, &machine.shown, folder, private, format)
        };
        assert_eq!(with(Format::RawCached), expected);
        let encrypted = with(Format::QcowLuks);
        assert_eq!(encrypted[..2], ["-object", qcow::SECRET]);
        let disk = "driver=qcow2,encrypt.format=luks,encrypt.key-secret=key,cache.direct=on,file.filename=/raw/system.img";
        assert!(encrypted.iter().any(|argument| argument == disk), "{encrypted:?}");
        assert!(Machine::new(&launcher[..4]).is_err());
    }
}
