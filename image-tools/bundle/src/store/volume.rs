//! One volume of a store, over its base.

use std::{ops::Range, sync::Arc};

use gobag_format::{ids::VolumeId, limits::BLOCK_LEN, log::Place, wiped::Wiped};
use zeroize::Zeroizing;

use super::{Buffers, Store, StoreMode, lock, pending::Hit};
use crate::{Volume, VolumeError};

const BLOCK: u64 = BLOCK_LEN as u64;

/// What lies below a volume's changes.
pub trait Base: Send + Sync {
    /// Fills `buffer` from `offset`; past the base's end it is zeros.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError>;
}

/// A volume that can be read and written; any number may share one store.
pub struct StoreVolume {
    store: Arc<Store>,
    id: VolumeId,
    size_bytes: u64,
    base: Option<Arc<dyn Base>>,
}

impl StoreVolume {
    /// The volume `id` of `store`, over `base`.
    pub fn new(store: Arc<Store>, id: VolumeId, base: Option<Arc<dyn Base>>) -> Self {
        let size_bytes = store
            .log
            .read_state()
            .volume(id)
            .map_or(0, |index| index.size_bytes);
        Self {
            store,
            id,
            size_bytes,
            base,
        }
    }

    fn check(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.size_bytes => Ok(()),
            _ => Err(VolumeError::OutOfRange {
                offset,
                len,
                size: self.size_bytes,
            }),
        }
    }

    /// Reads whole blocks.
    fn read_blocks(&self, first: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let count = buffer.len() / BLOCK_LEN;
        let mut words = vec![None; count];
        {
            let buffers = lock(&self.store.pending);
            let batches = [Some(&buffers.active), buffers.appending.as_deref()];
            let batches = || batches.into_iter().flatten().filter(|batch| !batch.is_empty());
            if batches().next().is_some() {
                for (nth, (word, out)) in words.iter_mut().zip(buffer.chunks_mut(BLOCK_LEN)).enumerate() {
                    match batches().find_map(|batch| batch.get(self.id, first + nth as u64)) {
                        Some(Hit::Data(data)) => out.copy_from_slice(data),
                        Some(Hit::Zero) => out.fill(0),
                        None => continue,
                    }
                    *word = Some(DONE);
                }
            }
        }
        {
            let state = self.store.log.read_state();
            let index = state.volume(self.id);
            for (nth, word) in words.iter_mut().enumerate().filter(|(_, word)| word.is_none()) {
                *word = Some(index.map_or(Place::BASE, |index| index.get(first + nth as u64)));
            }
        }
        let mut nth = 0;
        while nth < count {
            let word = words[nth].unwrap_or(Place::BASE);
            // The base's blocks and zeros are alike, the blocks of a unit count up.
            let step = Place::segment_of(word).map_or(0, |_| Place::NEXT_BLOCK);
            let expected = (0..).map(|nth| Some(word.wrapping_add(nth * step)));
            let alike = words[nth..].iter().zip(expected);
            let run = alike.take_while(|(word, expected)| *word == expected).count();
            let out = &mut buffer[nth * BLOCK_LEN..(nth + run) * BLOCK_LEN];
            match word {
                DONE => {}
                Place::ZERO => out.fill(0),
                Place::BASE => match &self.base {
                    Some(base) => base.read_at((first + nth as u64) * BLOCK, out)?,
                    None => out.fill(0),
                },
                word => self
                    .store
                    .log
                    .read_blocks(self.id, first + nth as u64, word, out)?,
            }
            nth += run;
        }
        Ok(())
    }

    /// Writes what lies within one span of blocks.
    fn write_span(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        let blocks = offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK);
        loop {
            let before = lock(&self.store.pending).batches;
            let edges = Edges {
                first: self.edge(blocks.start, offset, data.len())?,
                last: if blocks.end - blocks.start > 1 {
                    self.edge(blocks.end - 1, offset, data.len())?
                } else {
                    None
                },
            };
            let mut buffers = self.admit(&blocks)?;
            if buffers.batches != before && (edges.first.is_some() || edges.last.is_some()) {
                // What was read for the partial blocks may be old by now.
                continue;
            }
            self.put(&mut buffers, &blocks, offset, data, edges);
            if buffers.active.bytes() >= self.store.log.pending_soon() {
                self.store.work.notify_one();
            }
            return Ok(());
        }
    }

    /// The present content of `block` when the write covers only part of it.
    fn edge(&self, block: u64, offset: u64, len: usize) -> Result<Option<Box<Block>>, VolumeError> {
        let start = block * BLOCK;
        if offset <= start && offset + len as u64 >= start + BLOCK {
            return Ok(None);
        }
        let mut content = Box::new(Zeroizing::new([0; BLOCK_LEN]));
        self.read_blocks(block, &mut content[..])?;
        Ok(Some(content))
    }

    /// Waits until there is room for the write in memory and on the stick.
    fn admit(&self, blocks: &Range<u64>) -> Result<std::sync::MutexGuard<'_, Buffers>, VolumeError> {
        let log = &self.store.log;
        let mut flushed = false;
        loop {
            let mut buffers = lock(&self.store.pending);
            if buffers.closed {
                return Err(VolumeError::ReadOnly);
            }
            let new = {
                let state = log.read_state();
                let new = self.new_blocks(&buffers, &state, blocks);
                let expected = state.occupied
                    + buffers.active.new_blocks
                    + buffers.appending.as_ref().map_or(0, |batch| batch.new_blocks);
                let fits = new == 0 || expected + new <= log.geometry.quota_blocks;
                fits.then_some(new)
            };
            let in_memory = buffers.active.bytes() + log.span() <= log.pending_limit();
            match new {
                Some(new) if in_memory => {
                    buffers.active.new_blocks += new;
                    return Ok(buffers);
                }
                // What is pending may hold trims that make room.
                None if flushed => return Err(VolumeError::Full),
                _ => {
                    drop(buffers);
                    self.store.flush()?;
                    flushed |= new.is_none();
                }
            }
        }
    }

    /// How many of `blocks` have no place in the log yet and none in a batch, or will have lost it when the batch
    /// under way has landed.
    fn new_blocks(&self, buffers: &Buffers, state: &super::State, blocks: &Range<u64>) -> u64 {
        let index = state.volume(self.id);
        let is_new = |block: &u64| {
            !buffers.active.has_data(self.id, *block)
                && !buffers
                    .appending
                    .as_ref()
                    .is_some_and(|batch| batch.has_data(self.id, *block))
                && (index.is_none_or(|index| Place::segment_of(index.get(*block)).is_none())
                    || buffers
                        .appending
                        .as_ref()
                        .is_some_and(|batch| batch.get(self.id, *block).is_some()))
        };
        blocks.clone().filter(is_new).count() as u64
    }

    fn put(&self, buffers: &mut Buffers, blocks: &Range<u64>, offset: u64, data: &[u8], edges: Edges) {
        let end = offset + data.len() as u64;
        let whole = offset.div_ceil(BLOCK)..end / BLOCK;
        if !whole.is_empty() {
            let inside = (whole.start * BLOCK - offset) as usize..(whole.end * BLOCK - offset) as usize;
            buffers.active.write(self.id, whole.start, &data[inside]);
        }
        for (block, edge) in [(blocks.start, edges.first), (blocks.end - 1, edges.last)] {
            let Some(mut content) = edge else { continue };
            let batches = [Some(&buffers.active), buffers.appending.as_deref()];
            // What a batch says of a partly written block is newer than what was read before.
            let newer = batches
                .into_iter()
                .flatten()
                .find_map(|batch| batch.get(self.id, block));
            match newer {
                Some(Hit::Data(data)) => content.copy_from_slice(data),
                Some(Hit::Zero) => content.fill(0),
                None => {}
            }
            let start = block * BLOCK;
            let (from, upto) = (offset.max(start), end.min(start + BLOCK));
            content[(from - start) as usize..(upto - start) as usize]
                .copy_from_slice(&data[(from - offset) as usize..(upto - offset) as usize]);
            buffers.active.write(self.id, block, &content[..]);
        }
    }
}

/// The content of a block.
type Block = Zeroizing<[u8; BLOCK_LEN]>;

/// Contents of the first and last block of a write, where it covers them only in part.
struct Edges {
    first: Option<Box<Block>>,
    last: Option<Box<Block>>,
}

/// Marks a block that was found in a batch; no packed place has this value.
const DONE: u64 = u64::MAX;

impl Volume for StoreVolume {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_read_only(&self) -> bool {
        self.store.log.mode == StoreMode::ReadOnly
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.check(offset, buffer.len() as u64)?;
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let skip = (at % BLOCK) as usize;
            let len = rest.len().min(self.store.log.span() - skip);
            let (now, later) = rest.split_at_mut(len);
            if skip == 0 && len.is_multiple_of(BLOCK_LEN) {
                self.read_blocks(at / BLOCK, now)?;
            } else {
                let mut whole = Wiped::new(vec![0; (skip + len).next_multiple_of(BLOCK_LEN)]);
                self.read_blocks(at / BLOCK, &mut whole)?;
                now.copy_from_slice(&whole[skip..skip + len]);
            }
            at += len as u64;
            rest = later;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        self.check(offset, data.len() as u64)?;
        if self.is_read_only() {
            return Err(VolumeError::ReadOnly);
        }
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let len = rest.len().min(self.store.log.span() - (at % BLOCK) as usize);
            let (now, later) = rest.split_at(len);
            self.write_span(at, now)?;
            at += len as u64;
            rest = later;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(self.store.flush()?)
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.check(offset, len)?;
        if self.is_read_only() {
            return Err(VolumeError::ReadOnly);
        }
        let end = offset + len;
        let first = offset.div_ceil(BLOCK);
        let last = if end == self.size_bytes {
            end.div_ceil(BLOCK)
        } else {
            end / BLOCK
        };
        let zeros = [0; 2 * BLOCK_LEN];
        if first >= last {
            // No whole block: fewer than two blocks' bytes.
            return self.write_at(offset, &zeros[..len as usize]);
        }
        self.write_at(offset, &zeros[..(first * BLOCK - offset) as usize])?;
        if end > last * BLOCK {
            self.write_at(last * BLOCK, &zeros[..(end - last * BLOCK) as usize])?;
        }
        self.admit(&(first..first))?.active.trim(self.id, first, last);
        Ok(())
    }
}
