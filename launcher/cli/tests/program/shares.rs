//! Sticks that want a share of the company's, with a real server: on the stick until it is taken away (`leased`), or given at each unlocking (`online`).

#![expect(
    clippy::disallowed_methods,
    reason = "puts files in place; tries again and again a stick whose program is just ending"
)]

use std::{fs, sync::Arc, thread, time::Instant};

use gobag_bundle::{Ambient, Bundle, OpenError, Secret, card, medium::FileRef, share_proof};
use gobag_client::{Client, Identity, Options};
use gobag_format::{
    card::Card,
    keyslot::{Share, ShareName},
    lease::{Extension, Lease, LeasePolicy, UnlockMode},
};
use gobag_protocol::{
    ids::TenantName,
    share::{NextRequest, NextShare, QuestionRequest, ShareRequest},
};
use gobag_server::testing::Site;
use serde_json::json;

use crate::{
    company::{DAY_S, change, enrol, key, ledger, mount, now_s, refused, run, stop, wait_for_company},
    program::{Desk, PATIENCE, Ran},
    stick::{Contents, PASSPHRASE, Stick},
};

/// A stick whose image asks for leases of this server and opens so; officers are the keys 1 and 2, and both have to sign.
fn stick(site: &Site, unlock: &str) -> Stick {
    let officers = [1, 2].map(|number| key(number).verifying_key());
    let lease = json!({
        "server": site.lease_key("acme"), "officers": officers, "threshold": 2, "unlock": unlock
    });
    Stick::new(&Contents {
        policy: json!({ "lease": lease }),
        ..Contents::default()
    })
}

/// The same after its first contact.
fn settled(desk: &Desk, site: &Site, unlock: &str) -> Stick {
    let stick = stick(site, unlock);
    assert_eq!(enrol(desk, site, &stick).exit, 0);
    assert_eq!(alone(&stick), Ok(UnlockMode::Offline));
    work(desk, &stick);
    stick
}

/// One session online, to its end.
fn work(desk: &Desk, stick: &Stick) {
    let running = mount(desk, stick);
    wait_for_company(desk, "reached");
    stop(desk, running);
}

/// One session without the company.
fn work_offline(desk: &Desk, stick: &Stick) {
    let running = mount(desk, stick);
    wait_for_company(desk, "offline");
    stop(desk, running);
}

/// How the stick opens by its passphrase without anybody's help, or why it does not.
fn alone(stick: &Stick) -> Result<UnlockMode, &'static str> {
    opened(stick, &Secret::Passphrase(PASSPHRASE.as_bytes())).map(|bundle| bundle.unlock_mode())
}

fn opened(stick: &Stick, secret: &Secret<'_>) -> Result<Bundle, &'static str> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Bundle::open(stick.path(), secret, true, Ambient::system()) {
            Err(OpenError::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
            opened => return opened.map_err(|error| error.code()),
        }
    }
}

/// Which share the stick's header wants.
fn name(stick: &Stick) -> Option<ShareName> {
    let proof = share_proof(stick.path(), PASSPHRASE.as_bytes()).unwrap();
    proof.and_then(|proof| proof.name)
}

/// What the server gives for the share that the header wants, as a program of somebody's own would ask for it.
fn given(site: &Site, stick: &Stick, passphrase: &str) -> Result<Share, String> {
    let tenant = TenantName::parse("acme").unwrap();
    let nobody = Client::new(&site.address(), site.ca(), None, Options::default()).unwrap();
    let proof = share_proof(stick.path(), passphrase.as_bytes()).unwrap().unwrap();
    let request = QuestionRequest {
        tenant: tenant.clone(),
        bundle: stick.bundle,
    };
    let question = nobody.share_question(&request).unwrap();
    let (ca, name) = (nobody.ca(), proof.name.unwrap());
    let request = ShareRequest::sign(tenant, stick.bundle, name, question, ca, &proof.key);
    nobody.share(&request).map_err(|error| error.code().to_owned())
}

/// A stick that was opened online, with a share that its server has made for it and not heard of again.
fn with_next(site: &Site, stick: &Stick) -> (Bundle, NextShare) {
    let share = given(site, stick, PASSPHRASE).unwrap();
    let passphrase = PASSPHRASE.as_bytes();
    let secret = Secret::Shared {
        passphrase,
        share: &share,
    };
    let bundle = opened(stick, &secret).unwrap();
    let next = next(site, &bundle);
    (bundle, next)
}

fn next(site: &Site, bundle: &Bundle) -> NextShare {
    let ledger = bundle.ledger().unwrap();
    let identity = Identity {
        certificate: ledger.company.as_ref().unwrap().certificate.clone(),
        key: Arc::new(ledger.signing_key()),
    };
    let client = Client::new(&site.address(), site.ca(), Some(&identity), Options::default()).unwrap();
    let request = NextRequest::sign(bundle.id(), bundle.share_name(), &bundle.prover().unwrap());
    client.next_share(&request).unwrap()
}

fn passwd(desk: &Desk, stick: &Stick, old: &str, new: &str) -> Ran {
    let path = stick.path();
    desk.run(&[
        &"passwd",
        &"--json",
        &"--stick",
        &path,
        &"--passphrase-file",
        &old,
        &"--new-passphrase-file",
        &new,
    ])
}

fn mount_by(desk: &Desk, stick: &Stick, file: &str) -> (i32, String) {
    let path = stick.path();
    let ran = desk.run(&[
        &"mount",
        &"--door",
        &"nbd",
        &"--json",
        &"--stick",
        &path,
        &"--passphrase-file",
        &file,
    ]);
    (ran.exit, ran.code())
}

#[test]
fn leased_it_works_offline_and_each_renewal_brings_another_share() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    assert_eq!(alone(&stick), Ok(UnlockMode::Leased));
    let first = name(&stick).unwrap();
    work(&desk, &stick);
    assert_eq!(name(&stick), Some(first), "nothing was renewed");
    change(&stick, |ledger| ledger.lease = None);
    work(&desk, &stick);
    let second = name(&stick).unwrap();
    assert_ne!(second, first);
    assert_eq!(alone(&stick), Ok(UnlockMode::Leased));
    site.kill();
    work_offline(&desk, &stick);
}

/// A wrong server on the card is put right with the next contact.
#[test]
fn the_card_says_where_the_company_is_again() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    let right = card::read(stick.path()).unwrap().remove(0);
    assert_eq!((&right.servers, &*right.ca), (&vec![site.address()], site.ca()));
    for file in [FileRef::Card(0), FileRef::Card(1)] {
        let mut wrong = right.clone();
        wrong.servers = vec!["elsewhere.invalid:1".to_owned()];
        fs::write(stick.file(file), wrong.encode().unwrap()).unwrap();
    }
    work(&desk, &stick);
    assert_eq!(card::read(stick.path()).unwrap(), [right]);
}

/// A stick on its way to another server, whose header is from before.
#[test]
fn online_it_asks_the_server_that_it_comes_from_too() {
    let (desk, site, mut other) = (Desk::new(), Site::start(), Site::start());
    let stick = settled(&desk, &site, "online");
    let old = card::read(stick.path()).unwrap().remove(0);
    let mut new = old.clone();
    (new.servers, new.ca) = (vec![other.address()], other.ca().to_owned());
    let put = |cards: [&Card; 2]| {
        for (file, card) in [FileRef::Card(0), FileRef::Card(1)].into_iter().zip(cards) {
            fs::write(stick.file(file), card.encode().unwrap()).unwrap();
        }
    };
    put([&new, &old]);
    work(&desk, &stick);
    assert_eq!(card::read(stick.path()).unwrap(), std::slice::from_ref(&old));
    put([&new, &new]);
    assert_eq!(refused(&desk, &stick), (5, "share.name".to_owned()));
    other.kill();
    put([&new, &old]);
    work(&desk, &stick);
}

/// Cut off by mistake after its passphrase was changed offline: nobody promises what the company cannot give.
#[test]
fn leased_a_share_without_a_name_is_not_promised_back() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    site.kill();
    assert_eq!(passwd(&desk, &stick, "right", "right").exit, 0);
    assert_eq!(name(&stick), None);
    site.start_again();
    site.set_revoked("acme", stick.bundle, true);
    let mut running = mount(&desk, &stick);
    running.words.wait_for("only your IT's escrow key opens it");
    assert_eq!(running.finish(), Some(5));
    site.set_revoked("acme", stick.bundle, false);
    let ran = run(&desk, &stick, &["mount", "--door", "nbd"]);
    assert_eq!((ran.exit, &*ran.code()), (5, "unlock.escrow-needed"));
    assert!(ran.stdout.contains("being online does not help"), "{ran:?}");
}

#[test]
fn leased_and_cut_off_its_share_is_gone_until_it_takes_that_back() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    site.set_revoked("acme", stick.bundle, true);
    let mut running = mount(&desk, &stick);
    running.words.wait_for("your company cut this stick off");
    assert_eq!(running.finish(), Some(5));
    assert!(site.is_erased("acme", stick.bundle), "the company knows");
    assert_eq!(alone(&stick), Err("unlock.share-needed"));
    assert_eq!(refused(&desk, &stick), (5, "stick.revoked".to_owned()));
    site.kill();
    assert_eq!(refused(&desk, &stick), (5, "unlock.no-server".to_owned()));
    site.start_again();
    site.set_revoked("acme", stick.bundle, false);
    work(&desk, &stick);
    assert_eq!(alone(&stick), Ok(UnlockMode::Leased));
    assert!(!ledger(&stick).revoked);
    site.kill();
    work_offline(&desk, &stick);
}

/// Of a stick that was cut off and taken back nothing is left that would erase it when its passphrase alone opens it again.
#[test]
fn cut_off_and_taken_back_it_can_go_offline() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    site.set_revoked("acme", stick.bundle, true);
    let mut running = mount(&desk, &stick);
    assert_eq!(running.finish(), Some(5));
    site.set_revoked("acme", stick.bundle, false);
    let share = given(&site, &stick, PASSPHRASE).unwrap();
    let secret = Secret::Shared {
        passphrase: PASSPHRASE.as_bytes(),
        share: &share,
    };
    let bundle = opened(&stick, &secret).unwrap();
    assert!(!bundle.ledger().unwrap().revoked);
    // As an earlier version left it.
    bundle.cut_off().unwrap();
    bundle.wrap_offline().unwrap();
    drop(bundle);
    site.kill();
    work_offline(&desk, &stick);
}

#[test]
fn online_it_opens_with_the_server_alone() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "online");
    assert_eq!(alone(&stick), Err("unlock.share-needed"));
    work(&desk, &stick);
    let lease = run(&desk, &stick, &["lease"]);
    assert_eq!(lease.exit, 0, "{lease:?}");
    assert!(
        lease.stderr.contains("opens only together with your company"),
        "{lease:?}"
    );
    site.kill();
    let ran = run(&desk, &stick, &["mount", "--door", "nbd"]);
    assert_eq!((ran.exit, &*ran.code()), (5, "unlock.no-server"));
    assert!(
        ran.stdout.contains("connect this computer to the internet"),
        "{ran:?}"
    );
    site.start_again();
    work(&desk, &stick);
    // Cut off: it opens nowhere, and nothing on it is erased.
    site.set_revoked("acme", stick.bundle, true);
    assert_eq!(refused(&desk, &stick), (5, "stick.revoked".to_owned()));
    site.set_revoked("acme", stick.bundle, false);
    work(&desk, &stick);
}

#[test]
fn online_the_server_counts_what_is_typed() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "online");
    for _ in 0..5 {
        assert_eq!(
            mount_by(&desk, &stick, "wrong"),
            (5, "unlock.wrong-passphrase".to_owned())
        );
    }
    assert_eq!(refused(&desk, &stick), (5, "share.locked".to_owned()));
    site.clock.advance(61);
    work(&desk, &stick);
}

/// The answer with a fresh share is lost, before the header was written with it, and after.
#[test]
fn online_a_share_that_was_made_and_not_confirmed_locks_nobody_out() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "online");
    let first = name(&stick).unwrap();
    let (bundle, lost) = with_next(&site, &stick);
    drop(bundle);
    assert_ne!(lost.name, first);
    assert_eq!(name(&stick), Some(first));
    work(&desk, &stick);
    let (bundle, written) = with_next(&site, &stick);
    bundle.rewrap(written.share.clone(), written.name, false).unwrap();
    drop(bundle);
    assert_eq!(name(&stick), Some(written.name));
    let before = headers(&stick);
    work(&desk, &stick);
    change_online(&site, &stick);
    work(&desk, &stick);
    assert_ne!(name(&stick), Some(written.name));
    // The company has heard of it: an older copy gets nothing more.
    work(&desk, &stick);
    put(&stick, &before);
    assert_eq!(refused(&desk, &stick), (5, "share.old".to_owned()));
}

/// A stick may say that it has flushed what it has not: pulled then, it has the header from before, for which the company has to have the share.
#[test]
fn online_a_stick_that_lost_its_newest_header_opens() {
    let (desk, site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "online");
    let before = headers(&stick);
    change_online(&site, &stick);
    work(&desk, &stick);
    assert_ne!(headers(&stick), before);
    put(&stick, &before);
    work(&desk, &stick);
    let before = headers(&stick);
    let ran = passwd(&desk, &stick, "right", "new");
    assert_eq!(ran.exit, 0, "{ran:?}");
    put(&stick, &before);
    work(&desk, &stick);
}

type HeaderFiles = [(FileRef, Vec<u8>); 2];

fn headers(stick: &Stick) -> HeaderFiles {
    [FileRef::Header(0), FileRef::Header(1)].map(|file| (file, fs::read(stick.file(file)).unwrap()))
}

fn put(stick: &Stick, headers: &HeaderFiles) {
    for (file, content) in headers {
        fs::write(stick.file(*file), content).unwrap();
    }
}

/// Makes the next renewal due on a stick that opens online.
fn change_online(site: &Site, stick: &Stick) {
    let share = given(site, stick, PASSPHRASE).unwrap();
    let secret = Secret::Shared {
        passphrase: PASSPHRASE.as_bytes(),
        share: &share,
    };
    let bundle = opened(stick, &secret).unwrap();
    bundle.change_ledger(|ledger| ledger.lease = None).unwrap();
}

#[test]
fn online_a_new_passphrase_is_known_to_the_company_at_once() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "online");
    site.kill();
    let ran = passwd(&desk, &stick, "right", "new");
    assert_eq!((ran.exit, &*ran.code()), (5, "unlock.no-server"));
    site.start_again();
    let ran = passwd(&desk, &stick, "right", "new");
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(refused(&desk, &stick), (5, "unlock.wrong-passphrase".to_owned()));
    let ran = passwd(&desk, &stick, "new", "right");
    assert_eq!(ran.exit, 0, "{ran:?}");
    work(&desk, &stick);
}

/// The company hears of a passphrase that was changed offline, and helps by that one from then on.
#[test]
fn leased_a_new_passphrase_offline_is_told_at_the_next_contact() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    fs::copy(desk.path("right"), desk.path("first")).unwrap();
    site.kill();
    let ran = passwd(&desk, &stick, "first", "new");
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.stderr.contains("Start the stick online once"), "{ran:?}");
    assert_eq!(name(&stick), None);
    // The helpers of these tests type what is in this file.
    fs::copy(desk.path("new"), desk.path("right")).unwrap();
    work_offline(&desk, &stick);
    site.start_again();
    work(&desk, &stick);
    assert!(name(&stick).is_some());
    site.set_revoked("acme", stick.bundle, true);
    let mut running = mount(&desk, &stick);
    assert_eq!(running.finish(), Some(5));
    site.set_revoked("acme", stick.bundle, false);
    assert_eq!(
        mount_by(&desk, &stick, "first"),
        (5, "unlock.wrong-passphrase".to_owned())
    );
    work(&desk, &stick);
    // And online it is told at once.
    let ran = passwd(&desk, &stick, "new", "first");
    assert_eq!(
        (ran.exit, ran.stderr.contains("Start the stick online once")),
        (0, false),
        "{ran:?}"
    );
    fs::copy(desk.path("first"), desk.path("right")).unwrap();
    work(&desk, &stick);
    assert_eq!(alone(&stick), Ok(UnlockMode::Leased));
}

/// An image of a company that has given leases up.
#[test]
fn without_leases_the_passphrase_alone_opens_it_again() {
    for keep in [true, false] {
        let (desk, mut site) = (Desk::new(), Site::start());
        let stick = Stick::new(&Contents::default());
        assert_eq!(enrol(&desk, &site, &stick).exit, 0);
        let bundle = opened(&stick, &Secret::Passphrase(PASSPHRASE.as_bytes())).unwrap();
        let next = next(&site, &bundle);
        let company = bundle.ledger().unwrap().company.unwrap();
        bundle.keep_card(&Card::of(&company)).unwrap();
        bundle.rewrap(next.share, next.name, keep).unwrap();
        drop(bundle);
        work(&desk, &stick);
        assert_eq!(alone(&stick), Ok(UnlockMode::Offline));
        site.kill();
        work_offline(&desk, &stick);
    }
}

/// A clock that anybody can set takes nothing away; the end of the lease by what is known for certain does.
#[test]
fn leased_the_end_of_its_lease_takes_the_share_when_it_is_certain() {
    let (desk, mut site) = (Desk::new(), Site::start());
    let stick = settled(&desk, &site, "leased");
    // A lease, of 45 days, whose end is over by this computer's clock.
    site.clock.go_back(60 * DAY_S);
    change(&stick, |ledger| ledger.lease = None);
    assert_eq!(refused(&desk, &stick), (5, "lease.ended".to_owned()));
    site.kill();
    assert_eq!(refused(&desk, &stick), (5, "lease.ended".to_owned()));
    assert_eq!(
        alone(&stick),
        Ok(UnlockMode::Leased),
        "so officers can still help"
    );
    assert!(lease_of(&stick, &site).expires_s < now_s());
    // It was seen to work until now.
    change(&stick, |ledger| ledger.high_water_s = now_s());
    // Letters of officers count before that.
    let extension = Extension::for_group(stick.secrets.org, "everyone", now_s(), now_s() + DAY_S);
    let mut envelope = extension.sign(&key(1));
    envelope.sign_too(&key(2)).unwrap();
    let path = desk.path("extension.json");
    fs::write(&path, envelope.to_json()).unwrap();
    let before = ledger(&stick);
    let ran = run(&desk, &stick, &["lease", "extend", path.to_str().unwrap()]);
    assert_eq!(ran.exit, 0, "{ran:?}");
    work_offline(&desk, &stick);
    // A server that is gone may be the disaster that officers are for.
    let renewal = before.renewal.clone();
    change(&stick, |ledger| *ledger = before);
    assert_eq!(refused(&desk, &stick), (5, "lease.ended".to_owned()));
    assert_eq!(alone(&stick), Ok(UnlockMode::Leased));
    // One that answers, and gives no lease.
    site.start_again();
    change(&stick, |ledger| {
        ledger.renewal.as_mut().unwrap().token = serde_json::from_str("\"another\"").unwrap();
    });
    let ran = run(&desk, &stick, &["mount", "--door", "nbd"]);
    assert_eq!((ran.exit, &*ran.code()), (5, "lease.ended"));
    assert!(
        ran.stdout.contains("only while your company's server answers"),
        "{ran:?}"
    );
    assert_eq!(alone(&stick), Err("unlock.share-needed"));
    let share = given(&site, &stick, PASSPHRASE).unwrap();
    let secret = Secret::Shared {
        passphrase: PASSPHRASE.as_bytes(),
        share: &share,
    };
    let bundle = opened(&stick, &secret).unwrap();
    bundle.change_ledger(|ledger| ledger.renewal = renewal).unwrap();
    drop(bundle);
    site.clock.advance(60 * DAY_S);
    work(&desk, &stick);
    assert_eq!(alone(&stick), Ok(UnlockMode::Leased));
}

fn lease_of(stick: &Stick, site: &Site) -> Lease {
    let held = ledger(stick).held().unwrap();
    let policy = json!({ "lease": { "server": site.lease_key("acme") } });
    let policy = LeasePolicy::of_policy(&policy).unwrap().unwrap();
    Lease::verified(&held.lease.unwrap(), &policy.server).unwrap()
}

/// Somebody's own program, with the header of one stick and everything of another.
#[test]
fn the_share_of_one_stick_is_for_nobody_who_knows_another() {
    let (desk, site) = (Desk::new(), Site::start());
    let (stick, other) = (settled(&desk, &site, "online"), settled(&desk, &site, "online"));
    assert_eq!(
        given(&site, &stick, "another passphrase").unwrap_err(),
        "share.proof"
    );
    let (bundle, _) = with_next(&site, &other);
    drop(bundle);
    let own = given(&site, &other, PASSPHRASE).unwrap();
    let passphrase = PASSPHRASE.as_bytes();
    let secret = Secret::Shared {
        passphrase,
        share: &own,
    };
    assert_eq!(opened(&stick, &secret).err(), Some("unlock.wrong-share"));
}
