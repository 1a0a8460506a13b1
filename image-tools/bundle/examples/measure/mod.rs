//! What the measurements share: a store on a medium in memory that counts, and numbers that look random.

use std::{
    collections::HashMap,
    error::Error,
    fs, io,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use gobag_bundle::{
    SystemRandom,
    medium::{FileRef, Medium},
    store::{Clock, LogKeys, LogVolume, Store, StoreMode, StoreOptions},
};
use gobag_format::{crypto::Key, header::LogGeometry, ids::VolumeId, limits::BLOCK_LEN};

/// The one volume.
pub(crate) const VOLUME: VolumeId = VolumeId(1);

/// Keys of a bundle that exists for a measurement only.
fn keys() -> LogKeys {
    LogKeys::of_bundle(&Key::from_bytes([7; 32]))
}

/// A clock that stands.
fn clock() -> Clock {
    Arc::new(|| 0)
}

/// A number that looks random (the finalizer of SplitMix64).
pub(crate) fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Fills with noise that no compression shortens, another for each `seed`.
pub(crate) fn fill_with_noise(seed: u64, out: &mut [u8]) {
    for (at, word) in (0u64..).zip(out.chunks_mut(8)) {
        word.copy_from_slice(&spread(spread(seed) ^ at).to_le_bytes()[..word.len()]);
    }
}

/// Most memory of this process so far, MiB.
pub(crate) fn peak_memory_mib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(kib.parse::<u64>()? / 1024)
}

/// A store of one volume, shaped as provisioning shapes it, on a medium that counts.
pub(crate) fn new_store(
    volume_blocks: u64,
    quota_blocks: u64,
    segment_len: u64,
) -> Result<(Arc<CountingMedium>, Arc<Store>), Box<dyn Error>> {
    let geometry = LogGeometry::plan(quota_blocks, volume_blocks, segment_len.try_into()?);
    let size_bytes = volume_blocks * BLOCK_LEN as u64;
    let medium = Arc::new(CountingMedium::new(&geometry));
    let random = Arc::new(SystemRandom);
    Store::format(
        Arc::clone(&medium) as _,
        keys(),
        Arc::clone(&random) as _,
        clock(),
        geometry,
    )?;
    let options = StoreOptions {
        geometry,
        volumes: vec![LogVolume {
            id: VOLUME,
            size_bytes,
            has_base: false,
        }],
        mode: StoreMode::Keep,
        accept_earlier: false,
        cache_bytes: 48 << 20,
    };
    let store = Store::open(Arc::clone(&medium) as _, keys(), random, clock(), options)?;
    Ok((medium, Arc::new(store)))
}

/// A medium in memory that counts what it is given.
pub(crate) struct CountingMedium {
    files: HashMap<FileRef, RwLock<Vec<u8>>>,
    /// Bytes of segments.
    pub(crate) log: AtomicU64,
    /// Bytes of checkpoints.
    pub(crate) checkpoints: AtomicU64,
}

impl CountingMedium {
    fn new(geometry: &LogGeometry) -> Self {
        let segments = (0..geometry.segments).map(|n| (FileRef::Segment(n), u64::from(geometry.segment_len)));
        let areas = (0..geometry.checkpoints).map(|n| (FileRef::Checkpoint(n), geometry.checkpoint_len));
        let files = segments.chain(areas);
        Self {
            files: files
                .map(|(file, len)| (file, RwLock::new(vec![0; len as usize])))
                .collect(),
            log: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
        }
    }

    fn file(&self, file: FileRef) -> io::Result<&RwLock<Vec<u8>>> {
        self.files
            .get(&file)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn range(file: &[u8], offset: u64, len: usize) -> io::Result<std::ops::Range<usize>> {
    let start = offset as usize;
    match start.checked_add(len) {
        Some(end) if end <= file.len() => Ok(start..end),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn poisoned<T>(_: T) -> io::Error {
    io::Error::other("a thread panicked while it wrote")
}

impl Medium for CountingMedium {
    fn len(&self, file: FileRef) -> io::Result<u64> {
        Ok(self.file(file)?.read().map_err(poisoned)?.len() as u64)
    }

    fn read_at(&self, file: FileRef, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.file(file)?.read().map_err(poisoned)?;
        buffer.copy_from_slice(&bytes[range(&bytes, offset, buffer.len())?]);
        Ok(())
    }

    fn write_at(&self, file: FileRef, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.file(file)?.write().map_err(poisoned)?;
        let range = range(&bytes, offset, data.len())?;
        bytes[range].copy_from_slice(data);
        let counter = match file {
            FileRef::Checkpoint(_) => &self.checkpoints,
            _ => &self.log,
        };
        counter.fetch_add(data.len() as u64, Relaxed);
        Ok(())
    }

    fn flush(&self, _: FileRef) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self, _: FileRef) -> io::Result<()> {
        Ok(())
    }
}
