//! Whether anything of a user can be in the home volume: an update keeps that volume and gives the system's changes up.

use std::sync::Arc;

use gobag_format::header::{HeaderRecord, VolumeRole};

use crate::{
    Volume,
    store::{Store, StoreVolume},
};

/// Where the superblock of ext2, ext3 and ext4 begins.
const SUPERBLOCK: u64 = 1024;
/// As much of it as is looked at.
const SUPERBLOCK_LEN: usize = 64;
const MAGIC: u16 = 0xef53;

/// Whether users' files must lie among the changes to the systems: there is no home volume, or none that a guest ever
/// mounted. One that cannot be read, or that a guest has formatted its own way, counts as used.
pub(super) fn is_unused(store: &Arc<Store>, record: &HeaderRecord) -> bool {
    let mut homes = record
        .volumes
        .iter()
        .filter(|volume| matches!(volume.role, VolumeRole::Home));
    homes.all(|home| {
        let mut superblock = [0; SUPERBLOCK_LEN];
        match StoreVolume::new(Arc::clone(store), home.id, None).read_at(SUPERBLOCK, &mut superblock) {
            Ok(()) => is_fresh(&superblock).unwrap_or_else(|| store.changed_bytes(home.id) == 0),
            Err(error) => {
                tracing::warn!(%error, "cannot look at the home volume");
                false
            }
        }
    })
}

/// Whether an ext4 file system was never mounted for writing; `None` if it is no such file system. A check sets the count
/// of mounts back to 0, but not the time of the last.
fn is_fresh(superblock: &[u8; SUPERBLOCK_LEN]) -> Option<bool> {
    let number = |at: usize| u16::from_le_bytes([superblock[at], superblock[at + 1]]);
    let (magic, mounts) = (number(0x38), number(0x34));
    let is_never = superblock[0x2c..0x30] == [0; 4];
    (magic == MAGIC).then_some(mounts == 0 && is_never)
}
