//! An update, a new passphrase, another image: recorded as a real program does it, and cut at every single write, flush,
//! new file and deletion.
//!
//! After each cut the stick opens, with the old version or the new one exactly, the other image and `home` bit for bit as
//! they were; before the switch it is the old, after the first copy of the header was flushed the new; and the same
//! command, run again, completes it.

mod cuts;
pub(crate) mod office;
mod recorder;

use std::{collections::HashSet, ops::RangeInclusive, path::Path, sync::Mutex, thread};

use gobag_bundle::{Bundle, Secret, medium::FileRef, verify::verify};
use gobag_format::Silent;
use gobag_tests::{ask, rng::Rng};

use crate::stick::{CHEAP, PASSPHRASE};
use cuts::{Left, Tree};
use office::{Held, Office, fast_folder, image_files};
use recorder::{Op, Recorder};

/// Places at which an update is killed and run again in the usual run, besides those before a flush; all operations of the
/// second run are cut.
const KILLS: u64 = 2;

/// Asked by mounting: a device that opens is not the permission to mount.
fn has_fuse() -> bool {
    let (backing, place) = (fast_folder(), fast_folder());
    ask::has("fuse", Recorder::mount(backing.path(), place.path()).is_ok())
}

/// An office, a stick, and what it reads as before an update and after.
struct Scene {
    office: Office,
    before: Tree,
    old: Held,
    new: Held,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let office = Office::new(seed);
        office.release("office", 1);
        office.release("lab", 1);
        let second = office.release("office", 2);
        let (stick, old) = office.stick();
        let new = Held {
            system: second,
            ..old.clone()
        };
        assert!(old.system != new.system && old.lab != new.system);
        let before = Tree::read(stick.path());
        Self {
            office,
            before,
            old,
            new,
        }
    }

    /// What `work` does to the stick, by its operations.
    fn record(&self, work: impl FnOnce(&Path, &Recorder)) -> Vec<Op> {
        let (backing, place) = (fast_folder(), fast_folder());
        self.before.put(backing.path());
        let recorder = Recorder::mount(backing.path(), place.path()).unwrap();
        work(place.path(), &recorder);
        recorder.ops()
    }

    /// Looks at the stick after a cut, and updates it again.
    fn look(&self, cut: &Tree, must_be: MustBe, place: &str) {
        let folder = fast_folder();
        let stick = folder.path();
        cut.put(stick);
        let version = self.version(stick, place);
        let held = self
            .office
            .held(stick)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        match (version, must_be) {
            (1, MustBe::Old | MustBe::Either) => assert!(held == self.old, "{place}: not the old version"),
            (2, MustBe::New | MustBe::Either) => assert!(held == self.new, "{place}: not the new version"),
            (version, _) => panic!("{place}: version {version}"),
        }
        let updated = self.office.update(stick, 2, 77);
        updated.unwrap_or_else(|error| panic!("{place}: again: {error}"));
        let held = self
            .office
            .held(stick)
            .unwrap_or_else(|error| panic!("{place}: again: {error}"));
        assert!(held == self.new, "{place}: again: not the new version");
        let bundle = self.office.open(stick, false, 5).unwrap();
        assert_eq!(bundle.record().images[0].version, 2, "{place}: again");
        assert_eq!(verify(&bundle, &Silent).unwrap().findings, [], "{place}: again");
        assert_eq!(image_files(stick), self.files(&bundle), "{place}: again");
    }

    fn version(&self, stick: &Path, place: &str) -> u64 {
        let bundle = self.office.open(stick, false, 5);
        let bundle: Bundle = bundle.unwrap_or_else(|error| panic!("{place}: {error}"));
        bundle.record().images[0].version
    }

    /// Names of all files that the images of a stick need.
    fn files(&self, bundle: &Bundle) -> Vec<std::path::PathBuf> {
        let mut files = HashSet::new();
        for image in &bundle.record().images {
            let manifest = self.office.image(&image.name, image.version).manifest;
            let packs = manifest.packs.iter().map(|pack| FileRef::Pack(pack.id));
            files.extend(packs.chain([FileRef::Manifest(image.id), FileRef::Map(image.id, 0)]));
        }
        let names = files
            .iter()
            .filter_map(|file| Some(file.path().file_name()?.into()));
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

#[derive(Clone, Copy)]
enum MustBe {
    Old,
    New,
    Either,
}

/// Which version the stick must have after a cut behind so many of `ops`.
fn must_be(ops: &[Op], done: usize) -> MustBe {
    let header = Path::new("GOBAG").join(FileRef::Header(0).path());
    let is_write = |op: &Op| matches!(op, Op::Write(path, ..) if *path == header);
    let begun = ops.iter().position(is_write).unwrap_or(ops.len());
    let behind = ops[begun..].iter().position(|op| *op == Op::Sync(header.clone()));
    match behind.map(|behind| begun + behind) {
        _ if done <= begun => MustBe::Old,
        Some(flushed) if done > flushed => MustBe::New,
        _ => MustBe::Either,
    }
}

/// Runs `look` for every place in `places` and these kinds of cuts, on as many threads as there are cores.
fn at_each(places: RangeInclusive<usize>, kinds: &[Left], look: impl Fn(usize, Left) + Sync) -> usize {
    let cuts = places.flat_map(|place| kinds.iter().map(move |left| (place, *left)));
    let cuts: Vec<_> = cuts.collect();
    let (all, next) = (cuts.len(), Mutex::new(cuts.into_iter()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some((place, left)) = next.lock().unwrap().next() else {
                        break;
                    };
                    look(place, left);
                }
            });
        }
    });
    all
}

#[test]
fn an_update_is_cut_at_every_operation() {
    if !has_fuse() {
        return;
    }
    let seed = ask::seed().unwrap_or(11);
    let scene = Scene::new(seed);
    let ops = scene.record(|stick, _| drop(scene.office.update(stick, 2, 7).unwrap()));
    for kind in ["Create", "Write", "Delete", "Sync(", "SyncFolder"] {
        assert!(
            ops.iter().any(|op| format!("{op:?}").starts_with(kind)),
            "no {kind} was seen"
        );
    }
    let cuts = at_each(0..=ops.len(), &Left::EACH, |done, left| {
        let mut rng = Rng::new(seed ^ ((done as u64) << 8));
        let place = format!("after {done} of {} operations, {left:?} left", ops.len());
        let cut = scene.before.cut(&ops[..done], left, &mut rng);
        scene.look(&cut, must_be(&ops, done), &place);
    });
    eprintln!(
        "an update of {} operations, {cuts} cuts: all open, exact, and completed by the next run",
        ops.len()
    );
}

#[test]
fn an_update_that_was_killed_and_run_again_is_cut_at_every_operation() {
    if !has_fuse() {
        return;
    }
    let seed = ask::seed().unwrap_or(12);
    let scene = Scene::new(seed);
    let whole = scene.record(|stick, _| drop(scene.office.update(stick, 2, 7).unwrap()));
    // Wherever something is about to be flushed: the second run finds it, but it may be in memory alone.
    let header = Path::new("GOBAG").join(FileRef::Header(0).path());
    let is_flush = |op: &Op| matches!(op, Op::Sync(path) | Op::SyncFolder(path) if *path != header);
    let begins = |nth: &usize| is_flush(&whole[*nth]) && (*nth == 0 || !is_flush(&whole[nth - 1]));
    let mut rng = Rng::new(seed);
    let others = (0..ask::seeds(KILLS)).map(|_| rng.below(whole.len() as u64) as usize);
    let (mut kills, mut cuts, mut operations) = (0, 0, 0);
    for killed in (0..whole.len()).filter(begins).chain(others) {
        kills += 1;
        let mut first = 0;
        let ops = scene.record(|stick, recorder| {
            recorder.end_at(Some(killed));
            // It may have been deleting what nobody needs, which is no error.
            let _ = scene.office.update(stick, 2, 8);
            recorder.end_at(None);
            first = recorder.ops().len();
            scene.office.update(stick, 2, 9).unwrap();
        });
        operations += ops.len() - first;
        cuts += at_each(first..=ops.len(), &[Left::Nothing, Left::Parts], |done, left| {
            let mut rng = Rng::new(seed ^ ((done as u64) << 8));
            let place = format!(
                "killed after {killed}, cut after {done} of {}, {left:?} left",
                ops.len()
            );
            let cut = scene.before.cut(&ops[..done], left, &mut rng);
            scene.look(&cut, MustBe::Either, &place);
        });
    }
    eprintln!(
        "{kills} kills, second runs of {operations} operations, {cuts} cuts: all open, exact, and completed by the next run"
    );
}

/// What a killed update wrote to the header is in the system's memory alone. Whoever works under that header makes it durable
/// first: else what the new system was told is safe would go with it.
#[test]
fn work_under_a_header_that_a_killed_update_did_not_flush_is_kept() {
    if !has_fuse() {
        return;
    }
    let scene = Scene::new(15);
    let whole = scene.record(|stick, _| drop(scene.office.update(stick, 2, 7).unwrap()));
    let header = Path::new("GOBAG").join(FileRef::Header(0).path());
    let is_write = |op: &Op| matches!(op, Op::Write(path, ..) if *path == header);
    let killed = whole.iter().position(is_write).unwrap() + 1;
    let ops = scene.record(|stick, recorder| {
        recorder.end_at(Some(killed));
        scene.office.update(stick, 2, 7).unwrap_err();
        recorder.end_at(None);
        let session = scene.office.session(stick, "office", true).unwrap();
        for volume in session.volumes() {
            volume.volume.write_at(8192, &[9; 4096]).unwrap();
            volume.volume.flush().unwrap();
        }
    });
    let folder = fast_folder();
    let cut = scene.before.cut(&ops, Left::Nothing, &mut Rng::new(0));
    cut.put(folder.path());
    assert_eq!(scene.version(folder.path(), "pulled"), 2);
    let held = scene.office.held(folder.path()).unwrap();
    assert_eq!((held.system[8192], held.home[8192]), (9, 9));
}

#[test]
fn a_new_passphrase_is_cut_at_every_operation() {
    if !has_fuse() {
        return;
    }
    let seed = ask::seed().unwrap_or(13);
    let scene = Scene::new(seed);
    let next = b"another passphrase";
    let ops = scene.record(|stick, _| {
        let mut bundle = scene.office.open(stick, true, 7).unwrap();
        bundle.set_passphrase(next, CHEAP).unwrap();
    });
    let cuts = at_each(0..=ops.len(), &Left::EACH, |done, left| {
        let mut rng = Rng::new(seed ^ ((done as u64) << 8));
        let place = format!("after {done} of {} operations, {left:?} left", ops.len());
        let folder = fast_folder();
        scene.before.cut(&ops[..done], left, &mut rng).put(folder.path());
        let opens = |passphrase: &[u8]| {
            let secret = Secret::Passphrase(passphrase);
            Bundle::open(folder.path(), &secret, false, scene.office.ambient(5)).is_ok()
        };
        let found = (opens(PASSPHRASE), opens(next));
        let good = match must_be(&ops, done) {
            MustBe::Old => found == (true, false),
            MustBe::New => found == (false, true),
            MustBe::Either => found.0 != found.1,
        };
        assert!(good, "{place}: old and new open: {found:?}");
        assert!(scene.office.held(folder.path()).unwrap() == scene.old, "{place}");
    });
    eprintln!(
        "a new passphrase of {} operations, {cuts} cuts: one of the two opens, and all is there",
        ops.len()
    );
}

#[test]
fn choosing_another_image_creates_resizes_and_deletes_nothing() {
    if !has_fuse() {
        return;
    }
    let scene = Scene::new(14);
    let ops = scene.record(|stick, _| {
        for (image, byte) in [("lab", 1), ("office", 2), ("lab", 3)] {
            let mut session = scene.office.session(stick, image, true).unwrap();
            for volume in session.volumes() {
                volume.volume.write_at(8192, &[byte; 4096]).unwrap();
            }
            session.close().unwrap();
        }
    });
    let headers = [0, 1].map(|number| Path::new("GOBAG").join(FileRef::Header(number).path()));
    for op in &ops {
        let is_daily = match op {
            Op::Write(path, ..) => !headers.contains(path),
            op => matches!(op, Op::Sync(_)),
        };
        assert!(is_daily, "{op:?}");
    }
    // And at every cut each image has what was flushed to it: the system that was not chosen is as it was.
    let after = scene.before.after(&ops);
    let cuts = at_each(0..=ops.len(), &Left::EACH, |done, left| {
        let mut rng = Rng::new(done as u64);
        let folder = fast_folder();
        scene.before.cut(&ops[..done], left, &mut rng).put(folder.path());
        let held = scene.office.held(folder.path()).unwrap();
        let same = |now: &[u8], old: &[u8], bytes: &[u8]| {
            let is_one_of = bytes.iter().any(|byte| now[8192..12_288] == [*byte; 4096]);
            now[..8192] == old[..8192]
                && now[12_288..] == old[12_288..]
                && (is_one_of || now[8192..12_288] == old[8192..12_288])
        };
        let place = format!("after {done} of {}, {left:?} left", ops.len());
        assert!(same(&held.lab, &scene.old.lab, &[1, 3]), "{place}: lab");
        assert!(same(&held.system, &scene.old.system, &[2]), "{place}: office");
        assert!(same(&held.home, &scene.old.home, &[1, 2, 3]), "{place}: home");
    });
    let folder = fast_folder();
    after.put(folder.path());
    let held = scene.office.held(folder.path()).unwrap();
    assert_eq!((held.lab[8192], held.system[8192], held.home[8192]), (3, 2, 3));
    eprintln!(
        "three sessions of two images, {} operations, {cuts} cuts",
        ops.len()
    );
}
