//! Filling packs. A blob that waits in the pack that is being filled is known by the pack's number until the pack is whole.

use std::{collections::HashMap, sync::Arc};

use gobag_format::{
    crypto::{Random, random_bytes},
    digest::Digest,
    workspace::{BLOB_SEALING_LEN, BlobKind, BlobName, BlobRef, PACK_SALT_LEN, THIS_PACK},
};

use crate::{WorkspaceError, fetch::Fetcher, limits};

/// Where a blob that was packed is: its pack may not be whole yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pack: PackAt,
    blob: BlobRef,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PackAt {
    /// In an object that is there.
    There,
    /// In the pack of this number of this packer.
    Number(u32),
}

impl From<BlobRef> for Packed {
    fn from(blob: BlobRef) -> Self {
        Self {
            pack: PackAt::There,
            blob,
        }
    }
}

impl Packed {
    /// Where it is, if it is in a pack that was there before.
    pub(crate) fn published(&self) -> Option<BlobRef> {
        (self.pack == PackAt::There).then_some(self.blob)
    }

    pub(crate) fn name(&self) -> &BlobName {
        &self.blob.name
    }
}

/// Fills packs and hands them over.
///
/// A pack begins with bytes that nobody else draws: two packs are never the same object, also where the same is sent again that was let go before.
pub(crate) struct Packer {
    fetcher: Arc<Fetcher>,
    random: Arc<dyn Random>,
    filling: Vec<u8>,
    /// Packs that are whole, by their numbers.
    whole: Vec<Digest>,
    /// What was packed and may be wanted again.
    packed: HashMap<BlobName, Packed>,
}

impl Packer {
    pub(crate) fn new(fetcher: Arc<Fetcher>, random: Arc<dyn Random>) -> Self {
        Self {
            fetcher,
            random,
            filling: Vec::new(),
            whole: Vec::new(),
            packed: HashMap::new(),
        }
    }

    /// Seals a blob and puts it into a pack, unless it was before, by this packer or by whom `known` knows.
    pub(crate) fn add(
        &mut self,
        kind: BlobKind,
        plain: &[u8],
        known: &dyn Fn(&BlobName) -> Option<BlobRef>,
    ) -> Result<Packed, WorkspaceError> {
        let name = self.fetcher.keys.name(kind, plain);
        if let Some(packed) = self.packed.get(&name) {
            return Ok(*packed);
        }
        if let Some(blob) = known(&name) {
            return Ok(blob.into());
        }
        self.seal(kind, name, plain)
    }

    /// The same of a blob that speaks of others by [`Packer::place`]: none before can be used, for these places are this pack's.
    pub(crate) fn add_page(
        &mut self,
        kind: BlobKind,
        refs: &[Packed],
        encode: &dyn Fn(&[BlobRef]) -> Vec<u8>,
    ) -> Result<Packed, WorkspaceError> {
        let places = |packer: &Self| -> Vec<BlobRef> { refs.iter().map(|at| packer.place(at)).collect() };
        let mut plain = encode(&places(self));
        if self.filling.len() + plain.len() + BLOB_SEALING_LEN > limits::PACK {
            self.end()?;
            plain = encode(&places(self));
        }
        let name = self.fetcher.keys.name(kind, &plain);
        let packed = self.seal(kind, name, &plain)?;
        let blob = packed.blob;
        let range = blob.offset as usize..(blob.offset + blob.len) as usize;
        self.fetcher.keep(&name, &self.filling[range]);
        Ok(packed)
    }

    fn seal(&mut self, kind: BlobKind, name: BlobName, plain: &[u8]) -> Result<Packed, WorkspaceError> {
        let sealed = self.fetcher.keys.seal(kind, &name, plain);
        if self.filling.len() + sealed.len() > limits::PACK {
            self.end()?;
        }
        if self.filling.is_empty() {
            // Not twice as long by growing.
            self.filling.reserve_exact(limits::PACK);
            self.filling
                .extend_from_slice(&random_bytes::<PACK_SALT_LEN>(&*self.random));
        }
        let blob = BlobRef {
            pack: THIS_PACK,
            offset: self.filling.len() as u32,
            len: sealed.len() as u32,
            name,
        };
        self.filling.extend_from_slice(&sealed);
        let packed = Packed {
            pack: PackAt::Number(self.whole.len() as u32),
            blob,
        };
        if kind == BlobKind::Data {
            self.packed.insert(name, packed);
        }
        Ok(packed)
    }

    /// Where it is, as a blob of the pack that is being filled says it.
    fn place(&self, packed: &Packed) -> BlobRef {
        let mut blob = packed.blob;
        if let PackAt::Number(number) = packed.pack {
            blob.pack = self.whole.get(number as usize).copied().unwrap_or(THIS_PACK);
        }
        blob
    }

    /// What comes next are pages, which somebody who looks what there is reads without the pieces.
    pub(crate) fn begin_pages(&mut self) -> Result<(), WorkspaceError> {
        match self.filling.len() > limits::PAGES_BESIDE {
            true => self.end(),
            false => Ok(()),
        }
    }

    /// Ends the pack that is being filled, and hands it over.
    pub(crate) fn end(&mut self) -> Result<(), WorkspaceError> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let id = Digest::of(&self.filling);
        self.fetcher.store.put(id, &self.filling)?;
        self.filling.clear();
        self.whole.push(id);
        Ok(())
    }

    /// Where it is, once all packs are whole.
    pub(crate) fn placed(&mut self, packed: &Packed) -> Result<BlobRef, WorkspaceError> {
        if packed.pack == PackAt::Number(self.whole.len() as u32) {
            self.end()?;
        }
        Ok(self.place(packed))
    }

    /// The packs handed over so far, each once.
    pub(crate) fn packs(&self) -> &[Digest] {
        &self.whole
    }
}
