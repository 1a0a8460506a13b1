//! Tenants do not see each other: every route is tried with another tenant's stick and tokens, even for a stick of the same number.

use gobag_protocol::{
    ids::BundleId,
    people::{Health, MadeToken, Role, StickDetails, Tokens},
};
use gobag_server::config::Rate;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Client, Site, point};

const BUNDLE: BundleId = BundleId([1; 16]);

/// Method, path, body.
type Route = (&'static str, String, Value);

/// All routes of sticks and of people, with a body that is right.
fn routes(object: &str) -> (Vec<Route>, Vec<Route>) {
    let new = serde_json::to_value(point(2, 0, &[], &[])).unwrap();
    let part = json!({"request": "0".repeat(32), "generation": 2});
    let bookmark = json!({"kind": "user", "label": ""});
    let line = "/v1/lines/volumes";
    let of_sticks = vec![
        ("POST", "/v1/objects/missing".to_owned(), json!({"ids": []})),
        ("PUT", format!("/v1/objects/{object}"), Value::Null),
        ("GET", format!("/v1/objects/{object}"), Value::Null),
        ("POST", format!("{line}/parts"), part),
        ("POST", format!("{line}/points"), new),
        ("GET", format!("{line}/points"), Value::Null),
        ("GET", format!("{line}/points/1"), Value::Null),
        ("POST", format!("{line}/points/1/bookmarks"), bookmark),
        ("GET", "/v1/memory".to_owned(), Value::Null),
        ("PUT", "/v1/memory".to_owned(), Value::Null),
        (
            "POST",
            "/v1/results".to_owned(),
            json!({"payload": "", "payloadType": "x", "signatures": []}),
        ),
    ];
    let stick = format!("/v1/admin/sticks/{BUNDLE}");
    let of_people = vec![
        ("GET", format!("{stick}/objects/{object}"), Value::Null),
        ("GET", format!("{stick}/lines/volumes/points"), Value::Null),
        ("GET", format!("{stick}/lines/volumes/points/1"), Value::Null),
        (
            "POST",
            format!("{stick}/lines/volumes/points/1/drilled"),
            json!({}),
        ),
        ("GET", stick.clone(), Value::Null),
        ("POST", format!("{stick}/revoke"), json!({})),
        ("POST", format!("{stick}/restore"), json!({})),
        ("POST", format!("{stick}/mark-lost"), json!({})),
        ("POST", format!("{stick}/clear-clone"), json!({})),
    ];
    (of_sticks, of_people)
}

async fn ask(client: &Client, (method, path, body): &Route) -> StatusCode {
    let body = match body {
        Value::Null => Vec::new(),
        body => serde_json::to_vec(body).unwrap(),
    };
    client
        .send(method, path, &[("if-none-match", "*")], body)
        .await
        .status
}

async fn furnished(site: &Site) -> (Client, String) {
    let stick = site.stick("acme", 1).await;
    let object = stick.put_object(b"of acme").await;
    stick.made("volumes", &point(1, 0, &[object], &[])).await;
    stick
        .send("PUT", "/v1/memory", &[("if-none-match", "*")], vec![1; 256])
        .await
        .is(StatusCode::NO_CONTENT);
    (stick, object.to_string())
}

async fn a_stick_of_another_tenant_with_the_same_number_sees_nothing() {
    let site = Site::start().await;
    let (stick, object) = furnished(&site).await;
    let other = site.stick("other", 1).await;
    let id = serde_json::from_value(json!(object)).unwrap();
    assert_eq!(other.missing(&[id]).await, [id]);
    for (path, code) in [
        (format!("/v1/objects/{object}"), "object.unknown"),
        ("/v1/lines/volumes/points/1".to_owned(), "point.unknown"),
        ("/v1/memory".to_owned(), "memory.unknown"),
    ] {
        let reply = other.get(&path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::NOT_FOUND, code)
        );
        stick.get(&path).await.is(StatusCode::OK);
    }
    let listed: Value = other.get("/v1/lines/volumes/points").await.json();
    assert_eq!(listed["points"], json!([]));
    // What belongs to somebody else is not here to be added.
    let reply = other.point("volumes", &point(1, 0, &[id], &[])).await;
    assert_eq!(reply.code(), "point.missing-objects");
    let named = other
        .post(
            "/v1/lines/volumes/points/1/bookmarks",
            &json!({"kind": "user", "label": ""}),
        )
        .await;
    assert_eq!(named.code(), "point.unknown");
    // What the other writes changes nothing here.
    other
        .send("PUT", "/v1/memory", &[("if-none-match", "*")], vec![2; 256])
        .await
        .is(StatusCode::NO_CONTENT);
    assert_eq!(stick.get("/v1/memory").await.body, [1; 256]);
}

async fn people_of_another_tenant_find_nothing_at_every_route() {
    let site = Site::start().await;
    let (stick, object) = furnished(&site).await;
    let admin = site.person("other", Role::Admin).await;
    let (_, of_people) = routes(&object);
    for route in &of_people {
        assert_eq!(ask(&admin, route).await, StatusCode::NOT_FOUND, "{route:?}");
    }
    let sticks: Value = admin.get("/v1/admin/sticks").await.is(StatusCode::OK).json();
    assert_eq!(sticks["sticks"], json!([]));
    let audit = admin.get("/v1/admin/audit").await.is(StatusCode::OK);
    let audit = String::from_utf8(audit.body).unwrap();
    assert!(!audit.contains("acme") && audit.contains("other"), "{audit}");
    // A token of theirs makes a stick of theirs, whatever its number.
    let made = admin
        .post("/v1/admin/enrolments", &json!({"user": "Eve", "bundle": BUNDLE}))
        .await
        .is(StatusCode::OK);
    let token = serde_json::from_value(made.json::<Value>()["token"].clone()).unwrap();
    let enrolled: Value = site
        .nobody()
        .enrol(&token, BUNDLE, 9)
        .await
        .is(StatusCode::OK)
        .json();
    assert_eq!(enrolled["tenant"], "other");
    stick.get("/v1/memory").await.is(StatusCode::OK);
}

async fn nobody_persons_and_sticks_get_what_is_theirs_alone() {
    // Nobody asks more often here than nobody may.
    let site = Site::start_with(|config| {
        config.rates.address = Rate {
            a_second: 10_000,
            burst: 10_000,
        };
    })
    .await;
    let (stick, object) = furnished(&site).await;
    let (of_sticks, mut of_people) = routes(&object);
    of_people.push(("GET", "/v1/admin/sticks".to_owned(), Value::Null));
    of_people.push(("GET", "/v1/admin/audit".to_owned(), Value::Null));
    of_people.push(("GET", "/v1/admin/policy".to_owned(), Value::Null));
    of_people.push(("PUT", "/v1/admin/policy".to_owned(), json!({})));
    of_people.push(("POST", "/v1/admin/prune".to_owned(), Value::Null));
    let token = json!({"name": "Eve", "role": "admin"});
    of_people.push(("GET", "/v1/admin/tokens".to_owned(), Value::Null));
    of_people.push(("POST", "/v1/admin/tokens".to_owned(), token));
    of_people.push(("DELETE", "/v1/admin/tokens/00".to_owned(), Value::Null));
    let enrolment = json!({"user": "Eve", "bundle": BUNDLE});
    of_people.push(("POST", "/v1/admin/enrolments".to_owned(), enrolment));
    let admin = site.person("acme", Role::Admin).await;
    let nobody = site.nobody();
    for route in &of_sticks {
        assert_eq!(ask(&admin, route).await, StatusCode::UNAUTHORIZED, "{route:?}");
        assert_eq!(ask(&nobody, route).await, StatusCode::UNAUTHORIZED, "{route:?}");
    }
    let mut guessed = site.nobody();
    guessed.token = Some(format!("gbt_{}", "A".repeat(43)));
    for route in &of_people {
        for client in [&stick, &nobody, &guessed] {
            assert_eq!(ask(client, route).await, StatusCode::UNAUTHORIZED, "{route:?}");
        }
    }
}

async fn a_viewer_reads_lists_and_neither_recovers_nor_changes() {
    let site = Site::start().await;
    let (stick, object) = furnished(&site).await;
    let viewer = site.person("acme", Role::Viewer).await;
    let (_, mut of_people) = routes(&object);
    let enrolment = json!({"user": "Eve", "bundle": BUNDLE});
    of_people.push(("POST", "/v1/admin/enrolments".to_owned(), enrolment));
    of_people.retain(|(method, path, _)| {
        *method != "GET" || path.contains("/lines/") || path.contains("/objects/")
    });
    let token = json!({"name": "Eve", "role": "viewer"});
    of_people.push(("POST", "/v1/admin/tokens".to_owned(), token));
    of_people.push(("GET", "/v1/admin/tokens".to_owned(), Value::Null));
    of_people.push(("PUT", "/v1/admin/policy".to_owned(), json!({})));
    of_people.push(("POST", "/v1/admin/prune?dry_run=true".to_owned(), Value::Null));
    for route in &of_people {
        assert_eq!(ask(&viewer, route).await, StatusCode::FORBIDDEN, "{route:?}");
    }
    let sticks: Value = viewer.get("/v1/admin/sticks").await.is(StatusCode::OK).json();
    assert_eq!(sticks["sticks"][0]["user"], "Ada");
    stick.get("/v1/memory").await.is(StatusCode::OK);
    let operator = site.person("acme", Role::Operator).await;
    let path = format!("/v1/admin/sticks/{BUNDLE}/objects/{object}");
    assert_eq!(operator.get(&path).await.is(StatusCode::OK).body, b"of acme");
}

async fn tokens_are_made_listed_and_ended_by_admins() {
    let site = Site::start().await;
    let admin = site.person("acme", Role::Admin).await;
    let other = site.person("other", Role::Admin).await;
    let request = json!({"name": "Grace", "role": "viewer"});
    let made: MadeToken = admin
        .post("/v1/admin/tokens", &request)
        .await
        .is(StatusCode::OK)
        .json();
    let mut grace = site.nobody();
    grace.token = Some(made.token.clone());
    grace.get("/v1/admin/sticks").await.is(StatusCode::OK);
    let reply = grace.post("/v1/admin/tokens", &request).await;
    assert_eq!(reply.is(StatusCode::FORBIDDEN).code(), "identity.role");
    let listed = admin.get("/v1/admin/tokens").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(&made.token));
    let listed: Tokens = listed.json();
    let of_grace: Vec<_> = listed
        .tokens
        .iter()
        .filter(|token| token.name.as_str() == "Grace")
        .collect();
    let [of_grace] = of_grace[..] else {
        panic!("{listed:?}");
    };
    let path = format!("/v1/admin/tokens/{}", of_grace.id);
    for (client, status) in [
        (&other, StatusCode::NOT_FOUND),
        (&admin, StatusCode::NO_CONTENT),
        (&admin, StatusCode::NOT_FOUND),
    ] {
        client.send("DELETE", &path, &[], Vec::new()).await.is(status);
    }
    let reply = grace.get("/v1/admin/sticks").await;
    assert_eq!(reply.code(), "identity.missing");
}

async fn r10_what_could_be_lost_is_counted_by_the_servers_time_and_nothing_is_red() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    let told = async || -> StickDetails {
        let path = format!("/v1/admin/sticks/{BUNDLE}");
        admin.get(&path).await.is(StatusCode::OK).json()
    };
    assert_eq!((told().await.health, told().await.rpo_s), (Health::Red, None));
    let mut partial = point(1, 0, &[], &[]);
    partial.complete = false;
    stick.made("volumes", &partial).await;
    assert_eq!((told().await.health, told().await.rpo_s), (Health::Red, None));
    stick.made("volumes", &point(2, 0, &[], &[])).await;
    assert_eq!(told().await.health, Health::Green);
    site.pass(25 * 3600).await;
    // Progress that nobody can go back to makes nothing newer.
    let mut partial = point(3, 0, &[], &[]);
    partial.complete = false;
    stick.made("volumes", &partial).await;
    let now = told().await;
    assert_eq!(now.health, Health::Amber);
    assert!(
        now.rpo_s
            .is_some_and(|rpo_s| (25 * 3600..25 * 3600 + 60).contains(&rpo_s))
    );
    // The worst line counts.
    stick.made("files:home", &point(1, 0, &[], &[])).await;
    assert_eq!(told().await.health, Health::Amber);
    site.pass(24 * 3600).await;
    assert_eq!(told().await.health, Health::Red);
    let target = json!({"rpo_target_s": 100 * 3600});
    admin
        .put("/v1/admin/policy", &target)
        .await
        .is(StatusCode::NO_CONTENT);
    assert_eq!(told().await.health, Health::Green);
}

async fn the_audit_log_only_grows_and_a_changed_row_is_noticed() {
    let site = Site::start().await;
    site.stick("acme", 1).await;
    let viewer = site.person("acme", Role::Viewer).await;
    let audit: Value = viewer.get("/v1/admin/audit").await.is(StatusCode::OK).json();
    let rows = audit["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    // A page begins where the last one ended.
    let rest: Value = viewer.get("/v1/admin/audit?after=2").await.json();
    assert_eq!(rest["rows"].as_array().unwrap()[..], rows[2..]);

    let database = site.database.read();
    let change = "UPDATE audit SET who = 'Eve' WHERE number = 2";
    for sql in [change, "DELETE FROM audit"] {
        assert!(sqlx::query(sql).execute(database).await.is_err(), "{sql}");
    }
    // Who owns the database can all the same, and is found out.
    let unlock = match site.config.postgres {
        None => "DROP TRIGGER audit_no_update",
        Some(_) => "ALTER TABLE audit DISABLE TRIGGER audit_no_change",
    };
    for sql in [unlock, change] {
        sqlx::query(sql).execute(database).await.unwrap();
    }
    let reply = viewer.get("/v1/admin/audit").await;
    assert_eq!(
        reply.is(StatusCode::SERVICE_UNAVAILABLE).code(),
        "server.unavailable"
    );
}

scenarios!(
    the_audit_log_only_grows_and_a_changed_row_is_noticed,
    tokens_are_made_listed_and_ended_by_admins,
    r10_what_could_be_lost_is_counted_by_the_servers_time_and_nothing_is_red,
    a_stick_of_another_tenant_with_the_same_number_sees_nothing,
    people_of_another_tenant_find_nothing_at_every_route,
    nobody_persons_and_sticks_get_what_is_theirs_alone,
    a_viewer_reads_lists_and_neither_recovers_nor_changes,
);
