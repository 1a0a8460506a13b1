//! Too much, too often, too long: refused by name, and nothing else suffers.

use gobag_protocol::{
    bytes::Sealed,
    ids::ObjectId,
    limits,
    people::{Role, Sticks},
    points::Points,
};
use gobag_server::{config::Rate, serve::Server};
use hyper::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Client, Reply, Site, point};

async fn bodies_and_lists_have_an_end() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let ids = vec![ObjectId::of(b""); limits::MAX_MISSING_IDS + 1];
    let reply = stick.post("/v1/objects/missing", &json!({ "ids": ids })).await;
    assert_eq!(reply.is(StatusCode::BAD_REQUEST).code(), "request.malformed");
    let path = "/v1/lines/volumes/points/1/bookmarks";
    let large = vec![b' '; limits::MAX_SMALL_BODY + 1];
    // Who is refused while still sending may meet a closed connection before the answer (docs/sync-protocol.md, §5), and asks again.
    let reply = loop {
        match stick.try_send("POST", path, &[], large.clone()).await {
            Ok(reply) => break reply,
            Err(error) => eprintln!("refused without a word: {error:?}"),
        }
    };
    assert_eq!(
        reply.is(StatusCode::PAYLOAD_TOO_LARGE).code(),
        "request.too-large"
    );
    let mut new = serde_json::to_value(point(1, 0, &[], &[])).unwrap();
    new["head"] = json!("A".repeat(limits::MAX_HEAD_BYTES * 2));
    let reply = stick.post("/v1/lines/volumes/points", &new).await;
    assert_eq!(reply.is(StatusCode::BAD_REQUEST).code(), "request.malformed");
    for (method, path, status) in [
        ("GET", "/v1/moon", StatusCode::NOT_FOUND),
        ("DELETE", "/v1/memory", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/v1/lines/UPPER/points", StatusCode::NOT_FOUND),
    ] {
        let reply = stick.send(method, path, &[], Vec::new()).await.is(status);
        assert!(reply.code().starts_with("request."), "{path}");
    }
}

async fn what_was_sent_is_not_told_back() {
    let site = Site::start().await;
    let secret = "gbe_very-secret";
    let reply = site.nobody().post("/v1/enrol", &json!({ "token": secret })).await;
    let text = String::from_utf8(reply.is(StatusCode::BAD_REQUEST).body).unwrap();
    assert!(!text.contains("very-secret"), "{text}");
}

async fn who_asks_too_often_waits_and_nobody_else_does() {
    let site = Site::start_with(|config| {
        config.rates.stick = Rate {
            a_second: 1,
            burst: 3,
        };
    })
    .await;
    let (often, other) = (site.stick("acme", 1).await, site.stick("acme", 2).await);
    let mut refused = None;
    for _ in 0..1000 {
        let reply = often.get("/v1/memory").await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("refused at last");
    assert_eq!(refused.code(), "request.too-many");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(other.get("/v1/memory").await.code(), "memory.unknown");
}

async fn a_full_quota_refuses_what_is_new_and_keeps_what_is_there() {
    let site = Site::start_with(|config| config.quotas.stick_bytes = 2500).await;
    let stick = site.stick("acme", 1).await;
    let first = stick.put_object(&[1; 1000]).await;
    stick.put_object(&[2; 1000]).await;
    let id = ObjectId::of(&[3; 1000]);
    let reply = stick
        .send("PUT", &format!("/v1/objects/{id}"), &[], vec![3; 1000])
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::INSUFFICIENT_STORAGE, "quota.exceeded")
    );
    assert_eq!(stick.missing(&[first, id]).await, [id]);
    // The same again takes no room.
    stick.put_object(&[1; 1000]).await;
    stick.put_object(&[4; 500]).await;
}

async fn a_tenants_quota_holds_for_all_its_sticks_at_all_servers() {
    const KIB: u64 = 1024;
    let site = Site::start_with(|config| config.quotas.tenant_bytes = 256 * KIB).await;
    let replica = Server::start(&site.config, site.clock.clone()).await.unwrap();
    let here = site.stick("acme", 1).await;
    let there = site.stick("acme", 2).await.at(replica.address);
    let mut fill = 0;
    let mut object = async |stick: &Client, kib: usize| {
        fill += 1;
        let bytes = vec![fill; kib << 10];
        let path = format!("/v1/objects/{}", ObjectId::of(&bytes));
        stick.send("PUT", &path, &[], bytes).await
    };
    for _ in 0..63 {
        object(&here, 4).await.is(StatusCode::NO_CONTENT);
    }
    // Near the quota each looks at what the other took in.
    for stick in [&there, &here] {
        let refused = object(stick, 5).await.is(StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(refused.code(), "quota.exceeded");
    }
    object(&there, 4).await.is(StatusCode::NO_CONTENT);
    for stick in [&there, &here] {
        let refused = object(stick, 1).await.is(StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(refused.code(), "quota.exceeded");
    }
    // Another company's sticks have room.
    object(&site.stick("umbrella", 3).await, 4)
        .await
        .is(StatusCode::NO_CONTENT);
    replica.end().await;
}

async fn points_parts_and_names_count_against_the_quota_and_are_given_back() {
    let site = Site::start_with(|config| config.quotas.stick_bytes = 4096).await;
    let stick = site.stick("acme", 1).await;
    let viewer = site.person("acme", Role::Viewer).await;
    let row_bytes = async || -> u64 {
        let sticks: Sticks = viewer.get("/v1/admin/sticks").await.is(StatusCode::OK).json();
        sticks.sticks[0].row_bytes
    };
    let is_full = |reply: Reply| {
        assert_eq!(
            reply.is(StatusCode::INSUFFICIENT_STORAGE).code(),
            "quota.exceeded"
        )
    };
    let large = |generation| {
        let mut new = point(generation, 0, &[], &[]);
        new.head = Sealed::new(vec![0; 2000]).unwrap();
        new
    };
    stick.made("volumes", &large(1)).await;
    assert_eq!(row_bytes().await, 2128);
    is_full(stick.point("volumes", &large(2)).await);
    let listed: Points = stick.get("/v1/lines/volumes/points").await.json();
    assert_eq!(listed.points.len(), 1);
    let part = |count: u8| {
        let adds: Vec<ObjectId> = (0..count).map(|number| ObjectId::of(&[number])).collect();
        json!({"request": point(2, 7, &[], &[]).request, "generation": 2, "adds": adds})
    };
    let parts = "/v1/lines/volumes/parts";
    is_full(stick.post(parts, &part(20)).await);
    for _ in 0..2 {
        // The same again takes no room.
        stick.post(parts, &part(10)).await.is(StatusCode::NO_CONTENT);
        assert_eq!(row_bytes().await, 2128 + 1280);
    }
    let name = |len: usize| json!({"kind": "user", "label": "A".repeat(len * 4 / 3)});
    let names = "/v1/lines/volumes/points/1/bookmarks";
    is_full(stick.post(names, &name(600)).await);
    stick.post(names, &name(300)).await.is(StatusCode::NO_CONTENT);
    assert_eq!(row_bytes().await, 2128 + 1280 + 428);
    // Another attempt makes the point: the parts of this one are gone.
    let object = stick.put_object(b"1").await;
    stick.made("volumes", &point(2, 8, &[object], &[])).await;
    assert_eq!(row_bytes().await, 2128 + 428 + 2 * 128 + b"sealed".len() as u64);
    let bytes = vec![0; 1300];
    let path = format!("/v1/objects/{}", ObjectId::of(&bytes));
    is_full(stick.send("PUT", &path, &[], bytes).await);
}

async fn the_port_for_prometheus_tells_numbers_and_no_names() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    stick.put_object(b"one").await;
    for (path, expected) in [
        ("/healthz", "ok\n"),
        ("/readyz", "ready\n"),
        ("/metrics", "gobag_objects_stored_total 1"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(site.server.metrics_address)
            .await
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(expected),
            "{answer}"
        );
        assert!(!answer.contains("acme"), "{answer}");
    }
}

async fn a_server_that_ends_finishes_what_it_is_at() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let bytes = vec![9; 10_000];
    let id = ObjectId::of(&bytes);
    let mut stream = stick.connect().await.unwrap();
    let head = format!(
        "PUT /v1/objects/{id} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 10000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server is at the body now, and says so.
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    let ending = tokio::spawn(site.server.end());
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 204"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    ending.await.unwrap();
    assert!(stick.connect().await.is_err());
}

async fn http2_is_spoken_with_who_wants_it() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    assert_eq!(stick.get_by_http2("/v1/hello").await, StatusCode::OK);
    assert_eq!(stick.get_by_http2("/v1/memory").await, StatusCode::NOT_FOUND);
    let nobody = site.nobody();
    assert_eq!(nobody.get_by_http2("/v1/memory").await, StatusCode::UNAUTHORIZED);
}

async fn results_are_envelopes_and_the_same_again_changes_nothing() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    for number in [1, 2, 1] {
        let envelope = json!({"payload": format!("AA{number}="), "payloadType": "x", "signatures": []});
        stick
            .post("/v1/results", &envelope)
            .await
            .is(StatusCode::NO_CONTENT);
    }
    let reply = stick.post("/v1/results", &json!({"payload": 1})).await;
    assert_eq!(reply.is(StatusCode::BAD_REQUEST).code(), "request.malformed");
    let large = vec![b' '; limits::MAX_RESULT_BYTES + 1];
    let reply = stick.send("POST", "/v1/results", &[], large).await;
    assert_eq!(
        reply.is(StatusCode::PAYLOAD_TOO_LARGE).code(),
        "request.too-large"
    );
}

scenarios!(
    http2_is_spoken_with_who_wants_it,
    results_are_envelopes_and_the_same_again_changes_nothing,
    bodies_and_lists_have_an_end,
    what_was_sent_is_not_told_back,
    who_asks_too_often_waits_and_nobody_else_does,
    a_full_quota_refuses_what_is_new_and_keeps_what_is_there,
    a_tenants_quota_holds_for_all_its_sticks_at_all_servers,
    points_parts_and_names_count_against_the_quota_and_are_given_back,
    the_port_for_prometheus_tells_numbers_and_no_names,
    a_server_that_ends_finishes_what_it_is_at,
);
