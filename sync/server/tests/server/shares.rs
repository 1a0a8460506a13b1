//! Shares (`docs/format/lease.md`, section 6): who gets one, who does not, and what becomes of them when answers are lost and servers put back.

use gobag_format::sign::SigningKey;
use gobag_protocol::{
    ids::{BundleId, Digest, TenantName},
    people::{Role, Sticks},
    share::{
        Asked, NextRequest, NextShare, QuestionRequest, Share, ShareGiven, ShareHeld, ShareName, ShareRequest,
    },
};
use gobag_server::{backup::write::BackupOptions, serve::Server};
use hyper::StatusCode;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::Serialize;
use serde_json::json;

use crate::{
    backup::{backup, elsewhere, restore},
    harness::{Client, Reply, Site, audited, audited_by, signing_key},
};

const BUNDLE: BundleId = BundleId([1; 16]);

/// What a stick's passphrase comes to.
fn passphrase(number: u8) -> SigningKey {
    signing_key(100 + number)
}

fn tenant(text: &str) -> TenantName {
    TenantName::parse(text).unwrap()
}

async fn post(client: &Client, path: &str, request: &impl Serialize) -> Reply {
    client.post(path, &serde_json::to_value(request).unwrap()).await
}

async fn next(stick: &Client, bundle: BundleId, held: Option<ShareName>, by: &SigningKey) -> NextShare {
    let request = NextRequest::sign(bundle, held, by);
    post(stick, "/v1/share/next", &request)
        .await
        .is(StatusCode::OK)
        .json()
}

async fn held(stick: &Client, name: ShareName, by: &SigningKey) -> Reply {
    let said = ShareHeld {
        name,
        proof_key: by.verifying_key(),
    };
    post(stick, "/v1/share/held", &said).await
}

/// What a locked stick asks with: who it says it is, which share it wants, and what was typed.
#[derive(Clone, Copy)]
struct Locked<'a> {
    tenant: &'a str,
    bundle: BundleId,
    name: ShareName,
    typed: u8,
}

impl Locked<'_> {
    async fn ask(&self, nobody: &Client, ca: &str) -> Reply {
        let request = self.request(nobody, ca).await;
        post(nobody, "/v1/share", &request).await
    }

    async fn request(&self, nobody: &Client, ca: &str) -> ShareRequest {
        let request = QuestionRequest {
            tenant: tenant(self.tenant),
            bundle: self.bundle,
        };
        let asked: Asked = post(nobody, "/v1/share/question", &request)
            .await
            .is(StatusCode::OK)
            .json();
        let ca = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
        let key = passphrase(self.typed);
        ShareRequest::sign(
            tenant(self.tenant),
            self.bundle,
            self.name,
            asked.question,
            &Digest::of(&ca),
            &key,
        )
    }

    async fn gets(&self, site: &Site) -> Share {
        let given: ShareGiven = self
            .ask(&site.nobody(), site.server.ca_pem())
            .await
            .is(StatusCode::OK)
            .json();
        given.share
    }

    async fn is_refused(&self, site: &Site) -> String {
        self.ask(&site.nobody(), site.server.ca_pem()).await.code()
    }
}

/// A stick of acme that wants the share that it was given.
async fn wrapped(site: &Site) -> (Client, NextShare, Locked<'static>) {
    let stick = site.stick("acme", 1).await;
    let share = next(&stick, BUNDLE, None, &passphrase(1)).await;
    held(&stick, share.name, &passphrase(1))
        .await
        .is(StatusCode::NO_CONTENT);
    let locked = Locked {
        tenant: "acme",
        bundle: BUNDLE,
        name: share.name,
        typed: 1,
    };
    (stick, share, locked)
}

async fn operate(site: &Site, what: &str) {
    let operator = site.person("acme", Role::Operator).await;
    operator
        .post(&format!("/v1/admin/sticks/{BUNDLE}/{what}"), &json!({}))
        .await
        .is(StatusCode::NO_CONTENT);
}

async fn who_typed_the_passphrase_gets_the_share_and_the_log_says_so() {
    let site = Site::start().await;
    let (_, share, locked) = wrapped(&site).await;
    assert!(locked.gets(&site).await == share.share);
    assert_eq!(
        audited(&site).await,
        [
            "enrolment.made",
            "stick.enrolled",
            "share.made",
            "share.held",
            "share.given",
            "token.made"
        ]
    );
}

/// An answer that was lost, before the header was written and after it; and the end of the one before.
async fn the_share_before_and_the_next_are_given_until_the_stick_holds_it() {
    let site = Site::start().await;
    let (stick, first, locked) = wrapped(&site).await;
    // The answer was lost: the stick asks again, and gets another one.
    let lost = next(&stick, BUNDLE, Some(first.name), &passphrase(1)).await;
    let second = next(&stick, BUNDLE, Some(first.name), &passphrase(1)).await;
    assert!(lost.share != second.share && lost.name != second.name);
    // Whichever of them the header wants now.
    for share in [&first, &lost, &second] {
        let wants = Locked {
            name: share.name,
            ..locked
        };
        assert!(wants.gets(&site).await == share.share);
    }
    for _ in 0..2 {
        held(&stick, second.name, &passphrase(1))
            .await
            .is(StatusCode::NO_CONTENT);
    }
    for share in [&first, &lost] {
        let wants = Locked {
            name: share.name,
            ..locked
        };
        assert_eq!(wants.is_refused(&site).await, "share.old");
    }
    assert_eq!(held(&stick, first.name, &passphrase(1)).await.code(), "share.old");
}

async fn wrong_passphrases_are_counted_and_cost_time() {
    let site = Site::start().await;
    let (_, share, locked) = wrapped(&site).await;
    let wrong = Locked { typed: 2, ..locked };
    for _ in 0..5 {
        assert_eq!(wrong.is_refused(&site).await, "share.proof");
    }
    // The right one is not looked at either: else it could be told from wrong ones.
    let waits = locked.ask(&site.nobody(), site.server.ca_pem()).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(waits.code(), "share.locked");
    let after: u64 = waits.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    site.clock.advance(61);
    assert_eq!(wrong.is_refused(&site).await, "share.proof");
    site.clock.advance(61);
    assert_eq!(
        locked.is_refused(&site).await,
        "share.locked",
        "the second time it is twice as long"
    );
    site.clock.advance(61);
    assert!(locked.gets(&site).await == share.share);
    assert_eq!(
        wrong.is_refused(&site).await,
        "share.proof",
        "the right one begins anew"
    );
    assert!(locked.gets(&site).await == share.share);
    // Guesses of a thief do not lock the person out for longer than IT needs to look at it.
    for _ in 0..5 {
        assert_eq!(wrong.is_refused(&site).await, "share.proof");
    }
    assert_eq!(locked.is_refused(&site).await, "share.locked");
    let viewer = site.person("acme", Role::Viewer).await;
    let sticks: Sticks = viewer.get("/v1/admin/sticks").await.json();
    assert_eq!(sticks.sticks[0].wrong_passphrases, 5);
    operate(&site, "restore").await;
    assert!(locked.gets(&site).await == share.share);
    // Nor for as long as the server's clock was ahead.
    site.clock.advance(30 * 86_400);
    for _ in 0..5 {
        assert_eq!(wrong.is_refused(&site).await, "share.proof");
    }
    assert_eq!(locked.is_refused(&site).await, "share.locked");
    site.clock.go_back(30 * 86_400);
    assert!(locked.gets(&site).await == share.share);
}

async fn many_who_guess_at_once_are_each_counted() {
    let site = Site::start().await;
    let (_, _, locked) = wrapped(&site).await;
    let wrong = Locked { typed: 2, ..locked };
    let (nobody, ca) = (site.nobody(), site.server.ca_pem().to_owned());
    let mut guesses = Vec::new();
    for _ in 0..12 {
        let (nobody, ca) = (nobody.clone(), ca.clone());
        guesses.push(tokio::spawn(async move { wrong.ask(&nobody, &ca).await.code() }));
    }
    let mut looked_at = 0;
    for guess in guesses {
        match &*guess.await.unwrap() {
            "share.proof" => looked_at += 1,
            other => assert_eq!(other, "share.locked"),
        }
    }
    assert_eq!(looked_at, 5);
}

async fn no_other_stick_tenant_question_or_company_gets_it() {
    let site = Site::start().await;
    let (stick, share, locked) = wrapped(&site).await;
    // Another stick with a share of its own, one of the same number at another tenant, and a name that nobody made.
    let other = site.stick("acme", 2).await;
    let others = next(&other, BundleId([2; 16]), None, &passphrase(2)).await;
    let twin = site.stick("other", 1).await;
    let twins = next(&twin, BUNDLE, None, &passphrase(3)).await;
    let made_up = ShareName([7; 88]);
    for (wants, code) in [
        (
            Locked {
                bundle: BundleId([2; 16]),
                ..locked
            },
            "share.name",
        ),
        (
            Locked {
                tenant: "other",
                ..locked
            },
            "share.name",
        ),
        (
            Locked {
                tenant: "nowhere",
                ..locked
            },
            "share.name",
        ),
        (
            Locked {
                name: others.name,
                typed: 2,
                ..locked
            },
            "share.name",
        ),
        (
            Locked {
                name: twins.name,
                typed: 3,
                ..locked
            },
            "share.name",
        ),
        (
            Locked {
                name: made_up,
                ..locked
            },
            "share.name",
        ),
        (Locked { typed: 2, ..locked }, "share.proof"),
    ] {
        assert_eq!(wants.is_refused(&site).await, code);
    }
    // Nor by the ways of unlocked sticks.
    for client in [&other, &twin, &site.nobody()] {
        let refused = held(client, share.name, &passphrase(1)).await;
        assert!(["share.name", "identity.missing"].contains(&&*refused.code()));
        let request = NextRequest::sign(BUNDLE, Some(share.name), &passphrase(1));
        assert!(!post(client, "/v1/share/next", &request).await.status.is_success());
    }
    // Asked by somebody who pretends to be the company, with a CA of theirs.
    let elsewhere = Site::start().await;
    let passed_on = locked.ask(&site.nobody(), elsewhere.server.ca_pem()).await;
    assert_eq!(passed_on.code(), "share.proof");
    // An answer counts for two minutes, and for its own question.
    let request = locked.request(&site.nobody(), site.server.ca_pem()).await;
    site.clock.advance(200);
    assert_eq!(
        post(&site.nobody(), "/v1/share", &request).await.code(),
        "share.question"
    );
    let later = locked.request(&site.nobody(), site.server.ca_pem()).await;
    let mixed = ShareRequest {
        question: later.question,
        ..request
    };
    assert_eq!(
        post(&site.nobody(), "/v1/share", &mixed).await.code(),
        "share.proof"
    );
    assert!(locked.gets(&site).await == share.share);
    drop(stick);
}

async fn a_stick_that_was_cut_off_gets_none_until_it_is_taken_back() {
    let site = Site::start().await;
    let (stick, share, locked) = wrapped(&site).await;
    operate(&site, "mark-lost").await;
    let refused = locked.ask(&site.nobody(), site.server.ca_pem()).await;
    assert_eq!(refused.is(StatusCode::FORBIDDEN).code(), "stick.revoked");
    let request = NextRequest::sign(BUNDLE, None, &passphrase(1));
    assert_eq!(
        post(&stick, "/v1/share/next", &request).await.code(),
        "stick.revoked"
    );
    operate(&site, "restore").await;
    assert!(locked.gets(&site).await == share.share);
}

async fn a_new_passphrase_needs_a_share_of_its_own() {
    let site = Site::start().await;
    let (stick, first, locked) = wrapped(&site).await;
    // It was changed offline: the company hears of it with the next contact.
    let refused = held(&stick, first.name, &passphrase(2)).await;
    assert_eq!(refused.is(StatusCode::CONFLICT).code(), "share.other-passphrase");
    let second = next(&stick, BUNDLE, Some(first.name), &passphrase(2)).await;
    held(&stick, second.name, &passphrase(2))
        .await
        .is(StatusCode::NO_CONTENT);
    let wants = Locked {
        name: second.name,
        ..locked
    };
    assert_eq!(wants.is_refused(&site).await, "share.proof");
    assert!(Locked { typed: 2, ..wants }.gets(&site).await == second.share);
    // Nobody makes it depend on a key that is not theirs.
    let mut request = NextRequest::sign(BUNDLE, None, &passphrase(2));
    request.proof_key = passphrase(3).verifying_key();
    assert_eq!(
        post(&stick, "/v1/share/next", &request).await.code(),
        "request.malformed"
    );
}

async fn a_stick_with_two_copies_gets_no_fresh_share() {
    let site = Site::start().await;
    let (stick, share, locked) = wrapped(&site).await;
    suspend(&site).await;
    let request = NextRequest::sign(BUNDLE, Some(share.name), &passphrase(1));
    assert_eq!(
        post(&stick, "/v1/share/next", &request).await.code(),
        "stick.clone-suspected"
    );
    // Nor does one of them say that it goes on, and leave the other behind.
    let held = ShareHeld {
        name: share.name,
        proof_key: passphrase(1).verifying_key(),
    };
    assert_eq!(
        post(&stick, "/v1/share/held", &held).await.code(),
        "stick.clone-suspected"
    );
    assert!(
        locked.gets(&site).await == share.share,
        "it opens, for what is on it is to be sent"
    );
}

/// The newest thing that a stick in the mode `online` depends on was made after the backup: the server gives it all the same.
async fn a_server_put_back_to_an_older_backup_helps_every_stick_that_it_knows() {
    let site = Site::start().await;
    let viewer = site.person("acme", Role::Viewer).await;
    let (stick, first, _) = wrapped(&site).await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("backup");
    backup(&site.config, &at, BackupOptions::default()).await.unwrap();

    // Afterwards: other shares, another passphrase, another stick.
    for _ in 0..3 {
        next(&stick, BUNDLE, Some(first.name), &passphrase(1)).await;
    }
    let newest = next(&stick, BUNDLE, Some(first.name), &passphrase(2)).await;
    held(&stick, newest.name, &passphrase(2))
        .await
        .is(StatusCode::NO_CONTENT);
    let late = site.stick("acme", 2).await;
    let late_share = next(&late, BundleId([2; 16]), None, &passphrase(3)).await;
    let ca = site.server.ca_pem().to_owned();
    site.server.end().await;

    let config = elsewhere(folder.path());
    restore(&config, &at, &[]).await.unwrap();
    let server = Server::start(&config, site.clock.clone()).await.unwrap();
    let nobody = Client::new(server.address, &ca, None);
    let locked = Locked {
        tenant: "acme",
        bundle: BUNDLE,
        name: newest.name,
        typed: 2,
    };
    assert_eq!(
        Locked { typed: 1, ..locked }.ask(&nobody, &ca).await.code(),
        "share.proof"
    );
    let given: ShareGiven = locked.ask(&nobody, &ca).await.is(StatusCode::OK).json();
    assert!(given.share == newest.share);
    let rows = audited_by(&viewer.at(server.address)).await;
    assert_eq!(rows.last().unwrap(), "share.given-ahead");
    // It goes on from there: no number comes twice.
    let stick = stick.at(server.address);
    let further = next(&stick, BUNDLE, Some(newest.name), &passphrase(2)).await;
    held(&stick, further.name, &passphrase(2))
        .await
        .is(StatusCode::NO_CONTENT);
    assert_eq!(locked.ask(&nobody, &ca).await.code(), "share.old");
    // A stick that it does not know at all cannot be cut off, so it gets nothing: the escrow opens it.
    let unknown = Locked {
        tenant: "acme",
        bundle: BundleId([2; 16]),
        name: late_share.name,
        typed: 3,
    };
    assert_eq!(unknown.ask(&nobody, &ca).await.code(), "stick.proof");
    server.end().await;
}

/// As two renewals with the same token leave it.
async fn suspend(site: &Site) {
    let mut write = site.database.write().await.unwrap();
    sqlx::query("UPDATE leases SET suspended = 1")
        .execute(write.connection())
        .await
        .unwrap();
    write.commit().await.unwrap();
}

scenarios!(
    who_typed_the_passphrase_gets_the_share_and_the_log_says_so,
    the_share_before_and_the_next_are_given_until_the_stick_holds_it,
    wrong_passphrases_are_counted_and_cost_time,
    many_who_guess_at_once_are_each_counted,
    no_other_stick_tenant_question_or_company_gets_it,
    a_stick_that_was_cut_off_gets_none_until_it_is_taken_back,
    a_new_passphrase_needs_a_share_of_its_own,
    a_stick_with_two_copies_gets_no_fresh_share,
    a_server_put_back_to_an_older_backup_helps_every_stick_that_it_knows,
);
