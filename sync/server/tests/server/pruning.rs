//! Pruning: what the policy lets go goes, and nothing that a point needs, whatever else happens at that moment.

#![expect(
    clippy::disallowed_methods,
    reason = "a test leaves a file behind as a killed server would"
)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use gobag_protocol::{
    ids::{BundleId, ObjectId, TenantName},
    people::{Pruned, Role, Sticks},
    points::Points,
};
use gobag_server::{
    config::{Quotas, Rate},
    serve::{Server, open_blobs},
    store::{StickKey, objects, prune},
};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Client, Site, audited, point};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

async fn start() -> Site {
    // Certificates end while the clock runs ahead, and new ones are asked for without one.
    Site::start_with(|config| {
        config.rates.address = Rate {
            a_second: 1000,
            burst: 10_000,
        };
    })
    .await
}

async fn set(admin: &Client, retention: Value) {
    admin
        .put("/v1/admin/policy", &json!({ "retention": retention }))
        .await
        .is(StatusCode::NO_CONTENT);
}

async fn pruned(admin: &Client, dry_run: bool) -> Pruned {
    let path = format!("/v1/admin/prune?dry_run={dry_run}");
    admin.post(&path, &Value::Null).await.is(StatusCode::OK).json()
}

async fn generations(stick: &Client, line: &str) -> Vec<u64> {
    let listed: Points = stick.get(&format!("/v1/lines/{line}/points")).await.json();
    listed.points.iter().map(|point| point.generation).collect()
}

async fn whatever_a_kept_point_needs_is_there_and_the_rest_goes() {
    let site = start().await;
    site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    let lines = ["volumes", "files:home"];
    // What each point of each line needs, by the test's own book.
    let mut book: BTreeMap<(usize, u64), BTreeSet<u8>> = BTreeMap::new();
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for round in 0..60 {
        site.clock.advance(8 * HOUR);
        let stick = site.stick_again("acme", 1).await;
        let line = round % 2;
        let generation = (round / 2 + 1) as u64;
        let before = book.get(&(line, generation - 1)).cloned().unwrap_or_default();
        let mut now = before.clone();
        for _ in 0..3 {
            let object = random(12) as u8;
            if !now.insert(object) {
                now.remove(&object);
            }
        }
        let ids = |objects: &BTreeSet<u8>| -> Vec<ObjectId> {
            objects.iter().map(|fill| ObjectId::of(&[*fill; 100])).collect()
        };
        let (adds, drops) = (&now - &before, &before - &now);
        for fill in &adds {
            stick.put_object(&[*fill; 100]).await;
        }
        let new = point(generation, line as u64, &ids(&adds), &ids(&drops));
        stick.made(lines[line], &new).await;
        book.insert((line, generation), now);

        if round % 20 == 19 {
            set(&admin, json!({"daily": {"count": 4}, "keep_within_hours": 20})).await;
            let dry = pruned(&admin, true).await;
            let mut done = pruned(&admin, false).await;
            assert!(done.points > 5);
            (done.dry_run, done.strays) = (true, 0);
            assert_eq!(dry, done);
            assert_eq!(pruned(&admin, false).await.points, 0);
        }
    }
    // Everything that is not needed is old enough after this.
    site.clock.advance(4 * DAY);
    pruned(&admin, false).await;
    let stick = site.stick_again("acme", 1).await;
    let mut needed = BTreeSet::new();
    for (line, name) in lines.iter().enumerate() {
        let kept = generations(&stick, name).await;
        assert!((4..10).contains(&kept.len()) && kept[0] == 30, "{kept:?}");
        for generation in kept {
            needed.extend(&book[&(line, generation)]);
        }
    }
    for fill in &needed {
        let path = format!("/v1/objects/{}", ObjectId::of(&[*fill; 100]));
        assert_eq!(stick.get(&path).await.is(StatusCode::OK).body, [*fill; 100]);
    }
    assert_eq!(site.blobs().await.len(), needed.len());
    let sticks: Sticks = admin.get("/v1/admin/sticks").await.json();
    assert_eq!(sticks.sticks[0].space_bytes, 100 * needed.len() as u64);
    assert!(audited(&site).await.iter().any(|row| row == "pruned"));
}

async fn without_a_policy_no_point_goes_and_r1_an_empty_one_is_refused() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let (admin, other) = (
        site.person("acme", Role::Admin).await,
        site.person("other", Role::Admin).await,
    );
    for generation in 1..=5 {
        stick.made("volumes", &point(generation, 0, &[], &[])).await;
    }
    assert_eq!(pruned(&admin, false).await.points, 0);
    let empty = json!({"retention": {"bookmarked": true}});
    let reply = admin.put("/v1/admin/policy", &empty).await;
    assert_eq!(reply.is(StatusCode::UNPROCESSABLE_ENTITY).code(), "policy.empty");
    // Another tenant's policy and pruning are its own.
    set(&other, json!({"last": {"count": 1}})).await;
    assert_eq!(pruned(&other, false).await.points, 0);
    set(&admin, json!({"last": {"count": 2}})).await;
    let told: Value = admin.get("/v1/admin/policy").await.json();
    assert_eq!(told["retention"]["last"], json!({"count": 2}));
    assert_eq!(pruned(&admin, false).await.points, 3);
    assert_eq!(generations(&stick, "volumes").await, [5, 4]);
    // The line goes on where it was, also for requests of points that are gone.
    let reply = stick.point("volumes", &point(1, 0, &[], &[])).await;
    assert_eq!(reply.code(), "point.other-generation");
    stick.made("volumes", &point(6, 0, &[], &[])).await;
}

/// One an hour for ever would be everything.
async fn names_that_people_gave_keep_points_and_those_by_the_clock_do_not() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    for (generation, kind) in (1..).zip(["application", "automatic", "user", "automatic", "automatic"]) {
        let mut new = point(generation, 0, &[], &[]);
        new.bookmarks = serde_json::from_value(json!([{"kind": kind, "label": "AAAA"}])).unwrap();
        stick.made("volumes", &new).await;
    }
    set(&admin, json!({"last": {"count": 1}, "bookmarked": true})).await;
    assert_eq!(pruned(&admin, false).await.points, 2);
    assert_eq!(generations(&stick, "volumes").await, [5, 3, 1]);
}

async fn what_has_no_point_yet_is_kept_for_72_hours_after_it_was_last_sent() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    let (once, again, parted) = (
        stick.put_object(b"once").await,
        stick.put_object(b"again").await,
        stick.put_object(b"parted").await,
    );
    site.clock.advance(70 * HOUR);
    let stick = site.stick_again("acme", 1).await;
    stick.put_object(b"again").await;
    let part = json!({"request": format!("{:032x}", 1), "generation": 1, "adds": [parted]});
    stick
        .post("/v1/lines/volumes/parts", &part)
        .await
        .is(StatusCode::NO_CONTENT);
    assert_eq!(pruned(&admin, false).await.objects, 0);
    site.clock.advance(3 * HOUR);
    assert_eq!(pruned(&admin, false).await.objects, 1);
    let stick = site.stick_again("acme", 1).await;
    assert_eq!(stick.missing(&[once, again, parted]).await, [once]);
    site.clock.advance(70 * HOUR);
    let rest = pruned(&admin, false).await;
    assert_eq!((rest.objects, rest.parts), (2, 1));
    assert!(site.blobs().await.is_empty());
}

async fn pieces_that_nobody_knows_of_go_when_they_are_old() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    let kept = stick.put_object(b"kept").await;
    stick.made("volumes", &point(1, 0, &[kept], &[])).await;
    // Written, and then the server died before the row; and one that died while it wrote.
    let blobs = open_blobs(&site.config).unwrap();
    let lost = ObjectId::of(b"lost");
    blobs
        .put(&key(), lost, Bytes::from_static(b"lost"))
        .await
        .unwrap();
    let in_folder = site.config.s3.is_none();
    let partial = site
        .config
        .data
        .join(format!("blobs/objects/acme/{}/{kept}#7", BundleId([1; 16])));
    if in_folder {
        std::fs::write(&partial, b"ke").unwrap();
    }
    assert_eq!(pruned(&admin, false).await.strays, 0);
    site.clock.advance(73 * HOUR);
    assert_eq!(pruned(&admin, false).await.strays, 1 + u64::from(in_folder));
    assert_eq!(site.blobs().await, [kept.to_string()]);
    assert!(!partial.exists());
}

async fn cut_off_between_row_and_bytes_it_goes_on_and_uploads_wait_until_then() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    let id = stick.put_object(b"object").await;
    let path = format!("/v1/objects/{id}");
    let put = async || stick.send("PUT", &path, &[], b"object".to_vec()).await;
    // An upload that began before: the same bytes are written once more, and noted later than all that follows.
    let before = prune::tombstone(&site.database, &key(), id).await.unwrap();
    // The first half of pruning, and then the server died.
    for sql in [
        "INSERT INTO dying SELECT tenant, bundle, id, 0 FROM objects",
        "DELETE FROM objects",
    ] {
        sqlx::query(sql).execute(site.database.read()).await.unwrap();
    }
    assert_eq!(stick.missing(&[id]).await, [id]);
    let reply = put().await.is(StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.headers.contains_key("retry-after"));
    pruned(&admin, false).await;
    assert!(site.blobs().await.is_empty());
    let (now_s, quotas) = (site.clock.now_s(), Quotas::default());
    let late = objects::note(&site.database, &key(), id, 6, before, now_s, &quotas).await;
    assert_eq!(late.unwrap_err().code.as_str(), "server.unavailable");
    assert_eq!(stick.missing(&[id]).await, [id]);
    put().await.is(StatusCode::NO_CONTENT);
    pruned(&admin, false).await;
    assert_eq!(stick.get(&path).await.is(StatusCode::OK).body, b"object");
}

async fn while_a_stick_sends_the_same_objects_again_nothing_is_lost() {
    const ROUNDS: u64 = 24;
    let site = start().await;
    site.stick("acme", 1).await;
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let mut admin = site.person("acme", Role::Admin).await.at(replica.address);
    set(&admin, json!({"last": {"count": 1}})).await;
    admin = admin.at(replica.address);
    let (done, mut is_done) = tokio::sync::watch::channel(false);
    let clock = site.clock.clone();
    let pruner = tokio::spawn(async move {
        let mut objects = 0;
        while !*is_done.borrow_and_update() {
            clock.advance(25 * HOUR);
            objects += pruned(&admin, false).await.objects;
        }
        objects
    });
    // Three objects in turn: each is dropped, gone or going, and sent again.
    let object = |round: u64| [round as u8 % 3; 50];
    for generation in 1..=ROUNDS {
        let id = ObjectId::of(&object(generation));
        let drops: Vec<ObjectId> = (generation > 1)
            .then(|| ObjectId::of(&object(generation - 1)))
            .into_iter()
            .collect();
        loop {
            // The clock may pass the certificate's end at any moment.
            let stick = site.stick_again("acme", 1).await;
            let path = format!("/v1/objects/{id}");
            let sent = stick.try_send("PUT", &path, &[], object(generation).to_vec());
            if !matches!(sent.await, Ok(reply) if reply.status == StatusCode::NO_CONTENT) {
                continue;
            }
            let new = serde_json::to_vec(&point(generation, 0, &[id], &drops)).unwrap();
            let made = stick.try_send("POST", "/v1/lines/volumes/points", &[], new).await;
            if matches!(made, Ok(reply) if reply.status == StatusCode::CREATED) {
                break;
            }
        }
        let stick = site.stick_again("acme", 1).await;
        if let Ok(reply) = stick
            .try_send("GET", &format!("/v1/objects/{id}"), &[], Vec::new())
            .await
        {
            assert_eq!(reply.is(StatusCode::OK).body, object(generation));
        }
    }
    done.send_replace(true);
    assert!(pruner.await.unwrap() > 0, "it pruned while the stick sent");
    replica.end().await;
}

fn key() -> StickKey {
    StickKey {
        tenant: TenantName::parse("acme").unwrap(),
        bundle: BundleId([1; 16]),
    }
}

scenarios!(
    whatever_a_kept_point_needs_is_there_and_the_rest_goes,
    without_a_policy_no_point_goes_and_r1_an_empty_one_is_refused,
    names_that_people_gave_keep_points_and_those_by_the_clock_do_not,
    what_has_no_point_yet_is_kept_for_72_hours_after_it_was_last_sent,
    pieces_that_nobody_knows_of_go_when_they_are_old,
    cut_off_between_row_and_bytes_it_goes_on_and_uploads_wait_until_then,
    while_a_stick_sends_the_same_objects_again_nothing_is_lost,
);
