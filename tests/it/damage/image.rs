//! An image of two small volumes in two packs: manifest, maps, packs.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use gobag_bundle::{
    base::{BaseImage, BaseOptions},
    medium::FileRef,
};
use gobag_format::{
    chunk::{ChunkEncoder, ChunkNamer},
    crypto::Key,
    digest::Digest,
    ids::{ImageId, OrgId},
    limits::CHUNK_LEN,
    manifest::{self, Boot, Features, MANIFEST_FORMAT, Manifest, PackEntry, Trust, VolumeEntry, VolumeKind},
    map::{MapEncoder, MapEntry},
    pack::PackEncoder,
    sign::SigningKey,
};
use gobag_tests::{
    ask,
    rng::{FixedRandom, Rng},
    sweep::each,
};

use super::Tally;
use crate::vectors::image::Files;

/// Noise in a chunk; the rest of it is zeros, which compress to nothing.
const NOISE: usize = 300;

struct Image {
    id: ImageId,
    digest: Digest,
    files: BTreeMap<FileRef, Vec<u8>>,
    /// The truth.
    volumes: Vec<Vec<u8>>,
    /// Where the chunks lie in the packs.
    frames: Vec<(FileRef, Range<usize>)>,
}

fn image_key() -> Key {
    Key::from_bytes([3; 32])
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([4; 32]))
}

/// An image made from `seed`; the same organisation, keys and chunk key make all of them.
fn make(seed: u8) -> Image {
    let (mut rng, random) = (Rng::new(seed.into()), FixedRandom::new(seed.into()));
    let (id, chunk_key) = (ImageId([seed; 16]), Key::from_bytes([5; 32]));
    let namer = ChunkNamer::new(chunk_key.clone());
    let mut image = Image {
        id,
        digest: Digest::of(&[]),
        files: BTreeMap::new(),
        volumes: Vec::new(),
        frames: Vec::new(),
    };
    let (mut entries, mut packs) = (Vec::new(), Vec::new());
    for (volume, chunks) in [(0u8, 3), (1, 2)] {
        let (mut pack, mut map) = (Vec::new(), Vec::new());
        let mut encoder = PackEncoder::new(&Key::from_bytes([6; 32]), 1 << 20, &random, &mut pack);
        let mut mapper = MapEncoder::new(&image_key(), id, volume, &mut map);
        let (mut content, mut frames) = (Vec::new(), Vec::new());
        for nth in 0..chunks {
            let mut chunk = vec![0; CHUNK_LEN];
            // The middle one of the first volume stays empty.
            let is_hole = volume == 0 && nth == 1;
            if !is_hole {
                rng.fill(&mut chunk[..NOISE]);
            }
            let name = namer.id(&chunk);
            let entry = (!is_hole).then(|| {
                let payload = ChunkEncoder::new(3).encode(&chunk).to_vec();
                let frame = encoder.push(&name, &payload, &mut pack).unwrap();
                frames.push(frame.offset() as usize..frame.end() as usize);
                MapEntry {
                    chunk: name.short(),
                    pack: volume.into(),
                    frame,
                }
            });
            mapper.push(entry, &mut map);
            content.extend(chunk);
        }
        let place = mapper.finish(&mut map);
        let finished = encoder.finish(&mut pack);
        let file = FileRef::Pack(finished.id);
        image.frames.extend(frames.into_iter().map(|range| (file, range)));
        entries.push(VolumeEntry {
            name: format!("volume{volume}"),
            kind: if volume == 0 {
                VolumeKind::Base
            } else {
                VolumeKind::Blob
            },
            size_bytes: content.len() as u64,
            map: place,
        });
        packs.push(PackEntry {
            id: finished.id,
            len_bytes: finished.len_bytes,
            digest: Digest::of(&pack),
            key: finished.key.clone(),
        });
        image.volumes.push(content);
        image.files.insert(file, pack);
        image.files.insert(FileRef::Map(id, volume), map);
    }
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        features: Features::default(),
        org: OrgId([1; 16]),
        name: "office".to_owned(),
        image: id,
        version: 1,
        parent: None,
        created_s: 1_700_000_000,
        chunk_key,
        volumes: entries,
        packs,
        boot: Boot::default(),
        container: None,
        os_name: None,
        requirements: serde_json::Value::Null,
        policy: serde_json::Value::Null,
    };
    let sealed = manifest::seal(&manifest, &signer(), &image_key(), &random).unwrap();
    image.digest = Digest::of(&sealed);
    image.files.insert(FileRef::Manifest(id), sealed);
    image
}

/// Bytes at the start and at the end of a pack that are all damaged, besides the frames.
const ENDS: usize = 256;
/// Of the rest of a pack, mostly padding, one byte in so many.
const STEP: usize = 4096;

/// The places that are damaged: all of the small files, all that is read of the packs, and some of their padding; with
/// `GOBAG_LONG` every byte there is.
fn places(image: &Image) -> Vec<(FileRef, usize)> {
    let of_file = |(file, bytes): (&FileRef, &Vec<u8>)| {
        let (file, len) = (*file, bytes.len());
        let is_frame = |at: &usize| {
            image
                .frames
                .iter()
                .any(|(pack, range)| *pack == file && range.contains(at))
        };
        let is_small = !matches!(file, FileRef::Pack(_)) || !ask::is_usual();
        let counts = |at: &usize| {
            is_small || is_frame(at) || *at < ENDS || at + ENDS >= len || at.is_multiple_of(STEP)
        };
        (0..len).filter(counts).map(|at| (file, at)).collect::<Vec<_>>()
    };
    image.files.iter().flat_map(of_file).collect()
}

impl Image {
    /// Reads everything from `files`, which should be this image: every chunk is right or an error. Tells whether
    /// all were right. `digest`: whether the header of the stick names the manifest's digest.
    fn read(&self, files: BTreeMap<FileRef, Vec<u8>>, digest: bool, what: &str) -> bool {
        let trust = Trust {
            image: self.id,
            publisher: signer().verifying_key(),
            min_version: 1,
            digest: digest.then_some(self.digest),
        };
        let options = BaseOptions {
            cache_bytes: 1 << 20,
            read_ahead_chunks: 0,
        };
        let Ok(image) = BaseImage::open(Arc::new(Files(files)), &image_key(), &trust, &options) else {
            return false;
        };
        let mut whole = true;
        for (number, truth) in (0..).zip(&self.volumes) {
            let Ok(volume) = image.volume(number) else {
                whole = false;
                continue;
            };
            assert_eq!(volume.size_bytes(), truth.len() as u64, "{what}");
            for (nth, chunk) in truth.chunks(CHUNK_LEN).enumerate() {
                let mut bytes = vec![0xee; chunk.len()];
                match volume.read_at((nth * CHUNK_LEN) as u64, &mut bytes) {
                    Ok(()) => assert!(
                        bytes == chunk,
                        "{what}: wrong bytes of chunk {nth} of volume {number}"
                    ),
                    Err(_) => whole = false,
                }
            }
        }
        whole
    }
}

#[test]
fn no_flipped_bit_of_an_image_changes_what_is_read() {
    let image = make(1);
    assert!(image.read(image.files.clone(), true, "untouched"));
    let places = places(&image);
    let tally = Tally::default();
    each(places.len() as u64, |nth| {
        let (file, at) = places[nth as usize];
        for bit in 0..8 {
            let mut files = image.files.clone();
            files.get_mut(&file).unwrap()[at] ^= 1 << bit;
            let whole = image.read(files, bit % 2 == 0, &format!("{file}, byte {at}, bit {bit}"));
            // What is read on the way to a chunk must be noticed; a pack has more than that, under its digest.
            let is_frame = image
                .frames
                .iter()
                .any(|(pack, range)| *pack == file && range.contains(&at));
            assert!(
                !whole || (matches!(file, FileRef::Pack(_)) && !is_frame),
                "{file}, byte {at}, bit {bit}: not noticed"
            );
            tally.note(whole);
        }
    });
    tally.tell("image, flipped bits");
}

#[test]
fn no_file_of_an_image_cut_to_any_length_changes_what_is_read() {
    let image = make(1);
    let places = places(&image);
    let tally = Tally::default();
    each(places.len() as u64, |nth| {
        let (file, len) = places[nth as usize];
        let mut files = image.files.clone();
        files.get_mut(&file).unwrap().truncate(len);
        tally.note(image.read(files, true, &format!("{file} cut to {len}")));
    });
    tally.tell("image, every length of every file");
}

#[test]
fn no_two_parts_of_images_that_changed_places_change_what_is_read() {
    let (image, other) = (make(1), make(2));
    let tally = Tally::default();
    // Frames: every two of an image, within a pack and across packs.
    for (a, (pack_a, range_a)) in image.frames.iter().enumerate() {
        for (pack_b, range_b) in &image.frames[..a] {
            let mut files = image.files.clone();
            let (first, second) = (
                files[pack_a][range_a.clone()].to_vec(),
                files[pack_b][range_b.clone()].to_vec(),
            );
            let len = first.len().min(second.len());
            files.get_mut(pack_a).unwrap()[range_a.clone()][..len].copy_from_slice(&second[..len]);
            files.get_mut(pack_b).unwrap()[range_b.clone()][..len].copy_from_slice(&first[..len]);
            let whole = image.read(files, true, "swapped frames");
            assert!(!whole, "swapped frames are not noticed");
            tally.note(whole);
        }
    }
    // Files: every two of the image, and each with each of another.
    let all: Vec<(FileRef, &Vec<u8>)> = image
        .files
        .iter()
        .chain(&other.files)
        .map(|(file, bytes)| (*file, bytes))
        .collect();
    for file in image.files.keys() {
        for (from, bytes) in &all {
            if from != file {
                for digest in [true, false] {
                    let mut files = image.files.clone();
                    files.insert(*file, (*bytes).clone());
                    files.insert(*from, image.files[file].clone());
                    let whole = image.read(files, digest, &format!("{file} and {from} swapped"));
                    assert!(!whole, "{file} and {from} swapped: not noticed");
                    tally.note(whole);
                }
            }
        }
    }
    // Any two stretches of any two files.
    let mut rng = Rng::new(8);
    let mine: Vec<FileRef> = image.files.keys().copied().collect();
    for _ in 0..2000 {
        let mut files = image.files.clone();
        let (a, b) = (mine[rng.below(5) as usize], mine[rng.below(5) as usize]);
        let len = 1 + rng.below(files[&a].len().min(files[&b].len()) as u64 / 2) as usize;
        let from =
            |rng: &mut Rng, file: &FileRef| rng.below((image.files[file].len() - len + 1) as u64) as usize;
        let (at_a, at_b) = (from(&mut rng, &a), from(&mut rng, &b));
        let (first, second) = (
            files[&a][at_a..at_a + len].to_vec(),
            files[&b][at_b..at_b + len].to_vec(),
        );
        files.get_mut(&a).unwrap()[at_a..at_a + len].copy_from_slice(&second);
        files.get_mut(&b).unwrap()[at_b..at_b + len].copy_from_slice(&first);
        tally.note(image.read(files, true, &format!("{len} bytes: {a} at {at_a}, {b} at {at_b}")));
    }
    tally.tell("image, swaps");
}
