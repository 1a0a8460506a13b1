//! A stick and the company's real server: TLS, a database, a folder with objects.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gobag_bundle::{Ambient, Session};
use gobag_client::{Client, Identity, Options};
use gobag_format::{Silent, ids::VolumeId};
use gobag_protocol::{enrol::EnrolRequest, points::BookmarkKind};
use gobag_replica::{
    Archive as _, Company, Pass, Passed, Sender, View, restore,
    runner::{Control, Phase, run},
    sender::Progress,
};
use gobag_server::testing::Site;
use gobag_tests::rng::Rng;

use crate::{
    replica::{Memory, NAMES, SIZES, id_of, look, work},
    stick::{Stick, content},
};

const ALL: Pass = Pass {
    most_bytes: u64::MAX,
    bookmarks: Vec::new(),
};

/// A connection of this session's stick, enrolled now.
fn company(site: &Site, session: &Session) -> Arc<Company> {
    let bundle = session.bundle();
    let key = Arc::new(bundle.ledger().unwrap().signing_key());
    let nobody = Client::new(&site.address(), site.ca(), None, Options::default()).unwrap();
    let token = site.token("acme", bundle.id());
    let request = EnrolRequest::sign(token, bundle.id(), bundle.record().org, &key);
    let identity = Identity {
        certificate: nobody.enrol(&request).unwrap().certificate,
        key,
    };
    let client = Client::new(&site.address(), site.ca(), Some(&identity), Options::default());
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
    let control = Control::default();
    let mut rng = Rng::new(32);
    thread::scope(|scope| {
        let source = session.replica().unwrap();
        let replicating = scope.spawn(|| {
            run(
                source,
                Arc::clone(&company),
                &control,
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
    assert!(restored(&company, &session, &pristine) == look(&session));
    assert_ne!(content(&session, "home"), pristine[0]);
    let noted = session.bundle().ledger().unwrap().replica.unwrap();
    assert_eq!(noted.generation, company.newest().unwrap().unwrap().generation);
}
