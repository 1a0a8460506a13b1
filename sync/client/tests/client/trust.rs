//! Whom a client trusts, and who is let in.

use gobag_client::{Client, ClientError, Identity, Options};
use gobag_protocol::{enrol::EnrolRequest, error::Code};
use gobag_server::testing::Site;

use crate::site::{BUNDLE, ORG, Wire, enrolled, identity, key, nobody, stick};

fn client(server: &str, ca: &str, identity: Option<&Identity>) -> Client {
    Client::new(server, ca, identity, Options::default()).unwrap()
}

#[test]
fn a_token_enrols_once_and_the_lost_answer_is_given_again() {
    let site = Site::start();
    let token = site.token("acme", BUNDLE);
    let request = EnrolRequest::sign(token.clone(), BUNDLE, ORG, &key(1));
    let enrolled = nobody(&site).enrol(&request).unwrap();
    assert_eq!(
        (enrolled.tenant.as_str(), enrolled.ca.as_str()),
        ("acme", site.ca())
    );
    nobody(&site).enrol(&request).unwrap();
    let other = EnrolRequest::sign(token, BUNDLE, ORG, &key(2));
    let error = nobody(&site).enrol(&other).unwrap_err();
    assert!(error.is_refused(Code::EnrolToken) && !error.is_transient());
    let error = nobody(&site).memory().unwrap_err();
    assert!(error.is_refused(Code::IdentityMissing));
}

#[test]
fn a_server_of_another_ca_is_not_spoken_to() {
    let (site, other) = (Site::start(), Site::start());
    let error = client(&site.address(), other.ca(), None).hello().unwrap_err();
    assert!(matches!(error, ClientError::OtherServer { .. }), "{error:?}");
    assert_eq!(
        (error.code(), error.is_transient()),
        ("client.other-server", false)
    );
    // Of the right CA, but with another name.
    let named = Site::start_with(|config| config.names = vec!["example.org".to_owned()]);
    let error = client(&named.address(), named.ca(), None).hello().unwrap_err();
    assert!(matches!(error, ClientError::OtherServer { .. }), "{error:?}");
}

/// What proofs are made for is the CA that is trusted, however its text is written: of two in one text that other readers would tell apart otherwise, too.
#[test]
fn the_ca_that_proofs_are_for_is_the_one_that_is_trusted() {
    let (site, other) = (Site::start(), Site::start());
    let own = *client(&site.address(), site.ca(), None).ca();
    let foreign = client(&other.address(), other.ca(), None);
    let smuggled = format!("x{}\n{}", site.ca().replace('\n', ""), other.ca());
    for text in [smuggled, format!("# ours\r\n{}", other.ca())] {
        let client = client(&other.address(), &text, None);
        client.hello().unwrap();
        assert_eq!(client.ca(), foreign.ca());
        assert_ne!(*client.ca(), own);
    }
}

#[test]
fn whoever_takes_the_company_s_place_for_a_while_is_no_reason_to_give_up() {
    let (mut site, mut guests) = (Site::start(), Site::start());
    let stick = client(&site.address(), site.ca(), None);
    stick.hello().unwrap();
    site.kill();
    guests.kill();
    // What a hotel does: the same address, another certificate.
    guests.move_to(&site);
    let error = stick.hello().unwrap_err();
    assert!(matches!(error, ClientError::Offline { .. }), "{error:?}");
    assert!(error.is_transient());
    guests.kill();
    site.start_again();
    stick.hello().unwrap();
}

#[test]
fn a_certificate_of_another_ca_is_told_apart_from_another_server() {
    let (site, other) = (Site::start(), Site::start());
    let foreign = identity(&other);
    let error = client(&site.address(), site.ca(), Some(&foreign))
        .hello()
        .unwrap_err();
    assert!(matches!(error, ClientError::Certificate { .. }), "{error:?}");
    // The right certificate with another key is nobody's.
    let stolen = Identity {
        certificate: enrolled(&site, 1).certificate,
        key: key(2),
    };
    let error = client(&site.address(), site.ca(), Some(&stolen))
        .hello()
        .unwrap_err();
    assert!(matches!(error, ClientError::Certificate { .. }), "{error:?}");
}

#[test]
fn a_computer_whose_clock_is_years_behind_reaches_the_company() {
    let mut site = Site::start();
    site.kill();
    site.clock.advance(3 * 365 * 86_400);
    // Its certificate is made again, and does not count yet by this computer's clock.
    site.start_again();
    nobody(&site).hello().unwrap();
    let other = Site::start();
    let error = client(&site.address(), other.ca(), None).hello().unwrap_err();
    assert!(matches!(error, ClientError::OtherServer { .. }), "{error:?}");
}

#[test]
fn a_revoked_stick_hears_it() {
    let site = Site::start();
    let stick = stick(&site);
    site.set_revoked("acme", BUNDLE, true);
    let error = stick.memory().unwrap_err();
    assert!(error.is_refused(Code::StickRevoked), "{error:?}");
}

#[test]
fn what_is_no_address_and_no_certificate_is_said_at_once() {
    let site = Site::start();
    for (server, ca) in [
        ("", site.ca()),
        ("a b", site.ca()),
        ("host/path", site.ca()),
        ("localhost:1", "no certificate"),
    ] {
        let error = Client::new(server, ca, None, Options::default()).err().unwrap();
        assert!(matches!(error, ClientError::Setup { .. }), "{server}: {error:?}");
    }
    let wire = Wire::to("127.0.0.1:1");
    let error = client(&wire.address, site.ca(), None).hello().unwrap_err();
    assert!(
        error.is_transient() && error.code() == "client.offline",
        "{error:?}"
    );
}
