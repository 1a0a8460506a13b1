//! The same pulled stick for others: qcow2, qcow2 with LUKS and gocryptfs beside our log, on the same file system, with the
//! same writes, cut at as many places, and looked at in the same way.
//!
//! The work: blocks of 4 KiB at random places of a disk of 4 MiB, a sync after every eight. The disk's first half has content
//! before, so there is overwriting as well as growing. Counted at every cut: file systems that need a repair
//! (it is made before looking further), disk images that do, disks that do not open, and cuts after which a block shows neither
//! its last synced content nor anything written later. `cargo xtask crash --peers` runs it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gobag_bundle::{Secret, Session, SessionOptions, store::StoreMode};
use gobag_engine::{run::Run, tools};
use gobag_format::limits::BLOCK_LEN;
use gobag_tests::{
    ask,
    rng::{FixedRandom, Rng},
};
use tempfile::TempDir;

use super::{
    Job, Plan, SIZES, VOLUMES,
    boot::{self, tool},
    cuts::at_writes,
    fat,
    guest::{mark, volume},
    kernel,
};
use crate::stick::{PASSPHRASE, Sizes, Stick, ambient, unlock, write};

const BLOCKS: u64 = 1024;
const SYNC_EVERY: u64 = 8;
const WRITES: u64 = 400;
const POINTS: u64 = 40;
const TOOL: Duration = Duration::from_secs(120);
const LUKS: [&str; 2] = ["--object", "secret,id=s,data=pw"];

/// Content of a block after the write of this number; 0 is before all.
fn block(nth: u64, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK_LEN];
    if number > 0 || nth < BLOCKS / 2 {
        Rng::new(nth << 32 | number).fill(&mut bytes);
    }
    bytes
}

/// Where each write goes.
fn places(plan: &Plan) -> Vec<u64> {
    let mut rng = Rng::new(plan.seed);
    (0..plan.operations).map(|_| rng.below(BLOCKS)).collect()
}

/// A disk as the guest writes it.
pub(super) trait Disk {
    fn write(&self, nth: u64, bytes: &[u8]);
    fn sync(&self);
}

/// Our home volume.
pub(super) struct Ours<'a>(pub(super) &'a Session);

impl Disk for Ours<'_> {
    fn write(&self, nth: u64, bytes: &[u8]) {
        volume(self.0, VOLUMES[1])
            .write_at(nth * BLOCK_LEN as u64, bytes)
            .unwrap();
    }

    fn sync(&self) {
        volume(self.0, VOLUMES[1]).flush().unwrap();
    }
}

/// A file that a program serves.
pub(super) struct Served(File);

impl Served {
    pub(super) fn open(path: &Path) -> Self {
        Self(File::options().read(true).write(true).open(path).unwrap())
    }
}

impl Disk for Served {
    fn write(&self, nth: u64, bytes: &[u8]) {
        self.0.write_all_at(bytes, nth * BLOCK_LEN as u64).unwrap();
    }

    fn sync(&self) {
        self.0.sync_all().unwrap();
    }
}

/// The guest's side.
pub(super) fn work(plan: &Plan, disk: &dyn Disk) {
    mark(0);
    for (number, nth) in (1..).zip(places(plan)) {
        disk.write(nth, &block(nth, number));
        if number % SYNC_EVERY == 0 {
            disk.sync();
            mark(number as usize);
        }
    }
}

/// Who is pulled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Peer {
    Gobag,
    Qcow2,
    Qcow2Luks,
    Gocryptfs,
}

impl Peer {
    const ALL: [Self; 4] = [Self::Gobag, Self::Qcow2, Self::Qcow2Luks, Self::Gocryptfs];

    fn plan(self) -> Plan {
        let job = if self == Self::Gobag { Job::Ours } else { Job::Peer };
        let mut plan = Plan::new(ask::seed().unwrap_or(11), WRITES, job);
        let daemon = |luks: &str, options: &str| {
            format!(
                "touch /served\nqemu-storage-daemon {luks} --blockdev driver=file,filename=/mnt/vm.qcow2,node-name=f \
                 --blockdev driver=qcow2,file=f,node-name=q{options} \
                 --export type=fuse,id=e,node-name=q,mountpoint=/served,writable=on --daemonize --pidfile /qsd.pid\n"
            )
        };
        match self {
            Self::Gobag => {}
            Self::Qcow2 => plan.setup = daemon("", ""),
            Self::Qcow2Luks => {
                plan.setup = daemon(&LUKS.join(" "), ",encrypt.format=luks,encrypt.key-secret=s");
            }
            Self::Gocryptfs => {
                plan.setup = "mkdir /served\necho pw >/pw\ngocryptfs -q -passfile /pw /mnt/cipher /served\n"
                    .to_owned();
            }
        }
        match self {
            Self::Gobag => {}
            Self::Gocryptfs => {
                plan.word = "/served/vm".to_owned();
                plan.programs = vec!["gocryptfs", "fusermount3"];
            }
            _ => {
                plan.word = "/served".to_owned();
                plan.programs = vec!["qemu-storage-daemon", "fusermount3"];
            }
        }
        plan
    }

    /// A folder with what is on the stick before the first write.
    fn prepare(self, folder: &Path) -> Stick {
        // Only its folder serves the others.
        let sizes = Sizes {
            home: BLOCKS * BLOCK_LEN as u64,
            ..SIZES
        };
        let stick = Stick::new(1, sizes);
        let content: Vec<u8> = (0..BLOCKS).flat_map(|nth| block(nth, 0)).collect();
        if self == Self::Gobag {
            let mut session = stick.open(true);
            let home = volume(&session, VOLUMES[1]);
            home.write_at(0, &content[..content.len() / 2]).unwrap();
            session.close().unwrap();
            return stick;
        }
        fs::remove_dir_all(stick.path().join("GOBAG")).unwrap();
        let raw = folder.join("vm.raw");
        write(&raw, &content);
        let image = stick.path().join("vm.qcow2");
        let convert = |luks: bool| {
            tool("qemu-img", TOOL, |run| {
                let run = if luks {
                    run.arg("convert").args(LUKS)
                } else {
                    run.arg("convert")
                };
                let run = run.args(["-f", "raw", "-O", "qcow2"]);
                let luks_options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
                let run = if luks { run.args(["-o", luks_options]) } else { run };
                run.arg(&raw).arg(&image)
            })
            .unwrap();
        };
        match self {
            Self::Gobag => {}
            Self::Qcow2 => convert(false),
            Self::Qcow2Luks => convert(true),
            Self::Gocryptfs => {
                let cipher = stick.path().join("cipher");
                fs::create_dir(&cipher).unwrap();
                let password = folder.join("pw");
                write(&password, b"pw\n");
                let init = ["-q", "-init", "-scryptn", "10", "-passfile"];
                tool("gocryptfs", TOOL, |run| {
                    run.args(init).arg(&password).arg(&cipher)
                })
                .unwrap();
                let mounted = Mounted::gocryptfs(&cipher, folder).unwrap();
                write(&mounted.0.join("vm"), &content);
            }
        }
        stick
    }

    /// The disk's blocks in what was copied from a stick: `None` if it does not open, no bytes where a block cannot
    /// be read. Notes a repair that the image wants.
    fn read(self, stick: &Path, folder: &Path, repairs: &mut u64) -> Option<Vec<Option<Vec<u8>>>> {
        match self {
            Self::Gobag => {
                let secret = Secret::Passphrase(PASSPHRASE);
                let bundle = unlock(stick, &secret, false, ambient(Arc::new(FixedRandom::new(5)))).ok()?;
                let options = SessionOptions {
                    mode: StoreMode::ReadOnly,
                    ..SessionOptions::default()
                };
                let session = Session::open(Arc::new(bundle), &options).ok()?;
                let home = volume(&session, VOLUMES[1]);
                Some(blocks(|at, bytes| home.read_at(at, bytes).is_ok()))
            }
            Self::Qcow2 | Self::Qcow2Luks => {
                let file = stick.join("vm.qcow2");
                let luks = self == Self::Qcow2Luks;
                let options = if luks { ",encrypt.key-secret=s" } else { "" };
                let options = format!("driver=qcow2,file.filename={}{options}", file.display());
                let image = |words: &[&str], more: &[&str]| {
                    tool("qemu-img", TOOL, |run| {
                        let run = run.args(words);
                        let run = if luks { run.args(LUKS) } else { run };
                        run.args(["--image-opts", &options]).args(more)
                    })
                };
                if image(&["check", "-q"], &[]).is_err() {
                    *repairs += 1;
                    // Its exit code tells of what was repaired too; whether it helped shows below.
                    let _ = image(&["check", "-q", "-r", "all"], &[]);
                }
                let raw = folder.join("read.raw");
                let text = raw.display().to_string();
                image(&["convert", "-O", "raw"], &[&text]).ok()?;
                let raw = File::open(raw).unwrap();
                Some(blocks(|at, bytes| raw.read_exact_at(bytes, at).is_ok()))
            }
            Self::Gocryptfs => {
                let mounted = Mounted::gocryptfs(&stick.join("cipher"), folder).ok()?;
                let vm = File::open(mounted.0.join("vm")).ok()?;
                Some(blocks(|at, bytes| vm.read_exact_at(bytes, at).is_ok()))
            }
        }
    }
}

fn blocks(read: impl Fn(u64, &mut [u8]) -> bool) -> Vec<Option<Vec<u8>>> {
    let one = |nth| {
        let mut bytes = vec![0xee; BLOCK_LEN];
        read(nth * BLOCK_LEN as u64, &mut bytes).then_some(bytes)
    };
    (0..BLOCKS).map(one).collect()
}

/// A gocryptfs of this host; unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn gocryptfs(cipher: &Path, folder: &Path) -> Result<Self, String> {
        let place = tempfile::tempdir_in(folder)
            .map_err(|error| error.to_string())?
            .keep();
        let password = folder.join("pw");
        write(&password, b"pw\n");
        let options = ["-q", "-passfile"];
        tool("gocryptfs", TOOL, |run| {
            run.args(options).arg(&password).arg(cipher).arg(&place)
        })?;
        Ok(Self(place))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A mount that stays is in a folder of this test, and is seen when that is removed.
        let _ = tool("fusermount3", TOOL, |run| run.arg("-u").arg(&self.0));
    }
}

/// The file system in `image`, after a repair if it wants one.
pub(super) fn repaired(image: &Path, folder: &Path, repairs: &mut u64) -> PathBuf {
    let fsck = tools::find("fsck.exfat", None).unwrap();
    let is_clean = |image: &Path| {
        Run::new(&fsck)
            .arg("-n")
            .arg(image)
            .deadline(TOOL)
            .success()
            .is_ok()
    };
    if is_clean(image) {
        return image.to_owned();
    }
    *repairs += 1;
    let copy = folder.join("repaired.img");
    fs::copy(image, &copy).unwrap();
    // It may not be able to; then what follows fails, and is counted.
    let _ = Run::new(&fsck).arg("-y").arg(&copy).deadline(TOOL).success();
    copy
}

/// What was found at all cuts of one peer.
#[derive(Default, Debug)]
struct Found {
    cuts: u64,
    file_system_repairs: u64,
    image_repairs: u64,
    not_opened: u64,
    lost: u64,
}

fn pull(peer: Peer, kernel: &boot::Kernel, points: u64) -> Found {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let plan = peer.plan();
    let stick = peer.prepare(folder);
    let written =
        boot::run(kernel, &plan, stick.path(), folder).unwrap_or_else(|error| panic!("{peer:?}: {error}"));
    let places = places(&plan);
    let mut found = Found::default();
    // Evenly: every peer is cut at as many places of its own work.
    let is_chosen = |done: u64, all: u64, _: &mut Rng| done * points / all != (done - 1) * points / all;
    let mut rng = Rng::new(plan.seed);
    let (_, confirmed) = at_writes(&written, folder, &mut rng, is_chosen, |cut| {
        found.cuts += 1;
        let image = repaired(cut.image, folder, &mut found.file_system_repairs);
        let copy = tempfile::tempdir_in(folder).unwrap();
        let copied = fat::extract(&File::open(&image).unwrap(), copy.path());
        let seen = copied
            .ok()
            .and_then(|()| peer.read(copy.path(), folder, &mut found.image_repairs));
        match seen {
            None => found.not_opened += 1,
            Some(seen) => found.lost += u64::from(!is_kept(&seen, &places, cut.confirmed)),
        }
    });
    assert_eq!(
        confirmed as u64, WRITES,
        "{peer:?}: the guest did not come to its end"
    );
    found
}

/// Whether every block shows its last confirmed content, or something written to it later.
fn is_kept(seen: &[Option<Vec<u8>>], places: &[u64], confirmed: usize) -> bool {
    (0..).zip(seen).all(|(nth, seen)| {
        let written = (1..)
            .zip(places)
            .filter(|(_, place)| **place == nth)
            .map(|(number, _)| number);
        let numbers: Vec<u64> = written.collect();
        let last = numbers
            .iter()
            .rev()
            .find(|number| **number <= confirmed as u64)
            .copied()
            .unwrap_or(0);
        let later = numbers.into_iter().filter(|number| *number > confirmed as u64);
        let mut allowed = std::iter::once(last).chain(later);
        seen.as_ref()
            .is_some_and(|seen| allowed.any(|number| *seen == block(nth, number)))
    })
}

#[test]
#[ignore = "four guests, one after another: `cargo xtask crash --peers`"]
fn others_are_pulled_as_we_are() {
    let Some(kernel) = kernel() else { return };
    let points = ask::seeds(POINTS);
    println!(
        "| | cuts | file system needs repair | image needs repair | does not open | synced writes lost |"
    );
    println!("|---|---|---|---|---|---|");
    for peer in Peer::ALL {
        let found = pull(peer, &kernel, points);
        println!(
            "| {peer:?} | {} | {} | {} | {} | {} |",
            found.cuts, found.file_system_repairs, found.image_repairs, found.not_opened, found.lost
        );
        if peer == Peer::Gobag {
            let bad = found.file_system_repairs + found.image_repairs + found.not_opened + found.lost;
            assert_eq!(bad, 0, "{found:?}");
        }
    }
}

#[test]
fn a_lost_block_and_a_block_that_cannot_be_read_are_seen() {
    let places = [3, 5, 3, 3];
    let with = |third: u64| -> Vec<Option<Vec<u8>>> {
        let number = |nth| match nth {
            3 => third,
            5 => 2,
            _ => 0,
        };
        (0..BLOCKS).map(|nth| Some(block(nth, number(nth)))).collect()
    };
    assert!(is_kept(&with(3), &places, 3));
    assert!(is_kept(&with(4), &places, 3), "written later");
    assert!(!is_kept(&with(1), &places, 3), "synced, and gone");
    let mut unreadable = with(3);
    unreadable[900] = None;
    assert!(!is_kept(&unreadable, &places, 3));
}
