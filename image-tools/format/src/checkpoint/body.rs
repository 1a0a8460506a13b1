//! The body of a checkpoint: position in the log, segments, index leaves, dirty maps.

use super::{
    check::{CheckpointError, check},
    dirty::DirtyMap,
    leaf::Leaf,
};
use crate::{
    ids::VolumeId,
    limits::{BLOCK_LEN, MAX_SEGMENTS, MAX_VOLUME_LEN, MAX_VOLUMES},
    log::{ChainTag, Place},
    reader::{Malformed, Reader},
};

/// Blocks in one leaf of the index: 2 MiB of a volume.
pub const LEAF_BLOCKS: usize = 512;
const MAX_DIRTY_MAPS: usize = 256;
const KIND_WORDS: u8 = 0;
const KIND_RUNS: u8 = 1;
const KIND_ZERO: u8 = 2;
const RUN_LEN: usize = 2 + 2 + 8;

/// Everything a checkpoint records, apart from the index leaves, which are passed beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Rises with each checkpoint.
    pub generation: u64,
    /// Whether the segment at `position` will not be continued: the next record begins another.
    pub closed: bool,
    /// When it was written, seconds since 1970 UTC.
    pub clock_s: u64,
    /// Where the log ended.
    pub position: Position,
    /// Number for the next use of a segment.
    pub next_incarnation: u64,
    /// Number for the next batch.
    pub next_batch: u64,
    /// Each segment's current use, by number; `None` when its content does not count.
    pub segments: Vec<Option<SegmentUse>>,
    /// Segments to use next, in this order.
    pub free: Vec<u16>,
    /// Segments that the checkpoint before still refers to; free once this one is followed by another.
    pub resting: Vec<u16>,
    /// What has to reach replicas.
    pub dirty: Vec<DirtyMap>,
}

/// A place in the log: the next record goes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Segment and its use; `None` before the first.
    pub segment: Option<(u16, u64)>,
    /// Byte in that segment.
    pub offset: u32,
    /// Sequence number of the last record that counts; 0 before the first.
    pub seq: u64,
    /// Its tag.
    pub tag: ChainTag,
}

/// One use of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentUse {
    /// Its number among all uses.
    pub incarnation: u64,
    /// The salt its key is derived from.
    pub salt: [u8; 32],
}

/// A leaf of the index as it is encoded.
#[derive(Debug, Clone, Copy)]
pub enum LeafRef<'a> {
    /// Every block reads as zero.
    Zero,
    /// One packed [`Place`] a block.
    Words(&'a [u64; LEAF_BLOCKS]),
}

/// A volume's decoded index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMap {
    /// The volume.
    pub volume: VolumeId,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Leaves that are not all [`Place::Base`], by number.
    pub leaves: Vec<(u32, Leaf)>,
}

impl Checkpoint {
    /// Encodes everything but the volumes; [`Checkpoint::encode_volume`] follows for each, in order.
    pub fn encode(&self, volumes: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.push(self.closed.into());
        out.extend_from_slice(&self.clock_s.to_le_bytes());
        let (segment, incarnation) = self.position.segment.unwrap_or((u16::MAX, 0));
        out.extend_from_slice(&segment.to_le_bytes());
        out.extend_from_slice(&incarnation.to_le_bytes());
        out.extend_from_slice(&self.position.offset.to_le_bytes());
        out.extend_from_slice(&self.position.seq.to_le_bytes());
        out.extend_from_slice(&self.position.tag);
        out.extend_from_slice(&self.next_incarnation.to_le_bytes());
        out.extend_from_slice(&self.next_batch.to_le_bytes());
        out.extend_from_slice(&(self.segments.len() as u16).to_le_bytes());
        for segment in &self.segments {
            out.push(segment.is_some().into());
            if let Some(current) = segment {
                out.extend_from_slice(&current.incarnation.to_le_bytes());
                out.extend_from_slice(&current.salt);
            }
        }
        for list in [&self.free, &self.resting] {
            out.extend_from_slice(&(list.len() as u16).to_le_bytes());
            list.iter()
                .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        }
        out.extend_from_slice(&(self.dirty.len() as u16).to_le_bytes());
        for map in &self.dirty {
            out.push(map.replica);
            out.push(map.volume.0);
            out.extend_from_slice(&(map.bits.len() as u32).to_le_bytes());
            out.extend_from_slice(&map.bits);
        }
        out.push(volumes as u8);
    }

    /// Encodes one volume's index.
    pub fn encode_volume<'a>(
        volume: VolumeId,
        size_bytes: u64,
        leaves: impl ExactSizeIterator<Item = (u32, LeafRef<'a>)>,
        out: &mut Vec<u8>,
    ) {
        Self::encode_volume_head(volume, size_bytes, leaves.len() as u32, out);
        leaves.for_each(|(number, leaf)| Self::encode_leaf(number, leaf, out));
    }

    /// Encodes what comes before the leaves of a volume's index.
    pub fn encode_volume_head(volume: VolumeId, size_bytes: u64, leaves: u32, out: &mut Vec<u8>) {
        out.push(volume.0);
        out.extend_from_slice(&size_bytes.to_le_bytes());
        out.extend_from_slice(&leaves.to_le_bytes());
    }

    /// Encodes leaf `number` of a volume's index.
    pub fn encode_leaf(number: u32, leaf: LeafRef<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&number.to_le_bytes());
        match leaf {
            LeafRef::Zero => out.push(KIND_ZERO),
            LeafRef::Words(words) => encode_words(words, out),
        }
    }

    /// Decodes a body and checks that it makes sense for segments of `segment_len` bytes.
    pub fn decode(body: &[u8], segment_len: u32) -> Result<(Self, Vec<VolumeMap>), CheckpointError> {
        let mut reader = Reader(body);
        let (mut checkpoint, volumes) = decode(&mut reader).map_err(|_| CheckpointError::Malformed)?;
        if !reader.0.is_empty() {
            return Err(CheckpointError::Malformed);
        }
        for map in &mut checkpoint.dirty {
            if let Some(volume) = volumes.iter().find(|volume| volume.volume == map.volume) {
                map.widen(volume.size_bytes);
            }
        }
        check(&checkpoint, &volumes, segment_len)?;
        Ok((checkpoint, volumes))
    }
}

/// Writes a leaf as words or as runs of consecutive places, whichever is shorter.
fn encode_words(words: &[u64; LEAF_BLOCKS], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(KIND_RUNS);
    out.extend_from_slice(&[0; 2]);
    let mut runs = 0u16;
    let mut at = 0;
    while at < LEAF_BLOCKS {
        let first = words[at];
        let len = run_len(&words[at..]);
        if first != Place::BASE {
            if usize::from(runs + 1) * RUN_LEN > LEAF_BLOCKS * 8 {
                out.truncate(start);
                out.push(KIND_WORDS);
                words
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
                return;
            }
            out.extend_from_slice(&(at as u16).to_le_bytes());
            out.extend_from_slice(&(len as u16).to_le_bytes());
            out.extend_from_slice(&first.to_le_bytes());
            runs += 1;
        }
        at += len;
    }
    out[start + 1..start + 3].copy_from_slice(&runs.to_le_bytes());
}

/// How many words from the first on continue it: the same for base and zero, the unit's next block else.
fn run_len(words: &[u64]) -> usize {
    let step = if Place::segment_of(words[0]).is_some() {
        Place::NEXT_BLOCK
    } else {
        0
    };
    words
        .windows(2)
        .take_while(|pair| pair[1] == pair[0].wrapping_add(step))
        .count()
        + 1
}

fn decode(reader: &mut Reader<'_>) -> Result<(Checkpoint, Vec<VolumeMap>), Malformed> {
    let generation = reader.u64()?;
    let closed = reader.u8()? != 0;
    let clock_s = reader.u64()?;
    let (segment, incarnation) = (reader.u16()?, reader.u64()?);
    let position = Position {
        segment: (segment != u16::MAX).then_some((segment, incarnation)),
        offset: reader.u32()?,
        seq: reader.u64()?,
        tag: reader.array()?,
    };
    let (next_incarnation, next_batch) = (reader.u64()?, reader.u64()?);
    let count = reader.u16()? as usize;
    if count > MAX_SEGMENTS {
        return Err(Malformed);
    }
    let segments = (0..count)
        .map(|_| decode_use(reader))
        .collect::<Result<Vec<_>, _>>()?;
    let free = decode_list(reader, count)?;
    let resting = decode_list(reader, count)?;
    let maps = reader.u16()? as usize;
    if maps > MAX_DIRTY_MAPS {
        return Err(Malformed);
    }
    let dirty = (0..maps)
        .map(|_| decode_dirty(reader))
        .collect::<Result<_, _>>()?;
    let volumes = reader.u8()? as usize;
    if volumes > MAX_VOLUMES {
        return Err(Malformed);
    }
    let volumes = (0..volumes)
        .map(|_| decode_volume(reader))
        .collect::<Result<_, _>>()?;
    let checkpoint = Checkpoint {
        generation,
        closed,
        clock_s,
        position,
        next_incarnation,
        next_batch,
        segments,
        free,
        resting,
        dirty,
    };
    Ok((checkpoint, volumes))
}

fn decode_use(reader: &mut Reader<'_>) -> Result<Option<SegmentUse>, Malformed> {
    Ok(match reader.u8()? {
        0 => None,
        _ => Some(SegmentUse {
            incarnation: reader.u64()?,
            salt: reader.array()?,
        }),
    })
}

fn decode_list(reader: &mut Reader<'_>, segments: usize) -> Result<Vec<u16>, Malformed> {
    let len = reader.u16()? as usize;
    if len > segments {
        return Err(Malformed);
    }
    let list = (0..len).map(|_| reader.u16()).collect::<Result<Vec<_>, _>>()?;
    if list.iter().all(|&number| usize::from(number) < segments) {
        Ok(list)
    } else {
        Err(Malformed)
    }
}

fn decode_dirty(reader: &mut Reader<'_>) -> Result<DirtyMap, Malformed> {
    let (replica, volume, len) = (reader.u8()?, VolumeId(reader.u8()?), reader.u32()? as usize);
    Ok(DirtyMap {
        replica,
        volume,
        bits: reader.bytes(len)?.to_vec(),
    })
}

fn decode_volume(reader: &mut Reader<'_>) -> Result<VolumeMap, Malformed> {
    let (volume, size_bytes, count) = (VolumeId(reader.u8()?), reader.u64()?, reader.u32()?);
    let most = size_bytes.div_ceil((LEAF_BLOCKS * BLOCK_LEN) as u64);
    if size_bytes > MAX_VOLUME_LEN || u64::from(count) > most {
        return Err(Malformed);
    }
    let mut leaves = Vec::new();
    for _ in 0..count {
        let number = reader.u32()?;
        if u64::from(number) >= most {
            return Err(Malformed);
        }
        leaves.push((number, decode_leaf(reader)?));
    }
    Ok(VolumeMap {
        volume,
        size_bytes,
        leaves,
    })
}

fn decode_leaf(reader: &mut Reader<'_>) -> Result<Leaf, Malformed> {
    let mut words = [Place::BASE; LEAF_BLOCKS];
    match reader.u8()? {
        KIND_ZERO => return Ok(Leaf::filled(Place::ZERO)),
        KIND_WORDS => {
            for word in words.iter_mut() {
                *word = checked(reader.u64()?)?;
            }
        }
        KIND_RUNS => {
            let mut free_from = 0;
            for _ in 0..reader.u16()? {
                let (start, len, first) = (reader.u16()? as usize, reader.u16()? as usize, reader.u64()?);
                if start < free_from || len == 0 {
                    return Err(Malformed);
                }
                free_from = start + len;
                let step = if Place::segment_of(first).is_some() {
                    Place::NEXT_BLOCK
                } else {
                    0
                };
                let run = words.get_mut(start..start + len).ok_or(Malformed)?;
                for (nth, word) in run.iter_mut().enumerate() {
                    *word = checked(first.wrapping_add(step * nth as u64))?;
                }
            }
        }
        _ => return Err(Malformed),
    }
    Ok(Leaf::from_words(&words))
}

fn checked(word: u64) -> Result<u64, Malformed> {
    Place::unpack(word).map(|_| word).ok_or(Malformed)
}
