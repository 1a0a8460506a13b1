//! Whatever IT has, turned into a raw, sparse volume and the facts needed to start it.
//!
//! This crate owns the reading of foreign images: disks of every virtualisation product, container images, root file
//! systems. It believes nothing in them: every count, size and name has a limit ([`limits`]), every digest is compared
//! before what it vouches for is used, and no path leads out of the image. It starts no process itself (`gobag-engine`
//! does: `qemu-img`, `mke2fs`) and knows nothing of bundles.
//!
//! - [`detect`]: what a source is, from its bytes
//! - [`open()`]: a source as volumes, with how they boot and what a container would run
//! - [`export_tar`]: the files of an image as one tar archive
//! - [`disk_facts`]: partitions, file system and firmware of a raw disk
//! - [`sparse`]: where a volume file has data
//!
//! From files to a volume, the way of every container image and root file system:
//!
//! ```text
//! layers ──1──▶ tree of names ──▶ survey: kernel, fstab, /home, size
//!    │               │                  │
//!    └──2──▶ files in the tree ◀────────┘ changes
//!                    │
//!                    ├──▶ tar stream ──▶ ext4 `gobag-system`
//!                    └──▶ tar stream ──▶ ext4 `gobag-home`
//! ```
//!
//! The layers are read twice, so that no content is kept anywhere in between.

mod archive;
mod compress;
mod disk;
mod entry;
mod flatten;
mod folder;
mod kind;
pub mod limits;
mod oci;
mod open;
mod path;
mod rootfs;
pub mod sparse;
mod survey;
mod tree;
mod volume;

pub use archive::{ArchiveContent, read_archive};
pub use disk::{
    DiskBoot, DiskError, DiskFacts, FileSystemPlace, Partition, PartitionKind, PartitionTable,
    facts as disk_facts,
};
pub use entry::ReadError;
pub use flatten::FlattenError;
pub use kind::{DetectError, SourceKind, detect};
pub use oci::{ContainerEntry, DigestMismatch, ImageChoice, OciError};
pub use open::{Boot, ImportError, ImportOptions, Imported, export_tar, open};
pub use path::PathProblem;
pub use volume::{HOME_LABEL, SYSTEM_LABEL, VolumeError, VolumeFile};
