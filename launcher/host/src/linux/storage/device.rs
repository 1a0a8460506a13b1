//! What lies under a device, down to the disks.

use super::mounts::Mount;
use crate::capture::Host;

/// Deepest chain that is followed; real ones have five links. Chains are data: they may be made to run in circles.
const MAX_DEPTH: usize = 16;

/// What lies under a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux) enum Layers {
    /// Every way down passes an encrypted device.
    Encrypted {
        /// The uppermost kind of encryption.
        by: String,
        /// Does it lie on something that can be pulled out?
        removable: bool,
    },
    /// At least one does not.
    Plain {
        /// Does it lie on something that can be pulled out?
        removable: bool,
    },
    /// Nothing: it is in memory.
    Memory,
    /// It cannot be followed.
    Unknown {
        /// Why, in words.
        reason: String,
    },
}

impl Layers {
    fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }

    fn removable(&self) -> bool {
        matches!(
            self,
            Self::Encrypted { removable: true, .. } | Self::Plain { removable: true }
        )
    }

    /// Of several legs, each of which holds data. A plain one is certain harm, whatever the others are.
    fn all(legs: Vec<Self>) -> Self {
        let removable = legs.iter().any(Self::removable);
        if legs.iter().any(|leg| matches!(leg, Self::Plain { .. })) {
            return Self::Plain { removable };
        }
        let unknown = legs.iter().find(|leg| matches!(leg, Self::Unknown { .. }));
        if let Some(unknown) = unknown {
            return unknown.clone();
        }
        let by = legs.iter().find_map(|leg| match leg {
            Self::Encrypted { by, .. } => Some(by.clone()),
            _ => None,
        });
        match by {
            Some(by) => Self::Encrypted { by, removable },
            None if legs.is_empty() => Self::unknown("it has no parts"),
            None => Self::Memory,
        }
    }
}

/// The devices of a computer.
pub(in crate::linux) struct Devices<'a> {
    host: &'a dyn Host,
    mounts: &'a [Mount],
}

impl<'a> Devices<'a> {
    pub(in crate::linux) fn new(host: &'a dyn Host, mounts: &'a [Mount]) -> Self {
        Self { host, mounts }
    }

    /// Under a mount.
    pub(in crate::linux) fn of_mount(&self, mount: &Mount) -> Layers {
        self.mount(mount, 0)
    }

    /// Under a file.
    pub(in crate::linux) fn of_file(&self, path: &str) -> Layers {
        self.file(path, 0)
    }

    /// Under a device that is named by its path.
    pub(in crate::linux) fn of_path(&self, path: &str) -> Layers {
        match self.name_of_path(path) {
            Ok(name) => self.device(&name, 0),
            Err(reason) => Layers::Unknown { reason },
        }
    }

    /// The disks under a mount, by their kernel names; empty where they cannot be followed.
    pub(in crate::linux) fn disks(&self, mount: &Mount) -> Vec<String> {
        let mut disks = Vec::new();
        if let Ok(name) = self.name_of_mount(mount) {
            self.collect_disks(&name, 0, &mut disks);
        }
        disks.sort();
        disks.dedup();
        disks
    }

    /// Where a device hangs: the kernel's path through buses and ports.
    pub(in crate::linux) fn hangs_at(&self, name: &str) -> Result<String, String> {
        self.host.link(&format!("/sys/class/block/{name}")).word()
    }

    fn collect_disks(&self, name: &str, depth: usize, disks: &mut Vec<String>) {
        if depth > MAX_DEPTH {
            return;
        }
        let below = match self.parent(name) {
            Some(parent) => vec![parent],
            None => self.slaves(name).unwrap_or_default(),
        };
        if below.is_empty() {
            disks.push(name.to_owned());
        }
        for name in below {
            self.collect_disks(&name, depth + 1, disks);
        }
    }

    fn mount(&self, mount: &Mount, depth: usize) -> Layers {
        match mount.kind.as_str() {
            "zfs" => return Layers::unknown("ZFS does not tell an ordinary user what it encrypts"),
            "bcachefs" => return Layers::unknown("bcachefs does not tell what it encrypts"),
            "overlay" => return Layers::unknown("it is laid over folders that cannot be followed"),
            "ecryptfs" => {
                return Layers::Encrypted {
                    by: "eCryptfs".to_owned(),
                    removable: false,
                };
            }
            "tmpfs" | "ramfs" | "rootfs" => return Layers::Memory,
            _ => {}
        }
        let name = match self.name_of_mount(mount) {
            Ok(name) => name,
            Err(reason) => return Layers::Unknown { reason },
        };
        if mount.kind == "btrfs" {
            return match self.btrfs_members(&name) {
                Ok(members) => Layers::all(members.iter().map(|name| self.device(name, depth + 1)).collect()),
                Err(reason) => Layers::Unknown { reason },
            };
        }
        self.device(&name, depth)
    }

    fn file(&self, path: &str, depth: usize) -> Layers {
        let within = |mount: &&Mount| {
            path.strip_prefix(mount.place.trim_end_matches('/'))
                .is_some_and(|rest| rest.starts_with('/'))
        };
        match self
            .mounts
            .iter()
            .filter(within)
            .max_by_key(|mount| mount.place.len())
        {
            Some(mount) => self.mount(mount, depth + 1),
            None => Layers::unknown("nobody can tell where its file lies"),
        }
    }

    fn device(&self, name: &str, depth: usize) -> Layers {
        if depth > MAX_DEPTH {
            return Layers::unknown("too many devices lie on each other");
        }
        if name.starts_with("zram") {
            return self.zram(name, depth);
        }
        if ["nbd", "rbd", "drbd", "zd"]
            .iter()
            .any(|kind| name.starts_with(kind))
        {
            return Layers::unknown(format!("{name} lies elsewhere, or on what cannot be followed"));
        }
        if name.starts_with("loop")
            && let Some(layers) = self.loop_device(name, depth)
        {
            return layers;
        }
        if let Some(parent) = self.parent(name) {
            return self.device(&parent, depth + 1);
        }
        let kind = match self
            .host
            .file(&format!("/sys/class/block/{name}/dm/uuid"))
            .text_if_there()
        {
            Ok(uuid) => uuid.as_deref().and_then(encryption),
            Err(reason) => return Layers::Unknown { reason },
        };
        let slaves = match self.slaves(name) {
            Ok(slaves) => slaves,
            Err(reason) => return Layers::Unknown { reason },
        };
        let below = match slaves.is_empty() {
            true => self.disk(name),
            false => Layers::all(slaves.iter().map(|name| self.device(name, depth + 1)).collect()),
        };
        match (kind, below) {
            (Some(by), below) => Layers::Encrypted {
                by: by.to_owned(),
                removable: below.removable(),
            },
            (None, below) => below,
        }
    }

    /// A disk without anything under it. That it exists must be seen: a name alone proves nothing.
    fn disk(&self, name: &str) -> Layers {
        let removable = self
            .host
            .file(&format!("/sys/class/block/{name}/removable"))
            .word();
        match (removable.as_deref(), self.hangs_at(name)) {
            (Ok(flag @ ("0" | "1")), Ok(path)) if !name.starts_with("dm-") && !name.starts_with("md") => {
                Layers::Plain {
                    removable: flag == "1" || path.contains("/usb"),
                }
            }
            (Ok(_), Ok(_)) => Layers::unknown(format!("nobody can tell what lies under {name}")),
            (Err(reason), _) => Layers::unknown(reason.clone()),
            (_, Err(reason)) => Layers::unknown(reason),
        }
    }

    /// Compressed memory; some write what is never used to a disk.
    fn zram(&self, name: &str, depth: usize) -> Layers {
        match self
            .host
            .file(&format!("/sys/class/block/{name}/backing_dev"))
            .text_if_there()
        {
            Ok(None) => Layers::Memory,
            Ok(Some(path)) if path.trim() == "none" => Layers::Memory,
            Ok(Some(path)) => match self.name_of_path(path.trim()) {
                Ok(below) => self.device(&below, depth + 1),
                Err(reason) => Layers::Unknown { reason },
            },
            Err(reason) => Layers::Unknown { reason },
        }
    }

    /// A file that is used as a disk.
    fn loop_device(&self, name: &str, depth: usize) -> Option<Layers> {
        let path = format!("/sys/class/block/{name}/loop/backing_file");
        match self.host.file(&path).text_if_there() {
            Ok(Some(file)) => Some(self.file(file.trim_end_matches('\n'), depth + 1)),
            // A partition of one.
            Ok(None) => None,
            Err(reason) => Some(Layers::Unknown { reason }),
        }
    }

    /// The disk that a partition is on.
    fn parent(&self, name: &str) -> Option<String> {
        if self
            .host
            .file(&format!("/sys/class/block/{name}/partition"))
            .bytes()
            .is_err()
        {
            return None;
        }
        let path = self.hangs_at(name).ok()?;
        let parent = path.rsplit('/').nth(1)?;
        (parent != "block").then(|| parent.to_owned())
    }

    fn slaves(&self, name: &str) -> Result<Vec<String>, String> {
        let listed = self
            .host
            .list(&format!("/sys/class/block/{name}/slaves"))
            .text_if_there()?;
        Ok(listed.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    fn name_of_mount(&self, mount: &Mount) -> Result<String, String> {
        // btrfs shows a device number that no device has.
        if mount.device.starts_with("0:") {
            return self.name_of_path(&mount.source);
        }
        let target = self
            .host
            .link(&format!("/sys/dev/block/{}", mount.device))
            .word()?;
        last(&target)
    }

    fn name_of_path(&self, path: &str) -> Result<String, String> {
        let Some(below) = path.strip_prefix("/dev/") else {
            return Err(format!("{path} is no device"));
        };
        if !below.contains('/') && !self.host.link(&format!("/sys/class/block/{below}")).is_missing() {
            return Ok(below.to_owned());
        }
        // `/dev/mapper/NAME` is a link to `../dm-0`.
        last(&self.host.link(path).word()?)
    }

    /// All devices of the btrfs that has `name` as one of its own.
    fn btrfs_members(&self, name: &str) -> Result<Vec<String>, String> {
        let systems = self.host.list("/sys/fs/btrfs").text()?;
        for system in systems.lines().filter(|system| *system != "features") {
            let members = self
                .host
                .list(&format!("/sys/fs/btrfs/{system}/devices"))
                .text_if_there()?;
            let members: Vec<String> = members.unwrap_or_default().lines().map(str::to_owned).collect();
            if members.iter().any(|member| member == name) {
                return Ok(members);
            }
        }
        Err(format!("no btrfs says that {name} is one of its devices"))
    }
}

/// The device mapper's kinds that keep a secret. Integrity and verity only check.
fn encryption(uuid: &str) -> Option<&'static str> {
    let kind = uuid.trim().strip_prefix("CRYPT-")?.split('-').next()?;
    match kind {
        "LUKS1" | "LUKS2" => Some("LUKS"),
        "PLAIN" | "LOOPAES" => Some("dm-crypt"),
        "TCRYPT" => Some("VeraCrypt"),
        "BITLK" => Some("BitLocker"),
        "FVAULT2" => Some("FileVault"),
        _ => None,
    }
}

fn last(path: &str) -> Result<String, String> {
    match path.rsplit('/').next().filter(|name| !name.is_empty()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(format!("{path} names no device")),
    }
}
