//! Reading a pack: header, footer and directory for IT's tools; single frames for everybody.

use zeroize::Zeroizing;

use crate::chunk::ChunkId;
use crate::crypto::{Cipher, Key, NONCE_LEN, OpenError, position_nonce};
use crate::digest::Digest;
use crate::ids::PackId;
use crate::limits::MAX_PACK_LEN;
use crate::reader::{Malformed, Reader};

use super::{
    DIRECTORY_DOMAIN, ENTRY_LEN, FOOTER_DOMAIN, FRAME_DOMAIN, FrameAddress, MAGIC, OWNER_LABEL,
    OWNER_SLOT_LEN, PACK_FOOTER_LEN, PACK_FORMAT, PACK_GRAIN, PACK_HEADER_LEN, PackError, READABLE_LEN,
    associated_data, directory_len,
};

/// The readable part of a pack's header, and the owner's slot still sealed.
pub struct PackHeader {
    id: PackId,
    readable: [u8; READABLE_LEN],
    owner_slot: [u8; OWNER_SLOT_LEN],
    digest: Digest,
}

impl PackHeader {
    /// Reads the first [`PACK_HEADER_LEN`] bytes of a file that is `file_len` bytes long.
    pub fn parse(bytes: &[u8; PACK_HEADER_LEN], file_len: u64) -> Result<Self, PackError> {
        Self::fields(bytes)
            .map_err(|Malformed| PackError::NotAPack)?
            .checked(file_len)
    }

    fn fields(bytes: &[u8; PACK_HEADER_LEN]) -> Result<HeaderFields, Malformed> {
        let mut reader = Reader(bytes);
        Ok(HeaderFields {
            magic: reader.array()?,
            format: reader.u32()?,
            features: reader.u32()?,
            header: Self {
                id: PackId(reader.array()?),
                readable: Reader(bytes).array()?,
                owner_slot: reader.array()?,
                digest: Digest::of(bytes),
            },
        })
    }

    /// The pack's id, not yet authenticated.
    pub fn id(&self) -> PackId {
        self.id
    }

    /// Refuses a file that says it is another pack.
    pub fn expect_id(&self, expected: PackId) -> Result<(), PackError> {
        if self.id == expected {
            return Ok(());
        }
        Err(PackError::OtherPack {
            expected,
            found: self.id,
        })
    }

    /// The pack's key, for the holder of the owner key.
    pub fn open_owner_slot(&self, owner_key: &Key) -> Result<Key, PackError> {
        let mut slot = Zeroizing::new(self.owner_slot);
        let cipher = Cipher::gcm(&owner_key.derive(OWNER_LABEL, &self.id.0));
        let plain = cipher
            .open([0; NONCE_LEN], &self.readable, slot.as_mut_slice())
            .map_err(|OpenError| SEALED_SLOT)?;
        Reader(plain)
            .array()
            .map(Key::from_bytes)
            .map_err(|Malformed| SEALED_SLOT)
    }
}

const SEALED_SLOT: PackError = PackError::Sealed { part: "owner slot" };

struct HeaderFields {
    magic: [u8; MAGIC.len()],
    format: u32,
    features: u32,
    header: PackHeader,
}

impl HeaderFields {
    fn checked(self, file_len: u64) -> Result<PackHeader, PackError> {
        if self.magic != MAGIC {
            return Err(PackError::NotAPack);
        }
        if self.format != PACK_FORMAT {
            return Err(PackError::NewerFormat {
                found: self.format,
                supported: PACK_FORMAT,
            });
        }
        if self.features != 0 {
            return Err(PackError::UnknownFeature { bits: self.features });
        }
        check_len(file_len)?;
        Ok(self.header)
    }
}

/// Refuses a length that no pack has.
fn check_len(len: u64) -> Result<(), PackError> {
    let least = (PACK_HEADER_LEN + PACK_FOOTER_LEN) as u64;
    if len < least || len > MAX_PACK_LEN || !len.is_multiple_of(PACK_GRAIN) {
        return Err(PackError::Length { len });
    }
    Ok(())
}

/// Opens the parts of one pack.
pub struct PackCipher {
    id: PackId,
    cipher: Cipher,
}

/// The opened footer: where the directory lies.
#[derive(Debug)]
pub struct PackFooter {
    frames: u32,
    directory_offset: u64,
    directory_len: usize,
    header_digest: Digest,
    directory_digest: Digest,
}

/// What a pack holds, in file order.
#[derive(Debug)]
pub struct Directory(Vec<DirectoryEntry>);

/// One frame of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The chunk in it.
    pub chunk: ChunkId,
    /// Where it lies.
    pub address: FrameAddress,
}

impl PackCipher {
    /// Opens parts of pack `id` with its key.
    pub fn new(id: PackId, key: &Key) -> Self {
        Self {
            id,
            cipher: Cipher::gcm(key),
        }
    }

    /// Opens the frame at `offset` in place and returns its payload.
    pub fn open_frame<'a>(&self, offset: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        self.open(FRAME_DOMAIN, offset, sealed)
    }

    /// Opens the last [`PACK_FOOTER_LEN`] bytes of a file of `file_len` bytes.
    pub fn open_footer(
        &self,
        mut sealed: [u8; PACK_FOOTER_LEN],
        file_len: u64,
    ) -> Result<PackFooter, PackError> {
        check_len(file_len)?;
        let footer_offset = file_len - PACK_FOOTER_LEN as u64;
        let plain = self
            .open(FOOTER_DOMAIN, footer_offset, &mut sealed)
            .map_err(|OpenError| PackError::Sealed { part: "footer" })?;
        let footer =
            PackFooter::parse(plain).map_err(|Malformed| PackError::Inconsistent { part: "footer" })?;
        let directory_end = footer.directory_offset + footer.directory_len as u64;
        if footer.directory_offset < PACK_HEADER_LEN as u64
            || directory_end != footer_offset
            || directory_len(u64::from(footer.frames)) > footer.directory_len as u64
        {
            return Err(PackError::Inconsistent { part: "footer" });
        }
        Ok(footer)
    }

    /// Opens the directory that `footer` points to.
    pub fn open_directory(
        &self,
        footer: &PackFooter,
        header: &PackHeader,
        sealed: &mut [u8],
    ) -> Result<Directory, PackError> {
        if footer.header_digest != header.digest {
            return Err(PackError::Inconsistent { part: "header" });
        }
        if footer.directory_digest != Digest::of(sealed) {
            return Err(PackError::Sealed { part: "directory" });
        }
        let plain = self
            .open(DIRECTORY_DOMAIN, footer.directory_offset, sealed)
            .map_err(|OpenError| PackError::Sealed { part: "directory" })?;
        Directory::parse(plain, footer).ok_or(PackError::Inconsistent { part: "directory" })
    }

    fn open<'a>(&self, domain: u8, position: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        let aad = associated_data(self.id, position);
        self.cipher.open(position_nonce(domain, position), &aad, sealed)
    }
}

impl PackFooter {
    fn parse(plain: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(plain);
        Ok(Self {
            frames: reader.u32()?,
            directory_offset: u64::from(reader.u32()?),
            directory_len: reader.u32()? as usize,
            header_digest: Digest(reader.array()?),
            directory_digest: Digest(reader.array()?),
        })
    }

    /// Frames in the pack.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// First byte of the sealed directory.
    pub fn directory_offset(&self) -> u64 {
        self.directory_offset
    }

    /// Bytes of the sealed directory.
    pub fn directory_len(&self) -> usize {
        self.directory_len
    }
}

impl Directory {
    /// Frames lie one after the other from the header to the directory, so lengths alone place them.
    fn parse(plain: &[u8], footer: &PackFooter) -> Option<Self> {
        let listed = plain.get(..footer.frames as usize * ENTRY_LEN)?;
        let mut entries = Vec::with_capacity(footer.frames as usize);
        let mut offset = PACK_HEADER_LEN as u64;
        for entry in listed.chunks_exact(ENTRY_LEN) {
            let mut reader = Reader(entry);
            let address = FrameAddress::from_parts(u32::try_from(offset).ok()?, reader.u16().ok()?)?;
            entries.push(DirectoryEntry {
                chunk: ChunkId(reader.array().ok()?),
                address,
            });
            offset = address.end();
        }
        (offset == footer.directory_offset).then_some(Self(entries))
    }

    /// The frames in file order.
    pub fn entries(&self) -> &[DirectoryEntry] {
        &self.0
    }
}
