//! Packs in a repository, opened by the owner.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use gobag_checklists::regular;
use gobag_format::crypto::Key;
use gobag_format::digest::{Digest, DigestStream};
use gobag_format::ids::PackId;
use gobag_format::pack::{Directory, PACK_FOOTER_LEN, PACK_HEADER_LEN, PackCipher, PackError, PackHeader};

use super::layout::PACK_EXTENSION;
use super::{Repository, RepositoryError};
use crate::files::{self, At, FileError};

/// A pack with its directory.
pub(crate) struct OpenedPack {
    pub(crate) key: Key,
    pub(crate) len_bytes: u64,
    pub(crate) cipher: PackCipher,
    pub(crate) directory: Directory,
    pub(crate) file: File,
}

impl Repository {
    /// Ids of all packs, used or not.
    pub(crate) fn packs(&self) -> Result<Vec<PackId>, RepositoryError> {
        let mut packs = Vec::new();
        let folder = self.layout().packs();
        for part in files::names_in(&folder)? {
            for name in files::names_in(&folder.join(&part))? {
                let id = name
                    .strip_suffix(PACK_EXTENSION)
                    .and_then(|name| name.strip_suffix('.'));
                packs.extend(id.and_then(PackId::parse).filter(|_| name.starts_with(&part)));
            }
        }
        Ok(packs)
    }

    /// Opens a pack with the owner's key and reads its directory.
    pub(crate) fn open_pack(&self, id: PackId, owner_key: &Key) -> Result<OpenedPack, RepositoryError> {
        let path = self.layout().pack(id);
        let file = regular::open(&path).at("open", &path)?;
        let refused = |source: PackError| RepositoryError::Pack {
            path: path.clone(),
            source,
        };
        let len_bytes = file.metadata().at("read", &path)?.len();
        if len_bytes < (PACK_HEADER_LEN + PACK_FOOTER_LEN) as u64 {
            return Err(refused(PackError::Length { len: len_bytes }));
        }
        let mut bytes = [0; PACK_HEADER_LEN];
        file.read_exact_at(&mut bytes, 0).at("read", &path)?;
        let header = PackHeader::parse(&bytes, len_bytes).map_err(refused)?;
        header.expect_id(id).map_err(refused)?;
        let key = header.open_owner_slot(owner_key).map_err(refused)?;
        let cipher = PackCipher::new(id, &key);
        let mut bytes = [0; PACK_FOOTER_LEN];
        file.read_exact_at(&mut bytes, len_bytes - PACK_FOOTER_LEN as u64)
            .at("read", &path)?;
        let footer = cipher.open_footer(bytes, len_bytes).map_err(refused)?;
        let mut sealed = vec![0; footer.directory_len()];
        file.read_exact_at(&mut sealed, footer.directory_offset())
            .at("read", &path)?;
        let directory = cipher
            .open_directory(&footer, &header, &mut sealed)
            .map_err(refused)?;
        Ok(OpenedPack {
            key,
            len_bytes,
            cipher,
            directory,
            file,
        })
    }

    /// BLAKE3 of a whole pack.
    pub(crate) fn pack_digest(&self, id: PackId) -> Result<Digest, FileError> {
        digest_of(&self.layout().pack(id))
    }
}

/// BLAKE3 of a whole file.
fn digest_of(path: &Path) -> Result<Digest, FileError> {
    let file = regular::open(path).at("open", path)?;
    let (mut digest, mut buffer, mut offset) = (DigestStream::new(), vec![0; 1 << 20], 0);
    loop {
        let len = file.read_at(&mut buffer, offset).at("read", path)?;
        if len == 0 {
            return Ok(digest.finish());
        }
        digest.update(&buffer[..len]);
        offset += len as u64;
    }
}
