//! The same machine over plain files: QEMU as the launcher starts it, without the launcher.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::Login;
use super::process::Process;
use crate::console::Console;
use crate::demo::guest::BOOT_LIMIT;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Who caches the plain files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// As the launcher asks for: nobody.
    AsTheLauncher,
    /// The host's page cache, as QEMU does when nothing is asked for.
    PageCache,
}

/// Plain disks, and how the launcher's QEMU was called for theirs.
pub(super) struct RawDisks {
    folder: PathBuf,
    arguments: Vec<String>,
    /// Where the launcher showed the disks.
    shown: String,
}

impl RawDisks {
    /// `folder` holds files of the names that the launcher's QEMU has open according to its `arguments`.
    pub(super) fn new(folder: &Path, arguments: &[String]) -> Result<Self> {
        let shown = arguments
            .iter()
            .filter_map(|argument| argument.split_once("file.filename="))
            .find_map(|(_, path)| path.strip_suffix("/system.img"))
            .ok_or_else(|| Error::new("QEMU has no disk `system.img` open"))?;
        Ok(Self {
            folder: folder.to_owned(),
            arguments: arguments.to_vec(),
            shown: shown.to_owned(),
        })
    }

    /// Starts the disks, waits for a shell, powers down; returns what it took to the login prompt.
    pub(super) fn boot(&self, caching: Caching) -> Result<Login> {
        // Short and private: a socket's path has at most 107 bytes, and a guessable one could be taken by another.
        let private = disk::private_dir()?;
        let booted = self.boot_in(&private, caching);
        disk::remove(&private)?;
        booted
    }

    fn boot_in(&self, private: &Path, caching: Caching) -> Result<Login> {
        let socket = private.join("console.sock");
        let listener = UnixListener::bind(&socket)
            .map_err(|cause| Error::because(format!("cannot listen on {}", socket.display()), cause))?;
        let arguments = arguments(&self.arguments, &self.shown, &self.folder, private, caching);
        let child = Cmd::new("qemu-system-x86_64").args(arguments).quiet().spawn(
            Stdio::null(),
            Stdio::null(),
            Stdio::inherit(),
        )?;
        let mut guest = Running(child);
        let mut console = Console::accept(listener, BOOT_LIMIT)
            .map_err(|cause| Error::because("QEMU did not open its serial console", cause))?;
        let failed = |error| Error::because("the plain disks do not start", error);
        console.wait_for("login: ", BOOT_LIMIT).map_err(failed)?;
        let qemu = Process::of(guest.0.id());
        let login = Login {
            time: qemu.age()?,
            cpu: qemu.cpu()?,
        };
        console.wait_for_shell(BOOT_LIMIT).map_err(failed)?;
        console.type_line("systemctl poweroff").map_err(failed)?;
        guest
            .0
            .wait()
            .map_err(|cause| Error::because("QEMU is lost", cause))?;
        Ok(login)
    }
}

/// A QEMU that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The launcher's arguments with other files, without its descriptors.
fn arguments(
    launcher: &[String],
    shown: &str,
    folder: &Path,
    private: &Path,
    caching: Caching,
) -> Vec<String> {
    let runtime = shown.trim_end_matches("/disks");
    let mut changed: Vec<String> = Vec::new();
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
            changed.push(match caching {
                Caching::AsTheLauncher => argument,
                Caching::PageCache => argument.replace("cache.direct=on", "cache.direct=off"),
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
        let disks = RawDisks::new(Path::new("/raw"), &launcher).unwrap();
        assert_eq!(disks.shown, "/run/gobag/1/disks");
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
        let changed = arguments(
            &launcher,
            &disks.shown,
            Path::new("/raw"),
            Path::new("/p"),
            Caching::PageCache,
        );
        assert_eq!(changed, expected);
        assert!(RawDisks::new(Path::new("/raw"), &launcher[..4]).is_err());
    }
}
