//! Objects: only whole ones, only with their own bytes, and given back as they came.

use gobag_protocol::{
    ids::{BundleId, ObjectId, TenantName},
    limits::MAX_OBJECT_BYTES,
};
use gobag_server::{serve::open_blobs, store::StickKey};
use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::Site;

async fn what_is_put_is_no_longer_missing_and_comes_back_whole_or_in_part() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let bytes: Vec<u8> = (0..MAX_OBJECT_BYTES).map(|at| ((at * 31) >> 3) as u8).collect();
    let (id, other) = (ObjectId::of(&bytes), ObjectId::of(b"other"));
    assert_eq!(stick.missing(&[other, id, other]).await, [other, id]);
    stick.put_object(&bytes).await;
    stick.put_object(&bytes).await;
    assert_eq!(stick.missing(&[other, id]).await, [other]);
    let path = format!("/v1/objects/{id}");
    assert!(stick.get(&path).await.is(StatusCode::OK).body == bytes);
    let reply = stick
        .send("GET", &path, &[("range", "bytes=1000000-1000009")], Vec::new())
        .await
        .is(StatusCode::PARTIAL_CONTENT);
    assert_eq!(reply.body, bytes[1_000_000..1_000_010]);
    assert_eq!(
        reply.headers["content-range"],
        format!("bytes 1000000-1000009/{MAX_OBJECT_BYTES}")
    );
    let reply = stick
        .send("GET", &path, &[("range", "bytes=4194304-")], Vec::new())
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::RANGE_NOT_SATISFIABLE, "object.range")
    );
    let unknown = stick.get(&format!("/v1/objects/{other}")).await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (StatusCode::NOT_FOUND, "object.unknown")
    );
}

async fn other_bytes_no_bytes_and_too_many_bytes_are_refused_and_leave_nothing() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let large = vec![0; MAX_OBJECT_BYTES + 1];
    for (id, bytes, status, code) in [
        (
            ObjectId::of(b"right"),
            &b"wrong"[..],
            StatusCode::UNPROCESSABLE_ENTITY,
            "object.other-content",
        ),
        (
            ObjectId::of(b""),
            b"",
            StatusCode::UNPROCESSABLE_ENTITY,
            "object.other-content",
        ),
        (
            ObjectId::of(&large),
            &large,
            StatusCode::PAYLOAD_TOO_LARGE,
            "request.too-large",
        ),
    ] {
        let path = format!("/v1/objects/{id}");
        let sent = stick.try_send("PUT", &path, &[], bytes.to_vec());
        // A server that refuses early may close before the client has sent all.
        if let Ok(reply) = sent.await {
            assert_eq!((reply.status, reply.code().as_str()), (status, code));
        }
        assert_eq!(stick.missing(&[id]).await, [id]);
    }
    assert_eq!(
        stick.get("/v1/objects/..%2f..%2fca").await.code(),
        "request.unknown"
    );
    assert!(site.blobs().await.is_empty());
}

async fn an_upload_that_was_cut_off_leaves_nothing() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let bytes = vec![7; 100_000];
    let id = ObjectId::of(&bytes);
    for chunked in [false, true] {
        let mut stream = stick.connect().await.unwrap();
        let (head, body) = match chunked {
            false => ("content-length: 100000", bytes[..60_000].to_vec()),
            true => (
                "transfer-encoding: chunked",
                [b"c350\r\n", &bytes[..50_000], b"\r\n"].concat(),
            ),
        };
        let request = format!("PUT /v1/objects/{id} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        // Says that no more comes, and waits until the server has understood.
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        assert_eq!(stick.missing(&[id]).await, [id]);
        assert!(site.blobs().await.is_empty());
    }
    stick.put_object(&bytes).await;
    assert_eq!(site.blobs().await, [id.to_string()]);
}

async fn many_who_put_the_same_object_at_once_count_it_once() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let stick = stick.clone();
            tokio::spawn(async move { stick.put_object(&[5; 1000]).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let viewer = site.person("acme", gobag_protocol::people::Role::Viewer).await;
    let sticks: serde_json::Value = viewer.get("/v1/admin/sticks").await.is(StatusCode::OK).json();
    assert_eq!(sticks["sticks"][0]["space_bytes"], 1000);
}

/// A backup was put back without all of its objects, or the disk lost a file.
async fn bytes_that_got_lost_are_kept_again_when_they_are_put_again() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let id = stick.put_object(b"once").await;
    let path = format!("/v1/objects/{id}");
    let key = StickKey {
        tenant: TenantName::parse("acme").unwrap(),
        bundle: BundleId([1; 16]),
    };
    let blobs = open_blobs(&site.config).unwrap();
    blobs.delete(&key, id).await.unwrap();
    // Not "later": a stick that is told so twice in a row sends it again.
    let code = async |range: &[(&str, &str)]| stick.send("GET", &path, range, Vec::new()).await.code();
    assert_eq!(code(&[]).await, "object.unknown");
    stick.put_object(b"once").await;
    assert_eq!(stick.get(&path).await.is(StatusCode::OK).body, b"once");
    // Half of it is as good as nothing.
    blobs
        .put(&key, id, bytes::Bytes::from_static(b"on"))
        .await
        .unwrap();
    assert_eq!(code(&[]).await, "object.unknown");
    assert_eq!(code(&[("range", "bytes=2-3")]).await, "object.unknown");
    stick.put_object(b"once").await;
    assert_eq!(stick.get(&path).await.is(StatusCode::OK).body, b"once");
}

scenarios!(
    what_is_put_is_no_longer_missing_and_comes_back_whole_or_in_part,
    other_bytes_no_bytes_and_too_many_bytes_are_refused_and_leave_nothing,
    an_upload_that_was_cut_off_leaves_nothing,
    many_who_put_the_same_object_at_once_count_it_once,
    bytes_that_got_lost_are_kept_again_when_they_are_put_again,
);
