//! Heads: what one point of a stick's volumes consists of.

use serde::{Deserialize, Serialize};

use crate::{
    digest::{DIGEST_LEN, Digest},
    header::{LogGeometry, VolumeRole},
    ids::{BundleId, ImageId, PointId, VolumeId},
    limits::{MAX_IMAGES, MAX_REPLICA_LAYERS, MAX_VOLUME_LEN, MAX_VOLUMES},
    memory::Moment,
    sign::{SigningKey, VerifyingKey},
};

use super::{Kind, ReplicaError, ReplicaKeys};

/// The format this program writes.
const FORMAT: u32 = 1;
/// What a head's signature is for.
const DOMAIN: &str = "replica head";
/// Stands for the id of an escrow file where there is none.
const NO_ESCROW: Digest = Digest([0; DIGEST_LEN]);

/// One point. JSON; fields of later versions are ignored, a later `format` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaHead {
    /// Version of all objects this head leads to.
    pub format: u32,
    /// The stick it is of.
    pub bundle: BundleId,
    /// Whom the stick was made for.
    pub user: String,
    /// The attempt that made it.
    pub point: PointId,
    /// Whether every volume is as it was at `moment`; else the point is a step on the way to one that is.
    pub complete: bool,
    /// Whether this point or one before it is complete: the first copy is done.
    #[serde(default)]
    pub copied: bool,
    /// The moment of the stick's history that it shows.
    pub moment: Moment,
    /// When that was by the stick's clock, seconds since 1970 UTC.
    pub taken_s: u64,
    /// The volumes.
    pub volumes: Vec<HeadVolume>,
    /// What lies below the system volumes: images on the stick, by id, with name and version.
    pub images: Vec<HeadImage>,
    /// Shape of the stick's log, for a stick that takes its place.
    pub log: LogGeometry,
    /// The escrow file, an object of the server; none if the stick has none. It also stands in front of what is
    /// sealed, for it leads to the key.
    #[serde(default)]
    pub escrow: Option<Digest>,
    /// The index, newest layer first: of a block the first layer that speaks of it counts.
    pub layers: Vec<HeadLayer>,
}

/// A volume of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadVolume {
    /// Its number on the stick.
    pub id: VolumeId,
    /// What it is for.
    pub role: VolumeRole,
    /// Size, bytes.
    pub size_bytes: u64,
}

/// An image of the stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadImage {
    /// The version's id.
    pub id: ImageId,
    /// Name IT gave.
    pub name: String,
    /// Version number.
    pub version: u64,
}

/// A layer of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadLayer {
    /// Runs in all its parts.
    pub runs: u64,
    /// Its parts, in order of blocks.
    pub parts: Vec<HeadPart>,
}

/// A part of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadPart {
    /// The object.
    pub id: Digest,
    /// The first block it speaks of.
    pub volume: VolumeId,
    /// See `volume`.
    pub first_block: u64,
}

impl ReplicaHead {
    /// The version this program writes.
    pub fn format() -> u32 {
        FORMAT
    }

    /// The point's head: the escrow file's id (zeros for none), then the rest, signed by the stick and sealed.
    pub fn seal(&self, keys: &ReplicaKeys, stick: &SigningKey) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a head is plain data");
        let mut signed = stick.sign(DOMAIN, &json).to_vec();
        signed.extend_from_slice(&json);
        let mut out = self.escrow.unwrap_or(NO_ESCROW).0.to_vec();
        out.append(&mut keys.seal(Kind::Head, self.point, &signed));
        out
    }

    /// The object by which IT comes to the key of a head, before it is opened; nobody vouches for it yet.
    pub fn escrow_of(head: &[u8]) -> Option<Digest> {
        let escrow = Digest(*head.first_chunk()?);
        (escrow != NO_ESCROW).then_some(escrow)
    }

    /// Opens the head of a point of `bundle`. Whoever has the escrow's public half could have made keys of their own and a
    /// head under them: only the `stick`'s signature says that it is the stick's. The stick itself needs none.
    pub fn open(
        keys: &ReplicaKeys,
        bundle: BundleId,
        stick: Option<&VerifyingKey>,
        head: &[u8],
    ) -> Result<Self, ReplicaError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let sealed = head.get(DIGEST_LEN..).ok_or(ReplicaError::Damaged)?;
        let signed = keys.open(Kind::Head, sealed.to_vec())?;
        let (signature, json) = signed.split_first_chunk().ok_or(ReplicaError::Damaged)?;
        if stick.is_some_and(|stick| !stick.verifies(DOMAIN, json, signature)) {
            return Err(ReplicaError::NotTheStick);
        }
        let version: Version = serde_json::from_slice(json).map_err(|_| ReplicaError::Damaged)?;
        if version.format > FORMAT {
            return Err(ReplicaError::Newer);
        }
        let opened: Self = serde_json::from_slice(json).map_err(|_| ReplicaError::Damaged)?;
        if opened.bundle == bundle && opened.escrow == Self::escrow_of(head) && opened.is_sane() {
            Ok(opened)
        } else {
            Err(ReplicaError::Damaged)
        }
    }

    fn is_sane(&self) -> bool {
        let ordered = |layer: &HeadLayer| {
            let places = || layer.parts.iter().map(|part| (part.volume, part.first_block));
            places().zip(places().skip(1)).all(|(one, next)| one < next)
        };
        self.volumes.len() <= MAX_VOLUMES
            && self.images.len() <= MAX_IMAGES
            && self.layers.len() <= MAX_REPLICA_LAYERS
            && self
                .volumes
                .iter()
                .all(|volume| volume.size_bytes <= MAX_VOLUME_LEN)
            && self.layers.iter().all(ordered)
    }
}
