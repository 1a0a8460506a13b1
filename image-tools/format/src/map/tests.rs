//! Chunk maps: what is kept, and every way to be refused.

use proptest::prelude::*;

use super::*;
use crate::limits::CHUNK_LEN;

const IMAGE: ImageId = ImageId([9; 16]);

fn key() -> Key {
    Key::from_bytes([3; 32])
}

fn encode(entries: &[Option<MapEntry>], volume: u8) -> (Vec<u8>, MapRef) {
    let mut out = Vec::new();
    let mut encoder = MapEncoder::new(&key(), IMAGE, volume, &mut out);
    for entry in entries {
        encoder.push(*entry, &mut out);
    }
    let place = encoder.finish(&mut out);
    (out, place)
}

fn size(entries: &[Option<MapEntry>]) -> u64 {
    (entries.len() * CHUNK_LEN) as u64
}

fn decode(
    bytes: &[u8],
    place: &MapRef,
    size: u64,
    cipher: &MapCipher,
) -> Result<Vec<Option<MapEntry>>, MapError> {
    cipher.check_header(bytes[..MAP_HEADER_LEN].try_into().unwrap())?;
    let root = cipher.open_root(place, size, &mut bytes[place.root_offset as usize..].to_vec())?;
    let mut entries = Vec::new();
    for leaf in 0..root.leaves() {
        let sealed = root
            .leaf(leaf)
            .map(|place| &bytes[place.offset as usize..][..place.len]);
        let opened = cipher.open_leaf(&root, leaf, &mut sealed.unwrap_or_default().to_vec())?;
        entries.extend_from_slice(opened.entries());
    }
    Ok(entries)
}

fn entry(n: u32) -> Option<MapEntry> {
    let digest = blake3::hash(&n.to_le_bytes());
    let mut chunk = [0; 16];
    chunk.copy_from_slice(&digest.as_bytes()[..16]);
    let frame = FrameAddress::new(4096 + n * 7, 1 + (n as usize * 31) % 57_344)?;
    Some(MapEntry {
        chunk: ShortChunkId(chunk),
        pack: n as u16,
        frame,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn decoding_gives_back_what_was_encoded(runs in prop::collection::vec((any::<bool>(), 1usize..1500), 0..6)) {
        let mut entries = Vec::new();
        for (present, len) in runs {
            entries.extend((0..len).map(|n| if present { entry(n as u32) } else { None }));
        }
        let (bytes, place) = encode(&entries, 4);
        prop_assert_eq!(place.len_bytes, bytes.len() as u64);
        prop_assert!(place.fits(size(&entries)));
        let cipher = MapCipher::new(&key(), IMAGE, 4);
        prop_assert_eq!(decode(&bytes, &place, size(&entries), &cipher).unwrap(), entries);
    }
}

#[test]
fn zeros_cost_one_root_entry_for_64_mib() {
    let (bytes, place) = encode(&vec![None; 64 * LEAF_ENTRIES], 0);
    assert_eq!(bytes.len(), MAP_HEADER_LEN + 64 * ROOT_ENTRY_LEN + TAG_LEN);
    assert_eq!(place.root_offset, MAP_HEADER_LEN as u64);
}

#[test]
fn a_leaf_of_random_entries_keeps_to_the_limit() {
    let mut noise = blake3::Hasher::new().finalize_xof();
    let entries: Vec<_> = (0..LEAF_ENTRIES)
        .map(|_| {
            let mut bytes = [0; 24];
            noise.fill(&mut bytes);
            let [a, b, c, d] = [bytes[16], bytes[17], bytes[18], bytes[19]];
            let frame = FrameAddress::new(
                u32::from_le_bytes([a, b, c, d]) | 4096,
                1 + bytes[20] as usize * 223,
            )?;
            let chunk = ShortChunkId(bytes[..16].try_into().unwrap());
            Some(MapEntry {
                chunk,
                pack: u16::from(bytes[23]) << 8,
                frame,
            })
        })
        .collect();
    let (_, place) = encode(&entries, 0);
    assert!(place.root_offset as usize - MAP_HEADER_LEN <= MAX_LEAF_LEN);
}

#[test]
fn every_flipped_byte_is_noticed() {
    let entries: Vec<_> = (0..2500)
        .map(|n| if n < 1024 { None } else { entry(n) })
        .collect();
    let (good, place) = encode(&entries, 0);
    let cipher = MapCipher::new(&key(), IMAGE, 0);
    for at in (0..good.len())
        .step_by(97)
        .chain([0, 8, 12, 16, 31, 32, good.len() - 1])
    {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        assert!(
            decode(&bytes, &place, size(&entries), &cipher).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn a_map_of_another_volume_image_or_key_is_refused() {
    let entries = vec![entry(1); 10];
    let (bytes, place) = encode(&entries, 0);
    let open = |cipher: MapCipher| decode(&bytes, &place, size(&entries), &cipher).unwrap_err();
    assert_eq!(open(MapCipher::new(&key(), IMAGE, 1)), MapError::Root);
    assert_eq!(
        open(MapCipher::new(&Key::from_bytes([4; 32]), IMAGE, 0)),
        MapError::Root
    );
    let other = ImageId([1; 16]);
    let error = open(MapCipher::new(&key(), other, 0));
    assert_eq!(
        error,
        MapError::OtherImage {
            expected: other,
            found: IMAGE
        }
    );
}

#[test]
fn a_map_that_cannot_belong_to_the_size_is_refused_before_it_is_read() {
    let (_, place) = encode(&[entry(1); 10], 0);
    assert!(place.fits(10 * CHUNK_LEN as u64));
    assert!(!place.fits(64 << 20 | 1));
    assert!(!place.fits(MAX_VOLUME_LEN + 1));
    assert!(
        !MapRef {
            root_offset: u64::MAX,
            ..place
        }
        .fits(1)
    );
}
