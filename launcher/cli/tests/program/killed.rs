//! `kill -9` of the real program while two writers work on its disk: fio, whose blocks carry their own checksums and are
//! verified by fio after the next start, and one of ours that knows exactly what was confirmed.
//!
//! A few rounds, or as many as `GOBAG_LONG=N` says. Round after round on one stick, so what survived a kill is there for the next.

#![expect(
    clippy::disallowed_methods,
    reason = "runs fio, and is asked through the environment"
)]

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{
    mounts::mount,
    program::Desk,
    require,
    stick::{Contents, HOME_BYTES, Stick},
};

const BLOCK: usize = 4096;
/// Blocks of our own writer: the second half of the disk.
const BLOCKS: usize = HOME_BYTES as usize / 2 / BLOCK;
const SYNC_EVERY: usize = 8;
/// fio's part that is confirmed before the kill, and the one it writes to meanwhile.
const CONFIRMED: [&str; 2] = ["--offset=0", "--size=1m"];
const MEANWHILE: [&str; 2] = ["--offset=1m", "--size=1m"];

fn rounds() -> u64 {
    match std::env::var("GOBAG_LONG").ok().map(|text| text.parse()) {
        None => 4,
        // What `cargo xtask test --long` says, to all tests alike.
        Some(Ok(0 | 1)) => 100,
        Some(Ok(rounds)) => rounds,
        Some(Err(_)) => panic!("GOBAG_LONG is a number"),
    }
}

/// fio over a part of the disk: random blocks with a checksum in each, a sync after every eight.
fn fio(home: &Path, part: [&str; 2], round: u64, more: &[&str]) -> Command {
    let mut fio = Command::new("fio");
    fio.args([
        "--name=blocks",
        "--rw=randwrite",
        "--bs=4k",
        "--ioengine=psync",
        "--fsync=8",
    ])
    .args(["--verify=crc32c", "--verify_fatal=1", "--minimal"])
    // Its notes about an interrupted run would lie in the source folder.
    .arg("--verify_state_save=0")
    .arg(format!("--filename={}", home.display()))
    .arg(format!("--randseed={round}"))
    .args(part)
    .args(more)
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .stderr(Stdio::piped());
    fio
}

fn assert_good(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
}

/// A block as our writer wrote it: its number comes first, and all else follows from that.
fn block(number: u64) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// What our writer knows of its blocks: the number last confirmed, and those written since.
struct Diary {
    confirmed: Vec<u64>,
    written: Vec<Vec<u64>>,
    next: u64,
}

impl Diary {
    /// Writes until so many syncs were confirmed, and a few blocks more.
    fn write(&mut self, home: &File, syncs: usize) {
        let mut open = Vec::new();
        for nth in 0..syncs * SYNC_EVERY + SYNC_EVERY / 2 {
            let number = self.next;
            self.next += 1;
            let place = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % BLOCKS;
            home.write_all_at(&block(number), HOME_BYTES / 2 + (place * BLOCK) as u64)
                .unwrap();
            self.written[place].push(number);
            open.push((place, number));
            if (nth + 1) % SYNC_EVERY == 0 {
                home.sync_data().unwrap();
                for (place, number) in open.drain(..) {
                    self.confirmed[place] = number;
                    self.written[place].retain(|written| *written >= number);
                }
            }
        }
    }

    /// Every block shows what was last confirmed or something written later; from then on that is what counts.
    fn check(&mut self, home: &File, round: u64) {
        for place in 0..BLOCKS {
            let mut bytes = [0; BLOCK];
            home.read_exact_at(&mut bytes, HOME_BYTES / 2 + (place * BLOCK) as u64)
                .unwrap();
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[..8]);
            let number = u64::from_le_bytes(number);
            let is_start = number == 0 && bytes == [0; BLOCK];
            assert!(
                is_start || bytes == block(number),
                "round {round}: block {place} is a mixture"
            );
            assert!(
                number == self.confirmed[place] || self.written[place].contains(&number),
                "round {round}: block {place} shows {number}, {} was confirmed",
                self.confirmed[place]
            );
            self.confirmed[place] = number;
            self.written[place].clear();
        }
    }
}

#[test]
fn a_program_killed_while_fio_writes_has_lost_nothing_confirmed() {
    let version = Command::new("fio").arg("--version").output();
    if !require::have("fuse", version.err().map(|error| format!("fio: {error}"))) {
        return;
    }
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let mut diary = Diary {
        confirmed: vec![0; BLOCKS],
        written: vec![Vec::new(); BLOCKS],
        next: 1,
    };
    for round in 1..=rounds() {
        let Some((mut killed, home)) = mount(&desk, &stick) else {
            return;
        };
        let written = fio(&home, CONFIRMED, round, &["--do_verify=0", "--end_fsync=1"])
            .output()
            .unwrap();
        assert_good(&written, "fio writes");
        let endless = ["--do_verify=0", "--time_based", "--runtime=600"];
        let mut meanwhile = fio(&home, MEANWHILE, round, &endless).spawn().unwrap();
        let file = File::options().read(true).write(true).open(&home).unwrap();
        // At another moment each time.
        diary.write(&file, 3 + (round as usize * 7) % 20);
        killed.kill();
        drop(file);
        let ended = meanwhile.wait().unwrap();
        assert!(!ended.success(), "fio worked on after the kill");

        let (mut again, home) = mount(&desk, &stick).unwrap();
        let verified = fio(&home, CONFIRMED, round, &["--verify_only"]).output().unwrap();
        assert_good(&verified, &format!("round {round}: fio verifies"));
        diary.check(&File::open(&home).unwrap(), round);
        assert_eq!(desk.run(&[&"stop"]).exit, 0);
        assert_eq!(again.finish(), Some(0));
    }
}

/// The check above can fail: a block of another time is seen.
#[test]
fn a_block_of_an_earlier_time_is_seen() {
    let folder = crate::stick::folder();
    let path = folder.path().join("disk");
    let disk = File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    disk.set_len(HOME_BYTES).unwrap();
    let mut diary = Diary {
        confirmed: vec![0; BLOCKS],
        written: vec![Vec::new(); BLOCKS],
        next: 1,
    };
    diary.write(&disk, 40);
    diary.check(&disk, 1);
    let place = diary.confirmed.iter().position(|number| *number > 0).unwrap();
    disk.write_all_at(&[0; BLOCK], HOME_BYTES / 2 + (place * BLOCK) as u64)
        .unwrap();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| diary.check(&disk, 2)));
    assert!(failed.is_err());
}
