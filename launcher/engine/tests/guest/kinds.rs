//! Every kind of part a machine can have, in the real QEMU.

#![expect(clippy::disallowed_methods, reason = "the test makes its own disks")]

use std::{fs, os::unix::fs::FileTypeExt, path::Path};

use gobag_engine::{
    guest::Event,
    machine::{Boot, Clock, CpuModel, DiskBus, Display, Network, NetworkCard, Serial},
};

use crate::{
    machine::{Bench, bench, wait_for, wait_for_exit},
    require,
};

const OVMF: &str = "/usr/share/OVMF";

fn blank_disk(bench: &Bench, name: &str) -> std::path::PathBuf {
    let path = bench.folder.path().join(name);
    fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
    path
}

fn card(card: NetworkCard) -> Network {
    Network::User {
        mac: "52:54:00:00:00:01".into(),
        card,
        restrict: true,
    }
}

#[test]
fn sata_disk_and_intel_card_are_what_a_guest_sees() {
    let Some(mut bench) = bench() else { return };
    let path = blank_disk(&bench, "a, disk");
    bench.disk("gobag-system", &path);
    bench.spec.disks[0].bus = DiskBus::Sata;
    bench.spec.network = card(NetworkCard::E1000e);
    bench.spec.clock = Clock::Local;
    bench.spec.cores = 2;
    let (_guest, mut console) = bench.start();
    console.ready();
    // AHCI by its class, the card by its number.
    let classes = console.run("cat /sys/bus/pci/devices/*/class");
    assert!(classes.contains("0x010601"), "{classes}");
    let devices = console.run("cat /sys/bus/pci/devices/*/device");
    assert!(devices.contains("0x10d3"), "{devices}");
    let cores = console.run("grep -c ^processor /proc/cpuinfo");
    assert_eq!(cores.trim(), "2");
}

#[test]
fn a_virtio_disk_has_our_serial_flushes_and_big_blocks() {
    let Some(mut bench) = bench() else { return };
    let path = blank_disk(&bench, "system");
    bench.disk("gobag-system", &path);
    let path = blank_disk(&bench, "tools");
    bench.disk("gobag-tools", &path);
    bench.spec.disks[1].read_only = true;
    bench.spec.network = card(NetworkCard::Virtio);
    let (_guest, mut console) = bench.start();
    console.ready();
    let seen = |name: &str, value: &str| (format!("echo $(cat /sys/block/{name})"), value.to_owned());
    for (command, value) in [
        seen("vda/serial", "gobag-system"),
        seen("vdb/serial", "gobag-tools"),
        seen("vda/queue/write_cache", "write back"),
        seen("vda/queue/physical_block_size", "4096"),
        seen("vda/queue/logical_block_size", "512"),
        seen("vda/ro", "0"),
        seen("vdb/ro", "1"),
    ] {
        assert_eq!(console.run(&command).trim(), value, "{command}");
    }
    let trim = console.run("cat /sys/block/vda/queue/discard_max_bytes");
    assert_ne!(trim.trim(), "0", "the disk takes trim");
    // 512 bytes are patched into the 4 KiB around them.
    console.run("printf one | dd of=/dev/vda bs=512 seek=3 conv=sync,fsync 2>/dev/null");
    console.run("printf two | dd of=/dev/vda bs=512 seek=5 conv=sync,fsync 2>/dev/null");
    let disk = fs::read(bench.folder.path().join("system")).unwrap();
    assert_eq!((&disk[1536..1539], &disk[2560..2563]), (&b"one"[..], &b"two"[..]));
}

#[test]
fn firmware_starts_without_anything_to_boot_and_shows_it_on_vnc() {
    let Some(mut bench) = bench() else { return };
    let path = blank_disk(&bench, "system");
    bench.disk("gobag-system", &path);
    bench.spec.boot = Boot::Bios;
    bench.spec.display = Display::Vnc;
    bench.spec.cpu = CpuModel::BaselineAes;
    let log = bench.folder.path().join("serial.log");
    bench.spec.serial = Serial::Log(log);
    let guest = gobag_engine::supervise::start(bench.spec.clone(), bench.options()).unwrap();
    let socket = fs::metadata(bench.folder.path().join("vnc.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert!(guest.status().unwrap().running);
    guest.quit().unwrap();
    assert!(wait_for_exit(&guest).0);
}

#[test]
fn uefi_firmware_writes_its_variables() {
    let Some(mut bench) = bench() else { return };
    let code = Path::new(OVMF).join("OVMF_CODE_4M.fd");
    if !require::have("ovmf", (!code.exists()).then(|| format!("no {}", code.display()))) {
        return;
    }
    let vars = bench.folder.path().join("vars.fd");
    fs::copy(Path::new(OVMF).join("OVMF_VARS_4M.fd"), &vars).unwrap();
    let before = fs::read(&vars).unwrap();
    let path = blank_disk(&bench, "system");
    bench.disk("gobag-system", &path);
    bench.spec.boot = Boot::Uefi {
        code,
        vars: vars.clone(),
    };
    let (guest, mut console) = bench.start();
    // OVMF looks through the boot options and says on the serial port that there is nothing to boot.
    console.wait_for("BdsDxe: ");
    assert_ne!(fs::read(&vars).unwrap(), before);
    guest.pause().unwrap();
    wait_for(&guest, "pause", |event| {
        let is_alive = matches!(event, Event::SignOfLife { .. });
        assert!(!is_alive, "firmware was taken for a guest's kernel");
        matches!(event, Event::Paused { .. })
    });
}
