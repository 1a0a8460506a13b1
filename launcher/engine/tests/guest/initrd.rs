//! A guest's whole system in one archive: busybox, a few kernel modules, and a script that obeys the serial console.

#![expect(clippy::disallowed_methods, reason = "prepares files for tests")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use gobag_engine::{run::Run, tools};

use crate::kernel::Kernel;

/// Loaded in this order.
const MODULES: [&str; 10] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "button",
    "evdev",
    "virtio-rng",
];

/// Carries out each line from the console as a shell command and then writes `=== ` and its exit status.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /sbin /usr/bin /usr/sbin /etc
/bin/busybox --install -s
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
while read -r module; do insmod /modules/$module.ko; done < /modules/order
exec < /dev/ttyS0 > /dev/ttyS0 2>&1
stty raw -echo
echo "=== ready"
while read -r line; do
    eval "$line"
    echo "=== $?"
done
"#;

/// Writes the archive into `folder`.
pub(crate) fn write(kernel: &Kernel, folder: &Path) -> Result<PathBuf, String> {
    let busybox = tools::find("busybox", None).map_err(|error| error.to_string())?;
    let mut archive = Vec::new();
    for name in ["bin", "modules", "proc", "sys", "dev", "tmp"] {
        add(&mut archive, name, 0o040_755, b"");
    }
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    add(&mut archive, "bin/busybox", 0o100_755, &read(&busybox)?);
    add(&mut archive, "init", 0o100_755, INIT.as_bytes());
    let mut order = String::new();
    for module in MODULES {
        // What is not a module is built in.
        if let Some(path) = find_module(kernel, module)? {
            let name = format!("modules/{module}.ko");
            add(&mut archive, &name, 0o100_644, &read(&path)?);
            order += &format!("{module}\n");
        }
    }
    add(&mut archive, "modules/order", 0o100_644, order.as_bytes());
    add(&mut archive, "TRAILER!!!", 0, b"");
    let path = folder.join("initrd");
    fs::write(&path, archive).map_err(|error| error.to_string())?;
    Ok(path)
}

fn find_module(kernel: &Kernel, name: &str) -> Result<Option<PathBuf>, String> {
    let find = tools::find("find", None).map_err(|error| error.to_string())?;
    let file = format!("{name}.ko");
    let run = Run::new(&find).arg(&kernel.modules).args(["-name", &file]);
    let output = run.success().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().map(PathBuf::from))
}

/// One entry of a cpio archive in the `newc` form.
fn add(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let inode = archive.len();
    let (size, name_size) = (content.len(), name.len() + 1);
    write!(
        archive,
        "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}{name_size:08x}{0:08x}{name}\0",
        0, 1
    )
    .expect("a vector takes everything");
    pad(archive);
    archive.extend_from_slice(content);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}
