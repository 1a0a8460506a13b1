//! The guest: Debian's kernel, busybox, and this test program in one archive; QEMU with a USB stick that logs.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use gobag_engine::{run::Run, tools};

use super::{
    Plan,
    guest::PLAN,
    log::{PARTITION_SECTOR, SECTOR},
};

/// Debian's kernel for PCs; the one for clouds has no USB.
const META_PACKAGE: &str = "linux-image-amd64";
/// In the order they need each other.
const MODULES: [&str; 17] = [
    "crct10dif_common",
    "crct10dif_generic",
    "crc-t10dif",
    "crc64",
    "crc64_rocksoft_generic",
    "crc64-rocksoft",
    "t10-pi",
    "usb-common",
    "usbcore",
    "xhci-hcd",
    "xhci-pci",
    "scsi_common",
    "scsi_mod",
    "sd_mod",
    "usb-storage",
    "exfat",
    "fuse",
];
const STICK_BYTES: u64 = 192 << 20;
const DOWNLOAD: Duration = Duration::from_secs(300);
const TOOL: Duration = Duration::from_secs(60);
/// A guest needs ten seconds to start and a few milliseconds for each operation.
const GUEST: Duration = Duration::from_secs(900);

/// Times are written back at once instead of after seconds, so that the log has many of them between our writes.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
echo 3 > /proc/sys/kernel/printk
echo 5 > /proc/sys/vm/dirty_writeback_centisecs
echo 5 > /proc/sys/vm/dirty_expire_centisecs
for module in MODULES; do insmod /modules/$module.ko; done
until [ -b /dev/sda1 ]; do :; done
mount -t exfat /dev/sda1 /mnt && cp -r /stick/* /mnt/ && umount /mnt && mount -t exfat /dev/sda1 /mnt
. /setup.sh
RUST_BACKTRACE=1 /work exfat::guest::inside --exact --ignored --nocapture --test-threads=1
. /end.sh
umount /mnt
sync
poweroff -f
"#;

/// Programs that serve files end before the stick is unmounted.
const END: &str = "sync; killall qemu-storage-daemon 2>/dev/null; umount /served 2>/dev/null; true\n";

/// The partition before the first write, and the log of all writes since.
pub(super) struct Written {
    pub(super) before: PathBuf,
    pub(super) log: PathBuf,
}

/// Boots the guest over an empty stick, lets it copy `stick` there and work.
pub(super) fn run(kernel: &Kernel, plan: &Plan, stick: &Path, folder: &Path) -> Result<Written, String> {
    let archive = archive(kernel, plan, stick, folder)?;
    let before = folder.join("partition.img");
    let disk = disk(folder, &before)?;
    let log = folder.join("writes.log");
    File::create_new(&log).map_err(|error| error.to_string())?;
    let node = |name: &str, path: &Path| format!("driver=file,node-name={name},filename={}", path.display());
    let output = tool("qemu-system-x86_64", GUEST, |run| {
        run.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args([
                "-machine", "q35", "-accel", "tcg", "-m", "1024", "-serial", "stdio",
            ])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(&archive)
            .args(["-append", "console=ttyS0 panic=-1 quiet"])
            .args(["-blockdev", &node("stick", &disk)])
            .args(["-blockdev", &node("log", &log)])
            .args([
                "-blockdev",
                "driver=blklogwrites,node-name=logged,file=stick,log=log",
            ])
            .args(["-device", "qemu-xhci,id=usb"])
            .args(["-device", "usb-storage,bus=usb.0,drive=logged,removable=on"])
    })?;
    let said = String::from_utf8_lossy(&output).into_owned();
    if said.contains("ALL_DONE") {
        Ok(Written { before, log })
    } else {
        Err(format!("the guest did not finish:\n{said}"))
    }
}

/// A stick with one partition of exFAT.
fn disk(folder: &Path, partition: &Path) -> Result<PathBuf, String> {
    use std::os::unix::fs::FileExt;
    let failed = |error: std::io::Error| error.to_string();
    let bytes = STICK_BYTES - PARTITION_SECTOR * SECTOR as u64;
    let fresh = File::create_new(partition).map_err(failed)?;
    fresh.set_len(bytes).map_err(failed)?;
    tool("mkfs.exfat", TOOL, |run| run.arg(partition))?;
    let mut content = Vec::new();
    File::open(partition)
        .and_then(|mut file| file.read_to_end(&mut content))
        .map_err(failed)?;
    let path = folder.join("stick.img");
    let stick = File::create_new(&path).map_err(failed)?;
    stick
        .write_all_at(&content, PARTITION_SECTOR * SECTOR as u64)
        .map_err(failed)?;
    let mut first = [0; SECTOR];
    first[446 + 4] = 7;
    first[446 + 8..446 + 12].copy_from_slice(&(PARTITION_SECTOR as u32).to_le_bytes());
    first[446 + 12..446 + 16].copy_from_slice(&((bytes / SECTOR as u64) as u32).to_le_bytes());
    first[510..].copy_from_slice(&[0x55, 0xaa]);
    stick.write_all_at(&first, 0).map_err(failed)?;
    Ok(path)
}

/// Everything the guest is made of.
fn archive(kernel: &Kernel, plan: &Plan, stick: &Path, folder: &Path) -> Result<PathBuf, String> {
    let root = folder.join("root");
    let put = |from: &Path, to: &str| -> Result<(), String> {
        let to = root.join(to.trim_start_matches('/'));
        let parent = to.parent().unwrap_or(&root);
        fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        fs::copy(from, &to)
            .map(drop)
            .map_err(|error| format!("{}: {error}", from.display()))
    };
    let busybox = tools::find("busybox", None).map_err(|error| error.to_string())?;
    put(&busybox, "bin/busybox")?;
    for module in MODULES {
        let file = kernel.module(module)?;
        put(&file, &format!("modules/{module}.ko"))?;
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    put(&program, "work")?;
    tool("strip", TOOL, |run| run.arg(root.join("work")))?;
    put_libraries(&put, &program)?;
    for name in &plan.programs {
        let file = tools::find(name, None).map_err(|error| error.to_string())?;
        put(&file, &format!("usr/bin/{name}"))?;
        put_libraries(&put, &file)?;
    }
    let write = |name: &str, text: &str| {
        let path = root.join(name.trim_start_matches('/'));
        write(&path, text)
    };
    write(PLAN, &plan.text())?;
    write("setup.sh", &plan.setup)?;
    write("end.sh", END)?;
    write("init", &INIT.replace("MODULES", &MODULES.join(" ")))?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))
        .map_err(|error| error.to_string())?;
    fs::create_dir(root.join("mnt")).map_err(|error| error.to_string())?;
    tool("cp", TOOL, |run| run.arg("-r").arg(stick).arg(root.join("stick")))?;
    let archive = folder.join("guest.cpio");
    let pack = "find . | cpio --quiet -o -H newc > \"$0\"";
    tool_in(&root, "sh", TOOL, |run| run.args(["-c", pack]).arg(&archive))?;
    fs::remove_dir_all(&root).map_err(|error| error.to_string())?;
    Ok(archive)
}

/// The shared libraries of a program, and its loader.
fn put_libraries(put: &impl Fn(&Path, &str) -> Result<(), String>, program: &Path) -> Result<(), String> {
    let libraries = tool("ldd", TOOL, |run| run.arg(program))?;
    for library in String::from_utf8_lossy(&libraries).split_whitespace() {
        if library.starts_with('/') {
            put(Path::new(library), library)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "tests prepare their input")]
fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| error.to_string())
}

/// A kernel and its modules from Debian's package, kept in `target/`.
pub(super) struct Kernel {
    image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    /// The one from an earlier run, or a fresh one from the machine's own package sources.
    pub(super) fn get() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/usb-kernel");
        let unpacked = folder.join("unpacked");
        // It is renamed into place whole, so what is there is complete.
        if let Some(kernel) = Self::find(&unpacked) {
            return Ok(kernel);
        }
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let work = tempfile::tempdir_in(&folder).map_err(|error| error.to_string())?;
        let depends = tool("apt-cache", TOOL, |run| run.args(["depends", META_PACKAGE]))?;
        let depends = String::from_utf8_lossy(&depends).into_owned();
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .ok_or("apt does not know the kernel")?;
        tool_in(work.path(), "apt-get", DOWNLOAD, |run| {
            run.args(["download", package])
        })?;
        tool_in(work.path(), "sh", TOOL, |run| {
            run.args(["-c", "dpkg-deb -x ./*.deb unpacked"])
        })?;
        // Another test process may have been faster; its copy is as good.
        let _ = rename(&work.path().join("unpacked"), &unpacked);
        Self::find(&unpacked).ok_or_else(|| "no kernel in its package".to_owned())
    }

    fn find(unpacked: &Path) -> Option<Self> {
        let mut names = fs::read_dir(unpacked.join("boot"))
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let name = names.find(|name| name.starts_with("vmlinuz-"))?;
        let version = name.strip_prefix("vmlinuz-")?;
        Some(Self {
            image: unpacked.join("boot").join(&name),
            modules: unpacked.join("lib/modules").join(version),
        })
    }

    fn module(&self, name: &str) -> Result<PathBuf, String> {
        let found = tool("find", TOOL, |run| {
            run.arg(&self.modules).args(["-name", &format!("{name}.ko")])
        })?;
        let text = String::from_utf8_lossy(&found).into_owned();
        let path = text
            .lines()
            .next()
            .ok_or_else(|| format!("the kernel has no module {name}"))?;
        Ok(PathBuf::from(path))
    }
}

#[expect(clippy::disallowed_methods, reason = "tests prepare their input")]
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)
}

/// Runs a tool to a good end and returns what it printed.
pub(super) fn tool(
    name: &str,
    deadline: Duration,
    with: impl FnOnce(Run<'_>) -> Run<'_>,
) -> Result<Vec<u8>, String> {
    tool_in(Path::new("/"), name, deadline, with)
}

/// The same in a folder.
fn tool_in(
    folder: &Path,
    name: &str,
    deadline: Duration,
    with: impl FnOnce(Run<'_>) -> Run<'_>,
) -> Result<Vec<u8>, String> {
    let program = tools::find(name, None).map_err(|error| error.to_string())?;
    let output = with(Run::new(&program).folder(folder).deadline(deadline)).success();
    output
        .map(|output| output.stdout)
        .map_err(|error| error.to_string())
}
