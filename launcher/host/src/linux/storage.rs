//! Where data rests, and whether it is encrypted with everything that lies under it.
//!
//! From each mount the chain of devices is followed down: partitions, logical volumes, RAID legs, btrfs's members, files
//! behind loop devices. A chain is encrypted where *every* path from the top to a disk passes an encrypted device: one
//! plain leg of a mirror holds all the data. What cannot be followed is unknown. A disk that encrypts by itself (OPAL)
//! looks like any other from here, and counts as plain.

use gobag_checklists::safety::{Storage, StorageRole, Tristate};
use gobag_checklists::{Fact, Forger};

use self::device::{Devices, Layers};
use self::mounts::{Mount, Swap};
use crate::probe::Scene;

pub(super) mod device;
pub(super) mod mounts;

const MOUNTS: &str = "/proc/self/mountinfo";
const SWAPS: &str = "/proc/swaps";
/// Mounts of the system itself; whatever they lie on, they hold the system and its people's files.
const SYSTEM_PLACES: [&str; 4] = ["/", "/home", "/usr", "/var"];
/// What starts the computer.
const BOOT_PLACES: [&str; 4] = ["/boot", "/boot/efi", "/boot/firmware", "/efi"];

pub(super) fn probe(scene: &Scene) -> Fact<Vec<Storage>> {
    let mounts = match scene
        .host
        .file(MOUNTS)
        .text()
        .and_then(|text| mounts::parse(&text))
    {
        Ok(mounts) => mounts,
        Err(reason) => return Fact::unknown(reason),
    };
    let swaps = match scene.host.file(SWAPS).text_if_there().and_then(|text| {
        // A kernel without swapping has no such file.
        text.map_or_else(|| Ok(Vec::new()), |text| mounts::parse_swaps(&text))
    }) {
        Ok(swaps) => swaps,
        Err(reason) => return Fact::unknown(reason),
    };
    let devices = Devices::new(scene.host.as_ref(), &mounts);
    let mut storage = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for mount in &mounts {
        let on_medium = mount.rests_here();
        let key = format!("{} {}", mount.device, mount.source);
        if on_medium && !seen.contains(&key) {
            seen.push(key);
            storage.push(of_mount(scene, &devices, mount));
        }
    }
    storage.extend(swaps.iter().filter_map(|swap| of_swap(&devices, swap)));
    if !storage.iter().any(|storage| storage.place == "/") {
        return Fact::unknown(format!("{MOUNTS} does not tell where / lies"));
    }
    scene.known(
        storage,
        format!("{MOUNTS}, {SWAPS}, /sys/class/block"),
        Forger::Administrator,
    )
}

fn of_mount(scene: &Scene, devices: &Devices<'_>, mount: &Mount) -> Storage {
    let layers = devices.of_mount(mount);
    let role = role(&mount.place, &layers);
    let (mut encrypted, by) = judged(&layers);
    // Folders of it may be encrypted one by one; which, only their owners can tell.
    let by_folder = || {
        let folder = format!("{}/.fscrypt", mount.place.trim_end_matches('/'));
        !scene.host.query(&format!("stat {folder}")).is_missing()
    };
    if encrypted == Tristate::No && mounts::KNOWS_FSCRYPT.contains(&mount.kind.as_str()) && by_folder() {
        encrypted = Tristate::Unknown {
            reason: "folders of it may be encrypted one by one (fscrypt)".to_owned(),
        };
    }
    Storage {
        place: mount.place.clone(),
        role,
        encrypted,
        by,
    }
}

fn of_swap(devices: &Devices<'_>, swap: &Swap) -> Option<Storage> {
    let layers = match swap.is_file {
        true => devices.of_file(&swap.path),
        false => devices.of_path(&swap.path),
    };
    if matches!(layers, Layers::Memory) {
        return None;
    }
    let (encrypted, by) = judged(&layers);
    Some(Storage {
        place: swap.path.clone(),
        role: StorageRole::Swap,
        encrypted,
        by,
    })
}

fn role(place: &str, layers: &Layers) -> StorageRole {
    match layers {
        _ if SYSTEM_PLACES.contains(&place) => StorageRole::Files,
        _ if BOOT_PLACES.contains(&place) => StorageRole::Boot,
        Layers::Plain { removable: true } | Layers::Encrypted { removable: true, .. } => {
            StorageRole::Removable
        }
        _ => StorageRole::Files,
    }
}

fn judged(layers: &Layers) -> (Tristate, Option<String>) {
    match layers {
        Layers::Encrypted { by, .. } => (Tristate::Yes, Some(by.clone())),
        Layers::Plain { .. } => (Tristate::No, None),
        Layers::Memory => (Tristate::Yes, Some("memory".to_owned())),
        Layers::Unknown { reason } => (
            Tristate::Unknown {
                reason: reason.clone(),
            },
            None,
        ),
    }
}

#[cfg(test)]
mod tests;
