//! Cuts on a real stick, as near as a computer without hands comes to one: Debian's kernel with its own exFAT driver
//! writes to an emulated USB stick in QEMU, whose every write is logged (`blklogwrites`); afterwards the stick is put
//! together again as it was after each write, and looked at.
//!
//! At every point `fsck.exfat -n` must find nothing, and the bundle must hold what a prefix of the guest's operations
//! made, at least up to the last flush that returned. The guest writes that down itself: after each flush it writes the
//! number of operations to a sector before the partition, which so lands in the same log ([`guest`]). Besides the state
//! after each write there is one where of all writes since the stick was last synced some are missing or torn.
//!
//! A few dozen points in the usual run; `exfat/README.md` says how to look at thousands. Invariants I1, I2 and I9.

mod boot;
mod cuts;
mod fat;
mod guest;
mod log;
mod peers;
mod rekey;
mod update;

use std::{
    fs::File,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gobag_bundle::{Secret, Session, SessionOptions, store::StoreMode};
use gobag_engine::{run::Run, tools};
use gobag_format::limits::BLOCK_LEN;
use gobag_tests::{
    ask,
    model::{Model, Op, Seen, hashes},
    rng::{FixedRandom, Rng},
    work::draw,
};
use tempfile::TempDir;

use crate::stick::{PASSPHRASE, Sizes, Stick, ambient, content, unlock};
use log::{Log, Medium};

/// Small segments, so that a few hundred operations go round the log.
const SIZES: Sizes = Sizes {
    base_chunks: 12,
    home: 1 << 20,
    system_space: 2 << 20,
    segment: 128 << 10,
};
/// Points of the usual run.
const POINTS: u64 = 40;
/// Operations of the guest for each point that is looked at; each flush is two or three writes.
const OPERATIONS_PER_POINT: u64 = 6;
/// More would only repeat what was seen, and the guest is slow.
const MOST_OPERATIONS: u64 = 6000;
/// The volumes that are worked on: the system's and the user's own.
const VOLUMES: [&str; 2] = ["system", "home"];
const FSCK: Duration = Duration::from_secs(60);

/// What the guest does, drawn from a seed by both sides.
struct Plan {
    seed: u64,
    operations: u64,
    job: Job,
    /// A word for the job.
    word: String,
    /// Programs of the host that the guest needs, and what its `init` does with them before the work.
    programs: Vec<&'static str>,
    setup: String,
}

/// Kinds of work for the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Job {
    /// Random operations on a bundle's volumes.
    Operations,
    /// Passphrases and escrow files, one after another.
    Rekey,
    /// A newer version of an image.
    Update,
    /// Blocks of our home volume: [`peers`].
    Ours,
    /// Blocks of a file that somebody else's program shows.
    Peer,
}

impl Job {
    const ALL: [Self; 5] = [
        Self::Operations,
        Self::Rekey,
        Self::Update,
        Self::Ours,
        Self::Peer,
    ];
}

impl Plan {
    fn new(seed: u64, operations: u64, job: Job) -> Self {
        Self {
            seed,
            operations,
            job,
            word: "-".to_owned(),
            programs: Vec::new(),
            setup: String::new(),
        }
    }

    /// As the guest reads it.
    fn text(&self) -> String {
        format!("{} {} {:?} {}", self.seed, self.operations, self.job, self.word)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let seed = words.next()?.parse().ok()?;
        let operations = words.next()?.parse().ok()?;
        let job = words.next()?;
        let job = Job::ALL.into_iter().find(|known| format!("{known:?}") == job)?;
        let mut plan = Self::new(seed, operations, job);
        plan.word = words.next()?.to_owned();
        Some(plan)
    }

    fn operations(&self, sizes: &[u64]) -> Vec<Op> {
        let mut rng = Rng::new(self.seed);
        let mut drawn = Vec::new();
        while (drawn.len() as u64) < self.operations {
            // Going back to the base is an act of the session, not of a volume.
            match draw(&mut rng, sizes) {
                Op::Reset { .. } => {}
                op => drawn.push(op),
            }
        }
        drawn.push(Op::Flush);
        drawn
    }
}

/// The model, and at which of its points it stood after each number of operations.
struct Expected {
    model: Model,
    after: Vec<usize>,
}

#[derive(Default)]
struct Found {
    points: u64,
    torn: u64,
    confirmed: usize,
}

/// A kernel for the rig, if the machine has all it needs; says so where not.
fn kernel() -> Option<boot::Kernel> {
    let tools = [
        "qemu-system-x86_64",
        "mkfs.exfat",
        "fsck.exfat",
        "busybox",
        "cpio",
    ];
    let kernel = boot::Kernel::get();
    if let Err(error) = &kernel {
        eprintln!("{error}");
    }
    let are_here = tools.iter().all(|tool| tools::find(tool, None).is_ok());
    let kernel = kernel.ok().filter(|_| are_here);
    if kernel.is_none() {
        ask::has("qemu", false);
    }
    kernel
}

#[test]
fn a_stick_pulled_at_any_write_is_clean_and_complete() {
    let Some(kernel) = kernel() else { return };
    let started = Instant::now();
    let points = ask::seeds(POINTS);
    let operations = (points * OPERATIONS_PER_POINT).clamp(POINTS * OPERATIONS_PER_POINT, MOST_OPERATIONS);
    let plan = Plan::new(ask::seed().unwrap_or(2026), operations, Job::Operations);
    let stick = Stick::new(plan.seed, SIZES);
    let expected = expect(&stick, &plan);
    let folder = TempDir::new().unwrap();
    let written =
        boot::run(&kernel, &plan, stick.path(), folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let log = Log::read(&written.log).unwrap();
    let booted = started.elapsed();
    let found = replay(&log, &written.before, &expected, points, plan.seed);
    assert_eq!(
        found.confirmed,
        expected.model.newest(),
        "the guest did not come to its end"
    );
    eprintln!(
        "{} operations in the guest ({} s), {} writes to the stick, {} flushes; {} cuts and {} with writes missing \
         or torn: all clean and complete ({} s)",
        plan.operations,
        booted.as_secs(),
        log.writes_at_work(),
        log.flushes(),
        found.points,
        found.torn,
        (started.elapsed() - booted).as_secs(),
    );
}

fn expect(stick: &Stick, plan: &Plan) -> Expected {
    let session = stick.open(false);
    let pristine: Vec<Vec<u8>> = VOLUMES.iter().map(|name| content(&session, name)).collect();
    let sizes: Vec<u64> = pristine.iter().map(|content| content.len() as u64).collect();
    let mut model = Model::new(pristine, SIZES.segment as usize / 4);
    let mut after = vec![model.newest()];
    for op in plan.operations(&sizes) {
        model.apply(&op);
        after.push(model.newest());
    }
    Expected { model, after }
}

/// Puts the stick together write by write and looks at `points` of its states.
fn replay(log: &Log, partition: &Path, expected: &Expected, points: u64, seed: u64) -> Found {
    let mut rng = Rng::new(seed ^ 0x6375_7473);
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut medium = Medium::new(partition).unwrap();
    let candidates = log.writes_at_work();
    let mut found = Found::default();
    let mut done = 0;
    for (nth, entry) in log.entries().enumerate() {
        medium.apply(&entry).unwrap();
        if let Some(operations) = medium.mark() {
            found.confirmed = expected.after[operations];
        }
        if !log.is_at_work(nth) || !entry.is_to_partition() {
            continue;
        }
        done += 1;
        // Every one if there are not more than asked for, else evenly drawn.
        if candidates > points && rng.below(candidates) >= points && done != candidates {
            continue;
        }
        let place = format!("after write {done} of {candidates}");
        let image = medium.path().to_owned();
        look(&image, expected, found.confirmed, folder, &place, false);
        found.points += 1;
        if rng.chance(50) {
            let torn = folder.join("torn.img");
            medium.tear(&torn, &mut rng).unwrap();
            let place = format!("{place}, with unsynced writes missing or torn");
            look(&torn, expected, found.confirmed, folder, &place, true);
            found.torn += 1;
        }
    }
    found
}

/// A stick as it was found: its file system, and what the bundle in it holds.
fn look(image: &Path, expected: &Expected, confirmed: usize, folder: &Path, place: &str, go_on: bool) {
    let fsck = tools::find("fsck.exfat", None).unwrap();
    if let Err(error) = Run::new(&fsck).arg("-n").arg(image).deadline(FSCK).success() {
        panic!("{place}: {error}");
    }
    let copy = tempfile::tempdir_in(folder).unwrap();
    fat::extract(&File::open(image).unwrap(), copy.path()).unwrap_or_else(|error| panic!("{place}: {error}"));
    let seen = read_back(copy.path(), false, place).0;
    let point = expected.model.locate(&seen, confirmed);
    assert!(
        point.is_some(),
        "{place}: not a prefix with all that was flushed (point {confirmed}); the bundle stands at {:?}",
        expected.model.locate(&seen, 0)
    );
    if go_on {
        // Recovery that writes finds the same, and what is written then is kept.
        let (again, session) = read_back(copy.path(), true, place);
        assert!(again == seen, "{place}: a writing start finds something else");
        let word = [0x5a; BLOCK_LEN];
        let home = guest::volume(&session, VOLUMES[1]);
        home.write_at(0, &word).unwrap();
        home.flush().unwrap();
        drop(session);
        let (kept, _session) = read_back(copy.path(), false, place);
        assert!(kept[1].content.starts_with(&word), "{place}: a new write is lost");
    }
}

fn read_back(stick: &Path, writable: bool, place: &str) -> (Vec<Seen>, Session) {
    let secret = Secret::Passphrase(PASSPHRASE);
    let ambient = ambient(Arc::new(FixedRandom::new(99)));
    let bundle = unlock(stick, &secret, writable, ambient).unwrap_or_else(|error| panic!("{place}: {error}"));
    let options = SessionOptions {
        mode: if writable {
            StoreMode::Keep
        } else {
            StoreMode::ReadOnly
        },
        ..SessionOptions::default()
    };
    let session =
        Session::open(Arc::new(bundle), &options).unwrap_or_else(|error| panic!("{place}: {error}"));
    let seen = VOLUMES.map(|name| {
        let content = content(&session, name);
        let hashes = hashes(&content).into_iter().map(Some).collect();
        Seen { content, hashes }
    });
    (seen.into(), session)
}

#[test]
fn a_reader_that_finds_less_than_was_flushed_is_caught() {
    let plan = Plan::new(3, 30, Job::Operations);
    let stick = Stick::new(plan.seed, SIZES);
    let expected = expect(&stick, &plan);
    let (untouched, _) = read_back(stick.path(), false, "untouched");
    assert!(expected.model.locate(&untouched, 0).is_some());
    assert_eq!(expected.model.locate(&untouched, expected.model.newest()), None);
}
