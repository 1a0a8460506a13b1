//! A server whose objects are in a bucket that may be asked itself: PyPI's `moto` with TLS.

#![expect(clippy::disallowed_methods, reason = "the bucket's certificate is in files")]

use std::{fs, path::Path};

use gobag_client::People;
use gobag_protocol::{error::Code, ids::ObjectId, people::Role};
use gobag_server::testing::Site;
use rcgen::{CertificateParams, Issuer, KeyPair};

use crate::{
    moto::{Moto, Secured},
    site::{BUNDLE, nobody, stick},
};

/// A bucket whose certificate is of the CA in `ca`.
fn bucket(ca: &Path, folder: &Path) -> Option<Moto> {
    let read = |name| fs::read_to_string(ca.join(name)).unwrap();
    let key = KeyPair::from_pem(&read("ca-key.pem")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem"), key).unwrap();
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    let secured = Secured {
        certificate: folder.join("bucket.pem"),
        key: folder.join("bucket-key.pem"),
        ca: ca.join("ca.pem"),
    };
    fs::write(&secured.certificate, certificate.pem()).unwrap();
    fs::write(&secured.key, own.serialize_pem()).unwrap();
    Moto::start(Some(secured))
}

/// Objects that clients were sent to the bucket for, and bytes that the server gave out itself.
fn counts(site: &Site) -> (u64, u64) {
    let text = site.metrics();
    let count = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    (
        count("gobag_objects_redirected_total"),
        count("gobag_object_bytes_read_total"),
    )
}

/// A server with objects in `moto`, and the CA of `other`.
fn site(other: &Site, moto: &Moto, direct: bool) -> Site {
    Site::start_with(|config| {
        config.ca = Some(other.folder().join("ca"));
        let mut s3 = moto.bucket(&config.data, u32::from(direct));
        s3.direct = direct;
        config.s3 = Some(s3);
    })
}

#[test]
fn objects_come_from_the_bucket_itself_as_long_as_that_works() {
    let other = Site::start();
    let Some(moto) = bucket(&other.folder().join("ca"), other.folder()) else {
        return;
    };
    let site = site(&other, &moto, true);
    let stick = stick(&site);
    let objects: Vec<Vec<u8>> = (0..4_u8).map(|number| vec![number; 100_000]).collect();
    let ids: Vec<ObjectId> = objects.iter().map(|object| ObjectId::of(object)).collect();
    for (id, object) in ids.iter().zip(&objects) {
        stick.put(*id, object).unwrap();
    }
    assert!(stick.get(ids[0]).unwrap() == objects[0]);
    let token = site.person("acme", Role::Operator);
    let person = People::new(nobody(&site), token.expose());
    assert!(person.object(BUNDLE, ids[1]).unwrap() == objects[1]);
    assert_eq!(counts(&site), (2, 0), "not a byte came through the server");
    assert_eq!(stick.get_range(ids[0], 5..9).unwrap(), objects[0][5..9]);
    assert_eq!(counts(&site), (2, 4));
    let unknown = ObjectId::of(b"unknown");
    assert!(stick.get(unknown).unwrap_err().is_refused(Code::ObjectUnknown));

    site.set_revoked("acme", BUNDLE, true);
    assert!(stick.get(ids[0]).unwrap_err().is_refused(Code::StickRevoked));
    assert_eq!(counts(&site).0, 2, "it is not told where");
    site.set_revoked("acme", BUNDLE, false);

    // The bucket goes; the server is asked instead, which cannot help either.
    drop(moto);
    for id in [ids[2], ids[3], ids[2], ids[3], ids[2]] {
        assert!(stick.get(id).is_err());
    }
    assert_eq!(counts(&site).0, 5, "after three failures it is left alone");
}

#[test]
fn a_bucket_that_nobody_vouches_for_is_left_alone() {
    let (other, stranger) = (Site::start(), Site::start());
    let Some(moto) = bucket(&stranger.folder().join("ca"), stranger.folder()) else {
        return;
    };
    // The server was told to trust it; the stick was not.
    let site = site(&other, &moto, true);
    let stick = stick(&site);
    let object = vec![7; 1000];
    let id = ObjectId::of(&object);
    stick.put(id, &object).unwrap();
    for _ in 0..5 {
        assert!(stick.get(id).unwrap() == object);
    }
    assert_eq!(counts(&site), (3, 5000), "the bucket was tried three times");
}

#[test]
fn without_being_told_to_a_server_gives_the_bytes_itself() {
    let other = Site::start();
    let Some(moto) = bucket(&other.folder().join("ca"), other.folder()) else {
        return;
    };
    let site = site(&other, &moto, false);
    let stick = stick(&site);
    let object = vec![7; 1000];
    let id = ObjectId::of(&object);
    stick.put(id, &object).unwrap();
    assert!(stick.get(id).unwrap() == object);
    assert_eq!(counts(&site), (0, 1000));
}
