//! A point as blocks: found through the index's layers, fetched when they are asked for.

use std::sync::Arc;

use gobag_bundle::{Volume, VolumeError, store::Base};
use gobag_format::{
    digest::Digest,
    ids::{BundleId, VolumeId},
    limits::BLOCK_LEN,
    log::UnitDecoder,
    replica::{ChangePack, HeadLayer, IndexRun, Kind, ReplicaError, ReplicaHead, ReplicaKeys, Target},
    sign::VerifyingKey,
};
use quick_cache::{Weighter, sync::Cache};

use crate::{
    error::ReadError,
    parts::{Parts, fetch},
    remote::{Archive, StoredPoint},
};

const BLOCK: u64 = BLOCK_LEN as u64;
/// Bytes a pack is expected to have, for the cache's tables.
const USUAL_PACK: u64 = 1 << 20;

/// One point of a replica, opened.
pub struct View<R> {
    remote: R,
    keys: ReplicaKeys,
    head: ReplicaHead,
    parts: Parts,
    packs: Cache<Digest, Arc<ChangePack>, ByBytes>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, Arc<ChangePack>> for ByBytes {
    fn weight(&self, _id: &Digest, pack: &Arc<ChangePack>) -> u64 {
        pack.memory_bytes() as u64
    }
}

impl<R: Archive> View<R> {
    /// Opens a point of `bundle`, signed by `stick` where its key is known; at most about `cache_bytes` of packs are kept in
    /// memory.
    pub fn open(
        remote: R,
        keys: ReplicaKeys,
        bundle: BundleId,
        stick: Option<&VerifyingKey>,
        point: &StoredPoint,
        cache_bytes: u64,
    ) -> Result<Self, ReadError> {
        let head = ReplicaHead::open(&keys, bundle, stick, &point.head)?;
        let packs = (cache_bytes / USUAL_PACK).max(1) as usize;
        Ok(Self {
            remote,
            keys,
            head,
            parts: Parts::new(),
            packs: Cache::with_weighter(packs, cache_bytes, ByBytes),
        })
    }

    /// Where it is read from.
    pub fn remote(&self) -> &R {
        &self.remote
    }

    /// What the point says of itself.
    pub fn head(&self) -> &ReplicaHead {
        &self.head
    }

    /// Where all its blocks are, in order; of what is not mentioned, nothing was ever sent: it is the base's.
    pub fn runs(&self) -> impl Iterator<Item = Result<IndexRun, ReadError>> + '_ {
        self.parts.overlaid(&self.remote, &self.keys, &self.head.layers)
    }

    /// Where a block is, and how many from it on are in the same place or nowhere else said.
    fn locate(&self, volume: VolumeId, block: u64) -> Result<(Target, u64), ReadError> {
        let mut alike = u64::MAX;
        for layer in &self.head.layers {
            match self.locate_in(layer, volume, block)? {
                (Some(target), blocks) => return Ok((target, alike.min(blocks))),
                (None, blocks) => alike = alike.min(blocks),
            }
        }
        Ok((Target::Base, alike))
    }

    /// What one layer says of a block, and of how many from it on.
    fn locate_in(
        &self,
        layer: &HeadLayer,
        volume: VolumeId,
        block: u64,
    ) -> Result<(Option<Target>, u64), ReadError> {
        let place = (volume, block);
        let upto = layer
            .parts
            .partition_point(|part| (part.volume, part.first_block) <= place);
        let until = |next: Option<(VolumeId, u64)>| match next {
            Some((of, first)) if of == volume => first - block,
            _ => u64::MAX,
        };
        let next = layer.parts.get(upto).map(|part| (part.volume, part.first_block));
        let Some(part) = upto.checked_sub(1).and_then(|nth| layer.parts.get(nth)) else {
            return Ok((None, until(next)));
        };
        let part = self.parts.get(&self.remote, &self.keys, part.id)?;
        let upto = part
            .runs
            .partition_point(|run| (run.volume, run.first_block) <= place);
        let run = upto.checked_sub(1).and_then(|nth| part.runs.get(nth));
        match run {
            Some(run) if run.volume == volume && block < run.end() => {
                Ok((Some(run.target), run.end() - block))
            }
            _ => {
                let next = part
                    .runs
                    .get(upto)
                    .map(|run| (run.volume, run.first_block))
                    .or(next);
                Ok((None, until(next)))
            }
        }
    }

    /// A pack, fetched or from memory.
    pub(crate) fn pack(&self, id: Digest) -> Result<Arc<ChangePack>, ReadError> {
        if let Some(pack) = self.packs.get(&id) {
            return Ok(pack);
        }
        let plain = self.keys.open(Kind::Pack, fetch(&self.remote, id)?)?;
        let pack = Arc::new(ChangePack::decode(plain)?);
        self.packs.insert(id, Arc::clone(&pack));
        Ok(pack)
    }

    /// Fills `out`, whole blocks of a volume from `first` on; where the base counts, `base` is asked.
    fn read(
        &self,
        volume: VolumeId,
        first: u64,
        out: &mut [u8],
        mut base: impl FnMut(u64, &mut [u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut decoder = UnitDecoder::new();
        let (mut block, mut rest) = (first, out);
        while !rest.is_empty() {
            let (target, alike) = self.locate(volume, block)?;
            let blocks = alike.min((rest.len() / BLOCK_LEN) as u64);
            let (now, later) = rest.split_at_mut(blocks as usize * BLOCK_LEN);
            match target {
                Target::Zero => now.fill(0),
                Target::Base => base(block, now)?,
                Target::Pack(id) => read_pack(&*self.pack(id)?, &mut decoder, volume, block, now)?,
            }
            (block, rest) = (block + blocks, later);
        }
        Ok(())
    }
}

/// Copies blocks out of a pack that has to have them all.
pub(crate) fn read_pack(
    pack: &ChangePack,
    decoder: &mut UnitDecoder,
    volume: VolumeId,
    first: u64,
    out: &mut [u8],
) -> Result<(), ReadError> {
    let (mut block, mut rest) = (first, out);
    while !rest.is_empty() {
        let unit = pack.find(volume, block).ok_or(ReplicaError::Damaged)?;
        let data = decoder
            .decode(pack.payload(unit))
            .map_err(|_| ReplicaError::Damaged)?;
        let from = (block - unit.first_block) as usize * BLOCK_LEN;
        let data = data
            .get(from..usize::from(unit.blocks) * BLOCK_LEN)
            .ok_or(ReplicaError::Damaged)?;
        let (now, later) = rest.split_at_mut(data.len().min(rest.len()));
        now.copy_from_slice(&data[..now.len()]);
        (block, rest) = (block + (now.len() / BLOCK_LEN) as u64, later);
    }
    Ok(())
}

/// A volume of a point, to be served as it is; what was not looked at before comes over the network.
pub struct ReplicaVolume<R> {
    view: Arc<View<R>>,
    id: VolumeId,
    size_bytes: u64,
    base: Option<Arc<dyn Base>>,
}

impl<R: Archive> ReplicaVolume<R> {
    /// The volume `id` of a point, over `base`; `None` if the point has no such volume.
    pub fn new(view: Arc<View<R>>, id: VolumeId, base: Option<Arc<dyn Base>>) -> Option<Self> {
        let volume = view.head.volumes.iter().find(|volume| volume.id == id)?;
        let size_bytes = volume.size_bytes;
        Some(Self {
            view,
            id,
            size_bytes,
            base,
        })
    }
}

impl<R: Archive + Send> Volume for ReplicaVolume<R> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let len = buffer.len() as u64;
        if offset.checked_add(len).is_none_or(|end| end > self.size_bytes) {
            return Err(VolumeError::OutOfRange {
                offset,
                len,
                size: self.size_bytes,
            });
        }
        let first = offset / BLOCK;
        let blocks = (offset + len).div_ceil(BLOCK) - first;
        let mut whole = gobag_format::wiped::Wiped::new(vec![0; (blocks * BLOCK) as usize]);
        let base = |block: u64, out: &mut [u8]| match &self.base {
            Some(base) => base.read_at(block * BLOCK, out).map_err(ReadError::Write),
            None => {
                out.fill(0);
                Ok(())
            }
        };
        self.view
            .read(self.id, first, &mut whole, base)
            .map_err(volume_error)?;
        let skip = (offset - first * BLOCK) as usize;
        buffer.copy_from_slice(&whole[skip..skip + buffer.len()]);
        Ok(())
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<(), VolumeError> {
        Err(VolumeError::ReadOnly)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, _offset: u64, _len: u64) -> Result<(), VolumeError> {
        Err(VolumeError::ReadOnly)
    }
}

fn volume_error(error: ReadError) -> VolumeError {
    match error {
        ReadError::Write(error) => error,
        ReadError::Remote(error) => VolumeError::Medium(std::io::Error::other(error)),
        other => VolumeError::Damaged {
            what: other.to_string(),
        },
    }
}
