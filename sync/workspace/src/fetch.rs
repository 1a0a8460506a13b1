//! Reading blobs: pages from what was kept of them, pieces from whole packs where several are wanted of one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use gobag_format::{
    digest::Digest,
    workspace::{BlobKind, BlobName, BlobRef, WorkspaceKeys},
};

use crate::{Store, WorkspaceError, limits};

/// Keeps sealed pages of the tree, and lists of files' pieces, so that those that did not change are not asked for again. What it gives is checked.
pub trait PageCache: Send + Sync {
    /// A page that was kept.
    fn get(&self, name: &BlobName) -> Option<Vec<u8>>;
    /// Keeps one, or not.
    fn put(&self, name: &BlobName, sealed: &[u8]);
}

/// Keeps none.
pub struct NoCache;

impl PageCache for NoCache {
    fn get(&self, _: &BlobName) -> Option<Vec<u8>> {
        None
    }

    fn put(&self, _: &BlobName, _: &[u8]) {}
}

/// Gets blobs and opens them.
pub(crate) struct Fetcher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<WorkspaceKeys>,
    cache: Arc<dyn PageCache>,
    packs: Mutex<Packs>,
}

#[derive(Default)]
struct Packs {
    /// Last used last.
    kept: VecDeque<(Digest, Arc<Vec<u8>>)>,
    /// The pack of which a part was asked for last, and of which how many were in a row.
    last: Option<(Digest, usize)>,
}

impl Fetcher {
    pub(crate) fn new(store: Arc<dyn Store>, keys: Arc<WorkspaceKeys>, cache: Arc<dyn PageCache>) -> Self {
        Self {
            store,
            keys,
            cache,
            packs: Mutex::default(),
        }
    }

    /// A page of the tree, or another blob that is wanted again with the next point.
    pub(crate) fn page(&self, kind: BlobKind, blob: &BlobRef) -> Result<Vec<u8>, WorkspaceError> {
        if let Some(sealed) = self.cache.get(&blob.name)
            && let Ok(plain) = self.keys.open(kind, &blob.name, sealed)
        {
            return Ok(plain);
        }
        let sealed = self.sealed(blob, 1)?;
        let plain = self.keys.open(kind, &blob.name, sealed.clone())?;
        self.cache.put(&blob.name, &sealed);
        Ok(plain)
    }

    /// The same, of many here and there: `asks` says how often the store may still be asked; none: more would be needed.
    pub(crate) fn page_of_many(
        &self,
        kind: BlobKind,
        blob: &BlobRef,
        asks: &mut usize,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        if let Some(sealed) = self.cache.get(&blob.name)
            && let Ok(plain) = self.keys.open(kind, &blob.name, sealed)
        {
            return Ok(Some(plain));
        }
        let Some(left) = asks.checked_sub(1) else {
            return Ok(None);
        };
        *asks = left;
        let sealed = self
            .store
            .get(blob.pack, Some(blob.offset..blob.offset + blob.len))?;
        let plain = self.keys.open(kind, &blob.name, sealed.clone())?;
        self.cache.put(&blob.name, &sealed);
        Ok(Some(plain))
    }

    /// Keeps a page that was made here.
    pub(crate) fn keep(&self, name: &BlobName, sealed: &[u8]) {
        self.cache.put(name, sealed);
    }

    /// A piece of a file. After so many `parts` of a pack in a row the pack comes as a whole.
    pub(crate) fn piece(&self, blob: &BlobRef, parts: usize) -> Result<Vec<u8>, WorkspaceError> {
        let sealed = self.sealed(blob, parts)?;
        Ok(self.keys.open(BlobKind::Data, &blob.name, sealed)?)
    }

    fn sealed(&self, blob: &BlobRef, parts: usize) -> Result<Vec<u8>, WorkspaceError> {
        let range = blob.offset..blob.offset + blob.len;
        let is_part = {
            let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = packs.kept.iter().position(|(pack, _)| *pack == blob.pack)
                && let Some(kept) = packs.kept.remove(at)
            {
                let bytes = Arc::clone(&kept.1);
                packs.kept.push_back(kept);
                return part(&bytes, blob);
            }
            let before = packs.last.filter(|(pack, _)| *pack == blob.pack);
            let before = before.map_or(0, |(_, parts)| parts);
            packs.last = Some((blob.pack, before + 1));
            before < parts
        };
        if is_part {
            return Ok(self.store.get(blob.pack, Some(range))?);
        }
        let bytes = Arc::new(self.store.get(blob.pack, None)?);
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        packs.kept.push_back((blob.pack, Arc::clone(&bytes)));
        while packs.kept.len() > 1
            && packs.kept.iter().map(|(_, pack)| pack.len()).sum::<usize>() > limits::PACKS_KEPT
        {
            packs.kept.pop_front();
        }
        drop(packs);
        part(&bytes, blob)
    }
}

fn part(pack: &[u8], blob: &BlobRef) -> Result<Vec<u8>, WorkspaceError> {
    let range = blob.offset as usize..(blob.offset + blob.len) as usize;
    let part = pack
        .get(range)
        .ok_or(gobag_format::workspace::BlobError::Damaged)?;
    Ok(part.to_vec())
}
