//! The golden image the ordinary way: a raw ext4 disk, started by QEMU directly.
//!
//! This is what a bundle is compared with (`cargo xtask bench start`), and it proves that the image itself boots.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::golden::Golden;
use crate::console::Console;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::{self, Cmd};

/// A guest that shows no login in this time will not.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(300);
const SIZE_BYTES: u64 = 1 << 30;

/// The disk and what boots it.
pub(crate) struct RawDisk {
    disk: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

/// How long one start took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BootTimes {
    pub(crate) login: Duration,
    pub(crate) shell: Duration,
}

/// Unpacks the golden image, makes the disk and keeps kernel and initrd beside it.
pub(crate) fn make(golden: &Golden) -> Result<RawDisk> {
    let folder = golden.tar.with_extension("raw");
    let raw = RawDisk {
        disk: folder.join("disk.raw"),
        kernel: folder.join("vmlinuz"),
        initrd: folder.join("initrd"),
    };
    if raw.disk.exists() {
        return Ok(raw);
    }
    let unfinished = golden.tar.with_extension("raw-unfinished");
    disk::remove(&unfinished)?;
    disk::make_dir(&unfinished)?;
    // fakeroot keeps owners and devices for an ordinary user; root needs no help.
    let script = "set -e; mkdir root; tar -C root -xf \"$1\"; cp root/boot/vmlinuz-* vmlinuz; \
                  cp root/boot/initrd.img-* initrd; truncate -s \"$2\" disk.raw; \
                  mke2fs -q -t ext4 -L gobag-system -d root disk.raw; rm -r root";
    let shell = ["sh", "-c", script, "sh"];
    let command = if sh::is_root() {
        Cmd::new("env")
    } else {
        Cmd::new("fakeroot").arg("--")
    };
    command
        .args(shell)
        .arg(&golden.tar)
        .arg(SIZE_BYTES.to_string())
        .dir(&unfinished)
        .quiet()
        .run()?;
    disk::rename(&unfinished, &folder)?;
    Ok(raw)
}

impl RawDisk {
    /// Starts the disk without keeping what it writes, waits for a shell, powers it down.
    pub(crate) fn boot(&self) -> Result<BootTimes> {
        let mut guest = Running::start(self)?;
        let times = guest.until_shell()?;
        guest.power_down()?;
        Ok(times)
    }
}

/// A QEMU under control; killed when dropped.
struct Running {
    child: Child,
    console: Console,
    started: Instant,
}

impl Running {
    fn start(raw: &RawDisk) -> Result<Self> {
        // Short and private: a socket's path has at most 107 bytes, and a guessable one could be taken by another.
        let folder = disk::private_dir()?;
        let socket = folder.join("console.sock");
        let listener = UnixListener::bind(&socket)
            .map_err(|cause| Error::because(format!("cannot listen on {}", socket.display()), cause))?;
        let started = Instant::now();
        let child = qemu(raw, &socket).spawn(Stdio::null(), Stdio::null(), Stdio::inherit())?;
        let console = Console::accept(listener, Duration::from_secs(30));
        disk::remove(&folder)?;
        match console {
            Ok(console) => Ok(Self {
                child,
                console,
                started,
            }),
            Err(cause) => {
                stop(child);
                Err(Error::because("QEMU did not open its serial console", cause))
            }
        }
    }

    fn until_shell(&mut self) -> Result<BootTimes> {
        let limit = |error| Error::because("the golden image does not start", error);
        self.console.wait_for("login: ", BOOT_LIMIT).map_err(limit)?;
        let login = self.started.elapsed();
        self.console.wait_for_shell(BOOT_LIMIT).map_err(limit)?;
        Ok(BootTimes {
            login,
            shell: self.started.elapsed(),
        })
    }

    fn power_down(&mut self) -> Result<()> {
        let failed = |error| Error::because("the golden image does not power down", error);
        self.console.type_line("systemctl poweroff").map_err(failed)?;
        self.console
            .wait_for("reboot: Power down", BOOT_LIMIT)
            .map(drop)
            .map_err(failed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stop(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn qemu(raw: &RawDisk, socket: &Path) -> Cmd {
    Cmd::new("qemu-system-x86_64")
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "qemu64"])
        .args(["-smp", "2", "-m", "1024"])
        .arg("-kernel")
        .arg(&raw.kernel)
        .arg("-initrd")
        .arg(&raw.initrd)
        .args(["-append", "root=LABEL=gobag-system rw console=ttyS0 quiet"])
        .arg("-drive")
        .arg(format!(
            "file={},format=raw,if=none,id=system,snapshot=on",
            raw.disk.display()
        ))
        .args(["-device", "virtio-blk-pci,drive=system"])
        .args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"])
        .arg("-serial")
        .arg(format!("unix:{}", socket.display()))
        .quiet()
}
