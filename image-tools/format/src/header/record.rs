//! What a header keeps secret: images, volumes, log geometry and whom to trust.
//!
//! JSON, with unknown fields carried along, so that an older program that rewrites the header (a new
//! passphrase) loses nothing that a newer one put there.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::HeaderError;
use crate::{
    crypto::{Key, TAG_LEN},
    digest::Digest,
    ids::{ImageId, OrgId, VolumeId},
    limits::{
        BLOCK_LEN, MAX_CHECKPOINT_LEN, MAX_HEADER_RECORD_LEN, MAX_IMAGES, MAX_SEGMENTS, MAX_VOLUME_LEN,
        MAX_VOLUMES, SEGMENT_LEN,
    },
    sign::VerifyingKey,
};

/// The sealed part of a header.
#[derive(Clone, Serialize, Deserialize)]
pub struct HeaderRecord {
    /// The organisation that made the stick.
    pub org: OrgId,
    /// Its name, for people.
    pub org_name: String,
    /// Key that every manifest must be signed with.
    pub publisher: VerifyingKey,
    /// Whom the stick was made for.
    pub user: String,
    /// When it was made, seconds since 1970 UTC.
    pub created_s: u64,
    /// Images on the stick; the first is started when none is named.
    pub images: Vec<ImageRecord>,
    /// Volumes that can be written.
    pub volumes: Vec<VolumeRecord>,
    /// Shape of the log.
    pub log: LogGeometry,
    /// Number of the escrow file in force, if any.
    #[serde(default)]
    pub escrow: Option<u32>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: serde_json::Map<String, serde_json::Value>,
}

/// One version of an image on the stick.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The version's id; names its files.
    pub id: ImageId,
    /// Name IT gave.
    pub name: String,
    /// Version number; a manifest with a lower one is refused.
    pub version: u64,
    /// Digest of the manifest file.
    pub manifest: Digest,
    /// Opens the manifest.
    pub image_key: Key,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: serde_json::Map<String, serde_json::Value>,
}

/// A volume that can be written: its changes are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// The number its log records carry.
    pub id: VolumeId,
    /// What it is for.
    pub role: VolumeRole,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: serde_json::Map<String, serde_json::Value>,
}

/// What a writable volume is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeRole {
    /// Changes over the base volume `volume` of image version `image`.
    System {
        /// The base's image version.
        image: ImageId,
        /// Position of the base among the image's volumes.
        volume: u8,
    },
    /// The user's own data; outlives every image version.
    Home,
}

/// Shape of the log; fixed at provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGeometry {
    /// Number of segment files.
    pub segments: u16,
    /// Bytes of each; a power of two.
    pub segment_len: u32,
    /// Number of checkpoint areas.
    pub checkpoints: u8,
    /// Bytes of each.
    pub checkpoint_len: u64,
    /// Most blocks that changes may occupy.
    pub quota_blocks: u64,
}

impl LogGeometry {
    /// Fewest segments a log works with: one being filled, four in reserve, the rest to clean.
    pub const MIN_SEGMENTS: u16 = 8;
    /// Smallest segment: a whole unit must fit beside head and record header. Tests use it.
    pub const MIN_SEGMENT_LEN: u32 = 128 * 1024;

    /// Plans a log that can hold `blocks` changed blocks of volumes that have `volume_blocks` altogether.
    ///
    /// A quarter more than the blocks keeps cleaning cheap; six segments are the reserve that cleaning needs
    /// to make progress. A checkpoint takes at most [`LogGeometry::checkpoint_bytes`], whatever was written; there is
    /// room for the dirty maps of four replicas.
    pub fn plan(blocks: u64, volume_blocks: u64, segment_len: u32) -> Self {
        let per_segment = u64::from(segment_len) * 96 / 100 / BLOCK_LEN as u64;
        let segments = (blocks * 5 / 4).div_ceil(per_segment) + 6;
        let segments = segments.clamp(u64::from(Self::MIN_SEGMENTS), MAX_SEGMENTS as u64) as u16;
        let bytes = Self::checkpoint_bytes(segments, volume_blocks, 4 * volume_blocks.div_ceil(8));
        Self {
            segments,
            segment_len,
            checkpoints: 3,
            // No area is shorter than an erase block, so that one damaged block never meets all three.
            checkpoint_len: bytes.next_multiple_of(1 << 16).max(8 << 20),
            // More than the segments hold only where a log of the longest kind is too short for what was asked.
            quota_blocks: blocks.min(u64::from(segments) * per_segment),
        }
    }

    /// Most bytes a checkpoint takes of volumes that have `volume_blocks` altogether, beside `map_bytes` of dirty maps:
    /// 4,110 a leaf of 512 blocks.
    pub fn checkpoint_bytes(segments: u16, volume_blocks: u64, map_bytes: u64) -> u64 {
        let leaves = volume_blocks.div_ceil(512) + 64;
        64 * 1024 + leaves * 4110 + u64::from(segments) * 64 + map_bytes
    }

    fn is_sane(&self) -> bool {
        (Self::MIN_SEGMENTS..=MAX_SEGMENTS as u16).contains(&self.segments)
            && self.segment_len.is_power_of_two()
            && (u64::from(Self::MIN_SEGMENT_LEN)..=SEGMENT_LEN).contains(&u64::from(self.segment_len))
            && (2..=8).contains(&self.checkpoints)
            && (64 * 1024..=MAX_CHECKPOINT_LEN).contains(&self.checkpoint_len)
            && self.quota_blocks <= u64::from(self.segments) * u64::from(self.segment_len) / BLOCK_LEN as u64
    }
}

impl HeaderRecord {
    /// The record as it is sealed.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, HeaderError> {
        // As long as it may get once sealed: growing would leave copies of the keys behind.
        let mut json = Zeroizing::new(Vec::with_capacity(MAX_HEADER_RECORD_LEN + TAG_LEN));
        serde_json::to_writer(&mut *json, self).map_err(|error| HeaderError::MalformedRecord {
            reason: error.to_string(),
        })?;
        if json.len() > MAX_HEADER_RECORD_LEN {
            return Err(HeaderError::RecordTooLarge { len: json.len() });
        }
        Ok(json)
    }

    /// Reads an opened record; refuses what no bundle of this version holds. [`super::HeaderSlot::open`] is the way
    /// here: a record that did not come out of its seal is nobody's.
    pub fn from_json(json: &[u8]) -> Result<Self, HeaderError> {
        let malformed = |reason: &str| HeaderError::MalformedRecord {
            reason: reason.to_owned(),
        };
        let record: Self = serde_json::from_slice(json).map_err(|error| malformed(&error.to_string()))?;
        if record.images.len() > MAX_IMAGES || record.volumes.len() > MAX_VOLUMES {
            return Err(malformed("too many images or volumes"));
        }
        if record
            .volumes
            .iter()
            .any(|volume| volume.size_bytes > MAX_VOLUME_LEN)
        {
            return Err(malformed("a volume is larger than the limit"));
        }
        let ids: HashSet<VolumeId> = record.volumes.iter().map(|volume| volume.id).collect();
        if ids.len() != record.volumes.len() {
            return Err(malformed("two volumes have the same number"));
        }
        if !record.log.is_sane() {
            return Err(malformed("the log's geometry is out of bounds"));
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_later_versions_are_written_as_they_were_read() {
        // The last was found by fuzzing: read a little wrong, it became another number with every rewriting.
        for number in [
            "0.1",
            "18446744073709551615",
            "-9223372036854775808",
            "1011111110041111111111",
        ] {
            let json = format!(
                r#"{{"org":"01010101010101010101010101010101","org_name":"Example",
                "publisher":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","user":"alice","created_s":1,"images":[],
                "volumes":[],"log":{{"segments":17,"segment_len":131072,"checkpoints":3,"checkpoint_len":393216,
                "quota_blocks":256}},"escrow":null,"later":{number}}}"#
            );
            let once = HeaderRecord::from_json(json.as_bytes()).unwrap();
            let written = once.to_json().unwrap();
            let twice = HeaderRecord::from_json(&written).unwrap();
            assert_eq!(once.later, twice.later, "{number}");
            assert_eq!(twice.to_json().unwrap(), written, "{number}");
        }
    }
}
