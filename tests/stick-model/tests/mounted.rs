//! The mounted file system: right bytes, right time, right counters. Needs `/dev/fuse`.

#[path = "../../../launcher/engine/tests/guest/require.rs"]
mod require;

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
    time::{Duration, Instant},
};

use gobag_stick_model::{Mounted, Options, mount, preset::Preset, preset::USUAL};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

struct Stick {
    mounted: Option<Mounted>,
    folder: TempDir,
}

impl Stick {
    /// `None` where nothing can be mounted, unless `GOBAG_REQUIRE` asks for it.
    fn plug(preset: &Preset, scale: f64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (backing, place) = (folder.path().join("backing"), folder.path().join("stick"));
        fs::create_dir(&backing).expect("a backing folder");
        fs::create_dir(&place).expect("a mount point");
        let options = Options {
            preset: preset.clone(),
            scale,
            stalls: None,
        };
        let mounted = mount(&backing, &place, &options);
        let missing = mounted.as_ref().err().map(|error| format!("no fuse: {error}"));
        require::have("fuse", missing).then(|| Self {
            mounted: mounted.ok(),
            folder,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("stick").join(name)
    }

    fn backing(&self, name: &str) -> PathBuf {
        self.folder.path().join("backing").join(name)
    }

    fn report(&self) -> gobag_stick_model::stats::Report {
        self.mounted.as_ref().expect("mounted until dropped").report()
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let unmounted = self.mounted.take().map(Mounted::unmount);
        if !std::thread::panicking() {
            assert!(matches!(unmounted, Some(Ok(_))), "{unmounted:?}");
        }
    }
}

fn both() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options
}

fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 251) as u8 ^ at as u8 ^ seed).collect()
}

#[test]
fn files_are_what_was_written() {
    let Some(stick) = Stick::plug(&USUAL, 1000.0) else {
        return;
    };
    let name = stick.path("file");
    let mut file = both().open(&name).unwrap();
    file.write_all(&pattern(1, 3 * MIB)).unwrap();
    file.write_all_at(&pattern(2, 5000), 777).unwrap();
    file.set_len(2 * MIB as u64).unwrap();
    file.write_all_at(b"behind a gap", 4 * MIB as u64).unwrap();
    file.sync_all().unwrap();

    let mut expected = pattern(1, 2 * MIB);
    expected[777..5777].copy_from_slice(&pattern(2, 5000));
    expected.resize(4 * MIB, 0);
    expected.extend(b"behind a gap");
    let mut read = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut read).unwrap();
    assert!(read == expected);
    assert!(fs::read(stick.backing("file")).unwrap() == expected);

    // past the cache, as `gobag mount` and QEMU do it
    let direct = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32)
        .open(&name)
        .unwrap();
    let block = pattern(3, 8192);
    direct.write_all_at(&block, 4096).unwrap();
    direct.sync_data().unwrap();
    let mut back = vec![0; 8192];
    file.read_exact_at(&mut back, 4096).unwrap();
    assert!(back == block, "cached readers see direct writes");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "names on the stick are what is tested")]
fn names_move_and_vanish_while_files_stay_open() {
    let Some(stick) = Stick::plug(&USUAL, 1000.0) else {
        return;
    };
    fs::create_dir_all(stick.path("a/b")).unwrap();
    fs::write(stick.path("a/b/one"), "one").unwrap();
    fs::write(stick.path("two"), "two").unwrap();
    let two = both().truncate(false).open(stick.path("two")).unwrap();
    fs::rename(stick.path("a/b/one"), stick.path("two")).unwrap();
    assert_eq!(fs::read_to_string(stick.path("two")).unwrap(), "one");
    two.write_all_at(b"TWO", 0).unwrap();
    two.sync_all().unwrap();
    let mut text = [0; 3];
    two.read_exact_at(&mut text, 0).unwrap();
    assert_eq!(&text, b"TWO", "the replaced file lives while it is open");

    fs::rename(stick.path("a"), stick.path("c")).unwrap();
    assert_eq!(fs::read_dir(stick.path("c/b")).unwrap().count(), 0);
    assert!(fs::remove_dir(stick.path("c")).is_err(), "not empty");
    fs::remove_dir(stick.path("c/b")).unwrap();
    fs::remove_file(stick.path("two")).unwrap();
    let mut names: Vec<_> = fs::read_dir(stick.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["c"]);
    assert!(fs::hard_link(stick.path("c"), stick.path("d")).is_err());

    let file = File::create(stick.path("c/new")).unwrap();
    let result = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 4096);
    assert_eq!(
        result,
        Err(rustix::io::Errno::OPNOTSUPP),
        "exFAT preallocates nothing"
    );
}

/// Runs `work` and compares its time with what the model charged for it: what the presets promise must arrive.
fn timed(stick: &Stick, what: &str, work: impl FnOnce()) {
    let before = stick.report().charged_us.total;
    let start = Instant::now();
    work();
    let took = start.elapsed();
    let charged = Duration::from_micros(stick.report().charged_us.total - before);
    println!("{what}: took {took:?}, charged {charged:?}");
    assert!(charged > Duration::from_millis(300), "{what} was hardly charged");
    assert!(took >= charged.mul_f64(0.97), "{what}: answered too early");
    // The machine may be busy with other things; being early would be the model's fault, being late need not.
    assert!(
        took <= charged.mul_f64(1.5) + Duration::from_millis(200),
        "{what}: answered too late"
    );
}

#[test]
fn time_passes_as_charged() {
    let Some(stick) = Stick::plug(&USUAL, 1.0) else {
        return;
    };
    let file = both().open(stick.path("file")).unwrap();
    let data = pattern(5, MIB);
    timed(&stick, "sequential write", || {
        for number in 0..64 {
            file.write_all_at(&data, number * MIB as u64).unwrap();
        }
        file.sync_all().unwrap();
    });
    timed(&stick, "random synced writes", || {
        for number in 0..60 {
            file.write_all_at(&data[..4096], (number * 37 % 64) * MIB as u64)
                .unwrap();
            file.sync_data().unwrap();
        }
    });
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32)
        .open(stick.path("file"))
        .unwrap();
    let mut block = vec![0; 4096];
    timed(&stick, "random reads", || {
        for number in 0..400 {
            direct
                .read_exact_at(&mut block, (number * 97 % 512) * 128 * 1024)
                .unwrap();
        }
    });
    let report = stick.report();
    assert_eq!(report.host.data_syncs, 60);
    assert_eq!(report.host.writes.bytes, (64 * MIB + 60 * 4096) as u64);
    assert_eq!(report.host.reads.bytes, 400 * 4096);
    assert!(report.medium.merges >= 55, "{} merges", report.medium.merges);
}

#[test]
fn what_is_cached_is_read_once() {
    let Some(stick) = Stick::plug(&USUAL, 100.0) else {
        return;
    };
    let name = stick.path("file");
    both().open(&name).unwrap().write_all(&pattern(7, MIB)).unwrap();
    for _ in 0..3 {
        assert_eq!(fs::read(&name).unwrap().len(), MIB);
    }
    assert_eq!(
        stick.report().host.reads.bytes,
        0,
        "the writer's pages are in the cache"
    );
}
