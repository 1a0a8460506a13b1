//! Leases, certificates and revocation: cases L6, L7 and L9 of the research, and a stick that comes back after weeks.

use gobag_format::lease::{Held, Lease, LeasePolicy, Stick, UnlockMode, judge};
use gobag_protocol::{
    enrol::Enrolled,
    ids::{BundleId, RequestId, TenantName},
    lease::{CertificateRequest, Certified, Erased, RenewRequest, Renewed},
    people::{Role, Sticks},
};
use gobag_server::{lease::LeaseKeys, serve::Server};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::harness::{Client, ORG, Reply, Site, audited, signing_key};

const BUNDLE: BundleId = BundleId([1; 16]);
const DAY: u64 = 86_400;

/// A stick with its key, certificate and token, as a copy of it would have them, too.
#[derive(Clone)]
struct Copy {
    enrolled: Enrolled,
    number: u8,
}

impl Copy {
    async fn enrol(site: &Site, number: u8) -> Self {
        let bundle = BundleId([number; 16]);
        let token = site.token("acme", bundle).await;
        let enrolled = site.nobody().enrol(&token, bundle, number).await;
        Self {
            enrolled: enrolled.is(StatusCode::OK).json(),
            number,
        }
    }

    fn renewal(&self, request: u8) -> RenewRequest {
        RenewRequest::sign(
            self.enrolled.tenant.clone(),
            BundleId([self.number; 16]),
            self.enrolled.renewal_token.clone(),
            RequestId([request; 16]),
            &signing_key(self.number),
        )
    }

    async fn ask(&self, site: &Site, request: u8) -> Reply {
        post(&site.nobody(), "/v1/lease/renew", &self.renewal(request)).await
    }

    async fn renew(&mut self, site: &Site, request: u8) -> Renewed {
        let renewed: Renewed = self.ask(site, request).await.is(StatusCode::OK).json();
        self.enrolled.renewal_token = renewed.renewal_token.clone();
        self.enrolled.certificate = renewed.certificate.clone();
        renewed
    }

    async fn certificate(&self, site: &Site) -> Reply {
        let tenant = self.enrolled.tenant.clone();
        let request =
            CertificateRequest::sign(tenant, BundleId([self.number; 16]), &signing_key(self.number));
        post(&site.nobody(), "/v1/certificate", &request).await
    }

    async fn erased(&self, site: &Site, key: u8) -> Reply {
        let tenant = self.enrolled.tenant.clone();
        let said = Erased::sign(tenant, BundleId([self.number; 16]), &signing_key(key));
        post(&site.nobody(), "/v1/revoked", &said).await
    }

    /// With the certificate that it has now.
    fn client(&self, site: &Site) -> Client {
        Client::new(
            site.server.address,
            site.server.ca_pem(),
            Some((&self.enrolled, self.number)),
        )
    }
}

async fn post(client: &Client, path: &str, request: &impl Serialize) -> Reply {
    client.post(path, &serde_json::to_value(request).unwrap()).await
}

async fn operate(site: &Site, what: &str) {
    let operator = site.person("acme", Role::Operator).await;
    operator
        .post(&format!("/v1/admin/sticks/{BUNDLE}/{what}"), &json!({}))
        .await
        .is(StatusCode::NO_CONTENT);
}

fn policy(site: &Site) -> LeasePolicy {
    let keys = LeaseKeys::open_or_make(&site.config.ca_folder()).unwrap();
    LeasePolicy {
        server: keys.public(&TenantName::parse("acme").unwrap()),
        officers: Vec::new(),
        threshold: 0,
        code_keys: Vec::new(),
        unlock: UnlockMode::Offline,
    }
}

async fn a_stick_gets_a_lease_that_lasts_and_renews_it() {
    let site = Site::start().await;
    let mut stick = Copy::enrol(&site, 1).await;
    let mut held = Held {
        lease: Some(stick.enrolled.lease.clone()),
        ..Held::default()
    };
    let this = Stick {
        org: ORG,
        bundle: BUNDLE,
        image: "office",
        version: 1,
    };
    let policy = policy(&site);
    let now_s = site.clock.now_s();
    let standing = |held: &Held, days: u64| judge(&policy, held, this, now_s + days * DAY);
    assert!(!standing(&held, 0).unwrap().renew && standing(&held, 2).unwrap().renew);
    assert!(!standing(&held, 34).unwrap().warn && standing(&held, 36).unwrap().warn);
    assert_eq!(standing(&held, 46).unwrap_err().code(), "lease.ended");

    site.clock.advance(20 * DAY);
    let renewed = stick.renew(&site, 1).await;
    held.lease = Some(renewed.lease.clone());
    assert!(standing(&held, 46).is_ok());
    let lease = Lease::verified(&renewed.lease, &policy.server).unwrap();
    assert!(lease.oldest_versions.is_empty());
    assert_eq!((lease.group.as_str(), lease.sequence), ("sales", 2));
    assert_eq!(
        audited(&site).await[..],
        ["enrolment.made", "stick.enrolled", "lease.renewed", "token.made"]
    );
    // What is too old from now on is part of the next lease.
    let admin = site.person("acme", Role::Admin).await;
    let oldest = json!({"oldest_versions": {"office": 3}});
    admin
        .put("/v1/admin/policy", &oldest)
        .await
        .is(StatusCode::NO_CONTENT);
    held.lease = Some(stick.renew(&site, 2).await.lease);
    assert_eq!(standing(&held, 21).unwrap_err().code(), "lease.old-image");
}

async fn l6_a_copy_stops_both_until_it_decides_and_uploads_go_on() {
    let site = Site::start().await;
    let mut honest = Copy::enrol(&site, 1).await;
    let copy = honest.clone();
    for request in 1..4 {
        honest.renew(&site, request).await;
    }
    for (stick, request) in [(&copy, 9), (&honest, 4), (&copy, 1), (&honest, 3)] {
        let reply = stick.ask(&site, request).await.is(StatusCode::FORBIDDEN);
        assert_eq!(reply.code(), "stick.clone-suspected");
    }
    let viewer = site.person("acme", Role::Viewer).await;
    let sticks: Sticks = viewer.get("/v1/admin/sticks").await.json();
    assert!(sticks.sticks[0].clone_suspected);
    // What was not yet sent is not kept back.
    let certified: Certified = honest.certificate(&site).await.is(StatusCode::OK).json();
    honest.enrolled.certificate = certified.certificate;
    honest.client(&site).put_object(b"unsent").await;
    // Nor does a new enrolment get around it.
    let token = site.token("acme", BUNDLE).await;
    let reply = site.nobody().enrol(&token, BUNDLE, 1).await;
    assert_eq!(reply.code(), "stick.clone-suspected");

    operate(&site, "clear-clone").await;
    honest.renew(&site, 5).await;
    assert_eq!(copy.ask(&site, 9).await.code(), "stick.clone-suspected");
    let audited = audited(&site).await;
    let times = |what: &str| audited.iter().filter(|row| *row == what).count();
    assert_eq!(
        (times("stick.clone-suspected"), times("stick.clone-cleared")),
        (2, 1)
    );
}

async fn l7_a_lost_answer_is_given_again_at_any_replica_and_is_no_clone() {
    let site = Site::start().await;
    let mut stick = Copy::enrol(&site, 1).await;
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let asked: Vec<_> = (0..12)
        .map(|number| {
            let client = match number % 2 {
                0 => site.nobody(),
                _ => site.nobody().at(replica.address),
            };
            let request = stick.renewal(1);
            tokio::spawn(async move { post(&client, "/v1/lease/renew", &request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for asked in asked {
        let renewed: Renewed = asked.await.unwrap().is(StatusCode::OK).json();
        answers.push((renewed.lease, renewed.renewal_token));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    site.clock.advance(30 * DAY);
    let again: Renewed = stick.ask(&site, 1).await.is(StatusCode::OK).json();
    assert_eq!(
        (&again.lease, &again.renewal_token),
        (&answers[0].0, &answers[0].1)
    );
    stick.enrolled.renewal_token = again.renewal_token;
    stick.renew(&site, 2).await;
    replica.end().await;
}

async fn a_stick_that_was_away_for_weeks_gets_in_again_by_its_key() {
    let site = Site::start().await;
    let mut stick = Copy::enrol(&site, 1).await;
    site.clock.advance(40 * DAY);
    // The certificate has ended: not even the handshake is finished.
    let with = stick.client(&site);
    assert!(with.try_send("GET", "/v1/memory", &[], Vec::new()).await.is_err());
    stick.renew(&site, 1).await;
    assert_eq!(
        stick.client(&site).get("/v1/memory").await.code(),
        "memory.unknown"
    );
    // The lease has ended, too: what was not sent still is, with or without a new one.
    site.clock.advance(400 * DAY);
    let certified: Certified = stick.certificate(&site).await.is(StatusCode::OK).json();
    assert!(
        certified
            .certificate_ends_s
            .abs_diff(site.clock.now_s() + 3 * DAY)
            < 60
    );
    stick.enrolled.certificate = certified.certificate;
    stick.client(&site).put_object(b"unsent").await;
    stick.renew(&site, 2).await;
}

async fn who_has_not_the_key_gets_nothing_and_changes_nothing() {
    let site = Site::start().await;
    let mut stick = Copy::enrol(&site, 1).await;
    let other = Copy::enrol(&site, 2).await;
    let thief = |request: &mut RenewRequest| {
        *request = RenewRequest::sign(
            request.tenant.clone(),
            request.bundle,
            request.renewal_token.clone(),
            request.request,
            &signing_key(7),
        );
    };
    let changes: [&dyn Fn(&mut RenewRequest); 4] = [
        &thief,
        &|request| request.proof.0[0] ^= 1,
        &|request| request.tenant = TenantName::parse("other").unwrap(),
        &|request| request.bundle = BundleId([2; 16]),
    ];
    for change in changes {
        let mut request = stick.renewal(1);
        change(&mut request);
        let reply = post(&site.nobody(), "/v1/lease/renew", &request).await;
        assert_eq!(reply.is(StatusCode::FORBIDDEN).code(), "stick.proof");
    }
    // Its own key with another stick's token, and with one that nobody made.
    let mut mixed = stick.clone();
    mixed.enrolled.renewal_token = other.enrolled.renewal_token.clone();
    assert_eq!(mixed.ask(&site, 1).await.code(), "lease.token");
    mixed.enrolled.renewal_token = serde_json::from_value(json!("gbr_made-up")).unwrap();
    assert_eq!(mixed.ask(&site, 1).await.code(), "lease.token");
    stick.renew(&site, 1).await;
}

async fn l9_a_revoked_stick_is_told_so_everywhere_and_confirms_once() {
    let site = Site::start().await;
    let mut stick = Copy::enrol(&site, 1).await;
    let early = stick.erased(&site, 1).await.is(StatusCode::CONFLICT);
    assert_eq!(early.code(), "stick.not-revoked");
    operate(&site, "mark-lost").await;
    site.clock.advance(40 * DAY);
    for reply in [stick.ask(&site, 1).await, stick.certificate(&site).await] {
        let refused = reply.is(StatusCode::FORBIDDEN).refused().error;
        assert_eq!(refused.code, "stick.revoked");
        assert!(refused.message.contains("lost"), "{}", refused.message);
    }
    assert_eq!(stick.erased(&site, 7).await.code(), "stick.proof");
    for _ in 0..2 {
        stick.erased(&site, 1).await.is(StatusCode::NO_CONTENT);
    }
    let viewer = site.person("acme", Role::Viewer).await;
    let sticks: Sticks = viewer.get("/v1/admin/sticks").await.json();
    let told = &sticks.sticks[0];
    let (revoked_s, erased_s) = (told.revoked_s.unwrap(), told.erased_s.unwrap());
    assert!(erased_s.abs_diff(site.clock.now_s()) < 60 && erased_s - revoked_s >= 40 * DAY);
    assert_eq!(serde_json::to_value(told.revoked_reason).unwrap(), json!("lost"));
    assert_eq!(
        audited(&site).await,
        [
            "enrolment.made",
            "stick.enrolled",
            "token.made",
            "stick.revoked",
            "stick.erased",
            "token.made",
            "token.made"
        ]
    );
    // Found again: IT takes it back, and everything works as before.
    operate(&site, "restore").await;
    stick.renew(&site, 1).await;
}

async fn a_replica_with_another_key_for_leases_does_not_start() {
    let site = Site::start().await;
    let mut config = site.config.clone();
    config.ca = Some(config.data.join("another-ca"));
    let refused = Server::start(&config, site.clock.clone()).await.err().unwrap();
    assert_eq!(refused.code(), "server.lease-key");
}

scenarios!(
    a_stick_gets_a_lease_that_lasts_and_renews_it,
    l6_a_copy_stops_both_until_it_decides_and_uploads_go_on,
    l7_a_lost_answer_is_given_again_at_any_replica_and_is_no_clone,
    a_stick_that_was_away_for_weeks_gets_in_again_by_its_key,
    who_has_not_the_key_gets_nothing_and_changes_nothing,
    l9_a_revoked_stick_is_told_so_everywhere_and_confirms_once,
    a_replica_with_another_key_for_leases_does_not_start,
);
