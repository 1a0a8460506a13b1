//! The port and the medium that the stick is. Nothing is written, so its writing and its real size are not known here.

use gobag_checklists::safety::{StickPort, Tristate};
use gobag_checklists::{Fact, Forger};

use super::query::Speed;
use super::storage::{device::Devices, mounts, mounts::Mount};
use crate::capture::Host;
use crate::probe::Scene;

pub(super) fn probe(scene: &Scene) -> Fact<StickPort> {
    let Some(folder) = &scene.about.stick else {
        return Fact::not_applicable("no stick was named");
    };
    let host = scene.host.as_ref();
    let mounts = match host
        .file("/proc/self/mountinfo")
        .text()
        .and_then(|text| mounts::parse(&text))
    {
        Ok(mounts) => mounts,
        Err(reason) => return Fact::unknown(reason),
    };
    let Some(mount) = mount_of(&mounts, folder) else {
        return Fact::unknown(format!("nobody can tell on what {folder} lies"));
    };
    let devices = Devices::new(host, &mounts);
    let disks = devices.disks(mount);
    let [disk] = &disks[..] else {
        return Fact::unknown(format!("{folder} does not lie on one disk"));
    };
    let port = match devices.hangs_at(disk) {
        Ok(path) => usb_port(&path),
        Err(reason) => return Fact::unknown(reason),
    };
    let usb_mbit_per_s = match port.map(|port| host.file(&format!("{port}/speed")).word()) {
        None => None,
        Some(Ok(word)) => match mbit(&word) {
            Some(speed) => Some(speed),
            None => return Fact::unknown(format!("the port's speed is {word}")),
        },
        Some(Err(reason)) => return Fact::unknown(reason),
    };
    let speed = host.query(&format!("read-speed {folder}")).json::<Speed>();
    let stick = StickPort {
        usb_mbit_per_s,
        read_bytes_per_s: speed.ok().and_then(per_second),
        write_bytes_per_s: None,
        honest_capacity: Tristate::Unknown {
            reason: "only a test of the whole stick tells".to_owned(),
        },
        io_errors: errors(host, disk),
    };
    scene.known(stick, format!("/sys/class/block/{disk}, reading"), Forger::Kernel)
}

/// The mount with the longest place that the folder is in.
fn mount_of<'a>(mounts: &'a [Mount], folder: &str) -> Option<&'a Mount> {
    let within = |mount: &&Mount| {
        folder
            .strip_prefix(mount.place.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts.iter().filter(within).max_by_key(|mount| mount.place.len())
}

/// The folder of the USB device nearest to the disk: `…/usb2/2-1/2-1:1.0/host0/…` → `/sys/devices/…/usb2/2-1`.
fn usb_port(path: &str) -> Option<String> {
    let (_, below) = path.split_once("devices/")?;
    let parts: Vec<&str> = below.split('/').collect();
    // The last part that is an interface of a device; the device is the one before it.
    let interface = parts.iter().rposition(|part| {
        part.split_once(':').is_some_and(|(device, _)| {
            device.contains('-')
                && device
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte))
        })
    })?;
    parts[..interface].iter().find(|part| part.starts_with("usb"))?;
    Some(format!("/sys/devices/{}", parts[..interface].join("/")))
}

/// `480`, `5000`; the oldest are `1.5` and `12`.
fn mbit(word: &str) -> Option<u32> {
    let whole = word.split('.').next()?;
    whole.parse().ok().filter(|speed| *speed > 0)
}

fn per_second(speed: Speed) -> Option<u64> {
    let bytes = u128::from(speed.bytes) * 1_000_000;
    let per_second = bytes.checked_div(u128::from(speed.elapsed_us))?;
    u64::try_from(per_second).ok().filter(|speed| *speed > 0)
}

/// Errors and timeouts that the SCSI layer has counted since the disk was plugged in.
fn errors(host: &dyn Host, disk: &str) -> Option<u64> {
    let count = |name: &str| {
        let word = host
            .file(&format!("/sys/class/block/{disk}/device/{name}"))
            .word()
            .ok()?;
        u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
    };
    Some(count("ioerr_cnt")?.saturating_add(count("iotmo_cnt").unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::{Bare, bare};

    const PATH: &str =
        "../../devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.3/2-1.3:1.0/host0/target0:0:0/0:0:0:0/block/sdb";
    const PORT: &str = "/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.3";

    fn stick() -> Bare {
        bare()
            .about(|about| about.stick = Some("/media/user1/medium1/gobag".to_owned()))
            .text(
                "file /proc/self/mountinfo",
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:17 / /media/user1/medium1 rw - vfat /dev/sdb1 rw\n",
            )
            .text("link /sys/dev/block/8:17", &format!("{PATH}/sdb1"))
            .text("link /sys/class/block/sdb1", &format!("{PATH}/sdb1"))
            .text("file /sys/class/block/sdb1/partition", "1\n")
            .text("link /sys/class/block/sdb", PATH)
            .text(&format!("file {PORT}/speed"), "5000\n")
            .text("file /sys/class/block/sdb/device/ioerr_cnt", "0x3\n")
            .text("file /sys/class/block/sdb/device/iotmo_cnt", "0x10\n")
            .json(
                "query read-speed /media/user1/medium1/gobag",
                "{\"bytes\":33554432,\"elapsed_us\":500000}",
            )
    }

    #[test]
    fn a_stick_in_a_port_behind_a_hub() {
        let fact = probe(&stick().scene());
        let found = fact.value().expect("known");
        assert_eq!(found.usb_mbit_per_s, Some(5000));
        assert_eq!(found.read_bytes_per_s, Some(67_108_864));
        assert_eq!(found.write_bytes_per_s, None);
        assert_eq!(found.io_errors, Some(19));
        assert!(matches!(found.honest_capacity, Tristate::Unknown { .. }));
    }

    #[test]
    fn what_could_not_be_measured_is_not_made_up() {
        let slow = probe(&stick().text(&format!("file {PORT}/speed"), "1.5\n").scene());
        assert_eq!(slow.value().and_then(|stick| stick.usb_mbit_per_s), Some(1));
        let strange = probe(&stick().text(&format!("file {PORT}/speed"), "fast\n").scene());
        assert!(matches!(strange, Fact::Unknown { .. }));
        let no_time = stick().json(
            "query read-speed /media/user1/medium1/gobag",
            "{\"bytes\":33554432,\"elapsed_us\":0}",
        );
        assert_eq!(
            probe(&no_time.scene())
                .value()
                .and_then(|stick| stick.read_bytes_per_s),
            None
        );
        assert!(matches!(probe(&bare().scene()), Fact::NotApplicable { .. }));
        let nowhere = stick().text("file /proc/self/mountinfo", "garbage\n");
        assert!(matches!(probe(&nowhere.scene()), Fact::Unknown { .. }));
    }

    #[test]
    fn a_disk_that_is_not_on_usb_has_no_port() {
        for (path, expected) in [
            (PATH, Some(PORT.to_owned())),
            ("../../devices/pci0000:00/0000:00:1f.2/ata1/host0/block/sda", None),
            ("../../devices/virtual/block/loop0", None),
            ("../../devices/pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1", None),
            ("", None),
        ] {
            assert_eq!(usb_port(path), expected, "{path}");
        }
    }
}
