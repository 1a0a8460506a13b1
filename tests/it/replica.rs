//! A stick's replica through everything that can happen to stick, sender and server: every complete point shows the stick as it
//! was, for ever.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use gobag_bundle::{Bundle, Session, Volume as _, VolumeError, store::Base};
use gobag_format::{
    Silent,
    crypto::Key,
    escrow,
    ids::VolumeId,
    replica::{ReplicaHead, ReplicaKeys},
};
use gobag_protocol::ids::ObjectId;
use gobag_replica::{
    Archive as _, Pass, Passed, ReplicaVolume, SendError, Sender, StoredPoint, View, restore,
    sender::Progress,
};
use gobag_tests::{
    ask,
    model::Op,
    remote::MemoryRemote,
    rng::{FixedRandom, Rng},
    work::draw,
};

use crate::stick::{PASSPHRASE, Sizes, Stick, ambient, content, open};

pub(crate) const SIZES: Sizes = Sizes {
    base_chunks: 6,
    home: 1 << 20,
    system_space: 2 << 20,
    segment: 128 << 10,
};
pub(crate) const NAMES: [&str; 2] = ["home", "system"];
const ALL: u64 = u64::MAX;

pub(crate) type Content = [Vec<u8>; 2];

pub(crate) fn look(session: &Session) -> Content {
    NAMES.map(|name| content(session, name))
}

pub(crate) fn work(session: &Session, rng: &mut Rng, operations: u64) {
    let volumes = NAMES.map(|name| {
        session
            .volumes()
            .iter()
            .find(|volume| volume.name == name)
            .unwrap()
    });
    let sizes = volumes.map(|volume| volume.volume.size_bytes());
    for _ in 0..operations {
        // Full is an answer, too.
        let _ = match draw(rng, &sizes) {
            Op::Write { volume, offset, data } => volumes[volume].volume.write_at(offset, &data),
            Op::Trim { volume, offset, len } => volumes[volume].volume.trim(offset, len),
            Op::Reset { .. } if rng.below(4) == 0 => {
                session.reset_system().unwrap();
                Ok(())
            }
            Op::Reset { .. } => Ok(()),
            Op::Flush => volumes[0].volume.flush(),
        };
    }
}

/// A stick, its company, and what each of its points has to show.
struct World {
    stick: Stick,
    remote: Arc<MemoryRemote>,
    pristine: Content,
    points: BTreeMap<u64, Content>,
    progress: Progress,
}

struct Below(Vec<u8>);

impl Base for Below {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        for (at, byte) in (offset as usize..).zip(buffer) {
            *byte = self.0.get(at).copied().unwrap_or(0);
        }
        Ok(())
    }
}

/// A volume in memory.
pub(crate) struct Memory(pub(crate) std::sync::Mutex<Vec<u8>>);

impl gobag_bundle::Volume for Memory {
    fn size_bytes(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        let at = offset as usize;
        buffer.copy_from_slice(&self.0.lock().unwrap()[at..at + buffer.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        let at = offset as usize;
        self.0.lock().unwrap()[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Ok(())
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        let at = offset as usize;
        self.0.lock().unwrap()[at..at + len as usize].fill(0);
        Ok(())
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let stick = Stick::new(seed, SIZES);
        let pristine = look(&stick.open(false));
        Self {
            stick,
            remote: Arc::new(MemoryRemote::new()),
            pristine,
            points: BTreeMap::new(),
            progress: Progress::default(),
        }
    }

    fn sender(&self, session: &Session) -> Sender<Arc<MemoryRemote>> {
        Sender::new(session.replica().unwrap(), Arc::clone(&self.remote))
    }

    /// One pass, and what it made is remembered.
    fn pass(
        &mut self,
        session: &Session,
        sender: &mut Sender<Arc<MemoryRemote>>,
        most_bytes: u64,
    ) -> Result<Passed, SendError> {
        let now = look(session);
        let pass = Pass {
            most_bytes,
            bookmarks: Vec::new(),
        };
        let passed = sender.pass(&pass, &self.progress);
        if let Ok(Passed::Point {
            generation,
            complete: true,
            ..
        }) = passed
        {
            self.points.insert(generation, now);
        }
        passed
    }

    /// Passes until a complete point shows everything.
    fn catch_up(&mut self, session: &Session) {
        self.remote.set_faults(0, 0);
        let mut sender = self.sender(session);
        self.catch_up_by(session, &mut sender);
    }

    fn catch_up_by(&mut self, session: &Session, sender: &mut Sender<Arc<MemoryRemote>>) {
        while self.pass(session, sender, ALL).unwrap() != Passed::Nothing {}
        sender.note().unwrap();
        let newest = self.remote.points().last().copied().unwrap();
        assert!(newest.1, "the newest point is not complete");
        self.points.insert(newest.0, look(session));
    }

    fn view(&self, keys: ReplicaKeys, generation: u64) -> View<Arc<MemoryRemote>> {
        let bundle = Bundle::identify(self.stick.path()).unwrap();
        let point = self.remote.point(generation).unwrap().unwrap();
        View::open(Arc::clone(&self.remote), keys, bundle, None, &point, 8 << 20).unwrap()
    }

    /// Every point that is still kept reads as it did, both ways of reading it.
    fn check(&self, keys: impl Fn() -> ReplicaKeys, seed: u64) {
        let kept = self.remote.points();
        let kept = |generation: &u64| kept.contains(&(*generation, true));
        for (generation, expected) in self.points.iter().filter(|(generation, _)| kept(generation)) {
            let view = Arc::new(self.view(keys(), *generation));
            let volumes: Vec<Memory> = self
                .pristine
                .iter()
                .cloned()
                .map(|content| Memory(content.into()))
                .collect();
            let ids: Vec<VolumeId> = NAMES.map(|name| id_of(view.head(), name)).into();
            let place = |id: VolumeId| {
                let nth = ids.iter().position(|other| *other == id)?;
                Some(&volumes[nth] as &dyn gobag_bundle::Volume)
            };
            restore(&view, place, &Silent).unwrap();
            for nth in 0..NAMES.len() {
                let restored = volumes[nth].0.lock().unwrap();
                assert!(
                    *restored == expected[nth],
                    "seed {seed}: point {generation} restores another {}",
                    NAMES[nth]
                );
                let base: Arc<dyn Base> = Arc::new(Below(self.pristine[nth].clone()));
                let served = ReplicaVolume::new(Arc::clone(&view), ids[nth], Some(base)).unwrap();
                let mut read = vec![0xee; expected[nth].len()];
                for (at, piece) in (0..).step_by(30_011).zip(read.chunks_mut(30_011)) {
                    served.read_at(at, piece).unwrap();
                }
                assert!(
                    read == expected[nth],
                    "seed {seed}: point {generation} serves another {}",
                    NAMES[nth]
                );
            }
        }
    }
}

pub(crate) fn id_of(head: &ReplicaHead, name: &str) -> VolumeId {
    use gobag_format::header::VolumeRole;
    let is_home = |role: &VolumeRole| matches!(role, VolumeRole::Home);
    let volume = head
        .volumes
        .iter()
        .find(|volume| is_home(&volume.role) == (name == "home"));
    volume.unwrap().id
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn every_complete_point_shows_the_stick_as_it_was_whatever_happens() {
    for seed in 0..ask::seeds(8) {
        let mut world = World::new(seed);
        let mut rng = Rng::new(seed ^ 0xabcd);
        let mut session = world.stick.open(true);
        let mut sender = world.sender(&session);
        let older_stick = tempfile::tempdir().unwrap();
        copy(world.stick.path(), older_stick.path());
        let mut older_server = world.remote.back_up();
        for step in 0..40 {
            match rng.below(100) {
                0..35 => work(&session, &mut rng, 15),
                35..70 => {
                    let most = [3 << 12, 40 << 12, ALL][rng.below(3) as usize];
                    if let Err(error) = world.pass(&session, &mut sender, most) {
                        assert!(error.is_transient(), "seed {seed} step {step}: {error:?}");
                    }
                }
                // The server is not asked, but the stick is written.
                70..75 => sender.note().unwrap(),
                75..80 => world
                    .remote
                    .set_faults(rng.next(), [0, 30, 200][rng.below(3) as usize]),
                80..84 => {
                    drop(sender);
                    sender = world.sender(&session);
                }
                84..90 => {
                    // Pulled, or put away.
                    if rng.chance(50) {
                        session.close().unwrap();
                    }
                    drop((sender, session));
                    session = world.stick.open(true);
                    sender = world.sender(&session);
                }
                90..93 => older_server = world.remote.back_up(),
                93..95 => {
                    world.remote.put_back(older_server.clone());
                    let last = world
                        .remote
                        .points()
                        .last()
                        .map_or(0, |(generation, _)| *generation);
                    world.points.retain(|generation, _| *generation <= last);
                }
                95..97 => {
                    // A lawful restore of an older copy of the stick.
                    drop((sender, session));
                    copy(older_stick.path(), world.stick.path());
                    session = world.stick.open(true);
                    sender = world.sender(&session);
                }
                97..98 => {
                    session.close().unwrap();
                    drop((sender, session));
                    copy(world.stick.path(), older_stick.path());
                    session = world.stick.open(true);
                    sender = world.sender(&session);
                }
                _ => {
                    let newest = world.remote.points().last().map(|(generation, _)| *generation);
                    let mut keep: Vec<u64> =
                        world.points.keys().copied().filter(|_| rng.chance(60)).collect();
                    keep.extend(newest);
                    world.remote.prune(&keep);
                }
            }
        }
        drop(sender);
        world.catch_up(&session);
        let keys = || session.replica().unwrap().keys();
        world.check(keys, seed);
    }
}

#[test]
fn scattered_changes_cost_little_and_what_is_there_is_not_sent_again() {
    let mut world = World::new(1);
    let mut session = world.stick.open(true);
    let home = |session: &Session| {
        Arc::clone(
            &session
                .volumes()
                .iter()
                .find(|volume| volume.name == "home")
                .unwrap()
                .volume,
        )
    };
    let mut rng = Rng::new(1);
    let mut data = vec![0; 1 << 20];
    rng.fill(&mut data);
    home(&session).write_at(0, &data).unwrap();
    world.catch_up(&session);
    let first = world.remote.received_bytes();
    assert!((1 << 20..(1 << 20) + (40 << 10)).contains(&first), "{first}");
    // Every eighth block, of noise: 32 blocks.
    for block in (0..256).step_by(8) {
        rng.fill(&mut data[..4096]);
        home(&session).write_at(block * 4096, &data[..4096]).unwrap();
    }
    world.catch_up(&session);
    let second = world.remote.received_bytes() - first;
    assert!(second < 32 * 4096 * 11 / 10, "{second} bytes for {}", 32 * 4096);
    // Nothing changed: nothing is sent, also in the next session.
    session.close().unwrap();
    drop(session);
    let session = world.stick.open(true);
    world.catch_up(&session);
    assert_eq!(world.remote.received_bytes(), first + second);
    assert_eq!(world.remote.points().len(), 2);
}

#[test]
fn what_was_written_over_is_dropped_so_that_space_does_not_grow_for_ever() {
    let mut world = World::new(2);
    let session = world.stick.open(true);
    let home = &session
        .volumes()
        .iter()
        .find(|volume| volume.name == "home")
        .unwrap()
        .volume;
    let mut rng = Rng::new(2);
    let mut data = vec![0; 256 << 10];
    for _ in 0..60 {
        rng.fill(&mut data);
        home.write_at(0, &data).unwrap();
        world.catch_up(&session);
    }
    let newest = world.remote.points().last().unwrap().0;
    world.remote.prune(&[newest]);
    let live = world.remote.live_objects();
    assert!(live <= 12, "{live} objects for one that counts");
    world.check(|| session.replica().unwrap().keys(), 2);
}

#[test]
fn it_opens_a_replica_with_the_escrow_file_that_the_server_has() {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let stick = Stick::of(Arc::new(FixedRandom::new(5)), 5, SIZES, vec![&recipient]);
    let pristine = look(&stick.open(false));
    let mut world = World {
        stick,
        pristine,
        ..World::new(6)
    };
    let session = world.stick.open(true);
    work(&session, &mut Rng::new(5), 40);
    world.catch_up(&session);
    let StoredPoint { head, generation, .. } = world.remote.newest().unwrap().unwrap();
    let file = world
        .remote
        .get(ObjectId(ReplicaHead::escrow_of(&head).unwrap()))
        .unwrap();
    let bundle = Bundle::identify(world.stick.path()).unwrap();
    let key: Key = escrow::open(bundle, &file, &identity).unwrap();
    world.check(|| ReplicaKeys::of_bundle(&key), 5);
    assert_eq!(world.points.keys().copied().collect::<Vec<_>>(), [generation]);
    let wrong = ReplicaKeys::of_bundle(&Key::from_bytes([9; 32]));
    assert!(ReplicaHead::open(&wrong, bundle, None, &head).is_err());
}

#[test]
fn a_server_that_lost_a_part_gets_everything_again() {
    let mut world = World::new(3);
    let session = world.stick.open(true);
    let mut rng = Rng::new(3);
    for _ in 0..3 {
        work(&session, &mut rng, 40);
        world.catch_up(&session);
    }
    world.points.clear();
    world.remote.lose_objects();
    work(&session, &mut rng, 400);
    let mut sender = world.sender(&session);
    world.remote.set_faults(0, 0);
    let mut refused = 0;
    while let Err(error) = world.pass(&session, &mut sender, ALL) {
        assert!(error.is_transient(), "{error:?}");
        refused += 1;
        assert!(refused < 5);
    }
    world.catch_up(&session);
    world.check(|| session.replica().unwrap().keys(), 3);
}

/// Doubts are as durable as the note that makes them unnecessary.
#[test]
fn a_stick_pulled_while_everything_is_sent_again_goes_on_with_it() {
    let mut world = World::new(9);
    let mut session = world.stick.open(true);
    let nothing = world.remote.back_up();
    work(&session, &mut Rng::new(9), 60);
    world.catch_up(&session);
    session.close().unwrap();
    drop(session);
    world.remote.put_back(nothing);
    world.points.clear();
    let session = world.stick.open(true);
    let mut sender = world.sender(&session);
    let passed = world.pass(&session, &mut sender, 3 << 12).unwrap();
    assert!(
        matches!(passed, Passed::Point { complete: false, .. }),
        "{passed:?}"
    );
    sender.note().unwrap();
    drop((sender, session));
    let session = world.stick.open(true);
    world.catch_up(&session);
    world.check(|| session.replica().unwrap().keys(), 9);
}

/// Days of work, then the company's server is put back to a backup: what the stick wrote since is sent again, and not the rest.
#[test]
fn a_server_that_was_put_back_is_sent_what_changed_since_and_nothing_else() {
    let mut world = World::new(14);
    let mut rng = Rng::new(14);
    let day = |world: &mut World, rng: &mut Rng, blocks: u64| {
        let mut session = world.stick.open(true);
        let home = session
            .volumes()
            .iter()
            .find(|volume| volume.name == "home")
            .unwrap();
        for block in 0..blocks {
            let mut data = vec![0; 4096];
            rng.fill(&mut data);
            home.volume.write_at(block * 4096, &data).unwrap();
        }
        world.catch_up(&session);
        session.close().unwrap();
    };
    day(&mut world, &mut rng, 200);
    let everything = world.remote.received_bytes();
    (0..5).for_each(|_| day(&mut world, &mut rng, 3));
    let backup = world.remote.back_up();
    let last = world.remote.points().last().unwrap().0;
    (0..12).for_each(|_| day(&mut world, &mut rng, 3));
    world.remote.put_back(backup);
    world.points.retain(|generation, _| *generation <= last);
    let before = world.remote.received_bytes();
    day(&mut world, &mut rng, 3);
    let again = world.remote.received_bytes() - before;
    assert!(
        again * 4 < everything,
        "{again} bytes were sent again, of {everything}"
    );
    let session = world.stick.open(true);
    world.check(|| session.replica().unwrap().keys(), 14);
}

/// Packs that nobody reads: the stick asks for them, a part of the index each time.
#[test]
fn packs_that_the_server_lost_are_noticed_and_sent_again() {
    let mut world = World::new(15);
    let session = world.stick.open(true);
    work(&session, &mut Rng::new(15), 60);
    world.catch_up(&session);
    let mut sender = world.sender(&session);
    assert_eq!(world.pass(&session, &mut sender, ALL).unwrap(), Passed::Nothing);
    assert_eq!(sender.look_after().unwrap(), 0);
    assert!(world.remote.lose_one_of(64 << 10));
    let parts = world.view(
        session.replica().unwrap().keys(),
        world.remote.points().last().unwrap().0,
    );
    let parts: usize = parts.head().layers.iter().map(|layer| layer.parts.len()).sum();
    let lost: usize = (0..parts).map(|_| sender.look_after().unwrap()).sum();
    assert_eq!(lost, 1);
    assert!(matches!(
        world.pass(&session, &mut sender, ALL).unwrap(),
        Passed::Point { complete: true, .. }
    ));
    let newest = world.remote.points().last().unwrap().0;
    world.points.retain(|generation, _| *generation == newest);
    world.check(|| session.replica().unwrap().keys(), 15);
    // Also the index itself, though the sender remembers it.
    world.remote.lose_objects();
    for _ in 0..2 {
        sender.look_after().unwrap_err();
        sender.ask(&world.progress).unwrap();
    }
    world.catch_up_by(&session, &mut sender);
    let newest = world.remote.points().last().unwrap().0;
    world.points.retain(|generation, _| *generation == newest);
    world.check(|| session.replica().unwrap().keys(), 15);
}

/// A session in which nothing changes asks all the same, and then sends what the server had not got when it was backed up.
#[test]
fn an_idle_session_notices_that_the_server_was_put_back() {
    let mut world = World::new(17);
    let session = world.stick.open(true);
    let home = session
        .volumes()
        .iter()
        .find(|volume| volume.name == "home")
        .unwrap();
    let mut noise = vec![0; 200 << 12];
    let mut rng = Rng::new(17);
    rng.fill(&mut noise);
    home.volume.write_at(0, &noise).unwrap();
    let mut sender = world.sender(&session);
    world.catch_up_by(&session, &mut sender);
    let (everything, backup) = (world.remote.received_bytes(), world.remote.back_up());
    rng.fill(&mut noise[..3 << 12]);
    home.volume.write_at(0, &noise[..3 << 12]).unwrap();
    world.catch_up_by(&session, &mut sender);
    world.remote.put_back(backup);
    world.points.retain(|generation, _| *generation == 1);
    assert_eq!(world.pass(&session, &mut sender, ALL).unwrap(), Passed::Nothing);
    // Each part is asked for once.
    assert!((0..2).any(|_| sender.look_after().is_err()));
    world.catch_up_by(&session, &mut sender);
    let again = world.remote.received_bytes() - everything;
    assert!(
        again > 3 << 12 && again * 4 < everything,
        "{again} of {everything}"
    );
    world.check(|| session.replica().unwrap().keys(), 17);
}

/// Without it nobody can open the rest.
#[test]
fn an_escrow_file_that_the_server_lost_is_put_again() {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let stick = Stick::of(Arc::new(FixedRandom::new(18)), 18, SIZES, vec![&recipient]);
    let mut world = World {
        stick,
        ..World::new(18)
    };
    let session = world.stick.open(true);
    work(&session, &mut Rng::new(18), 30);
    let mut sender = world.sender(&session);
    world.catch_up_by(&session, &mut sender);
    let head = world.remote.newest().unwrap().unwrap().head;
    let escrow = ObjectId(ReplicaHead::escrow_of(&head).unwrap());
    assert!(world.remote.lose(escrow));
    assert_eq!(sender.look_after().unwrap(), 0);
    assert!(world.remote.get(escrow).is_ok());
}

/// The log was put back, as a stick does that lied about a flush; the ledger was not.
#[test]
fn a_stick_that_lost_what_the_company_has_makes_the_replica_what_it_is_itself() {
    let mut world = World::new(10);
    let mut rng = Rng::new(10);
    let mut session = world.stick.open(true);
    work(&session, &mut rng, 60);
    world.catch_up(&session);
    session.close().unwrap();
    drop(session);
    let older = tempfile::tempdir().unwrap();
    copy(world.stick.path(), older.path());
    let mut session = world.stick.open(true);
    work(&session, &mut rng, 60);
    world.catch_up(&session);
    session.close().unwrap();
    drop(session);
    for folder in ["LOG", "CKPT"] {
        copy(
            &older.path().join("GOBAG").join(folder),
            &world.stick.path().join("GOBAG").join(folder),
        );
    }
    // Sessions without a network come first, and write more than was lost.
    for _ in 0..2 {
        let mut session = world.stick.open(true);
        work(&session, &mut rng, 200);
        session.close().unwrap();
    }
    let session = world.stick.open(true);
    world.catch_up(&session);
    world.check(|| session.replica().unwrap().keys(), 10);
}

/// The log was put back, and nobody can read what was noted: at that opening, and no longer.
#[test]
#[expect(clippy::disallowed_methods, reason = "takes a file off the stick")]
fn a_stick_that_cannot_read_what_it_noted_makes_the_replica_what_it_is_itself() {
    let mut world = World::new(16);
    let mut rng = Rng::new(16);
    let mut session = world.stick.open(true);
    work(&session, &mut rng, 60);
    world.catch_up(&session);
    session.close().unwrap();
    drop(session);
    let (older, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(world.stick.path(), older.path());
    let mut session = world.stick.open(true);
    work(&session, &mut rng, 60);
    world.catch_up(&session);
    session.close().unwrap();
    drop(session);
    copy(world.stick.path(), kept.path());
    for folder in ["LOG", "CKPT"] {
        copy(
            &older.path().join("GOBAG").join(folder),
            &world.stick.path().join("GOBAG").join(folder),
        );
    }
    let ledgers = ["LEDGER/L0.GBR", "LEDGER/L1.GBR"].map(|name| format!("GOBAG/{name}"));
    for ledger in &ledgers {
        let file = world.stick.path().join(ledger);
        let len = std::fs::metadata(&file).unwrap().len() as usize;
        std::fs::write(&file, vec![0xaa; len]).unwrap();
    }
    // It writes more than was lost.
    let mut session = world.stick.open(true);
    work(&session, &mut rng, 200);
    session.close().unwrap();
    drop(session);
    for ledger in &ledgers {
        std::fs::copy(kept.path().join(ledger), world.stick.path().join(ledger)).unwrap();
    }
    let session = world.stick.open(true);
    world.catch_up(&session);
    world.check(|| session.replica().unwrap().keys(), 16);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "takes a file off the stick")]
fn an_escrow_file_that_is_gone_from_the_stick_stays_with_the_company() {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let stick = Stick::of(Arc::new(FixedRandom::new(7)), 7, SIZES, vec![&recipient]);
    let mut world = World {
        stick,
        ..World::new(8)
    };
    let file = world.stick.path().join("GOBAG/KEYS/ESCROW0.AGE");
    let mut session = world.stick.open(true);
    let mut kept = Vec::new();
    for change in [None, Some(Vec::new()), Some(vec![0; 300])] {
        match change {
            None => {}
            Some(bytes) if bytes.is_empty() => std::fs::remove_file(&file).unwrap(),
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        }
        work(&session, &mut Rng::new(7), 30);
        world.catch_up(&session);
        session.close().unwrap();
        drop(session);
        session = world.stick.open(true);
        kept.push(ReplicaHead::escrow_of(&world.remote.newest().unwrap().unwrap().head).unwrap());
    }
    assert!(kept.iter().all(|id| *id == kept[0]), "{kept:?}");
    assert!(world.remote.get(ObjectId(kept[0])).is_ok());
}

/// A stick that begins to fail sends what it still can.
#[test]
fn what_the_stick_cannot_read_keeps_nothing_else_from_being_sent() {
    let mut world = World::new(11);
    let session = world.stick.open(true);
    let home = Arc::clone(
        &session
            .volumes()
            .iter()
            .find(|volume| volume.name == "home")
            .unwrap()
            .volume,
    );
    let mut noise = vec![0; 64 << 12];
    Rng::new(11).fill(&mut noise);
    home.write_at(0, &noise).unwrap();
    home.flush().unwrap();
    // One byte of it: the segment's first record begins behind its head.
    damage(&world.stick.path().join("GOBAG/LOG/S00000.GBL"), 40_000);
    let mut sender = world.sender(&session);
    let mut pass = || {
        let pass = Pass {
            most_bytes: ALL,
            bookmarks: Vec::new(),
        };
        sender.pass(&pass, &Progress::default()).unwrap()
    };
    let passed = pass();
    let Passed::Point {
        complete: false,
        unreadable: 1,
        data_bytes,
        ..
    } = passed
    else {
        panic!("{passed:?}");
    };
    assert_eq!(data_bytes, noise.len() as u64);
    assert_eq!(pass(), Passed::Unreadable { runs: 1, more: false });
    // Written anew, it can be read.
    home.write_at(0, &noise).unwrap();
    world.catch_up(&session);
    world.check(|| session.replica().unwrap().keys(), 11);
}

fn damage(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// A server that was put back gets another copy's point under a number that the stick knows otherwise: nothing is built on it.
#[test]
fn a_point_of_another_history_under_the_same_number_is_not_built_upon() {
    let mut world = World::new(12);
    let mut rng = Rng::new(12);
    let session = world.stick.open(true);
    work(&session, &mut rng, 40);
    world.catch_up(&session);
    let (older, copied) = (world.remote.back_up(), tempfile::tempdir().unwrap());
    copy(world.stick.path(), copied.path());
    let mut sender = world.sender(&session);
    work(&session, &mut rng, 40);
    let passed = world.pass(&session, &mut sender, ALL).unwrap();
    let Passed::Point { generation, .. } = passed else {
        panic!("{passed:?}")
    };
    world.remote.put_back(older);
    world.points.retain(|kept, _| *kept < generation);
    {
        let other = open(
            copied.path(),
            PASSPHRASE,
            true,
            ambient(Arc::new(FixedRandom::new(13))),
        );
        work(&other, &mut rng, 40);
        let mut sender = world.sender(&other);
        let passed = world.pass(&other, &mut sender, ALL).unwrap();
        assert!(
            matches!(passed, Passed::Point { generation: same, .. } if same == generation),
            "{passed:?}"
        );
    }
    work(&session, &mut rng, 40);
    assert!(world.pass(&session, &mut sender, ALL).unwrap_err().is_transient());
    world.catch_up(&session);
    let newest = world.remote.points().last().unwrap().0;
    world.remote.prune(&[newest]);
    world.check(|| session.replica().unwrap().keys(), 12);
}
