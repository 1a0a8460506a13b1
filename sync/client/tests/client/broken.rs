//! Lines that break, answers that get lost, servers that are killed: asked again, it is as if nothing had been.

use std::thread;

use gobag_client::{Backoff, Client, ClientError, Options, UploadLimit};
use gobag_protocol::{enrol::EnrolRequest, ids::ObjectId, points::Wanted};
use gobag_server::testing::Site;

use crate::site::{BUNDLE, Least, ORG, Wire, identity, key, point, stick, volumes};

/// Bytes of a handshake and of a small request with its answer are fewer.
const BEYOND_HANDSHAKE: usize = 20_000;

#[test]
fn an_upload_that_breaks_is_asked_again_and_goes_through() {
    let site = Site::start();
    let wire = Wire::to(&site.address());
    let identity = identity(&site);
    let stick = Client::new(&wire.address, site.ca(), Some(&identity), Options::default()).unwrap();
    let bytes = vec![7; 1_000_000];
    let id = ObjectId::of(&bytes);
    wire.break_up_after(500_000);
    stick
        .retry(&mut Backoff::new(&Least, Some(5)), |stick| stick.put(id, &bytes))
        .unwrap();
    wire.wait_broken();
    assert_eq!(stick.missing(&[id]).unwrap(), []);
}

#[test]
fn lost_answers_are_given_again() {
    let site = Site::start();
    let wire = Wire::to(&site.address());
    let nobody = Client::new(&wire.address, site.ca(), None, Options::default()).unwrap();
    nobody.hello().unwrap();
    let request = EnrolRequest::sign(site.token("acme", BUNDLE), BUNDLE, ORG, &key(1));
    // The connection is there; the first byte of the answer is lost, and with it all that follows.
    wire.break_down_after(0);
    let error = nobody.enrol(&request).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    wire.wait_broken();
    nobody.enrol(&request).unwrap();

    let stick = Client::new(
        &wire.address,
        site.ca(),
        Some(&identity(&site)),
        Options::default(),
    )
    .unwrap();
    stick.put(ObjectId::of(b"a"), b"a").unwrap();
    let new = point(1, &[ObjectId::of(b"a")]);
    wire.break_down_after(0);
    assert!(stick.publish(&volumes(), &new).unwrap_err().is_transient());
    let made = stick.publish(&volumes(), &new).unwrap();
    assert_eq!(
        (
            made.generation,
            stick.points(&volumes(), &Wanted::default()).unwrap().len()
        ),
        (1, 1)
    );
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_an_upload_and_comes_back_gets_it() {
    let mut site = Site::start();
    let wire = Wire::to(&site.address());
    let (identity, ca) = (identity(&site), site.ca().to_owned());
    let stick = Client::new(&wire.address, &ca, Some(&identity), Options::default()).unwrap();
    let bytes = vec![9; 2_000_000];
    let id = ObjectId::of(&bytes);
    stick.put(ObjectId::of(b"kept"), b"kept").unwrap();
    wire.break_up_after(1_000_000);
    thread::scope(|scope| {
        let putting = scope.spawn(|| {
            let mut backoff = Backoff::new(&Least, Some(20));
            stick.retry(&mut backoff, |stick| stick.put(id, &bytes))
        });
        wire.wait_broken();
        site.kill();
        site.start_again();
        putting.join().unwrap().unwrap();
    });
    assert_eq!(stick.missing(&[id, ObjectId::of(b"kept")]).unwrap(), []);
    assert!(stick.get(id).unwrap() == bytes);
}

#[test]
fn a_refusal_of_a_large_body_is_heard() {
    let site = Site::start_with(|config| config.quotas.stick_bytes = 1000);
    let stick = stick(&site);
    for fill in 0..10 {
        let bytes = vec![fill; 4 << 20];
        let error = stick.put(ObjectId::of(&bytes), &bytes).unwrap_err();
        assert_eq!(error.code(), "quota.exceeded", "{error:?}");
    }
}

#[test]
fn closing_ends_what_is_under_way() {
    let site = Site::start();
    let wire = Wire::to(&site.address());
    let slow = Options {
        upload: UploadLimit::new(Some(10_000)),
    };
    let stick = Client::new(&wire.address, site.ca(), Some(&identity(&site)), slow).unwrap();
    let bytes = vec![1; 1_000_000];
    wire.break_up_after(BEYOND_HANDSHAKE);
    thread::scope(|scope| {
        let putting = scope.spawn(|| stick.put(ObjectId::of(&bytes), &bytes));
        wire.wait_broken();
        stick.close();
        let error = putting.join().unwrap().unwrap_err();
        assert!(matches!(error, ClientError::Closed), "{error:?}");
    });
    let mut backoff = Backoff::new(&Least, None);
    let asked = stick.retry(&mut backoff, |stick| stick.hello());
    assert!(matches!(asked, Err(ClientError::Closed)));
}
