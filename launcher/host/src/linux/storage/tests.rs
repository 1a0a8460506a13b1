//! Chains of devices, case P23 of the parsing cases and more.

use proptest::prelude::*;

use super::*;
use crate::capture::Capture;
use crate::linux::testing::{Bare, bare};

const DISK: &str = "../../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block";
const LUKS: &str = "CRYPT-LUKS2-00000000000000000000000000000001-luks";

/// A computer of disks, partitions and mapped devices.
struct Made(Bare);

impl Made {
    fn new(mounts: &str) -> Self {
        Self(bare().text("file /proc/self/mountinfo", mounts))
    }

    fn disk(self, name: &str) -> Self {
        let key = |field: &str| format!("file /sys/class/block/{name}/{field}");
        Self(
            self.0
                .text(
                    &format!("link /sys/class/block/{name}"),
                    &format!("{DISK}/{name}"),
                )
                .text(&format!("list /sys/class/block/{name}/slaves"), "")
                .text(&key("removable"), "0\n"),
        )
    }

    fn part(self, disk: &str, name: &str, number: &str) -> Self {
        let path = format!("{DISK}/{disk}/{name}");
        Self(
            self.0
                .text(&format!("link /sys/class/block/{name}"), &path)
                .text(&format!("link /sys/dev/block/{number}"), &path)
                .text(&format!("file /sys/class/block/{name}/partition"), "1\n"),
        )
    }

    fn mapped(self, name: &str, number: &str, uuid: &str, slaves: &[&str]) -> Self {
        let path = format!("../../devices/virtual/block/{name}");
        let below: String = slaves.iter().map(|slave| format!("{slave}\n")).collect();
        let made = self
            .0
            .text(&format!("link /sys/class/block/{name}"), &path)
            .text(&format!("link /sys/dev/block/{number}"), &path)
            .text(&format!("list /sys/class/block/{name}/slaves"), &below)
            .text(&format!("file /sys/class/block/{name}/removable"), "0\n");
        Self(match uuid {
            "" => made,
            uuid => made.text(
                &format!("file /sys/class/block/{name}/dm/uuid"),
                &format!("{uuid}\n"),
            ),
        })
    }

    fn swaps(self, lines: &str) -> Self {
        Self(self.0.text(
            "file /proc/swaps",
            &format!("Filename Type Size Used Priority\n{lines}"),
        ))
    }

    fn btrfs(self, devices: &str) -> Self {
        Self(
            self.0
                .text(
                    "list /sys/fs/btrfs",
                    "00000000-0000-0000-0000-000000000009\nfeatures\n",
                )
                .text(
                    "list /sys/fs/btrfs/00000000-0000-0000-0000-000000000009/devices",
                    devices,
                ),
        )
    }

    fn storage(self) -> Vec<Storage> {
        probe(&self.0.scene()).value().expect("known").clone()
    }

    fn of(self, place: &str) -> Storage {
        let storage = self.storage();
        let found = storage.iter().find(|storage| storage.place == place);
        found.unwrap_or_else(|| panic!("{place} in {storage:?}")).clone()
    }
}

fn root(number: &str) -> String {
    format!("1 0 {number} / / rw - ext4 /dev/x rw\n")
}

#[test]
fn p23_root_on_lvm_on_luks_and_luks_on_lvm() {
    let over = Made::new(&root("254:1"))
        .disk("sda")
        .part("sda", "sda3", "8:3")
        .mapped("dm-0", "254:0", LUKS, &["sda3"])
        .mapped("dm-1", "254:1", "LVM-abc", &["dm-0"])
        .of("/");
    assert_eq!(
        (over.encrypted, over.by.as_deref()),
        (Tristate::Yes, Some("LUKS"))
    );
    let under = Made::new(&root("254:1"))
        .disk("sda")
        .part("sda", "sda3", "8:3")
        .mapped("dm-0", "254:0", "LVM-abc", &["sda3"])
        .mapped("dm-1", "254:1", LUKS, &["dm-0"])
        .of("/");
    assert_eq!(under.encrypted, Tristate::Yes);
    let plain = Made::new(&root("254:0"))
        .disk("sda")
        .part("sda", "sda3", "8:3")
        .mapped("dm-0", "254:0", "LVM-abc", &["sda3"])
        .of("/");
    assert_eq!(
        (plain.encrypted, plain.by, plain.role),
        (Tristate::No, None, StorageRole::Files)
    );
}

#[test]
fn p23_every_leg_of_a_mirror_must_be_encrypted() {
    let legs = |second: &str| {
        Made::new(&root("9:0"))
            .disk("sda")
            .disk("sdb")
            .part("sda", "sda1", "8:1")
            .part("sdb", "sdb1", "8:17")
            .mapped("dm-0", "254:0", LUKS, &["sda1"])
            .mapped("dm-1", "254:1", LUKS, &["sdb1"])
            .mapped("md0", "9:0", "", &["dm-0", second])
            .of("/")
            .encrypted
    };
    assert_eq!(legs("dm-1"), Tristate::Yes);
    assert_eq!(legs("sdb1"), Tristate::No);
    assert!(matches!(legs("sdz"), Tristate::Unknown { .. }));
}

#[test]
fn p23_btrfs_is_found_by_its_source_and_all_its_members_count() {
    let made = |members: &str| {
        Made::new("1 0 0:35 /@ / rw - btrfs /dev/mapper/luks-1 rw\n2 1 0:36 /@home /home rw - btrfs /dev/mapper/luks-1 rw\n")
            .disk("sda")
            .disk("sdb")
            .mapped("dm-0", "254:0", LUKS, &["sda"])
            .btrfs(members)
    };
    let linked = |made: Made| Made(made.0.text("link /dev/mapper/luks-1", "../dm-0"));
    let storage = linked(made("dm-0\n")).storage();
    assert_eq!(storage.len(), 2);
    assert!(storage.iter().all(|storage| storage.encrypted == Tristate::Yes));
    assert_eq!(linked(made("dm-0\nsdb\n")).of("/").encrypted, Tristate::No);
    assert!(matches!(
        linked(made("sdc\n")).of("/").encrypted,
        Tristate::Unknown { .. }
    ));
}

#[test]
fn p23_zfs_and_what_is_laid_over_it_are_unknown() {
    let zfs = Made::new("1 0 0:30 / / rw - zfs rpool/root rw\n").of("/");
    assert!(matches!(zfs.encrypted, Tristate::Unknown { .. }));
    let overlay = Made::new("1 0 0:30 / / rw - overlay overlay rw\n").of("/");
    assert!(matches!(overlay.encrypted, Tristate::Unknown { .. }));
}

#[test]
fn p23_swap_counts_wherever_it_is() {
    let made = |swaps: &str| {
        Made::new(&root("254:0"))
            .disk("sda")
            .part("sda", "sda2", "8:2")
            .part("sda", "sda3", "8:3")
            .mapped("dm-0", "254:0", LUKS, &["sda3"])
            .mapped("zram0", "252:0", "", &[])
            .swaps(swaps)
    };
    let plain = made("/dev/sda2 partition 9 0 -2\n").of("/dev/sda2");
    assert_eq!((plain.role, plain.encrypted), (StorageRole::Swap, Tristate::No));
    let file = made("/swapfile file 9 0 -2\n").of("/swapfile");
    assert_eq!((file.role, file.encrypted), (StorageRole::Swap, Tristate::Yes));
    assert_eq!(made("/dev/zram0 partition 9 0 100\n").storage().len(), 1);
    let backing = made("/dev/zram0 partition 9 0 100\n").0;
    let written = Made(backing.text("file /sys/class/block/zram0/backing_dev", "/dev/sda2\n"));
    assert_eq!(written.of("/dev/zram0").encrypted, Tristate::No);
    // dm-crypt with a key that is thrown away.
    let random = made("/dev/dm-1 partition 9 0 -2\n").mapped("dm-1", "254:1", "CRYPT-PLAIN-swap", &["sda2"]);
    assert_eq!(random.of("/dev/dm-1").encrypted, Tristate::Yes);
}

#[test]
fn files_used_as_disks_are_as_safe_as_where_they_lie() {
    let storage = Made::new(&format!(
        "{}2 1 7:0 / /mnt rw - ext4 /dev/loop0 rw\n",
        root("8:1")
    ))
    .disk("sda")
    .part("sda", "sda1", "8:1")
    .mapped("loop0", "7:0", "", &[]);
    let made = Made(
        storage
            .0
            .text("file /sys/class/block/loop0/loop/backing_file", "/home/x.img\n"),
    );
    assert_eq!(made.of("/mnt").encrypted, Tristate::No);
    // A loop that lies on a file on itself.
    let circle = Made::new("1 0 7:0 / / rw - ext4 /dev/loop0 rw\n").mapped("loop0", "7:0", "", &[]);
    let circle = Made(
        circle
            .0
            .text("file /sys/class/block/loop0/loop/backing_file", "/x.img\n"),
    );
    assert!(matches!(circle.of("/").encrypted, Tristate::Unknown { .. }));
}

#[test]
fn integrity_alone_keeps_no_secret() {
    for (uuid, expected) in [
        ("CRYPT-LUKS1-1-x", Tristate::Yes),
        ("CRYPT-BITLK-1-x", Tristate::Yes),
        ("CRYPT-TCRYPT-x", Tristate::Yes),
        ("CRYPT-VERITY-1-x", Tristate::No),
        ("CRYPT-INTEGRITY-x", Tristate::No),
        ("LVM-CRYPT-LUKS2", Tristate::No),
        ("mpath-3600", Tristate::No),
    ] {
        let made = Made::new(&root("254:0"))
            .disk("sda")
            .mapped("dm-0", "254:0", uuid, &["sda"]);
        assert_eq!(made.of("/").encrypted, expected, "{uuid}");
    }
}

#[test]
fn roles_of_places() {
    let mounts = format!(
        "{}2 1 8:2 / /boot rw - ext4 /dev/sda2 rw\n3 1 8:17 / /media/user1/medium1 rw - vfat /dev/sdb1 rw\n",
        root("8:1")
    );
    let made = Made::new(&mounts)
        .disk("sda")
        .disk("sdb")
        .part("sda", "sda1", "8:1")
        .part("sda", "sda2", "8:2")
        .part("sdb", "sdb1", "8:17");
    let made = Made(made.0.text("file /sys/class/block/sdb/removable", "1\n"));
    let roles: Vec<StorageRole> = made.storage().iter().map(|storage| storage.role).collect();
    assert_eq!(
        roles,
        [StorageRole::Files, StorageRole::Boot, StorageRole::Removable]
    );
}

#[test]
fn folders_that_are_encrypted_one_by_one_are_unknown() {
    let made = Made::new(&root("8:1")).disk("sda").part("sda", "sda1", "8:1");
    let fscrypt = Made(made.0.json(
        "query stat /.fscrypt",
        "{\"owner\":0,\"mode\":493,\"changed_s\":1}",
    ));
    assert!(matches!(fscrypt.of("/").encrypted, Tristate::Unknown { .. }));
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for mounts in ["", "garbage\n", "1 0 8:1 / /home rw - ext4 /dev/sda1 rw\n"] {
        assert!(
            matches!(probe(&Made::new(mounts).0.scene()), Fact::Unknown { .. }),
            "{mounts:?}"
        );
    }
    let no_devices = Made::new(&root("8:1")).of("/");
    assert!(matches!(no_devices.encrypted, Tristate::Unknown { .. }));
}

proptest! {
    /// Whatever the kernel's files say, encryption is only claimed where a device mapper says so.
    #[test]
    fn nothing_but_a_mapped_device_is_ever_encrypted(
        uuid in "[A-Z0-9a-z-]{0,12}", slaves in "[a-z0-9\\n]{0,12}", backing in "\\PC{0,12}",
    ) {
        let made = Made::new(&root("254:0")).mapped("dm-0", "254:0", "", &[]);
        let bare = made.0
            .text("file /sys/class/block/dm-0/dm/uuid", &uuid)
            .text("list /sys/class/block/dm-0/slaves", &slaves)
            .with("file /sys/class/block/loop0/loop/backing_file", Capture::of(backing));
        let fact = probe(&bare.scene());
        let root = &fact.value().expect("known")[0];
        prop_assert_eq!(root.encrypted == Tristate::Yes, uuid.starts_with("CRYPT-") && root.by.is_some());
    }
}
