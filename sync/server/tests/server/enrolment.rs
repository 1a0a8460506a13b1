//! Enrolment: a token counts once, for one stick, for a quarter of an hour (case L13); and who has no certificate is nobody.

use gobag_protocol::{enrol::EnrolRequest, hello::Hello, ids::BundleId, people::Role};
use hyper::StatusCode;
use serde_json::json;

use crate::harness::{Client, ORG, Site, audited, signing_key};

const BUNDLE: BundleId = BundleId([1; 16]);

async fn a_stick_enrols_and_is_known_by_its_certificate() {
    let site = Site::start().await;
    let hello: Hello = site.nobody().get("/v1/hello").await.is(StatusCode::OK).json();
    assert_eq!(hello.agreed(&[1]), Some(1));
    assert!(hello.server_time_s.abs_diff(site.clock.now_s()) < 60);
    let reply = site.nobody().get("/v1/memory").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::UNAUTHORIZED, "identity.missing")
    );
    let stick = site.stick("acme", 1).await;
    assert_eq!(stick.get("/v1/memory").await.code(), "memory.unknown");
}

async fn a_token_counts_once_and_only_its_user_may_ask_again() {
    let site = Site::start().await;
    let token = site.token("acme", BUNDLE).await;
    let nobody = site.nobody();
    nobody.enrol(&token, BUNDLE, 1).await.is(StatusCode::OK);
    // The answer got lost: the same key gets a certificate again.
    nobody.enrol(&token, BUNDLE, 1).await.is(StatusCode::OK);
    let reply = nobody.enrol(&token, BUNDLE, 2).await.is(StatusCode::FORBIDDEN);
    assert_eq!(reply.code(), "enrol.token");
    site.clock.advance(15 * 60);
    assert_eq!(nobody.enrol(&token, BUNDLE, 1).await.code(), "enrol.token");
    assert_eq!(
        audited(&site).await,
        [
            "enrolment.made",
            "stick.enrolled",
            "stick.enrolled",
            "enrolment.refused",
            "enrolment.refused",
            "token.made"
        ]
    );
}

async fn a_token_that_is_over_of_another_stick_or_of_nobody_is_refused() {
    let site = Site::start().await;
    let nobody = site.nobody();
    let over = site.token("acme", BUNDLE).await;
    site.clock.advance(15 * 60);
    assert_eq!(nobody.enrol(&over, BUNDLE, 1).await.code(), "enrol.token");

    let token = site.token("acme", BUNDLE).await;
    let other = BundleId([2; 16]);
    let reply = nobody.enrol(&token, other, 1).await.is(StatusCode::FORBIDDEN);
    assert_eq!(reply.code(), "enrol.other-stick");
    // A proof by another key than the one that is to be enrolled.
    let mut request = EnrolRequest::sign(token.clone(), BUNDLE, ORG, &signing_key(1));
    request.public_key = signing_key(2).verifying_key();
    let request = serde_json::to_value(request).unwrap();
    assert_eq!(nobody.post("/v1/enrol", &request).await.code(), "enrol.proof");
    // None of that used it up.
    nobody.enrol(&token, BUNDLE, 1).await.is(StatusCode::OK);

    let unknown = serde_json::from_value(json!(format!("gbe_{}", "A".repeat(43)))).unwrap();
    assert_eq!(nobody.enrol(&unknown, BUNDLE, 1).await.code(), "enrol.token");
    assert_eq!(
        audited(&site).await,
        [
            "enrolment.made",
            "enrolment.refused",
            "enrolment.made",
            "enrolment.refused",
            "enrolment.refused",
            "stick.enrolled",
            "token.made"
        ]
    );
}

async fn of_many_who_use_a_token_at_once_one_enrols() {
    let site = Site::start().await;
    let token = site.token("acme", BUNDLE).await;
    let tries: Vec<_> = (1..=20)
        .map(|number| {
            let (nobody, token) = (site.nobody(), token.clone());
            tokio::spawn(async move { nobody.enrol(&token, BUNDLE, number).await.status })
        })
        .collect();
    let mut enrolled = 0;
    for tried in tries {
        match tried.await.unwrap() {
            StatusCode::OK => enrolled += 1,
            other => assert_eq!(other, StatusCode::FORBIDDEN),
        }
    }
    assert_eq!(enrolled, 1);
}

async fn enrolling_again_with_another_key_shuts_out_the_old_one() {
    let site = Site::start().await;
    let old = site.stick("acme", 1).await;
    let token = site.token("acme", BUNDLE).await;
    site.nobody().enrol(&token, BUNDLE, 9).await.is(StatusCode::OK);
    assert_eq!(old.get("/v1/memory").await.code(), "stick.other-key");
}

async fn a_revoked_stick_is_told_so_and_cannot_enrol_until_it_is_restored() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let operator = site.person("acme", Role::Operator).await;
    let path = |what| format!("/v1/admin/sticks/{BUNDLE}/{what}");
    operator
        .post(&path("revoke"), &json!({}))
        .await
        .is(StatusCode::NO_CONTENT);
    let reply = stick.get("/v1/memory").await.is(StatusCode::FORBIDDEN);
    assert_eq!(reply.code(), "stick.revoked");
    let token = site.token("acme", BUNDLE).await;
    assert_eq!(
        site.nobody().enrol(&token, BUNDLE, 1).await.code(),
        "stick.revoked"
    );
    operator
        .post(&path("restore"), &json!({}))
        .await
        .is(StatusCode::NO_CONTENT);
    assert_eq!(stick.get("/v1/memory").await.code(), "memory.unknown");
}

async fn a_certificate_of_another_ca_does_not_get_in() {
    let (site, other) = (Site::start().await, Site::start().await);
    let foreign = other.stick("acme", 1).await;
    // The stick does not trust this server, …
    assert!(foreign.at(site.server.address).connect().await.is_err());
    // … and the server does not trust the stick.
    let token = other.token("acme", BUNDLE).await;
    let enrolled = other.nobody().enrol(&token, BUNDLE, 1).await.json();
    let foreign = Client::new(site.server.address, site.server.ca_pem(), Some((&enrolled, 1)));
    assert!(
        foreign
            .try_send("GET", "/v1/hello", &[], Vec::new())
            .await
            .is_err()
    );
}

scenarios!(
    a_stick_enrols_and_is_known_by_its_certificate,
    a_token_counts_once_and_only_its_user_may_ask_again,
    a_token_that_is_over_of_another_stick_or_of_nobody_is_refused,
    of_many_who_use_a_token_at_once_one_enrols,
    enrolling_again_with_another_key_shuts_out_the_old_one,
    a_revoked_stick_is_told_so_and_cannot_enrol_until_it_is_restored,
    a_certificate_of_another_ca_does_not_get_in,
);
