//! Chunk maps. A vector is what the signed manifest says of the map of the system volume, a line of JSON, and then the
//! file. The outcome names the chunks that reading gives: their letters, `.` for zeros, `!` for damage.

use std::sync::Arc;

use gobag_bundle::{
    base::{BaseImage, BaseOptions},
    medium::FileRef,
};
use gobag_format::{
    crypto::{Cipher, TAG_LEN, position_nonce},
    digest::Digest,
    limits::CHUNK_LEN,
    map::{MAP_HEADER_LEN, MAX_LEAF_LEN, MapRef, root_len},
};

use super::{
    Vectors, flipped,
    image::{Files, GOOD, IMAGE, SYSTEM_BYTES, image_key, letter},
};

const ENTRY_LEN: usize = 24;
const LEAF: u8 = 1;
const ROOT: u8 = 2;

/// What a reader finds in the image with this map.
pub(crate) fn open(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let mut manifest = GOOD.manifest.clone();
    manifest.volumes[0].map = serde_json::from_slice(&bytes[..end]).unwrap();
    let mut files = Files::default();
    files.0.insert(FileRef::Map(IMAGE, 0), bytes[end + 1..].to_vec());
    files
        .0
        .insert(FileRef::Pack(manifest.packs[0].id), GOOD.pack.clone());
    let options = BaseOptions {
        read_ahead_chunks: 0,
        ..BaseOptions::default()
    };
    read(&BaseImage::from_manifest(
        Arc::new(files),
        Arc::new(manifest),
        &image_key(),
        &options,
    ))
}

/// The letters of the system volume's chunks.
pub(crate) fn read(image: &BaseImage) -> String {
    let volume = match image.volume(0) {
        Ok(volume) => volume,
        Err(error) => return error.code().to_owned(),
    };
    let mut content = vec![0; CHUNK_LEN];
    let letters = (0..volume.size_bytes()).step_by(CHUNK_LEN).map(|at| {
        let len = (volume.size_bytes() - at).min(CHUNK_LEN as u64) as usize;
        match volume.read_at(at, &mut content[..len]) {
            Ok(()) => letter(&content[..len]).to_string(),
            Err(error) if error.code() == "volume.damaged" => "!".to_owned(),
            Err(error) => format!(" {} ", error.code()),
        }
    });
    format!("ok: {}", letters.collect::<String>())
}

/// The map's file in parts that can be changed and sealed again.
struct Parts {
    leaf: Vec<u8>,
    /// Where the root says that the leaf lies.
    leaf_at: u64,
    /// How long it says that the leaf is, if not as long as it is.
    leaf_len: Option<u32>,
    leaf_number: u64,
    volume: u8,
}

/// The entries of the good map: one leaf of six.
pub(crate) fn good_entries() -> Vec<u8> {
    let place = GOOD.manifest.volumes[0].map;
    let mut sealed = GOOD.maps[0][MAP_HEADER_LEN..place.root_offset as usize].to_vec();
    let nonce = position_nonce(LEAF, MAP_HEADER_LEN as u64);
    let packed = cipher(0).open(nonce, &aad(0, 0), &mut sealed).unwrap();
    zstd::bulk::decompress(packed, 1 << 20).unwrap()
}

/// A map, rightly sealed, with this instead of the good entries; and where the manifest says that its root is.
pub(crate) fn with_entries(entries: &[u8]) -> (MapRef, Vec<u8>) {
    Parts::entries(entries).seal()
}

fn cipher(volume: u8) -> Cipher {
    Cipher::gcm(&image_key().derive("map", &[&IMAGE.0[..], &[volume]].concat()))
}

fn aad(volume: u8, number: u64) -> Vec<u8> {
    [&IMAGE.0[..], &[volume], &number.to_le_bytes()].concat()
}

impl Parts {
    /// With this in the leaf, compressed or not.
    fn of(leaf: Vec<u8>) -> Self {
        Self {
            leaf,
            leaf_at: MAP_HEADER_LEN as u64,
            leaf_len: None,
            leaf_number: 0,
            volume: 0,
        }
    }

    fn entries(entries: &[u8]) -> Self {
        Self::of(zstd::bulk::compress(entries, 3).unwrap())
    }

    /// The file and what the manifest says of it.
    fn seal(self) -> (MapRef, Vec<u8>) {
        let mut file = GOOD.maps[0][..MAP_HEADER_LEN].to_vec();
        file.extend_from_slice(&self.leaf);
        let nonce = position_nonce(LEAF, MAP_HEADER_LEN as u64);
        let seal = |nonce, number, file: &mut Vec<u8>, from| {
            cipher(self.volume).seal(nonce, &aad(self.volume, number), file, from);
        };
        seal(nonce, self.leaf_number, &mut file, MAP_HEADER_LEN);
        let root_offset = file.len();
        let leaf = &file[MAP_HEADER_LEN..];
        let mut root = self.leaf_at.to_le_bytes().to_vec();
        root.extend_from_slice(&self.leaf_len.unwrap_or(leaf.len() as u32).to_le_bytes());
        root.extend_from_slice(&Digest::of(leaf).0);
        file.extend_from_slice(&root);
        seal(
            position_nonce(ROOT, root_offset as u64),
            1,
            &mut file,
            root_offset,
        );
        (place(&file, root_offset), file)
    }
}

fn place(file: &[u8], root_offset: usize) -> MapRef {
    MapRef {
        len_bytes: file.len() as u64,
        root_offset: root_offset as u64,
        root_digest: Digest::of(&file[root_offset..]),
    }
}

fn vector((place, file): (MapRef, Vec<u8>)) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&place).unwrap();
    bytes.push(b'\n');
    bytes.extend(file);
    bytes
}

const GOOD_SAYS: &str = "ok: Aa.Abc";
const ALL_DAMAGED: &str = "ok: !!!!!!";

pub(crate) fn make() -> Vectors {
    let mut all = Vectors::default();
    let (good, file) = (GOOD.manifest.volumes[0].map, &GOOD.maps[0]);
    let under_good = |file: Vec<u8>| vector((good, file));
    all.add("good", under_good(file.clone()), GOOD_SAYS);
    all.add(
        "good-sealed-again",
        vector(Parts::entries(&good_entries()).seal()),
        GOOD_SAYS,
    );

    for (name, at, says) in [
        ("flipped-magic", 0, "map.not-a-map"),
        ("flipped-format", 8, "map.newer-format"),
        ("flipped-features", 12, "map.unknown-feature"),
        ("flipped-image-id", 16, "map.other-image"),
        ("flipped-leaf", MAP_HEADER_LEN + 20, ALL_DAMAGED),
        ("flipped-leaf-tag", good.root_offset as usize - 1, ALL_DAMAGED),
        ("flipped-root", good.root_offset as usize, "map.root"),
        ("flipped-root-tag", file.len() - 1, "map.root"),
    ] {
        all.add(name, under_good(flipped(file, at)), says);
    }
    for (name, len) in [("empty", 0), ("only-half-a-header", 16)] {
        all.add(name, under_good(file[..len].to_vec()), "map.not-a-map");
    }
    for (name, len) in [
        ("only-a-header", MAP_HEADER_LEN),
        ("without-its-root", good.root_offset as usize),
        ("one-byte-short", file.len() - 1),
    ] {
        all.add(name, under_good(file[..len].to_vec()), "map.root");
    }
    let long = [&file[..], &[0; 100]].concat();
    all.add("something-behind", under_good(long), GOOD_SAYS);
    all.add("of-another-volume", under_good(GOOD.maps[1].clone()), "map.root");
    let other = GOOD.manifest.volumes[1].map;
    let swapped = vector((other, GOOD.maps[1].clone()));
    all.add("of-another-volume-named-by-the-manifest", swapped, "map.root");
    let mut leaves = file.clone();
    leaves[MAP_HEADER_LEN..good.root_offset as usize].fill(0);
    all.add("leaf-of-zeros", under_good(leaves), ALL_DAMAGED);

    absurd(&mut all, good, file);
    roots(&mut all);
    leaf(&mut all);
    entries(&mut all);
    all
}

/// What the manifest could say of the file.
fn absurd(all: &mut Vectors, good: MapRef, file: &[u8]) {
    let says = |root_offset, len_bytes| {
        let place = MapRef {
            len_bytes,
            root_offset,
            ..good
        };
        vector((place, file.to_vec()))
    };
    let len = file.len() as u64;
    all.add(
        "manifest-length-absurd",
        says(good.root_offset, u64::MAX),
        "map.root",
    );
    all.add(
        "manifest-length-other",
        says(good.root_offset, len + 44),
        "map.root",
    );
    all.add("manifest-root-at-0", says(0, root_len(SYSTEM_BYTES)), "map.root");
    all.add(
        "manifest-root-beyond-the-file",
        says(len, len + root_len(SYSTEM_BYTES)),
        "map.root",
    );
    all.add("manifest-root-absurd", says(u64::MAX, u64::MAX), "map.root");
    let digest = MapRef {
        root_digest: Digest([7; 32]),
        ..good
    };
    all.add(
        "manifest-digest-of-another",
        vector((digest, file.to_vec())),
        "map.root",
    );
}

/// What a root could say whose digest is in the manifest: IT's mistake, or an attack with IT's key.
fn roots(all: &mut Vectors) {
    let good = || Parts::entries(&good_entries());
    for (name, leaf_at) in [
        ("root-leaf-in-the-header", 31),
        ("root-leaf-behind-the-root", 1 << 20),
        ("root-leaf-absurd", u64::MAX),
    ] {
        all.add(name, vector(Parts { leaf_at, ..good() }.seal()), "map.root");
    }
    for (name, leaf_len, says) in [
        ("root-leaf-length-absurd", u32::MAX, "map.root"),
        ("root-leaf-longer-than-it-is", 10_000, "map.root"),
        ("root-leaf-of-no-bytes", 0, ALL_DAMAGED),
        ("root-leaf-one-byte-short", 80, ALL_DAMAGED),
    ] {
        let leaf_len = Some(leaf_len);
        all.add(name, vector(Parts { leaf_len, ..good() }.seal()), says);
    }
    let volume = Parts { volume: 1, ..good() };
    all.add("sealed-for-another-volume", vector(volume.seal()), "map.root");
    let number = Parts {
        leaf_number: 1,
        ..good()
    };
    all.add(
        "leaf-sealed-for-another-place",
        vector(number.seal()),
        ALL_DAMAGED,
    );
}

/// What a leaf could hold that opens.
fn leaf(all: &mut Vectors) {
    let entries = good_entries();
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 3).unwrap();
    assert!(
        bomb.len() <= MAX_LEAF_LEN - TAG_LEN,
        "the bomb is refused for its length"
    );
    for (name, leaf) in [
        ("leaf-empty", Vec::new()),
        ("leaf-no-zstd", entries.clone()),
        ("leaf-bomb", bomb),
        (
            "leaf-one-entry-short",
            zstd::bulk::compress(&entries[ENTRY_LEN..], 3).unwrap(),
        ),
        (
            "leaf-one-entry-more",
            zstd::bulk::compress(&[&entries[..], &entries[..ENTRY_LEN]].concat(), 3).unwrap(),
        ),
        (
            "leaf-full",
            zstd::bulk::compress(&entries.repeat(171), 3).unwrap(),
        ),
    ] {
        all.add(name, vector(Parts::of(leaf).seal()), ALL_DAMAGED);
    }
}

/// What an entry could say. The second of the six is changed; one that no frame can have spoils its leaf.
fn entries(all: &mut Vectors) {
    let with = |at: usize, bytes: &[u8]| {
        let mut entries = good_entries();
        entries[ENTRY_LEN + at..][..bytes.len()].copy_from_slice(bytes);
        vector(Parts::entries(&entries).seal())
    };
    let one = "ok: A!.Abc";
    all.add("entry-chunk-id-of-another", with(0, &[9; 16]), one);
    all.add("entry-pack-that-is-not-there", with(16, &[1, 0]), one);
    all.add("entry-pack-absurd", with(16, &[255, 255]), one);
    all.add("entry-frame-longer-than-it-is", with(18, &[200, 0]), one);
    all.add(
        "entry-frame-one-byte-on",
        with(20, &(4_097u32 + 65_552).to_le_bytes()),
        one,
    );
    all.add(
        "entry-frame-at-the-directory",
        with(20, &1_000_000u32.to_le_bytes()),
        one,
    );
    all.add(
        "entry-frame-in-the-footer",
        with(20, &((1u32 << 20) - 100).to_le_bytes()),
        one,
    );
    all.add(
        "entry-frame-beyond-the-pack",
        with(20, &u32::MAX.to_le_bytes()),
        one,
    );
    all.add(
        "entry-frame-in-the-header",
        with(20, &4_095u32.to_le_bytes()),
        ALL_DAMAGED,
    );
    all.add("entry-frame-at-0", with(20, &[0; 4]), ALL_DAMAGED);
    // Between the longest zstd payload and a whole chunk lies no length.
    all.add(
        "entry-length-between",
        with(18, &57_344u16.to_le_bytes()),
        ALL_DAMAGED,
    );
    all.add("entry-of-zeros", with(0, &[0; ENTRY_LEN]), "ok: A..Abc");
    let mut swapped = good_entries();
    let (first, second) = swapped.split_at_mut(ENTRY_LEN);
    first.swap_with_slice(&mut second[..ENTRY_LEN]);
    // The signed map says which chunk is where; this one was signed.
    all.add(
        "entries-swapped-by-whoever-signs",
        vector(Parts::entries(&swapped).seal()),
        "ok: aA.Abc",
    );
}
