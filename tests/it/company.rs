//! A stick and the company's real server: TLS, a database, a folder with objects.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use gobag_bundle::{Ambient, Bundle, Secret, Session};
use gobag_client::{Client, Identity, Options, UploadLimit};
use gobag_format::{Silent, ids::VolumeId, replica::ReplicaHead};
use gobag_protocol::{
    enrol::EnrolRequest,
    ids::ObjectId,
    limits::MAX_BOOKMARKS,
    points::{BookmarkKind, MadePoint, NewPoint, Part},
};
use gobag_replica::{
    Archive, Company, Pass, Passed, Remote, RemoteError, Sender, StoredPoint, View,
    allowance::{Metered, ReplicationPolicy, Surroundings, Why, Wish},
    restore,
    runner::{Control, Freezer, PassStatus, Phase, ReplicaStatus, Rules, run},
    sender::Progress,
};
use gobag_server::testing::Site;
use gobag_tests::{
    remote::MemoryRemote,
    rng::{FixedRandom, Rng},
};

use crate::{
    replica::{Memory, NAMES, SIZES, id_of, look, work},
    stick::{PASSPHRASE, Sizes, Stick, content},
};

const ALL: Pass = Pass {
    most_bytes: u64::MAX,
    bookmarks: Vec::new(),
};

/// A connection of this session's stick, enrolled now.
fn company(site: &Site, session: &Session) -> Arc<Company> {
    company_by(site, session, UploadLimit::default())
}

/// The same, no faster than this.
fn company_by(site: &Site, session: &Session, upload: UploadLimit) -> Arc<Company> {
    let bundle = session.bundle();
    let key = Arc::new(bundle.ledger().unwrap().signing_key());
    let nobody = Client::new(&site.address(), site.ca(), None, Options::default()).unwrap();
    let token = site.token("acme", bundle.id());
    let request = EnrolRequest::sign(token, bundle.id(), bundle.record().org, &key);
    let identity = Identity {
        certificate: nobody.enrol(&request).unwrap().certificate,
        key,
    };
    let client = Client::new(&site.address(), site.ca(), Some(&identity), Options { upload });
    Arc::new(Company::new(client.unwrap()))
}

/// The newest point's volumes, as they are restored over `pristine`.
fn restored(company: &Arc<Company>, session: &Session, pristine: &[Vec<u8>; 2]) -> [Vec<u8>; 2] {
    let newest = company.newest().unwrap().unwrap();
    let keys = session.replica().unwrap().keys();
    let key = session.bundle().ledger().unwrap().signing_key().verifying_key();
    let view = View::open(
        Arc::clone(company),
        keys,
        session.bundle().id(),
        Some(&key),
        &newest,
        8 << 20,
    )
    .unwrap();
    assert!(view.head().complete);
    let volumes = pristine.clone().map(|content| Memory(content.into()));
    let place = |id: VolumeId| {
        let nth = NAMES.iter().position(|name| id_of(view.head(), name) == id)?;
        Some(&volumes[nth] as &dyn gobag_bundle::Volume)
    };
    restore(&view, place, &Silent).unwrap();
    volumes.map(|volume| volume.0.into_inner().unwrap())
}

#[test]
fn a_server_that_is_killed_again_and_again_has_every_point_that_it_confirmed() {
    let mut site = Site::start();
    let stick = Stick::new(31, SIZES);
    let session = stick.open(true);
    let pristine = look(&session);
    let company = company(&site, &session);
    let mut sender = Sender::new(session.replica().unwrap(), Arc::clone(&company));
    let mut rng = Rng::new(31);
    let (mut made, mut failed) = (0, 0);
    for round in 0..12 {
        work(&session, &mut rng, 30);
        let progress = Progress::default();
        let passed = thread::scope(|scope| {
            let killer = (round % 3 == 1).then(|| scope.spawn(|| site.kill()));
            let passed = sender.pass(&ALL, &progress);
            if let Some(killer) = killer {
                killer.join().unwrap();
            }
            passed
        });
        match passed {
            Ok(Passed::Point { complete, .. }) => {
                assert!(complete);
                made += 1;
            }
            Ok(Passed::Nothing | Passed::Unreadable { .. }) => {}
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                failed += 1;
            }
        }
        if round % 3 == 1 {
            site.start_again();
        }
    }
    assert!(made >= 6 && failed >= 1, "{made} made, {failed} failed");
    while sender.pass(&ALL, &Progress::default()).unwrap() != Passed::Nothing {}
    assert!(restored(&company, &session, &pristine) == look(&session));
}

/// Polls until `done`; what is waited for happens on other threads.
fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "it never came");
        thread::yield_now();
    }
}

#[test]
fn replication_runs_beside_the_guest_and_ends_with_everything_sent() {
    let site = Site::start();
    let stick = Stick::new(32, SIZES);
    let session = stick.open(true);
    let pristine = look(&session);
    let company = company(&site, &session);
    let (control, rules) = (Control::default(), Rules::default());
    let mut rng = Rng::new(32);
    thread::scope(|scope| {
        let source = session.replica().unwrap();
        let replicating = scope.spawn(|| {
            run(
                source,
                Arc::clone(&company),
                &control,
                &rules,
                &Ambient::system().clock,
                |_| (),
            )
        });
        until(|| control.status().phase == Phase::InStep);
        work(&session, &mut rng, 60);
        assert!(control.mark(BookmarkKind::User, "before the update"));
        assert!(!control.mark(BookmarkKind::User, &"x".repeat(600)));
        until(|| control.status().marks == 1);
        let marked = company.newest().unwrap().unwrap();
        assert_eq!(control.status().problem.map(|problem| problem.code), None);
        assert_eq!(marked.generation, 2);
        work(&session, &mut rng, 60);
        control.end(false);
        replicating.join().unwrap();
    });
    assert_eq!(control.status().unsent_bytes, 0);
    assert!(control.status().all_sent);
    assert!(restored(&company, &session, &pristine) == look(&session));
    assert_ne!(content(&session, "home"), pristine[0]);
    let noted = session.bundle().ledger().unwrap().replica.unwrap();
    assert_eq!(noted.generation, company.newest().unwrap().unwrap().generation);
}

/// Holds a guest still that is none, and counts.
struct Still {
    holds: Arc<AtomicUsize>,
    works: bool,
}

impl Freezer for Still {
    fn freeze(&self, take: &mut dyn FnMut()) -> Result<(), String> {
        take();
        self.holds.fetch_add(1, Ordering::SeqCst);
        match self.works {
            true => Ok(()),
            false => Err("nobody there".to_owned()),
        }
    }
}

/// Replicates `session` to `remote` by these rules while `beside` runs; returns what was told.
fn replicate(
    session: &Session,
    remote: impl Remote + Send,
    rules: &Rules,
    beside: impl FnOnce(&Control),
) -> Vec<ReplicaStatus> {
    let control = Control::default();
    let told: Mutex<Vec<ReplicaStatus>> = Mutex::default();
    let clock = Ambient::system().clock;
    let source = session.replica().unwrap();
    thread::scope(|scope| {
        let replicating = scope.spawn(|| {
            run(source, remote, &control, rules, &clock, |status| {
                told.lock().unwrap().push(status.clone());
            });
        });
        let end = EndAtLast(&control);
        beside(&control);
        drop(end);
        replicating.join().unwrap();
    });
    told.into_inner().unwrap()
}

/// Also a test that fails ends.
struct EndAtLast<'a>(&'a Control);

impl Drop for EndAtLast<'_> {
    fn drop(&mut self) {
        self.0.end(thread::panicking());
    }
}

#[test]
fn a_name_says_whether_the_guest_stood_still_for_it() {
    for (works, expected) in [(true, BookmarkKind::Application), (false, BookmarkKind::User)] {
        let stick = Stick::new(33, SIZES);
        let session = stick.open(true);
        let remote = Arc::new(MemoryRemote::new());
        let holds = Arc::new(AtomicUsize::new(0));
        let rules = Rules {
            freezer: Some(Box::new(Still {
                holds: Arc::clone(&holds),
                works,
            })),
            ..Rules::default()
        };
        replicate(&session, Arc::clone(&remote), &rules, |control| {
            until(|| control.status().phase == Phase::InStep);
            assert_eq!(holds.load(Ordering::SeqCst), 0, "nobody asked for it");
            assert!(control.mark(BookmarkKind::Application, "before the update"));
            until(|| control.status().marks == 1);
            let last = control.status().last_mark.unwrap();
            assert_eq!((last.kind, last.generation), (expected, 2));
        });
        assert_eq!(holds.load(Ordering::SeqCst), 1);
        assert_eq!(remote.bookmarks(), [expected]);
    }
}

/// A line that is gone as soon as the guest stands still, for a while.
struct Breaking {
    remote: Arc<MemoryRemote>,
    holds: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    refuses: usize,
}

impl Archive for Breaking {
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError> {
        self.remote.newest()
    }

    fn point(&self, generation: u64) -> Result<Option<StoredPoint>, RemoteError> {
        self.remote.point(generation)
    }

    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError> {
        self.remote.get(id)
    }
}

impl Remote for Breaking {
    fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), RemoteError> {
        self.remote.put(id, sealed)
    }

    fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        self.remote.missing(ids)
    }

    fn part(&self, part: &Part) -> Result<(), RemoteError> {
        self.remote.part(part)
    }

    fn publish(&self, point: &NewPoint) -> Result<MadePoint, RemoteError> {
        let has_held = self.holds.load(Ordering::SeqCst) > 0;
        if has_held && self.refused.fetch_add(1, Ordering::SeqCst) < self.refuses {
            return Err(RemoteError::Offline("the network was cut".into()));
        }
        self.remote.publish(point)
    }
}

/// What is asked for once holds the guest still once, however often sending fails; the end gives it without.
#[test]
fn a_guest_is_not_held_still_again_and_again_for_a_name_that_does_not_get_through() {
    let stick = Stick::new(37, SIZES);
    let session = stick.open(true);
    let remote = Arc::new(MemoryRemote::new());
    let (holds, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let breaking = Breaking {
        remote: Arc::clone(&remote),
        holds: Arc::clone(&holds),
        refused: Arc::clone(&refused),
        refuses: 3,
    };
    let rules = Rules {
        freezer: Some(Box::new(Still {
            holds: Arc::clone(&holds),
            works: true,
        })),
        ..Rules::default()
    };
    replicate(&session, breaking, &rules, |control| {
        until(|| control.status().phase == Phase::InStep);
        assert!(control.mark(BookmarkKind::Application, "before the update"));
        until(|| control.status().problem.is_some());
        // Another name wakes it; the first one waits.
        assert!(control.mark(BookmarkKind::User, "meanwhile"));
        until(|| control.status().marks == 1);
    });
    assert_eq!(holds.load(Ordering::SeqCst), 1);
    assert_eq!(remote.bookmarks(), [BookmarkKind::User; 2]);
}

/// More names than one point takes, right before the end.
#[test]
fn no_name_is_lost_at_the_end() {
    let stick = Stick::new(38, SIZES);
    let session = stick.open(true);
    let remote = Arc::new(MemoryRemote::new());
    let names = 2 * MAX_BOOKMARKS + 3;
    replicate(&session, Arc::clone(&remote), &Rules::default(), |control| {
        for name in 0..names {
            assert!(control.mark(BookmarkKind::User, &name.to_string()));
        }
    });
    assert_eq!(remote.bookmarks().len(), names);
}

#[test]
fn the_clock_names_moments_only_where_the_guest_stands_still_for_them() {
    for works in [true, false] {
        let stick = Stick::new(34, SIZES);
        let session = stick.open(true);
        let remote = Arc::new(MemoryRemote::new());
        let holds = Arc::new(AtomicUsize::new(0));
        let rules = Rules {
            policy: ReplicationPolicy {
                bookmark_every_s: 1,
                ..ReplicationPolicy::default()
            },
            freezer: Some(Box::new(Still {
                holds: Arc::clone(&holds),
                works,
            })),
            ..Rules::default()
        };
        let told = replicate(&session, Arc::clone(&remote), &rules, |control| {
            // Each name is a pass, and each pass looks at the clock.
            until(|| {
                let marks = control.status().marks;
                assert!(control.mark(BookmarkKind::User, "tick"));
                until(|| control.status().marks > marks);
                holds.load(Ordering::SeqCst) > 0
            });
        });
        let automatic = remote.bookmarks().contains(&BookmarkKind::Automatic);
        assert_eq!(automatic, works);
        assert_eq!(told.last().unwrap().automatic_marks > 0, works);
    }
}

#[test]
fn where_nothing_may_be_sent_nothing_is_and_a_name_waits() {
    let stick = Stick::new(35, SIZES);
    let session = stick.open(true);
    work(&session, &mut Rng::new(34), 20);
    let remote = Arc::new(MemoryRemote::new());
    let is_metered = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&is_metered);
    let rules = Rules {
        look: Box::new(move || Surroundings {
            minute: 0,
            metered: match seen.load(Ordering::SeqCst) {
                true => Metered::Yes,
                false => Metered::No,
            },
        }),
        ..Rules::default()
    };
    replicate(&session, Arc::clone(&remote), &rules, |control| {
        until(|| control.status().paused == Some(Why::Metered));
        let status = control.status();
        assert!(
            status.unsent_bytes > 0 && status.phase == Phase::Starting,
            "{status:?}"
        );
        assert!(control.mark(BookmarkKind::User, "in the train"));
        until(|| control.status().paused == Some(Why::Metered));
        assert!(remote.points().is_empty());
        is_metered.store(false, Ordering::SeqCst);
        // Whoever asks for a name is not kept waiting for the next look.
        assert!(control.mark(BookmarkKind::User, "at home"));
        until(|| control.status().marks == 2);
        assert_eq!(control.status().paused, None);
    });
    assert_eq!(remote.bookmarks(), [BookmarkKind::User; 2]);
    // From here on only changes are to be sent, and they may be.
    is_metered.store(true, Ordering::SeqCst);
    work(&session, &mut Rng::new(35), 20);
    let told = replicate(&session, Arc::clone(&remote), &rules, |control| {
        until(|| control.status().phase == Phase::InStep);
    });
    assert!(told.iter().all(|status| status.paused.is_none()), "{told:?}");
}

#[test]
fn a_session_ends_although_nothing_may_be_sent() {
    let stick = Stick::new(36, SIZES);
    let session = stick.open(true);
    let remote = Arc::new(MemoryRemote::new());
    let rules = Rules {
        wish: Wish::AtMost(0),
        ..Rules::default()
    };
    let told = replicate(&session, Arc::clone(&remote), &rules, |_| ());
    assert_eq!(told.last().unwrap().paused, Some(Why::Person));
    assert!(remote.points().is_empty());
}

#[test]
fn a_pass_tells_how_far_it_is_while_it_goes_on() {
    let site = Site::start();
    let sizes = Sizes {
        home: 8 << 20,
        segment: 1 << 20,
        ..SIZES
    };
    let stick = Stick::new(37, sizes);
    let session = stick.open(true);
    let home = session
        .volumes()
        .iter()
        .find(|volume| volume.name == "home")
        .unwrap();
    let mut rng = Rng::new(37);
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.below(256) as u8)
        .take(8 << 20)
        .collect();
    home.volume.write_at(0, &noise).unwrap();
    let limit = UploadLimit::default();
    let company = company_by(&site, &session, limit.clone());
    let rules = Rules {
        wish: Wish::AtMost(1_500_000),
        limit,
        ..Rules::default()
    };
    let told = replicate(&session, company, &rules, |control| {
        until(|| control.status().pass.is_some_and(|pass| pass.done_bytes > 0));
        let status = control.status();
        let limit = status.limit.unwrap();
        assert_eq!((limit.bytes_per_s, limit.by), (1_500_000, Why::Person));
        until(|| control.status().phase == Phase::InStep);
    });
    let passes: Vec<_> = told.iter().filter_map(|status| status.pass).collect();
    let grows = passes
        .windows(2)
        .any(|pair| pair[0].done_bytes < pair[1].done_bytes);
    let is_under_way = |pass: &PassStatus| pass.done_bytes > 0 && pass.done_bytes < pass.data_bytes;
    assert!(grows && passes.iter().any(is_under_way), "{passes:?}");
    assert!(
        told.iter()
            .any(|status| status.left_s.is_some() && status.pass.is_some())
    );
    assert!(
        told.iter()
            .all(|status| status.left_bytes() <= status.unsent_bytes)
    );
}

#[test]
fn an_escrow_file_that_changes_reaches_the_company_though_nothing_else_does() {
    let (first, second) = (
        age::x25519::Identity::generate(),
        age::x25519::Identity::generate(),
    );
    let stick = Stick::of(
        Arc::new(FixedRandom::new(38)),
        38,
        SIZES,
        vec![&first.to_public()],
    );
    let remote = Arc::new(MemoryRemote::new());
    let escrow_of = |remote: &MemoryRemote| ReplicaHead::escrow_of(&remote.newest().unwrap().unwrap().head);
    let mut session = stick.open(true);
    let mut sender = Sender::new(session.replica().unwrap(), Arc::clone(&remote));
    while sender.pass(&ALL, &Progress::default()).unwrap() != Passed::Nothing {}
    sender.note().unwrap();
    drop(sender);
    session.close().unwrap();
    let (points, before) = (remote.points().len(), escrow_of(&remote));
    assert!(before.is_some());
    drop(session);
    let secret = Secret::Passphrase(PASSPHRASE);
    let mut bundle = Bundle::open(stick.path(), &secret, true, Ambient::system()).unwrap();
    bundle.set_escrow(&[&second.to_public()]).unwrap();
    drop(bundle);
    let session = stick.open(true);
    let mut sender = Sender::new(session.replica().unwrap(), Arc::clone(&remote));
    let passed = sender.pass(&ALL, &Progress::default()).unwrap();
    assert!(
        matches!(
            passed,
            Passed::Point {
                complete: true,
                data_bytes: 0,
                ..
            }
        ),
        "{passed:?}"
    );
    assert_eq!(sender.pass(&ALL, &Progress::default()).unwrap(), Passed::Nothing);
    assert_eq!(remote.points().len(), points + 1);
    let after = escrow_of(&remote);
    assert!(after.is_some() && after != before);
}
