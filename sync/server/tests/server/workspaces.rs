//! Workspaces: what several sticks share is there for its members, for each by its role, and for nobody else.

use std::collections::BTreeSet;

use gobag_protocol::{
    hello::{Hello, WORKSPACES},
    ids::{BundleId, ObjectId, TenantName},
    lease::CertificateRequest,
    limits::MAX_WORKSPACES,
    people::{Pruned, Role, Sticks},
    points::{Point, Points},
    workspaces::{MemberRole, WorkspaceDetails, WorkspaceInfos, Workspaces},
};
use gobag_server::serve::Server;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    backup,
    harness::{Client, Site, audited, point, signing_key},
};

const DAY: u64 = 24 * 3600;

/// The stick of a number.
fn bundle(number: u8) -> BundleId {
    BundleId([number; 16])
}

/// A workspace of a tenant, and its number.
pub(crate) async fn made(admin: &Client, name: &str) -> String {
    let reply = admin.post("/v1/admin/workspaces", &json!({ "name": name })).await;
    let made: Value = reply.is(StatusCode::CREATED).json();
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn admit(operator: &Client, workspace: &str, number: u8, role: &str) {
    let path = format!("/v1/admin/workspaces/{workspace}/members/{}", bundle(number));
    operator
        .put(&path, &json!({ "role": role }))
        .await
        .is(StatusCode::NO_CONTENT);
}

pub(crate) async fn remove(operator: &Client, workspace: &str, number: u8) {
    let path = format!("/v1/admin/workspaces/{workspace}/members/{}", bundle(number));
    operator
        .send("DELETE", &path, &[], Vec::new())
        .await
        .is(StatusCode::NO_CONTENT);
}

/// A workspace of acme with sticks 1 and 2 as writers, as each of them reaches it; and an administrator.
pub(crate) async fn shared(site: &Site) -> (String, Client, Client, Client) {
    let admin = site.person("acme", Role::Admin).await;
    let (one, two) = (site.stick("acme", 1).await, site.stick("acme", 2).await);
    let workspace = made(&admin, "sales").await;
    for number in [1, 2] {
        admit(&admin, &workspace, number, "writer").await;
    }
    let (one, two) = (one.within(&workspace), two.within(&workspace));
    (workspace, one, two, admin)
}

async fn told(member: &Client, line: &str) -> Vec<Point> {
    let reply = member.get(&format!("{}/lines/{line}/points", member.base)).await;
    reply.is(StatusCode::OK).json::<Points>().points
}

async fn prune(admin: &Client) -> Pruned {
    let reply = admin.post("/v1/admin/prune", &Value::Null).await;
    reply.is(StatusCode::OK).json()
}

async fn members_share_one_history_and_hear_who_made_what() {
    let site = Site::start().await;
    let hello: Hello = site.nobody().get("/v1/hello").await.is(StatusCode::OK).json();
    assert!(hello.has(WORKSPACES));
    let (workspace, one, two, _) = shared(&site).await;
    let first = one.put_object(b"first").await;
    assert!(two.missing(&[first]).await.is_empty());
    one.made("files", &point(1, 1, &[first], &[])).await;
    let path = format!("{}/objects/{first}", two.base);
    assert_eq!(two.get(&path).await.is(StatusCode::OK).body, b"first");
    let part = two
        .send("GET", &path, &[("range", "bytes=1-2")], Vec::new())
        .await;
    assert_eq!(part.is(StatusCode::PARTIAL_CONTENT).body, b"ir");
    let (second, third) = (two.put_object(b"second").await, two.put_object(b"third").await);
    let new = point(2, 2, &[second], &[first]);
    let part = json!({"request": new.request, "generation": 2, "adds": [third]});
    two.post(&format!("{}/lines/files/parts", two.base), &part)
        .await
        .is(StatusCode::NO_CONTENT);
    two.made("files", &new).await;
    let points = told(&one, "files").await;
    let makers: Vec<_> = points
        .iter()
        .map(|point| (point.generation, point.made_by))
        .collect();
    assert_eq!(makers, [(2, Some(bundle(2))), (1, Some(bundle(1)))]);
    assert_eq!(points[0].added, 2);
    let newest: Point = one
        .get(&format!("{}/lines/files/points/2", one.base))
        .await
        .json();
    assert_eq!(
        (newest.head.unwrap().as_slice(), newest.made_by),
        (&b"sealed"[..], Some(bundle(2)))
    );
    // What a stick has of its own is something else, though the line has the same name.
    let own = one.own();
    assert_eq!(own.missing(&[first]).await, [first]);
    assert!(told(&own, "files").await.is_empty());
    own.made("files", &point(1, 1, &[], &[])).await;
    assert_eq!(told(&own, "files").await[0].made_by, None);
    assert_eq!(told(&two, "files").await.len(), 2);
    let mine: Workspaces = own.get("/v1/workspaces").await.is(StatusCode::OK).json();
    let mine = &mine.workspaces[..];
    assert_eq!((mine.len(), mine[0].id.to_string()), (1, workspace));
    assert_eq!(
        (mine[0].name.as_str(), mine[0].role),
        ("sales", MemberRole::Writer)
    );
    let lines: Vec<_> = mine[0]
        .lines
        .iter()
        .map(|line| (line.line.as_str(), line.generation))
        .collect();
    assert_eq!(lines, [("files", 2)]);
}

async fn s39_of_two_members_that_race_one_makes_the_point_and_the_other_hears_the_generation() {
    let site = Site::start().await;
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let (_, one, two, _) = shared(&site).await;
    let two = two.at(replica.address);
    let mut won = BTreeSet::new();
    for generation in 1..=12 {
        let (mine, theirs) = (point(generation, 1, &[], &[]), point(generation, 2, &[], &[]));
        let (mine, theirs) = tokio::join!(one.point("files", &mine), two.point("files", &theirs));
        let (winner, loser) = match mine.status {
            StatusCode::CREATED => (1, theirs),
            _ => {
                theirs.is(StatusCode::CREATED);
                (2, mine)
            }
        };
        let refused = loser.is(StatusCode::CONFLICT).refused().error;
        assert_eq!(refused.code, "point.other-generation");
        assert_eq!(refused.generation, Some(generation));
        assert_eq!(told(&one, "files").await[0].made_by, Some(bundle(winner)));
        won.insert(winner);
    }
    assert_eq!(told(&two, "files").await.len(), 12);
    replica.end().await;
}

async fn s41_who_repeats_a_request_whose_answer_got_lost_gets_that_answer() {
    let site = Site::start().await;
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let (_, one, two, _) = shared(&site).await;
    let id = one.put_object(b"object").await;
    let new = point(1, 1, &[id], &[]);
    let first = one.made("files", &new).await;
    assert_eq!(one.made("files", &new).await, first);
    two.made("files", &point(2, 2, &[], &[id])).await;
    // Also when others went on meanwhile, and at another server.
    assert_eq!(one.at(replica.address).made("files", &new).await, first);
    assert_eq!(told(&two, "files").await.len(), 2);
    replica.end().await;
}

/// What a member asks: method, address, body.
fn requests(base: &str, object: ObjectId) -> Vec<(&'static str, String, Value)> {
    let new = serde_json::to_value(point(2, 9, &[], &[])).unwrap();
    let part = json!({"request": "0".repeat(32), "generation": 2});
    vec![
        ("GET", format!("{base}/objects/{object}"), Value::Null),
        ("POST", format!("{base}/objects/missing"), json!({"ids": []})),
        ("GET", format!("{base}/lines/files/points"), Value::Null),
        (
            "GET",
            format!("{base}/lines/files/points?after=1&wait_s=50"),
            Value::Null,
        ),
        ("GET", format!("{base}/lines/files/points/1"), Value::Null),
        ("PUT", format!("{base}/objects/{object}"), Value::Null),
        ("POST", format!("{base}/lines/files/parts"), part),
        ("POST", format!("{base}/lines/files/points"), new),
    ]
}

async fn ask(client: &Client, (method, path, body): &(&str, String, Value)) -> (StatusCode, Vec<u8>) {
    let body = match body {
        Value::Null => Vec::new(),
        body => serde_json::to_vec(body).unwrap(),
    };
    let reply = client.send(method, path, &[], body).await;
    (reply.status, reply.body)
}

async fn whoever_is_no_member_hears_the_same_as_where_nothing_is() {
    let site = Site::start().await;
    let (workspace, one, _, admin) = shared(&site).await;
    let object = one.put_object(b"object").await;
    one.made("files", &point(1, 1, &[object], &[])).await;
    let (stranger, other) = (site.stick("acme", 3).await, site.stick("other", 1).await);
    let nothing = requests(&format!("/v1/workspaces/{}", "0".repeat(32)), object);
    for (there, nowhere) in requests(&one.base, object).iter().zip(&nothing) {
        let answer = ask(&stranger, nowhere).await;
        assert_eq!(answer.0, StatusCode::NOT_FOUND, "{nowhere:?}");
        let text = String::from_utf8_lossy(&answer.1).into_owned();
        assert!(text.contains("workspace.unknown"), "{text}");
        for client in [&stranger, &other] {
            assert_eq!(ask(client, there).await, answer, "{there:?}");
        }
        assert_eq!(ask(&admin, there).await.0, StatusCode::UNAUTHORIZED, "{there:?}");
        assert_eq!(
            ask(&site.nobody(), there).await.0,
            StatusCode::UNAUTHORIZED,
            "{there:?}"
        );
    }
    // Its number is no stick's, and a stick's is no workspace's, not even for the stick itself.
    for number in [&format!("{}", bundle(3)), "moon"] {
        let reply = stranger
            .get(&format!("/v1/workspaces/{number}/lines/files/points"))
            .await;
        assert_eq!(reply.is(StatusCode::NOT_FOUND).code(), "workspace.unknown");
    }
    let none: Workspaces = stranger.get("/v1/workspaces").await.is(StatusCode::OK).json();
    assert!(none.workspaces.is_empty());
    assert_eq!(told(&one, "files").await.len(), 1);
    // People of another tenant.
    let theirs = site.person("other", Role::Admin).await;
    let path = format!("/v1/admin/workspaces/{workspace}");
    let reply = theirs.get(&path).await.is(StatusCode::NOT_FOUND);
    assert_eq!(reply.code(), "workspace.unknown");
    let member = format!("{path}/members/{}", bundle(1));
    let reply = theirs.put(&member, &json!({"role": "writer"})).await;
    assert_eq!(reply.is(StatusCode::NOT_FOUND).code(), "workspace.unknown");
    let all: WorkspaceInfos = theirs.get("/v1/admin/workspaces").await.json();
    assert!(all.workspaces.is_empty());
}

async fn a_reader_reads_and_changes_nothing() {
    let site = Site::start().await;
    let (workspace, one, two, admin) = shared(&site).await;
    let object = one.put_object(b"object").await;
    one.made("files", &point(1, 1, &[object], &[])).await;
    admit(&admin, &workspace, 2, "reader").await;
    for request in requests(&two.base, object)
        .iter()
        .filter(|(_, path, _)| !path.contains("wait_s"))
    {
        let (status, body) = ask(&two, request).await;
        let is_written = request.0 == "PUT"
            || request.1.ends_with("/parts")
            || request.0 == "POST" && request.1.ends_with("/points");
        let text = String::from_utf8_lossy(&body).into_owned();
        match is_written {
            true => assert!(
                status == StatusCode::FORBIDDEN && text.contains("workspace.role"),
                "{request:?} {text}"
            ),
            false => assert_eq!(status, StatusCode::OK, "{request:?} {text}"),
        }
    }
    assert_eq!(told(&two, "files").await.len(), 1);
    admit(&admin, &workspace, 2, "writer").await;
    two.made("files", &point(2, 2, &[], &[])).await;
}

async fn who_is_removed_or_cut_off_reaches_it_no_more() {
    let site = Site::start().await;
    let (workspace, one, two, admin) = shared(&site).await;
    let object = one.put_object(b"object").await;
    one.made("files", &point(1, 1, &[object], &[])).await;
    remove(&admin, &workspace, 2).await;
    for request in requests(&two.base, object) {
        assert_eq!(ask(&two, &request).await.0, StatusCode::NOT_FOUND, "{request:?}");
    }
    // Its own is still its own.
    two.get("/v1/lines/files/points").await.is(StatusCode::OK);
    let revoke = format!("/v1/admin/sticks/{}/revoke", bundle(1));
    admin.post(&revoke, &json!({})).await.is(StatusCode::NO_CONTENT);
    for request in requests(&one.base, object) {
        let (status, body) = ask(&one, &request).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(
            status == StatusCode::FORBIDDEN && text.contains("stick.revoked"),
            "{request:?} {text}"
        );
    }
    let details: WorkspaceDetails = admin
        .get(&format!("/v1/admin/workspaces/{workspace}"))
        .await
        .is(StatusCode::OK)
        .json();
    let members: Vec<_> = details
        .members
        .iter()
        .map(|member| (member.bundle, member.revoked))
        .collect();
    assert_eq!(members, [(bundle(1), true)]);
    let restore = format!("/v1/admin/sticks/{}/restore", bundle(1));
    admin.post(&restore, &json!({})).await.is(StatusCode::NO_CONTENT);
    assert_eq!(told(&one, "files").await.len(), 1);
}

async fn people_decide_by_their_roles_and_all_of_it_is_in_the_log() {
    let site = Site::start().await;
    let (viewer, operator, admin) = (
        site.person("acme", Role::Viewer).await,
        site.person("acme", Role::Operator).await,
        site.person("acme", Role::Admin).await,
    );
    site.stick("acme", 1).await;
    for person in [&viewer, &operator] {
        let reply = person
            .post("/v1/admin/workspaces", &json!({"name": "sales"}))
            .await;
        assert_eq!(reply.is(StatusCode::FORBIDDEN).code(), "identity.role");
    }
    let workspace = made(&admin, "sales").await;
    let again = admin
        .post("/v1/admin/workspaces", &json!({"name": "sales"}))
        .await;
    assert_eq!(again.is(StatusCode::CONFLICT).code(), "workspace.name");
    let reply = admin
        .post("/v1/admin/workspaces", &json!({"name": "Sales & more"}))
        .await;
    assert_eq!(reply.is(StatusCode::BAD_REQUEST).code(), "request.malformed");
    // Another tenant's are its own.
    made(&site.person("other", Role::Admin).await, "sales").await;
    let member = format!("/v1/admin/workspaces/{workspace}/members/{}", bundle(1));
    let reply = viewer.put(&member, &json!({"role": "writer"})).await;
    assert_eq!(reply.is(StatusCode::FORBIDDEN).code(), "identity.role");
    let reply = viewer.send("DELETE", &member, &[], Vec::new()).await;
    assert_eq!(reply.is(StatusCode::FORBIDDEN).code(), "identity.role");
    let reply = operator.put(&member, &json!({"role": "owner"})).await;
    assert_eq!(reply.is(StatusCode::BAD_REQUEST).code(), "request.malformed");
    let nobody = format!("/v1/admin/workspaces/{workspace}/members/{}", bundle(7));
    let reply = operator.put(&nobody, &json!({"role": "writer"})).await;
    assert_eq!(reply.is(StatusCode::NOT_FOUND).code(), "request.unknown");
    // What changes nothing is no row of the log.
    for role in ["reader", "reader", "writer"] {
        admit(&operator, &workspace, 1, role).await;
    }
    remove(&operator, &workspace, 1).await;
    remove(&operator, &workspace, 1).await;
    let rows = audited(&site).await;
    let of_workspaces: Vec<_> = rows.iter().filter(|row| row.starts_with("workspace.")).collect();
    assert_eq!(
        of_workspaces,
        [
            "workspace.made",
            "workspace.admitted",
            "workspace.admitted",
            "workspace.removed"
        ]
    );
}

async fn a_workspace_is_no_stick_and_its_number_never_becomes_one() {
    let site = Site::start().await;
    let (workspace, one, _, admin) = shared(&site).await;
    one.made("files", &point(1, 1, &[], &[])).await;
    let sticks: Sticks = admin.get("/v1/admin/sticks").await.json();
    let listed: Vec<_> = sticks.sticks.iter().map(|stick| stick.bundle).collect();
    assert_eq!(listed, [bundle(1), bundle(2)]);
    let path = format!("/v1/admin/sticks/{workspace}");
    for (method, at) in [
        ("GET", ""),
        ("POST", "/revoke"),
        ("POST", "/restore"),
        ("GET", "/lines/files/points"),
        ("POST", "/lines/files/points/1/drilled"),
    ] {
        let reply = admin
            .send(method, &format!("{path}{at}"), &[], b"{}".to_vec())
            .await;
        assert_eq!(reply.is(StatusCode::NOT_FOUND).code(), "request.unknown", "{at}");
    }
    let member = format!("/v1/admin/workspaces/{workspace}/members/{workspace}");
    let nobody = admin.put(&member, &json!({"role": "writer"})).await;
    assert_eq!(nobody.is(StatusCode::NOT_FOUND).code(), "request.unknown");
    let number = BundleId::parse(&workspace).unwrap();
    let tenant = TenantName::parse("acme").unwrap();
    let request = CertificateRequest::sign(tenant, number, &signing_key(9));
    let request = serde_json::to_value(request).unwrap();
    let reply = site.nobody().post("/v1/certificate", &request).await;
    assert_eq!(reply.is(StatusCode::FORBIDDEN).code(), "stick.proof");
    let enrolment = json!({"user": "Eve", "bundle": workspace});
    let reply = admin.post("/v1/admin/enrolments", &enrolment).await;
    assert_eq!(reply.is(StatusCode::CONFLICT).code(), "enrol.workspace");
    // Nor by a token that was made before there was the workspace.
    let token = site.token("acme", bundle(9)).await;
    sqlx::query("UPDATE enrolments SET bundle = (SELECT id FROM workspaces) WHERE bundle = $1")
        .bind([9; 16].to_vec())
        .execute(site.database.read())
        .await
        .unwrap();
    let reply = site.nobody().enrol(&token, number, 9).await;
    assert_eq!(reply.is(StatusCode::CONFLICT).code(), "enrol.workspace");
    let sticks: Sticks = admin.get("/v1/admin/sticks").await.json();
    assert_eq!(sticks.sticks.len(), 2);
    assert_eq!(told(&one, "files").await.len(), 1);
}

async fn a_workspace_has_a_quota_and_counts_for_its_tenant() {
    let site = Site::start_with(|config| {
        config.quotas.stick_bytes = 1000;
        config.quotas.workspace_bytes = 3000;
        config.quotas.tenant_bytes = 3500;
    })
    .await;
    let (workspace, one, two, admin) = shared(&site).await;
    let put = async |client: &Client, fill: u8, len: usize| {
        let bytes = vec![fill; len];
        let path = format!("{}/objects/{}", client.base, ObjectId::of(&bytes));
        client.send("PUT", &path, &[], bytes).await
    };
    // What members put counts for the workspace, not for them.
    put(&one, 1, 1500).await.is(StatusCode::NO_CONTENT);
    put(&two, 2, 1500).await.is(StatusCode::NO_CONTENT);
    let refused = put(&two, 3, 1).await.is(StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(refused.code(), "quota.exceeded");
    let own = one.own();
    put(&own, 4, 400).await.is(StatusCode::NO_CONTENT);
    let refused = put(&own, 5, 200).await.is(StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(refused.code(), "quota.exceeded", "the tenant's");
    let details: WorkspaceDetails = admin
        .get(&format!("/v1/admin/workspaces/{workspace}"))
        .await
        .json();
    assert_eq!(details.workspace.space_bytes, 3000);
    let sticks: Sticks = admin.get("/v1/admin/sticks").await.json();
    assert_eq!(sticks.sticks[0].space_bytes, 400);
}

async fn pruning_keeps_of_a_workspace_what_the_policy_keeps() {
    let site = Site::start().await;
    let (workspace, one, two, admin) = shared(&site).await;
    let mut before: Option<ObjectId> = None;
    for generation in 1..=5 {
        let member = if generation % 2 == 0 { &two } else { &one };
        let id = member.put_object(&[generation as u8; 100]).await;
        let drops: Vec<ObjectId> = before.into_iter().collect();
        member.made("files", &point(generation, 1, &[id], &drops)).await;
        before = Some(id);
    }
    two.put_object(b"without a point").await;
    // Without a policy all points stay.
    site.pass(4 * DAY).await;
    let done = prune(&admin).await;
    assert_eq!((done.points, done.objects, done.failed), (0, 1, 0));
    let policy = json!({"retention": {"last": {"count": 2}}});
    admin
        .put("/v1/admin/policy", &policy)
        .await
        .is(StatusCode::NO_CONTENT);
    let done = prune(&admin).await;
    assert_eq!((done.points, done.objects, done.failed), (3, 3, 0));
    assert_eq!(site.blobs().await.len(), 2);
    let one = site.stick_again("acme", 1).await.within(&workspace);
    let kept: Vec<_> = told(&one, "files")
        .await
        .iter()
        .map(|point| point.generation)
        .collect();
    assert_eq!(kept, [5, 4]);
    for fill in [4, 5] {
        let path = format!("{}/objects/{}", one.base, ObjectId::of(&[fill; 100]));
        assert_eq!(one.get(&path).await.is(StatusCode::OK).body, [fill; 100]);
    }
    let details: WorkspaceDetails = admin
        .get(&format!("/v1/admin/workspaces/{workspace}"))
        .await
        .json();
    let rows = 2 * (128 + b"sealed".len() as u64) + 2 * 128;
    assert_eq!(
        (details.workspace.space_bytes, details.workspace.row_bytes),
        (200, rows)
    );
    // The line goes on where it was.
    one.made("files", &point(6, 1, &[], &[])).await;
}

async fn a_backup_has_workspaces_and_their_members_go_on_at_the_server_put_back() {
    let site = Site::start().await;
    let (workspace, one, two, admin) = shared(&site).await;
    let object = one.put_object(b"object").await;
    one.made("files", &point(1, 1, &[object], &[])).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    backup::backup(&site.config, &to, backup::whole()).await.unwrap();
    // Forgotten: removed, and a point made, after the backup.
    one.made("files", &point(2, 1, &[], &[])).await;
    remove(&admin, &workspace, 2).await;
    site.server.end().await;
    let config = backup::elsewhere(folder.path());
    let restored = backup::restore(&config, &to, &[]).await.unwrap();
    assert_eq!((restored.check.missing, restored.check.objects), (0, 1));
    let server = Server::start(&config, site.clock.clone()).await.unwrap();
    let (one, two, admin) = (
        one.at(server.address),
        two.at(server.address),
        admin.at(server.address),
    );
    let points = told(&two, "files").await;
    assert_eq!((points.len(), points[0].made_by), (1, Some(bundle(1))));
    let path = format!("{}/objects/{object}", two.base);
    assert_eq!(two.get(&path).await.is(StatusCode::OK).body, b"object");
    // A member that knows more hears how far the server is.
    let reply = one.get(&format!("{}/lines/files/points?after=2", one.base)).await;
    let news: Points = reply.is(StatusCode::OK).json();
    assert_eq!((news.points.len(), news.newest), (0, Some(1)));
    let refused = one.point("files", &point(3, 1, &[], &[])).await;
    assert_eq!(
        refused.is(StatusCode::CONFLICT).refused().error.generation,
        Some(1)
    );
    two.made("files", &point(2, 2, &[], &[object])).await;
    let details: WorkspaceDetails = admin
        .get(&format!("/v1/admin/workspaces/{workspace}"))
        .await
        .json();
    assert_eq!((details.members.len(), details.workspace.space_bytes), (2, 6));
    server.end().await;
}

async fn a_tenant_has_so_many_workspaces() {
    let site = Site::start().await;
    let admin = site.person("acme", Role::Admin).await;
    for number in 0..MAX_WORKSPACES {
        made(&admin, &format!("w-{number}")).await;
    }
    let reply = admin
        .post("/v1/admin/workspaces", &json!({"name": "one-more"}))
        .await;
    assert_eq!(
        reply.is(StatusCode::UNPROCESSABLE_ENTITY).code(),
        "workspace.too-many"
    );
    let all: WorkspaceInfos = admin.get("/v1/admin/workspaces").await.is(StatusCode::OK).json();
    assert_eq!(all.workspaces.len(), MAX_WORKSPACES);
    let rows = audited(&site).await;
    let made = rows.iter().filter(|row| *row == "workspace.made").count();
    assert_eq!(made, MAX_WORKSPACES, "what was refused left nothing");
}

scenarios!(
    members_share_one_history_and_hear_who_made_what,
    s39_of_two_members_that_race_one_makes_the_point_and_the_other_hears_the_generation,
    s41_who_repeats_a_request_whose_answer_got_lost_gets_that_answer,
    whoever_is_no_member_hears_the_same_as_where_nothing_is,
    a_reader_reads_and_changes_nothing,
    who_is_removed_or_cut_off_reaches_it_no_more,
    people_decide_by_their_roles_and_all_of_it_is_in_the_log,
    a_workspace_is_no_stick_and_its_number_never_becomes_one,
    a_workspace_has_a_quota_and_counts_for_its_tenant,
    pruning_keeps_of_a_workspace_what_the_policy_keeps,
    a_backup_has_workspaces_and_their_members_go_on_at_the_server_put_back,
    a_tenant_has_so_many_workspaces,
);
