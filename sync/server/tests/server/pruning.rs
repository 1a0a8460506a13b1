//! Pruning: what the policy lets go goes, and nothing that a point needs, whatever else happens at that moment.

#![expect(
    clippy::disallowed_methods,
    reason = "a test leaves a file behind as a killed server would"
)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use gobag_protocol::{
    ids::{BundleId, ObjectId, TenantName},
    people::{Health, Pruned, Role, StickDetails, Sticks},
    points::{Point, Points},
};
use gobag_server::{
    clock::Clock,
    config::{Quotas, Rate},
    serve::{Server, open_blobs},
    store::{StickKey, objects, prune, ticks},
};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Client, Site, audited, metrics, point};

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
        site.pass(8 * HOUR).await;
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
    site.pass(4 * DAY).await;
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
    let rows = audited(&site).await;
    let count = |what: &str| rows.iter().filter(|row| *row == what).count();
    assert!(count("prune.begun") >= 3, "{rows:?}");
    assert_eq!(count("prune.begun"), count("prune.ended"));
    // What all rows count for is gone with them.
    assert_eq!(row_bytes(&site).await, counted_rows(&site).await);
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
    site.pass(70 * HOUR).await;
    let stick = site.stick_again("acme", 1).await;
    stick.put_object(b"again").await;
    let part = json!({"request": format!("{:032x}", 1), "generation": 1, "adds": [parted]});
    stick
        .post("/v1/lines/volumes/parts", &part)
        .await
        .is(StatusCode::NO_CONTENT);
    assert_eq!(pruned(&admin, false).await.objects, 0);
    site.pass(3 * HOUR).await;
    assert_eq!(pruned(&admin, false).await.objects, 1);
    let stick = site.stick_again("acme", 1).await;
    assert_eq!(stick.missing(&[once, again, parted]).await, [once]);
    // The same part again is a new one.
    stick
        .post("/v1/lines/volumes/parts", &part)
        .await
        .is(StatusCode::NO_CONTENT);
    site.pass(70 * HOUR).await;
    let between = pruned(&admin, false).await;
    assert_eq!((between.objects, between.parts), (1, 0));
    site.pass(70 * HOUR).await;
    let rest = pruned(&admin, false).await;
    assert_eq!((rest.objects, rest.parts), (1, 1));
    assert_eq!(row_bytes(&site).await, 0);
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
    site.pass(73 * HOUR).await;
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
    let (clock, database) = (site.clock.clone(), site.database.clone());
    let pruner = tokio::spawn(async move {
        let mut objects = 0;
        while !*is_done.borrow_and_update() {
            clock.advance(25 * HOUR);
            ticks::confirm(&database, clock.now_s(), "test").await.unwrap();
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

async fn a_clock_that_leaps_prunes_nothing_and_freezes_no_line() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    set(&admin, json!({"last": {"count": 1}})).await;
    let tick = async || ticks::tick(&site.database, site.clock.now_s()).await.unwrap();
    let path = format!("/v1/admin/sticks/{}", BundleId([1; 16]));
    let details = async || -> StickDetails { admin.get(&path).await.is(StatusCode::OK).json() };
    let told = async || -> Point {
        let stick = site.stick_again("acme", 1).await;
        let listed: Points = stick.get("/v1/lines/volumes/points?limit=1").await.json();
        listed.points[0].clone()
    };
    let before_s = stick.made("volumes", &point(1, 0, &[], &[])).await.time_s;
    assert_eq!(details().await.health, Health::Green);

    // A year ahead: what is done goes on, nothing goes, and nobody is well.
    site.clock.advance(365 * DAY);
    let stick = site.stick_again("acme", 1).await;
    let made = stick.made("volumes", &point(2, 0, &[], &[])).await;
    assert!(made.time_s >= before_s + 365 * DAY && told().await.time_doubtful);
    assert!(matches!(tick().await, ticks::Belief::Ahead(by_s) if by_s >= 365 * DAY));
    for dry_run in ["true", "false"] {
        let refused = admin
            .post(&format!("/v1/admin/prune?dry_run={dry_run}"), &Value::Null)
            .await;
        assert_eq!(refused.is(StatusCode::CONFLICT).code(), "server.clock");
    }
    let found = details().await;
    assert!(found.clock_doubtful && found.rpo_s.is_none() && found.health == Health::Red);
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let text = metrics(&replica).await;
    assert!(text.contains("gobag_clock_doubtful 1"), "{text}");
    replica.end().await;

    // Put right: the point was made by now, and the next is not held back by it.
    site.clock.go_back(365 * DAY - HOUR);
    assert!(tick().await.is_right());
    let second = told().await;
    assert_eq!((second.generation, second.time_doubtful), (2, false));
    assert!(
        (before_s..before_s + 2 * HOUR).contains(&second.time_s),
        "{second:?}"
    );
    let stick = site.stick_again("acme", 1).await;
    let third = stick.made("volumes", &point(3, 0, &[], &[])).await;
    assert!((second.time_s..before_s + 2 * HOUR).contains(&third.time_s));
    assert_eq!(details().await.health, Health::Green);
    // Nobody who asks for the moment before the leap gets what came after it.
    let query = format!("/v1/lines/volumes/points?before_s={before_s}&limit=1");
    let earlier: Points = stick.get(&query).await.json();
    assert_eq!(earlier.points[0].generation, 1);

    // A clock that goes back is in doubt, too; the point's time is not before the others'.
    site.clock.go_back(DAY);
    let fourth = site
        .stick_again("acme", 1)
        .await
        .made("volumes", &point(4, 0, &[], &[]))
        .await;
    assert!(fourth.time_s >= third.time_s && told().await.time_doubtful);
    assert_eq!(
        admin.post("/v1/admin/prune", &Value::Null).await.code(),
        "server.clock"
    );
    site.clock.advance(DAY);

    // A server that was off for a week, and IT says that it was: times stay as they are.
    site.clock.advance(7 * DAY);
    let stick = site.stick_again("acme", 1).await;
    let fifth = stick.made("volumes", &point(5, 0, &[], &[])).await;
    ticks::confirm(&site.database, site.clock.now_s(), "test")
        .await
        .unwrap();
    let kept = told().await;
    assert_eq!((kept.time_s, kept.time_doubtful), (fifth.time_s, false));
    assert_eq!(pruned(&admin, false).await.points, 4);
    assert!(audited(&site).await.iter().any(|row| row == "clock.confirmed"));
}

async fn points_of_the_future_from_before_are_no_longer_so_and_nothing_looks_younger_than_it_is() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    let path = format!("/v1/admin/sticks/{}", BundleId([1; 16]));
    let details = async || -> StickDetails { admin.get(&path).await.is(StatusCode::OK).json() };
    stick.put_object(b"of the future").await;
    stick.made("volumes", &point(1, 0, &[], &[])).await;
    // As an earlier server left them after its clock was wrong.
    for table in ["points SET time_s", "objects SET stored_s"] {
        let sql = format!("UPDATE {table} = {}", site.clock.now_s() + 365 * DAY);
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(site.database.read())
            .await
            .unwrap();
    }
    let found = details().await;
    assert!(found.rpo_s.is_none() && found.health == Health::Red);
    let made = stick.made("volumes", &point(2, 0, &[], &[])).await;
    assert!(made.time_s <= site.clock.now_s());
    assert_eq!(details().await.health, Health::Green);
    // An object from then is new now, and goes when it is old.
    assert_eq!(pruned(&admin, false).await.objects, 0);
    site.pass(73 * HOUR).await;
    assert_eq!(pruned(&admin, false).await.objects, 1);
}

/// As in a database that was put back, before the first start.
async fn a_clock_before_all_that_is_known_prunes_nothing_though_none_was_noted() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    set(&admin, json!({"last": {"count": 1}})).await;
    let made_s = stick.made("volumes", &point(1, 0, &[], &[])).await.time_s;
    stick.made("volumes", &point(2, 0, &[], &[])).await;
    let noted = sqlx::query("DELETE FROM clock")
        .execute(site.database.read())
        .await;
    assert_eq!(noted.unwrap().rows_affected(), 1);
    // By another clock than the server's, which notes its own each minute.
    let clock = Clock::default();
    clock.go_back(365 * DAY);
    let blobs = open_blobs(&site.config).unwrap();
    let pruner = prune::Pruner {
        database: &site.database,
        blobs: &blobs,
        clock: &clock,
        by: "test",
    };
    for dry_run in [true, false] {
        let refused = pruner.prune(None, dry_run).await.unwrap_err();
        assert_eq!(refused.code.as_str(), "server.clock");
    }
    let listed: Points = stick.get("/v1/lines/volumes/points").await.json();
    assert_eq!(listed.points.len(), 2);
    assert!(listed.points[1].time_s >= made_s, "no time was changed");
}

async fn a_stick_that_cannot_be_pruned_does_not_keep_the_others_from_it() {
    let site = start().await;
    for number in 1..=3 {
        site.stick("acme", number).await.put_object(b"unused").await;
    }
    let admin = site.person("acme", Role::Admin).await;
    site.pass(73 * HOUR).await;
    // A row that cannot be written by pruning, of the second stick.
    let sql = format!(
        "INSERT INTO dying (tenant, bundle, id, gone_s) SELECT tenant, bundle, {}, 0 FROM sticks WHERE person = 'Bob'",
        if site.config.postgres.is_some() {
            "'\\x00'::bytea"
        } else {
            "X'00'"
        }
    );
    sqlx::query("UPDATE sticks SET person = 'Bob' WHERE bundle = $1")
        .bind([2; 16].to_vec())
        .execute(site.database.read())
        .await
        .unwrap();
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(site.database.read())
        .await
        .unwrap();
    let done = pruned(&admin, false).await;
    assert_eq!((done.failed, done.objects), (1, 3));
    let left = site.blobs().await;
    assert_eq!(left.len(), 1, "the bytes of the second alone");
    let rows = audited(&site).await;
    assert!(rows.iter().any(|row| row == "prune.ended"), "{rows:?}");
    sqlx::query("DELETE FROM dying WHERE LENGTH(id) = 1")
        .execute(site.database.read())
        .await
        .unwrap();
    assert_eq!(pruned(&admin, false).await.failed, 0);
    assert!(site.blobs().await.is_empty());
}

/// What `sticks` says that rows count for.
async fn row_bytes(site: &Site) -> i64 {
    number(
        site,
        "SELECT CAST(SUM(row_bytes) AS BIGINT) FROM owners".to_owned(),
    )
    .await
}

/// What they do.
async fn counted_rows(site: &Site) -> i64 {
    let mut all = 0;
    for (table, counted) in [
        ("points", "LENGTH(head)"),
        ("bookmarks", "LENGTH(label)"),
        ("refs", "0"),
        ("parts", "0"),
    ] {
        let sql = format!("SELECT CAST(COALESCE(SUM(128 + {counted}), 0) AS BIGINT) FROM {table}");
        all += number(site, sql).await;
    }
    all
}

async fn number(site: &Site, sql: String) -> i64 {
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_one(site.database.read())
        .await;
    sqlx::Row::try_get(&row.unwrap(), 0).unwrap()
}

fn key() -> StickKey {
    StickKey {
        tenant: TenantName::parse("acme").unwrap(),
        bundle: BundleId([1; 16]),
    }
}

/// The stick's row puts them in order: whoever sends bytes while pruning takes the same, that had no row, hears that they go.
async fn an_upload_waits_for_the_pruning_that_takes_the_same_bytes() {
    let site = start().await;
    let stick = site.stick("acme", 1).await;
    let bytes = b"what had no row until now".to_vec();
    let id = ObjectId::of(&bytes);
    let mut pruning = site.database.write().await.unwrap();
    for sql in [
        "UPDATE owners SET bytes = bytes WHERE tenant = $1 AND bundle = $2",
        "INSERT INTO dying (tenant, bundle, id, gone_s) VALUES ($1, $2, $3, 0)",
    ] {
        let query = sqlx::query(sql).bind("acme").bind(vec![1_u8; 16]);
        let query = match sql.contains("$3") {
            true => query.bind(id.as_bytes().to_vec()),
            false => query,
        };
        query.execute(pruning.connection()).await.unwrap();
    }
    let sender = stick.clone();
    let sending =
        tokio::spawn(async move { sender.send("PUT", &format!("/v1/objects/{id}"), &[], bytes).await });
    while site.config.postgres.is_some() && waiting(&site).await == 0 {
        assert!(!sending.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    pruning.commit().await.unwrap();
    let reply = sending.await.unwrap();
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    // Nothing says that it is here.
    let missing = json!({ "ids": [id] });
    let missing: Value = stick.post("/v1/objects/missing", &missing).await.json();
    assert_eq!(missing, json!({ "missing": [id] }));
}

/// How many wait for a lock of PostgreSQL.
async fn waiting(site: &Site) -> i64 {
    use sqlx::Row as _;
    let row = sqlx::query("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")
        .fetch_one(site.database.read())
        .await;
    row.unwrap().try_get(0).unwrap()
}

scenarios!(
    an_upload_waits_for_the_pruning_that_takes_the_same_bytes,
    whatever_a_kept_point_needs_is_there_and_the_rest_goes,
    without_a_policy_no_point_goes_and_r1_an_empty_one_is_refused,
    names_that_people_gave_keep_points_and_those_by_the_clock_do_not,
    what_has_no_point_yet_is_kept_for_72_hours_after_it_was_last_sent,
    pieces_that_nobody_knows_of_go_when_they_are_old,
    cut_off_between_row_and_bytes_it_goes_on_and_uploads_wait_until_then,
    while_a_stick_sends_the_same_objects_again_nothing_is_lost,
    a_clock_that_leaps_prunes_nothing_and_freezes_no_line,
    points_of_the_future_from_before_are_no_longer_so_and_nothing_looks_younger_than_it_is,
    a_stick_that_cannot_be_pruned_does_not_keep_the_others_from_it,
    a_clock_before_all_that_is_known_prunes_nothing_though_none_was_noted,
);
