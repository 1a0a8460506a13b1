//! Packs: the header, and behind their seals footer, directory and frames.

use std::cell::RefCell;

use gobag_format::{
    chunk::{ChunkDecoder, ChunkEncoder, ChunkId},
    crypto::{Cipher, NONCE_LEN, position_nonce},
    digest::Digest,
    ids::PackId,
    limits::CHUNK_LEN,
    pack::{PACK_FOOTER_LEN, PACK_HEADER_LEN, PackCipher, PackHeader},
};

use crate::fixture::{key, split};

const DIRECTORY: u8 = 2;
const FOOTER: u8 = 3;
const ENTRY_LEN: usize = 34;
/// Bytes of the pack's file; the shortest there is.
const FILE_LEN: u64 = 1 << 20;
const FOOTER_AT: u64 = FILE_LEN - PACK_FOOTER_LEN as u64;

fn aad(id: PackId, position: u64) -> [u8; 24] {
    let mut aad = [0; 24];
    aad[..16].copy_from_slice(&id.0);
    aad[16..].copy_from_slice(&position.to_le_bytes());
    aad
}

/// The readable header (80 bytes), the footer's three numbers, then the directory's plaintext.
pub(super) fn directory(input: &[u8]) {
    let (start, rest) = split::<80>(input);
    let (numbers, listed) = split::<12>(rest);
    let mut header = [0; PACK_HEADER_LEN];
    header[..80].copy_from_slice(&start);
    let Ok(parsed) = PackHeader::parse(&header, FILE_LEN) else {
        return;
    };
    assert_eq!(parsed.id().0[..], start[16..32]);
    if let Ok(opened) = parsed.open_owner_slot(&key(2)) {
        let mut slot = opened.expose().to_vec();
        let owner = Cipher::gcm(&key(2).derive("pack owner", &start[16..32]));
        owner.seal([0; NONCE_LEN], &start[..32], &mut slot, 0);
        assert_eq!(slot, start[32..]);
    }
    let (id, cipher) = (parsed.id(), Cipher::gcm(&key(3)));
    let directory_at = u64::from(u32::from_le_bytes([
        numbers[4], numbers[5], numbers[6], numbers[7],
    ]));
    let mut sealed = listed.to_vec();
    let nonce = position_nonce(DIRECTORY, directory_at);
    cipher.seal(nonce, &aad(id, directory_at), &mut sealed, 0);
    let mut footer = numbers.to_vec();
    footer.extend_from_slice(&Digest::of(&header).0);
    footer.extend_from_slice(&Digest::of(&sealed).0);
    footer.resize(PACK_FOOTER_LEN - 16, 0);
    let nonce = position_nonce(FOOTER, FOOTER_AT);
    cipher.seal(nonce, &aad(id, FOOTER_AT), &mut footer, 0);
    let footer = footer.try_into().expect("a footer has its length");

    let opener = PackCipher::new(id, &key(3));
    let Ok(footer) = opener.open_footer(footer, FILE_LEN) else {
        return;
    };
    assert_eq!(
        footer.directory_offset() + footer.directory_len() as u64,
        FOOTER_AT
    );
    let Ok(opened) = opener.open_directory(&footer, &parsed, &mut sealed) else {
        return;
    };
    let mut at = PACK_HEADER_LEN as u64;
    let mut written = Vec::new();
    for entry in opened.entries() {
        assert_eq!(entry.address.offset(), at);
        at = entry.address.end();
        written.extend_from_slice(&entry.address.to_parts().1.to_le_bytes());
        written.extend_from_slice(&entry.chunk.0);
    }
    assert_eq!(
        (at, opened.entries().len()),
        (directory_at, footer.frames() as usize)
    );
    assert_eq!(written, listed[..opened.entries().len() * ENTRY_LEN]);
}

pub(super) fn directories() -> Vec<Vec<u8>> {
    let mut start = b"GOBAGPAK\x01\0\0\0\0\0\0\0".to_vec();
    start.extend_from_slice(&[9; 16]);
    let mut slot = key(3).expose().to_vec();
    let owner = Cipher::gcm(&key(2).derive("pack owner", &start[16..32]));
    owner.seal([0; NONCE_LEN], &start[..32], &mut slot, 0);
    start.extend_from_slice(&slot);
    let with = |lens: &[u16]| {
        let ends = lens.iter().map(|len| u32::from(*len) + 1 + 16);
        let directory_at = PACK_HEADER_LEN as u32 + ends.sum::<u32>();
        let mut input = start.clone();
        input.extend_from_slice(&(lens.len() as u32).to_le_bytes());
        input.extend_from_slice(&directory_at.to_le_bytes());
        input.extend_from_slice(&(FOOTER_AT as u32 - directory_at).to_le_bytes());
        for len in lens {
            input.extend_from_slice(&len.to_le_bytes());
            input.extend_from_slice(&ChunkId([6; 32]).0);
        }
        input
    };
    vec![with(&[]), with(&[999]), with(&[65_535, 0, 57_343])]
}

thread_local! {
    /// A decoder, as a worker has one, and where chunks go.
    static WORKER: RefCell<(ChunkDecoder, Vec<u8>)> =
        RefCell::new((ChunkDecoder::new(), vec![0; CHUNK_LEN]));
}

/// The payload of a frame.
pub(super) fn frame(input: &[u8]) {
    WORKER.with_borrow_mut(|(decoder, chunk)| {
        let Ok(()) = decoder.decode(input, chunk) else {
            return;
        };
        // A second worker, which has seen nothing before, makes the same of it.
        let mut again = vec![1; CHUNK_LEN];
        ChunkDecoder::new()
            .decode(input, &mut again)
            .expect("decoding does not depend on what came before");
        assert!(again == *chunk, "two decoders differ");
    });
}

pub(super) fn frames() -> Vec<Vec<u8>> {
    let mut encoder = ChunkEncoder::new(3);
    let mut frame = |chunk: &[u8]| encoder.encode(chunk).to_vec();
    let counted: Vec<u8> = (0..CHUNK_LEN).map(|at| (at / 300) as u8).collect();
    vec![frame(&[7; CHUNK_LEN]), frame(&counted)]
}
