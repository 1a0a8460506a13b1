//! Packs: what is kept, and every way to be refused.

use proptest::prelude::*;

use super::*;
use crate::chunk::ChunkId;
use crate::crypto::{Key, OpenError};
use crate::testing::Fixed;

struct Written {
    bytes: Vec<u8>,
    pack: FinishedPack,
    frames: Vec<(ChunkId, Vec<u8>, FrameAddress)>,
}

fn owner_key() -> Key {
    Key::from_bytes([7; 32])
}

fn write(payloads: &[Vec<u8>], limit_bytes: u64) -> Written {
    let mut bytes = Vec::new();
    let mut encoder = PackEncoder::new(&owner_key(), limit_bytes, &Fixed::new(1), &mut bytes);
    let mut frames = Vec::new();
    for payload in payloads {
        let id = ChunkId(*blake3::hash(payload).as_bytes());
        let Some(address) = encoder.push(&id, payload, &mut bytes) else {
            break;
        };
        frames.push((id, payload.clone(), address));
    }
    let pack = encoder.finish(&mut bytes);
    Written { bytes, pack, frames }
}

fn open(bytes: &[u8], owner_key: &Key) -> Result<Directory, PackError> {
    let len = bytes.len() as u64;
    let header = PackHeader::parse(bytes[..PACK_HEADER_LEN].try_into().unwrap(), len)?;
    let cipher = PackCipher::new(header.id(), &header.open_owner_slot(owner_key)?);
    let footer = cipher.open_footer(bytes[bytes.len() - PACK_FOOTER_LEN..].try_into().unwrap(), len)?;
    let at = footer.directory_offset() as usize;
    let mut directory = bytes[at..at + footer.directory_len()].to_vec();
    cipher.open_directory(&footer, &header, &mut directory)
}

fn payload(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&[seed])
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_pushed_is_listed_and_opens(lens in prop::collection::vec(prop_oneof![1usize..57_345, Just(65_536)], 0..60)) {
        let payloads: Vec<_> = lens.iter().enumerate().map(|(n, len)| payload(n as u8, *len)).collect();
        let written = write(&payloads, 1 << 30);
        prop_assert_eq!(written.frames.len(), payloads.len());
        prop_assert_eq!(written.bytes.len() as u64, written.pack.len_bytes);
        prop_assert_eq!(written.pack.len_bytes % PACK_GRAIN, 0);
        let directory = open(&written.bytes, &owner_key()).unwrap();
        let cipher = PackCipher::new(written.pack.id, &written.pack.key);
        prop_assert_eq!(directory.entries().len(), payloads.len());
        for (entry, (id, payload, address)) in directory.entries().iter().zip(&written.frames) {
            prop_assert_eq!((entry.chunk, entry.address), (*id, *address));
            let mut frame = written.bytes[address.offset() as usize..address.end() as usize].to_vec();
            prop_assert_eq!(&*cipher.open_frame(address.offset(), &mut frame).unwrap(), payload.as_slice());
        }
    }
}

#[test]
fn a_full_pack_keeps_to_its_limit_and_is_not_much_smaller() {
    let payloads: Vec<_> = (0..200u32).map(|n| payload(n as u8, 65_536)).collect();
    let written = write(&payloads, 4 << 20);
    assert_eq!(written.pack.len_bytes, 4 << 20);
    assert_eq!(written.frames.len(), ((4 << 20) - 8192 - 16) / (65_536 + 16 + 34));
}

#[test]
fn every_flipped_bit_of_a_sealed_part_is_noticed() {
    let written = write(&[payload(1, 5000), payload(2, 65_536)], 1 << 30);
    let (first, second) = (written.frames[0].2, written.frames[1].2);
    let directory_at = second.end() as usize;
    let footer_at = written.bytes.len() - PACK_FOOTER_LEN;
    // Header beyond the owner slot counts too: the footer carries its digest.
    for at in [
        16,
        31,
        32,
        79,
        80,
        4095,
        directory_at,
        footer_at - 1,
        footer_at,
        written.bytes.len() - 1,
    ] {
        let mut bytes = written.bytes.clone();
        bytes[at] ^= 1;
        let error = open(&bytes, &owner_key()).unwrap_err();
        assert!(
            matches!(error.code(), "pack.sealed" | "pack.inconsistent"),
            "byte {at}: {error}"
        );
    }
    let cipher = PackCipher::new(written.pack.id, &written.pack.key);
    for at in [first.offset(), first.end() - 1] {
        let mut frame = written.bytes[first.offset() as usize..first.end() as usize].to_vec();
        frame[(at - first.offset()) as usize] ^= 0x80;
        assert_eq!(cipher.open_frame(first.offset(), &mut frame), Err(OpenError));
    }
    // A frame moved to another place does not open there.
    let mut moved = written.bytes[second.offset() as usize..second.end() as usize].to_vec();
    assert_eq!(cipher.open_frame(first.offset(), &mut moved), Err(OpenError));
}

#[test]
fn only_the_owner_opens_the_slot() {
    let written = write(&[payload(1, 100)], 1 << 30);
    let error = open(&written.bytes, &Key::from_bytes([8; 32])).unwrap_err();
    assert_eq!(error, PackError::Sealed { part: "owner slot" });
}

#[test]
fn addresses_outside_the_format_do_not_exist() {
    assert!(FrameAddress::new(4096, 1).is_some());
    assert!(FrameAddress::new(4095, 1).is_none());
    assert!(FrameAddress::new(4096, 0).is_none());
    assert!(FrameAddress::new(4096, 57_344).is_some());
    assert!(FrameAddress::new(4096, 57_345).is_none());
    assert!(FrameAddress::from_parts(4096, 65_535).is_some());
}
