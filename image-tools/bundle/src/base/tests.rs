//! Reading an image: equal to what was built, and refusing what was altered.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use gobag_format::limits::CHUNK_LEN;
use proptest::prelude::*;

use super::*;
use crate::medium::Medium;
use crate::repository::testing::{Office, disk, noise};
use crate::repository::{Access, RepositoryMedium, StoredImage};

/// Counts reads of packs, and fails them on demand.
struct Watched {
    inner: RepositoryMedium,
    pack_reads: AtomicU64,
    failing: std::sync::atomic::AtomicBool,
}

impl Medium for Watched {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        self.inner.len(file)
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::Error::other("unplugged"));
        }
        if matches!(file, FileRef::Pack(_)) {
            self.pack_reads.fetch_add(1, Ordering::SeqCst);
        }
        self.inner.read_at(file, offset, buffer)
    }

    fn write_at(&self, file: FileRef, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write_at(file, offset, data)
    }

    fn flush(&self, file: FileRef) -> io::Result<()> {
        self.inner.flush(file)
    }

    fn forget_cached(&self, file: FileRef) -> io::Result<()> {
        self.inner.forget_cached(file)
    }
}

fn watched(office: &Office, image: &StoredImage, options: &BaseOptions) -> (Arc<Watched>, BaseImage) {
    let inner = RepositoryMedium::new(&office.repository(Access::Shared), image);
    let medium = Watched {
        inner,
        pack_reads: AtomicU64::new(0),
        failing: false.into(),
    };
    let medium = Arc::new(medium);
    let manifest = Arc::new(image.manifest.clone());
    let base = BaseImage::from_manifest(
        Arc::clone(&medium) as Arc<dyn Medium>,
        manifest,
        &image.key,
        options,
    );
    (medium, base)
}

fn quiet() -> BaseOptions {
    BaseOptions {
        read_ahead_chunks: 0,
        ..BaseOptions::default()
    }
}

fn built(content: &[u8]) -> (Office, StoredImage) {
    let office = Office::new();
    office.build("office", &[office.source("system", content)]);
    let image = office.image("office", 1);
    (office, image)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn random_reads_equal_a_slice_of_the_whole(
        seed in any::<u64>(),
        reads in prop::collection::vec((any::<prop::sample::Index>(), 0usize..300_000), 1..60),
        small_cache in any::<bool>(),
    ) {
        let content = disk(seed, 40);
        let (office, image) = built(&content);
        let cache_bytes = if small_cache { 1 } else { 64 << 20 };
        let base = office.base(&image, &BaseOptions { cache_bytes, read_ahead_chunks: 4 });
        let volume = base.volume(0).unwrap();
        for (at, len) in reads {
            let offset = at.index(content.len());
            let len = len.min(content.len() - offset);
            let mut bytes = vec![0xaa; len];
            volume.read_at(offset as u64, &mut bytes).unwrap();
            prop_assert!(bytes == content[offset..offset + len], "{offset}+{len}");
        }
    }
}

#[test]
fn reading_past_the_end_is_refused() {
    let content = noise(1, 100_000);
    let (office, image) = built(&content);
    let volume = office.base(&image, &quiet()).volume(0).unwrap();
    assert_eq!(
        volume.read_at(99_999, &mut [0; 2]).unwrap_err().code(),
        "volume.out-of-range"
    );
    assert_eq!(
        volume.read_at(u64::MAX, &mut [0; 2]).unwrap_err().code(),
        "volume.out-of-range"
    );
    assert_eq!(volume.read_chunk(2).unwrap_err().code(), "volume.out-of-range");
    volume.read_at(100_000, &mut []).unwrap();
    let last = volume.read_chunk(1).unwrap();
    assert_eq!(
        (last.len(), &last[100_000 - CHUNK_LEN..]),
        (CHUNK_LEN, &vec![0; 2 * CHUNK_LEN - 100_000][..])
    );
}

#[test]
fn many_readers_of_one_chunk_read_it_once() {
    let (office, image) = built(&noise(1, 4 * CHUNK_LEN));
    let (medium, base) = watched(&office, &image, &quiet());
    let volume = base.volume(0).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for index in 0..4 {
                    volume.read_chunk(index).unwrap();
                }
            });
        }
    });
    assert_eq!(medium.pack_reads.load(Ordering::SeqCst), 4);
}

#[test]
fn zeros_are_not_read_and_equal_chunks_are_read_once() {
    let mut content = vec![0; 20 * CHUNK_LEN];
    content[5 * CHUNK_LEN..6 * CHUNK_LEN].copy_from_slice(&noise(1, CHUNK_LEN));
    content.copy_within(5 * CHUNK_LEN..6 * CHUNK_LEN, 9 * CHUNK_LEN);
    let (office, image) = built(&content);
    let (medium, base) = watched(&office, &image, &quiet());
    let volume = base.volume(0).unwrap();
    let mut bytes = vec![1; content.len()];
    volume.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, content);
    assert_eq!(medium.pack_reads.load(Ordering::SeqCst), 1);
    assert!(volume.is_stored(9).unwrap() && !volume.is_stored(8).unwrap());
}

#[test]
fn an_exported_volume_is_the_source_with_its_holes() {
    use std::os::unix::fs::MetadataExt as _;

    let mut content = disk(3, 30);
    content.extend(vec![0; 8 << 20]);
    let (office, image) = built(&content);
    let path = office.folder.path().join("exported.raw");
    let volume = office.base(&image, &quiet()).volume(0).unwrap();
    volume.export(&path, &gobag_format::Silent).unwrap();
    assert!(std::fs::read(&path).unwrap() == content);
    assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < content.len() as u64 - (8 << 20));
    let again = volume.export(&path, &gobag_format::Silent);
    assert_eq!(again.unwrap_err().code(), "file.io");
}

#[test]
fn an_unplugged_medium_is_an_error_and_heals_when_it_is_back() {
    let content = noise(1, 4 * CHUNK_LEN);
    let (office, image) = built(&content);
    let (medium, base) = watched(&office, &image, &quiet());
    let volume = base.volume(0).unwrap();
    volume.read_chunk(0).unwrap();
    medium.failing.store(true, Ordering::SeqCst);
    volume.read_chunk(0).unwrap();
    assert_eq!(volume.read_chunk(1).unwrap_err().code(), "volume.medium");
    medium.failing.store(false, Ordering::SeqCst);
    assert_eq!(
        volume.read_chunk(1).unwrap()[..],
        content[CHUNK_LEN..2 * CHUNK_LEN]
    );
}

#[test]
fn a_sequential_reader_finds_its_chunks_brought_ahead() {
    let content = noise(1, 64 * CHUNK_LEN);
    let (office, image) = built(&content);
    let (medium, base) = watched(&office, &image, &BaseOptions::default());
    let volume = base.volume(0).unwrap();
    for index in 0..8 {
        volume.read_chunk(index).unwrap();
    }
    // Dropping joins the thread, so the count is final: eight were asked for, more were brought.
    drop(volume);
    assert!(medium.pack_reads.load(Ordering::SeqCst) > 8);
}

#[test]
fn what_was_brought_ahead_is_still_there_when_its_reader_comes() {
    const CHUNKS: usize = 640;
    let content = noise(1, CHUNKS * CHUNK_LEN);
    let (office, image) = built(&content);
    let options = BaseOptions {
        cache_bytes: (CHUNKS / 4 * CHUNK_LEN) as u64,
        read_ahead_chunks: 8,
    };
    let (medium, base) = watched(&office, &image, &options);
    let volume = base.volume(0).unwrap();
    let mut buffer = vec![0; 4 * CHUNK_LEN];
    for at in (0..content.len()).step_by(buffer.len()) {
        volume.read_at(at as u64, &mut buffer).unwrap();
        assert_eq!(buffer, content[at..at + buffer.len()]);
    }
    drop(volume);
    let reads = medium.pack_reads.load(Ordering::SeqCst) as usize;
    assert!(
        (CHUNKS..CHUNKS + CHUNKS / 20).contains(&reads),
        "{reads} reads for {CHUNKS} chunks"
    );
}

/// Somebody with all keys of a stick, but not IT's signing key, puts other content into a frame: it opens
/// and decompresses, and must still be refused.
#[test]
fn a_forged_frame_is_refused_although_it_opens() {
    use gobag_format::crypto::{Cipher, position_nonce};
    use std::os::unix::fs::FileExt as _;

    let content = noise(1, 2 * CHUNK_LEN);
    let (office, image) = built(&content);
    let base = office.base(&image, &quiet());
    let volume = base.volume(0).unwrap();
    let leaf = volume.leaf(0).unwrap();
    let (entry, pack) = (leaf.entries()[0].unwrap(), &image.manifest.packs[0]);
    let offset = entry.frame.offset();
    let mut aad = pack.id.0.to_vec();
    aad.extend_from_slice(&offset.to_le_bytes());
    let mut forged = noise(666, CHUNK_LEN);
    // Domain 1 is that of frames (docs/format.md, "Pack").
    Cipher::gcm(&pack.key).seal(position_nonce(1, offset), &aad, &mut forged, 0);
    let path = office.pack_files().remove(0);
    std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(&forged, offset)
        .unwrap();
    // The frame itself is flawless.
    let cipher = gobag_format::pack::PackCipher::new(pack.id, &pack.key);
    assert_eq!(
        cipher.open_frame(offset, &mut forged.clone()).unwrap(),
        noise(666, CHUNK_LEN)
    );
    assert_eq!(volume.read_chunk(0).unwrap_err().code(), "volume.damaged");
    assert_eq!(volume.read_chunk(1).unwrap()[..], content[CHUNK_LEN..]);
}
