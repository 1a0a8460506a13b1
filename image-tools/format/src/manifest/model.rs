//! The words of a manifest. Unknown fields are ignored and additions have defaults; what an older program
//! must not ignore is named in [`Features`].

use serde::{Deserialize, Serialize};

use crate::crypto::Key;
use crate::digest::Digest;
use crate::ids::{ImageId, OrgId, PackId};
use crate::map::MapRef;

/// One version of an image.
#[derive(Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version of the payload.
    pub format: u32,
    /// What a reader must know.
    #[serde(default)]
    pub features: Features,
    /// Whose image it is.
    pub org: OrgId,
    /// Name of the image, the same for all its versions.
    pub name: String,
    /// Id of this version.
    pub image: ImageId,
    /// Number of this version; only goes up.
    pub version: u64,
    /// The version it replaces.
    #[serde(default)]
    pub parent: Option<ImageId>,
    /// When it was built, seconds since 1970.
    pub created_s: u64,
    /// Key of the chunk ids in packs and maps.
    pub chunk_key: Key,
    /// The volumes; a volume's number is its position.
    pub volumes: Vec<VolumeEntry>,
    /// The packs; maps refer to positions in this list.
    pub packs: Vec<PackEntry>,
    /// How a virtual machine starts it.
    #[serde(default)]
    pub boot: Boot,
    /// How a container starts it; none when it cannot run as one.
    #[serde(default)]
    pub container: Option<ContainerEntry>,
    /// Name of the operating system, for people.
    #[serde(default)]
    pub os_name: Option<String>,
    /// What it asks of a computer (`gobag_checklists::Requirements`).
    #[serde(default)]
    pub requirements: serde_json::Value,
    /// What IT allows and asks (`docs/policy.md`).
    #[serde(default)]
    pub policy: serde_json::Value,
}

/// Names of what a reader must know to handle an image, by what it may do without knowing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    /// Without knowing: everything.
    pub compatible: Vec<String>,
    /// Without knowing: reading, never writing over it.
    pub read_only_compatible: Vec<String>,
    /// Without knowing: nothing.
    pub incompatible: Vec<String>,
}

/// One volume of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeEntry {
    /// Name, unique in the image.
    pub name: String,
    /// What it is for.
    pub kind: VolumeKind,
    /// Length in bytes; a blob's need not be a multiple of anything.
    pub size_bytes: u64,
    /// Its chunk map.
    pub map: MapRef,
}

/// What a volume is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// The disk the user works on; changes go to the log.
    Base,
    /// First content of the user's own volume, used once.
    HomeTemplate,
    /// A file the launcher needs, such as a kernel.
    Blob,
    /// A kind this program does not know.
    #[serde(other)]
    Unknown,
}

/// One pack of an image.
#[derive(Clone, Serialize, Deserialize)]
pub struct PackEntry {
    /// Names the file.
    pub id: PackId,
    /// Length of the file.
    pub len_bytes: u64,
    /// BLAKE3 of the whole file.
    pub digest: Digest,
    /// Opens its frames.
    pub key: Key,
}

/// How a virtual machine starts an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// The disk carries a boot loader for this firmware.
    pub firmware: Option<Firmware>,
    /// The hypervisor loads this kernel itself.
    pub kernel: Option<DirectKernel>,
}

/// Firmware of a virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI.
    Uefi,
    /// One this program does not know.
    #[serde(other)]
    Unknown,
}

/// A kernel started without a boot loader; the files are blob volumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectKernel {
    /// Name of the kernel's volume.
    pub kernel: String,
    /// Name of the initial RAM disk's volume.
    #[serde(default)]
    pub initrd: Option<String>,
    /// Kernel command line.
    pub cmdline: String,
}

/// How a container starts: what an OCI image's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerEntry {
    /// Name of the volume with the root file system.
    pub volume: String,
    /// Where on it the ext4 file system begins, bytes: after the partition table of a whole disk.
    pub file_system_offset_bytes: u64,
    /// Length of the place it has, bytes; 0 is the rest of the volume.
    pub file_system_size_bytes: u64,
    /// Program and arguments; empty asks for a shell.
    pub command: Vec<String>,
    /// Environment, `NAME=value`.
    pub environment: Vec<String>,
    /// Folder to start in.
    pub folder: Option<String>,
    /// User, by name or number.
    pub user: Option<String>,
}

impl Features {
    /// Whether this program must not write over the image: it does not know everything that asks.
    pub fn read_only(&self) -> bool {
        !self.read_only_compatible.is_empty()
    }
}

impl Manifest {
    /// The volume of that name and its number.
    pub fn volume(&self, name: &str) -> Option<(u8, &VolumeEntry)> {
        let position = self.volumes.iter().position(|volume| volume.name == name)?;
        Some((u8::try_from(position).ok()?, &self.volumes[position]))
    }

    /// The volume the user works on and its number.
    pub fn base(&self) -> Option<(u8, &VolumeEntry)> {
        let position = self
            .volumes
            .iter()
            .position(|volume| volume.kind == VolumeKind::Base)?;
        Some((u8::try_from(position).ok()?, &self.volumes[position]))
    }

    /// Bytes of all packs.
    pub fn packs_len_bytes(&self) -> u64 {
        self.packs.iter().map(|pack| pack.len_bytes).sum()
    }
}
