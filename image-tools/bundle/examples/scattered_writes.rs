//! Memory, and the time to open after a crash, of a large volume with scattered changes:
//!
//! ```text
//! cargo run --release -p gobag-bundle --example scattered_writes -- FOLDER write [GIBIBYTES [OF-VOLUME]]
//! cargo run --release -p gobag-bundle --example scattered_writes -- FOLDER open
//! ```
//!
//! `write` makes a log in the empty FOLDER (its files are sparse: a block here compresses to a few hundred bytes, to
//! the index it is one like any other), writes that many gibibytes (16 of 64) in blocks at random places, reads some,
//! and ends without closing. `open` then opens the log as after a crash, closes it, and opens it once more.

#![expect(
    clippy::disallowed_methods,
    reason = "a measurement makes its own files and looks at the clock"
)]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gobag_bundle::{
    SystemRandom, Volume as _,
    medium::{BUNDLE_FOLDER, FileRef, StickMedium},
    store::{Clock, LogKeys, LogVolume, Store, StoreMode, StoreOptions, StoreVolume},
};
use gobag_format::{crypto::Key, header::LogGeometry, ids::VolumeId, limits::BLOCK_LEN};

const VOLUME: VolumeId = VolumeId(1);
const GIB: u64 = 1 << 30;
/// What a block has that does not compress.
const NOISE: usize = 256;
const READS: u64 = 50_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, what, sizes @ ..] = args.as_slice() else {
        return Err("FOLDER and `write` or `open` are needed".into());
    };
    let folder = Path::new(folder);
    let plan = folder.join("plan");
    if what == "write" {
        let gib = sizes.first().map_or("16", String::as_str);
        let of = sizes.get(1).map_or("64", String::as_str);
        prepare(folder, of.parse()?, gib.parse()?)?;
        fs::write(plan, format!("{of} {gib}"))?;
        write(folder, of.parse()?, gib.parse()?)
    } else {
        let plan = fs::read_to_string(plan)?;
        let (of, gib) = plan.split_once(' ').ok_or("no plan")?;
        let (of, gib) = (of.parse()?, gib.parse()?);
        for _ in 0..2 {
            let start = Instant::now();
            let store = open(folder, of, gib)?;
            println!(
                "opened in {:.2} s: {:?}",
                start.elapsed().as_secs_f64(),
                store.recovery()
            );
            memory("after opening")?;
            store.close()?;
        }
        memory("after closing")
    }
}

fn geometry(of: u64, gib: u64) -> LogGeometry {
    LogGeometry {
        segments: (gib * 20 + 8) as u16,
        segment_len: 64 << 20,
        checkpoints: 3,
        checkpoint_len: of * 512 * 4200 + (8 << 20),
        quota_blocks: (gib + 1) * (GIB / BLOCK_LEN as u64),
    }
}

fn prepare(folder: &Path, of: u64, gib: u64) -> Result<(), Box<dyn Error>> {
    let geometry = geometry(of, gib);
    let segments = (0..geometry.segments).map(|n| (FileRef::Segment(n), u64::from(geometry.segment_len)));
    let areas = (0..geometry.checkpoints).map(|n| (FileRef::Checkpoint(n), geometry.checkpoint_len));
    for (file, len) in segments.chain(areas).chain([(FileRef::Header(0), 1)]) {
        let path = folder.join(BUNDLE_FOLDER).join(file.path());
        fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        fs::File::create_new(path)?.set_len(len)?;
    }
    Store::format(medium(folder)?, keys(), Arc::new(SystemRandom), clock(), geometry)?;
    Ok(())
}

fn write(folder: &Path, of: u64, gib: u64) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(open(folder, of, gib)?);
    let background = Arc::clone(&store);
    thread::spawn(move || background.background(Duration::from_secs(2)));
    let volume = StoreVolume::new(Arc::clone(&store), VOLUME, None);
    let (written, blocks) = (gib * GIB / BLOCK_LEN as u64, of * GIB / BLOCK_LEN as u64);
    let place = |nth: u64| spread(nth) % blocks;
    let start = Instant::now();
    let mut data = vec![0; BLOCK_LEN];
    for nth in 0..written {
        for (at, out) in data[..NOISE].chunks_mut(8).enumerate() {
            out.copy_from_slice(&spread(nth ^ (at as u64) << 40).to_le_bytes());
        }
        volume.write_at(place(nth) * BLOCK_LEN as u64, &data)?;
        if (nth + 1) % (written / 4) == 0 {
            println!("{} blocks in {:.1} s", nth + 1, start.elapsed().as_secs_f64());
            memory("while writing")?;
        }
    }
    for nth in 0..READS {
        volume.read_at(place(spread(nth) % written) * BLOCK_LEN as u64, &mut data)?;
    }
    println!("{:?}", store.status());
    memory("after reading")
}

fn open(folder: &Path, of: u64, gib: u64) -> Result<Store, Box<dyn Error>> {
    let volume = LogVolume {
        id: VOLUME,
        size_bytes: of * GIB,
        has_base: false,
    };
    let options = StoreOptions {
        geometry: geometry(of, gib),
        volumes: vec![volume],
        mode: StoreMode::Keep,
        accept_earlier: false,
        cache_bytes: 48 << 20,
    };
    Ok(Store::open(
        medium(folder)?,
        keys(),
        Arc::new(SystemRandom),
        clock(),
        options,
    )?)
}

fn medium(folder: &Path) -> Result<Arc<StickMedium>, Box<dyn Error>> {
    Ok(Arc::new(StickMedium::open(folder, true)?))
}

fn keys() -> LogKeys {
    LogKeys::of_bundle(&Key::from_bytes([7; 32]))
}

fn clock() -> Clock {
    Arc::new(|| 0)
}

/// A number that looks random (the finalizer of SplitMix64).
fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn memory(when: &str) -> Result<(), Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    println!("{when}: {}", lines.collect::<Vec<_>>().join(", "));
    Ok(())
}
