//! One layer of a container image: a tar archive, packed or not, that two digests vouch for.

use std::{
    io::{self, Read},
    sync::Arc,
};

use gobag_format::Monitor;

use super::{
    OciError,
    blobs::Blobs,
    digest::{Digest, Verified},
};
use crate::{
    archive::TarStream,
    compress::decompressed,
    entry::{EntryStream, Layer, Metered, ReadError},
};

/// A layer in a layout or archive.
pub(super) struct BlobLayer {
    pub(super) blobs: Arc<Blobs>,
    /// The name of the blob.
    pub(super) blob: String,
    pub(super) size_bytes: u64,
    /// The digest of the blob as it lies there; docker's own archives have none.
    pub(super) packed: Option<Digest>,
    /// The digest of the tar archive in it.
    pub(super) unpacked: Digest,
}

impl BlobLayer {
    /// Reads the blob through and compares the digest that is promised for it, before anything looks into it.
    pub(super) fn verify(&self, monitor: &dyn Monitor) -> Result<(), ReadError> {
        let mut reader = match self.packed {
            Some(_) => self.packed_reader(monitor)?,
            None => self.unpacked_reader(monitor)?,
        };
        io::copy(&mut reader, &mut io::sink())
            .map(drop)
            .map_err(|error| ReadError::from_reader(&self.name(), error))
    }

    fn packed_reader<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn Read + 'a>, ReadError> {
        let (reader, _) = self.blobs.open(&self.blob).map_err(|error| match error {
            OciError::Read(error) => error,
            other => ReadError::from_reader(&self.name(), io::Error::other(other)),
        })?;
        let reader = Metered::new(reader, monitor);
        Ok(match &self.packed {
            Some(digest) => Box::new(Verified::new(reader, digest.clone(), Some(self.size_bytes))),
            None => Box::new(reader),
        })
    }

    fn unpacked_reader<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn Read + 'a>, ReadError> {
        let unpacked = decompressed(self.packed_reader(monitor)?)
            .map_err(|error| ReadError::from_reader(&self.name(), error))?;
        Ok(Box::new(Verified::new(unpacked, self.unpacked.clone(), None)))
    }
}

impl Layer for BlobLayer {
    fn name(&self) -> String {
        format!("layer `{}` of {}", self.blob, self.blobs.path().display())
    }

    fn size_bytes(&self) -> Option<u64> {
        Some(self.size_bytes)
    }

    fn open<'a>(&'a self, monitor: &'a dyn Monitor) -> Result<Box<dyn EntryStream + 'a>, ReadError> {
        let reader = self.unpacked_reader(monitor)?;
        Ok(Box::new(TarStream::new(reader, self.name(), false)))
    }
}

/// Compares all layers and gives them back as layers.
pub(super) fn verified(
    layers: Vec<BlobLayer>,
    monitor: &dyn Monitor,
) -> Result<Vec<Box<dyn Layer>>, ReadError> {
    let total = layers.iter().map(|layer| layer.size_bytes).sum();
    monitor.phase("comparing the digests of the image", Some(total));
    for layer in &layers {
        layer.verify(monitor)?;
    }
    Ok(layers
        .into_iter()
        .map(|layer| Box::new(layer) as Box<dyn Layer>)
        .collect())
}
