//! One tiny image, from which the packs, maps and manifests among the vectors are made: a system volume of five chunks
//! and a half, and a kernel, in one pack.

use std::{collections::BTreeMap, io, sync::LazyLock};

use gobag_bundle::medium::{FileRef, Medium};
use gobag_format::{
    chunk::{ChunkEncoder, ChunkNamer},
    crypto::Key,
    digest::Digest,
    ids::{ImageId, OrgId},
    limits::CHUNK_LEN,
    manifest::{
        self, Boot, ContainerEntry, DirectKernel, Features, MANIFEST_FORMAT, Manifest, PackEntry, Trust,
        VolumeEntry, VolumeKind,
    },
    map::{MapEncoder, MapEntry, MapRef},
    pack::{FinishedPack, PackEncoder},
    sign::SigningKey,
};
use gobag_tests::rng::{FixedRandom, Rng};

pub(crate) const IMAGE: ImageId = ImageId([0x1a; 16]);
pub(crate) const VERSION: u64 = 3;
/// Noise, text, zeros, the noise once more, other text, half a chunk of text.
const SYSTEM: &str = "Aa.Abc";
const KERNEL: &str = "k";
pub(crate) const SYSTEM_BYTES: u64 = 5 * CHUNK_LEN as u64 + 30_000;
const KERNEL_BYTES: u64 = 4_321;

/// The good files, and what belongs to them.
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) manifest_file: Vec<u8>,
    pub(crate) pack: Vec<u8>,
    /// Of the system volume and of the kernel.
    pub(crate) maps: [Vec<u8>; 2],
}

pub(crate) static GOOD: LazyLock<Image> = LazyLock::new(make);

pub(crate) fn image_key() -> Key {
    Key::from_bytes([0x1b; 32])
}

pub(crate) fn owner_key() -> Key {
    Key::from_bytes([0x1c; 32])
}

pub(crate) fn signer() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([0x1d; 32]))
}

fn chunk_key() -> Key {
    Key::from_bytes([0x1e; 32])
}

/// What the header of a stick says of the image.
pub(crate) fn trust(digest: Option<Digest>) -> Trust {
    Trust {
        image: IMAGE,
        publisher: signer().verifying_key(),
        min_version: VERSION,
        digest,
    }
}

/// The chunk that a letter stands for: capitals are noise, small ones text, `.` is zeros.
pub(crate) fn chunk(letter: char) -> Vec<u8> {
    let mut chunk = vec![0; CHUNK_LEN];
    match letter {
        '.' => {}
        'A'..='Z' => Rng::new(u64::from(letter)).fill(&mut chunk),
        _ => chunk.fill(letter as u8),
    }
    chunk
}

/// The letters of a volume's chunks, `!` for what reads as nothing that was ever written.
pub(crate) fn letter(content: &[u8]) -> char {
    let all = SYSTEM.chars().chain(KERNEL.chars());
    let mut same = all.filter(|letter| chunk(*letter).starts_with(content));
    same.next().unwrap_or('!')
}

fn make() -> Image {
    let (mut pack, random) = (Vec::new(), FixedRandom::new(0x1f));
    let mut encoder = PackEncoder::new(&owner_key(), 1 << 20, &random, &mut pack);
    let namer = ChunkNamer::new(chunk_key());
    let mut places = BTreeMap::new();
    let mut map = |volume: u8, letters: &str, size_bytes: u64| {
        let mut file = Vec::new();
        let mut map = MapEncoder::new(&image_key(), IMAGE, volume, &mut file);
        for (nth, letter) in letters.chars().enumerate() {
            let mut content = chunk(letter);
            // What lies past the end of the volume is zero.
            let rest = (size_bytes - (nth * CHUNK_LEN) as u64) as usize;
            content[rest.min(CHUNK_LEN)..].fill(0);
            let id = namer.id(&content);
            let entry = (letter != '.').then(|| MapEntry {
                chunk: id.short(),
                pack: 0,
                frame: *places.entry(id).or_insert_with(|| {
                    let payload = ChunkEncoder::new(3).encode(&content).to_vec();
                    encoder.push(&id, &payload, &mut pack).unwrap()
                }),
            });
            map.push(entry, &mut file);
        }
        let place = map.finish(&mut file);
        (file, place)
    };
    let (system, system_place) = map(0, SYSTEM, SYSTEM_BYTES);
    let (kernel, kernel_place) = map(1, KERNEL, KERNEL_BYTES);
    let finished = encoder.finish(&mut pack);
    let volumes = vec![
        volume("system", VolumeKind::Base, SYSTEM_BYTES, system_place),
        volume("kernel", VolumeKind::Blob, KERNEL_BYTES, kernel_place),
    ];
    let manifest = describe(volumes, &finished, Digest::of(&pack));
    let manifest_file = seal(&manifest);
    Image {
        manifest,
        manifest_file,
        pack,
        maps: [system, kernel],
    }
}

fn volume(name: &str, kind: VolumeKind, size_bytes: u64, map: MapRef) -> VolumeEntry {
    VolumeEntry {
        name: name.to_owned(),
        kind,
        size_bytes,
        map,
    }
}

fn describe(volumes: Vec<VolumeEntry>, pack: &FinishedPack, digest: Digest) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        features: Features::default(),
        org: OrgId([0x20; 16]),
        name: "office".to_owned(),
        image: IMAGE,
        version: VERSION,
        parent: None,
        created_s: 1_700_000_000,
        chunk_key: chunk_key(),
        volumes,
        packs: vec![PackEntry {
            id: pack.id,
            len_bytes: pack.len_bytes,
            digest,
            key: pack.key.clone(),
        }],
        boot: Boot {
            firmware: None,
            kernel: Some(DirectKernel {
                kernel: "kernel".to_owned(),
                initrd: None,
                cmdline: "root=/dev/vda".to_owned(),
            }),
        },
        container: Some(ContainerEntry {
            volume: "system".to_owned(),
            ..ContainerEntry::default()
        }),
        os_name: Some("Tiny".to_owned()),
        requirements: serde_json::json!({"min_cores": 2}),
        policy: serde_json::Value::Null,
    }
}

/// The manifest's file, as IT signs it.
pub(crate) fn seal(manifest: &Manifest) -> Vec<u8> {
    manifest::seal(manifest, &signer(), &image_key(), &FixedRandom::new(0x21)).unwrap()
}

/// The system volume as it was before it became an image.
pub(crate) fn system() -> Vec<u8> {
    let mut content: Vec<u8> = SYSTEM.chars().flat_map(chunk).collect();
    content.truncate(SYSTEM_BYTES as usize);
    content
}

/// What the header of a stick that has the image says of it.
pub(crate) fn record() -> serde_json::Value {
    serde_json::json!({
        "publisher": signer().verifying_key(),
        "images": [{
            "id": IMAGE,
            "version": VERSION,
            "manifest": Digest::of(&GOOD.manifest_file),
            "image_key": image_key(),
        }],
    })
}

/// Where a stick has a manifest, a map and a pack of the image.
pub(crate) fn paths() -> [String; 3] {
    let pack = GOOD.manifest.packs[0].id;
    let files = [
        FileRef::Manifest(IMAGE),
        FileRef::Map(IMAGE, 0),
        FileRef::Pack(pack),
    ];
    files.map(|file| format!("GOBAG/{file}"))
}

/// Files in memory, to be read only.
#[derive(Default)]
pub(crate) struct Files(pub(crate) BTreeMap<FileRef, Vec<u8>>);

impl Medium for Files {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        Ok(self.0.get(&file).ok_or(io::ErrorKind::NotFound)?.len() as u64)
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.get(&file).ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let found = bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, _: FileRef, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&self, _: FileRef) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self, _: FileRef) -> io::Result<()> {
        Ok(())
    }
}
