//! Writing and loading checkpoints.
//!
//! A checkpoint goes into the area whose content is oldest, never over the newest whole one; it is flushed
//! and read back before it counts. Areas rotate, so two older ones stay; where one fails for good, the others
//! go on. What is written is made piece by piece and compared by its hash, so a checkpoint of any size takes no
//! memory of its own, and the index can be read meanwhile. A segment emptied by cleaning is
//! named as resting in the next checkpoint and as free in the one after: while it can be overwritten, no
//! checkpoint that anyone would still load refers to it.

use std::collections::HashSet;

use gobag_format::{
    checkpoint::{
        CHECKPOINT_HEAD_LEN, Checkpoint, CheckpointCipher, CheckpointHead, PIECE_LEN, SEALED_PIECE_LEN,
        VolumeMap, area_bytes,
    },
    crypto::{Key, TAG_LEN, random_bytes},
    header::LogGeometry,
    wiped::Wiped,
};

use super::{Log, StoreError, lock, writer::Writer};
use crate::medium::{FileRef, Medium};

impl Log {
    /// Records index and position.
    pub(super) fn checkpoint(&self, writer: &mut Writer) -> Result<(), StoreError> {
        self.ensure_same(writer)?;
        let mut free: Vec<u16> = writer.free.iter().copied().collect();
        free.extend(&writer.resting);
        // Before the maps are written: what is doubted meanwhile may not be in them.
        let doubts = self.read_state().doubts;
        let mut failed = None;
        for area in writer.areas_but_newest() {
            // One that failed may be whole on the medium all the same: its number must not come again.
            writer.generation += 1;
            writer.areas[usize::from(area)] = 0;
            match self.write_area(area, writer, free.clone()) {
                Ok(bytes) => {
                    writer.checkpoint_bytes = bytes;
                    writer.areas[usize::from(area)] = writer.generation;
                    writer.free = free.into();
                    writer.resting = std::mem::take(&mut writer.cleaned);
                    writer.bytes_since_checkpoint = 0;
                    writer.bytes_confirmed = 0;
                    writer.doubts_kept = [doubts, writer.doubts_kept[0]];
                    return Ok(());
                }
                Err(error) => failed = Some(error),
            }
        }
        writer.suspect = true;
        Err(failed.unwrap_or(StoreError::NoCheckpoint {
            areas: self.geometry.checkpoints,
        }))
    }

    /// Whether the medium reads a checkpoint's head: not what the system remembers of it, for that is there without a medium, too.
    pub(super) fn medium_answers(&self) -> bool {
        let answers = |area| {
            let forgotten = self.medium.forget_cached(FileRef::Checkpoint(area));
            forgotten.is_ok() && matches!(read_head(&*self.medium, &self.checkpoint_key, area), Ok(Some(_)))
        };
        (0..self.geometry.checkpoints).any(answers)
    }

    /// The part of a checkpoint before the volumes.
    fn front(&self, writer: &Writer, free: Vec<u16>) -> Wiped {
        let state = self.read_state();
        let checkpoint = Checkpoint {
            generation: writer.generation,
            closed: writer.must_roll,
            clock_s: (self.clock)(),
            position: writer.position,
            next_incarnation: writer.next_incarnation,
            next_batch: writer.next_batch,
            segments: state
                .uses
                .iter()
                .map(|open| open.as_ref().map(|open| open.current))
                .collect(),
            free,
            resting: writer.cleaned.clone(),
            dirty: state.unconfirmed(),
        };
        let mut front = Wiped::new(Vec::new());
        checkpoint.encode(state.volumes.len(), &mut front);
        front
    }

    /// Hands the volumes' part of a checkpoint to `take`, a leaf or so at a time, in a buffer that it may empty. The
    /// index is changed only by the writer, so each call gives the same.
    fn volumes(
        &self,
        mut take: impl FnMut(&mut Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut out = Vec::new();
        let volumes = self.read_state().volumes.len();
        for volume in 0..volumes {
            let leaves = {
                let index = &self.read_state().volumes[volume];
                Checkpoint::encode_volume_head(index.volume, index.size_bytes, index.used_leaves(), &mut out);
                index.leaf_count()
            };
            for leaf in 0..leaves {
                // Not locked while `take` waits for the medium: reads go on.
                self.read_state().volumes[volume].encode_leaf(leaf, &mut out);
                if !out.is_empty() {
                    take(&mut out)?;
                }
            }
        }
        if out.is_empty() { Ok(()) } else { take(&mut out) }
    }

    /// Writes a checkpoint and reads it back; returns its length.
    fn write_area(&self, area: u8, writer: &Writer, free: Vec<u16>) -> Result<u64, StoreError> {
        let file = FileRef::Checkpoint(area);
        let generation = writer.generation;
        let front = self.front(writer, free);
        let mut body_len = front.len() as u64;
        self.volumes(|part| {
            body_len += part.len() as u64;
            part.clear();
            Ok(())
        })?;
        if area_bytes(body_len) > self.geometry.checkpoint_len {
            return Err(StoreError::Full);
        }
        let salt = random_bytes(&*self.random);
        lock(&self.known).insert(salt);
        let cipher = CheckpointCipher::new(&self.checkpoint_key, area, &salt);
        let head = cipher.seal_head(&salt, &CheckpointHead { generation, body_len });
        let write = |offset, data: &[u8]| {
            self.medium
                .write_at(file, offset, data)
                .map_err(StoreError::medium("write", file))
        };
        write(0, &head)?;
        let (mut at, mut nth, mut hasher) = (CHECKPOINT_HEAD_LEN as u64, 0, blake3::Hasher::new());
        let mut seal = |piece: &[u8]| {
            hasher.update(piece);
            let mut sealed = Vec::with_capacity(SEALED_PIECE_LEN);
            sealed.extend_from_slice(piece);
            cipher.seal_piece(nth, &mut sealed, 0);
            write(at, &sealed)?;
            at += sealed.len() as u64;
            nth += 1;
            Ok::<_, StoreError>(())
        };
        let mut body = front;
        self.volumes(|part| {
            body.append(part);
            while body.len() >= PIECE_LEN {
                seal(&body[..PIECE_LEN])?;
                body.drain(..PIECE_LEN);
            }
            Ok(())
        })?;
        if !body.is_empty() {
            seal(&body)?;
        }
        let written = hasher.finalize();
        self.medium
            .flush(file)
            .map_err(StoreError::medium("flush", file))?;
        self.medium
            .forget_cached(file)
            .map_err(StoreError::medium("read", file))?;
        let mut hasher = blake3::Hasher::new();
        let back = read_area(
            &*self.medium,
            &self.checkpoint_key,
            &self.geometry,
            area,
            |piece| {
                hasher.update(piece);
            },
        )?;
        let same = back.is_some_and(|back| (back.generation, back.body_len) == (generation, body_len));
        if same && hasher.finalize() == written {
            Ok(area_bytes(body_len))
        } else {
            Err(StoreError::Damaged {
                what: file.to_string(),
            })
        }
    }
}

impl Writer {
    /// The areas that may be overwritten, in order: those that do not open, then the oldest first.
    fn areas_but_newest(&self) -> Vec<u8> {
        let newest = self.areas.iter().copied().max().unwrap_or(0);
        let mut areas: Vec<_> = (0u8..).zip(self.areas.iter().copied()).collect();
        areas.retain(|(_, generation)| *generation < newest || newest == 0);
        areas.sort_by_key(|(_, generation)| *generation);
        areas.into_iter().map(|(area, _)| area).collect()
    }
}

/// The newest whole checkpoint, and the generation of each area (0 where it does not open).
pub(super) struct Loaded {
    pub(super) checkpoint: Checkpoint,
    pub(super) volumes: Vec<VolumeMap>,
    pub(super) areas: Vec<u64>,
    /// No checkpoint has a higher generation, also none that could not be read.
    pub(super) generation: u64,
    /// Salts of all areas whose heads open.
    pub(super) salts: HashSet<Salt>,
    /// A newer checkpoint was begun or damaged.
    pub(super) fell_back: bool,
}

pub(super) type Salt = [u8; 32];

/// More generations than areas that cannot be read may be ahead of those that can.
const GENERATIONS_UNSEEN: u64 = 1 << 20;

/// Finds the newest checkpoint that opens and decodes. An area that cannot be read is like one that is
/// damaged, unless there is no other.
pub(super) fn load(medium: &dyn Medium, key: &Key, geometry: &LogGeometry) -> Result<Loaded, StoreError> {
    let (mut heads, mut salts, mut failed) = (Vec::new(), HashSet::new(), None);
    for area in 0..geometry.checkpoints {
        let head = read_head(medium, key, area).unwrap_or_else(|error| {
            failed = Some(error);
            None
        });
        salts.extend(head.as_ref().map(|head| head.salt));
        heads.push((head.map_or(0, |head| head.head.generation), area));
    }
    let mut areas: Vec<u64> = heads.iter().map(|(generation, _)| *generation).collect();
    heads.sort_unstable_by(|a, b| b.cmp(a));
    let newest = heads.first().map_or(0, |(generation, _)| *generation);
    let mut fell_back = areas.contains(&0);
    for (generation, area) in heads.into_iter().filter(|(generation, _)| *generation > 0) {
        let mut body = Wiped::new(Vec::new());
        let whole = read_area(medium, key, geometry, area, |piece| {
            body.extend_from_slice(piece);
        });
        let whole = whole.unwrap_or_else(|error| {
            failed = Some(error);
            None
        });
        let decoded = whole.and_then(|_| Checkpoint::decode(&body, geometry.segment_len).ok());
        match decoded {
            Some((checkpoint, volumes)) if checkpoint.generation == generation => {
                let unseen = if failed.is_some() { GENERATIONS_UNSEEN } else { 0 };
                return Ok(Loaded {
                    checkpoint,
                    volumes,
                    areas,
                    generation: newest + unseen,
                    salts,
                    fell_back,
                });
            }
            _ => {
                areas[usize::from(area)] = 0;
                fell_back = true;
            }
        }
    }
    Err(failed.unwrap_or(StoreError::NoCheckpoint {
        areas: geometry.checkpoints,
    }))
}

/// An area's head that opens.
pub(super) struct AreaHead {
    cipher: CheckpointCipher,
    pub(super) head: CheckpointHead,
    pub(super) salt: Salt,
}

/// Reads the head of an area; `None` when it does not open.
pub(super) fn read_head(medium: &dyn Medium, key: &Key, area: u8) -> Result<Option<AreaHead>, StoreError> {
    let file = FileRef::Checkpoint(area);
    let mut bytes = vec![0; CHECKPOINT_HEAD_LEN];
    match medium.read_at(file, 0, &mut bytes) {
        Ok(()) => {}
        Err(error) if is_damage(&error) => return Ok(None),
        Err(error) => return Err(StoreError::medium("read", file)(error)),
    }
    let opened = CheckpointCipher::open_head(key, area, &bytes).ok();
    Ok(opened.and_then(|(cipher, head)| {
        let salt = *bytes.first_chunk()?;
        Some(AreaHead { cipher, head, salt })
    }))
}

/// Reads and opens a whole area, handing its body to `take` piece by piece; `None` when it is torn, damaged or was
/// never written.
fn read_area(
    medium: &dyn Medium,
    key: &Key,
    geometry: &LogGeometry,
    area: u8,
    mut take: impl FnMut(&[u8]),
) -> Result<Option<CheckpointHead>, StoreError> {
    let Some(AreaHead { cipher, head, .. }) = read_head(medium, key, area)? else {
        return Ok(None);
    };
    if area_bytes(head.body_len) > geometry.checkpoint_len {
        return Ok(None);
    }
    let file = FileRef::Checkpoint(area);
    let mut piece = Wiped::new(vec![0; SEALED_PIECE_LEN]);
    let mut at = CHECKPOINT_HEAD_LEN as u64;
    for nth in 0..head.body_len.div_ceil(PIECE_LEN as u64) {
        let len = PIECE_LEN.min((head.body_len - nth * PIECE_LEN as u64) as usize) + TAG_LEN;
        match medium.read_at(file, at, &mut piece[..len]) {
            Ok(()) => {}
            Err(error) if is_damage(&error) => return Ok(None),
            Err(error) => return Err(StoreError::medium("read", file)(error)),
        }
        let Ok(plain) = cipher.open_piece(nth, &mut piece[..len]) else {
            return Ok(None);
        };
        take(plain);
        at += len as u64;
    }
    Ok(Some(head))
}

/// Whether a read error speaks of this file rather than of a medium that is gone: a file cut short or
/// missing is damage, which another area may make good.
fn is_damage(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound
    )
}
