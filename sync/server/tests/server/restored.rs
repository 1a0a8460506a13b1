//! A server put back to an earlier backup (`docs/sync-protocol.md`, §6): sticks see it and send anew what it lost, without anybody's help.

#![expect(clippy::disallowed_methods, reason = "a test puts the database's files back")]

use std::path::Path;

use gobag_protocol::{
    ids::{BundleId, ObjectId, RequestId, TenantName},
    lease::{RenewRequest, Renewed},
    people::Role,
};
use gobag_server::serve::Server;
use hyper::StatusCode;

use crate::harness::{Site, audited_by, point, signing_key};

const FILES: [&str; 3] = ["gobag.sqlite", "gobag.sqlite-wal", "gobag.sqlite-shm"];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in FILES {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_put_back_to_an_earlier_backup_gets_anew_what_it_lost() {
    let site = Site::start().await;
    let viewer = site.person("acme", Role::Viewer).await;
    let token = site.token("acme", BundleId([1; 16])).await;
    let enrolled: gobag_protocol::enrol::Enrolled = site
        .nobody()
        .enrol(&token, BundleId([1; 16]), 1)
        .await
        .is(StatusCode::OK)
        .json();
    let stick = site.stick_again("acme", 1).await;
    let nobody = site.nobody();
    let first = stick.put_object(b"first").await;
    stick.made("volumes", &point(1, 0, &[first], &[])).await;
    let (config, clock) = (site.config.clone(), site.clock.clone());
    let backup = config.data.join("backup");
    site.database.close().await;
    site.server.end().await;
    copy(&config.data, &backup);

    let renew = |token, request| {
        let tenant = TenantName::parse("acme").unwrap();
        let request = RenewRequest::sign(
            tenant,
            BundleId([1; 16]),
            token,
            RequestId([request; 16]),
            &signing_key(1),
        );
        serde_json::to_value(request).unwrap()
    };
    let server = Server::start(&config, clock.clone()).await.unwrap();
    let (at_first, anybody) = (stick.at(server.address), nobody.at(server.address));
    let (second, third) = (
        at_first.put_object(b"second").await,
        at_first.put_object(b"third").await,
    );
    at_first.made("volumes", &point(2, 0, &[second], &[first])).await;
    at_first.made("volumes", &point(3, 0, &[third], &[])).await;
    let mut renewed: Renewed = anybody
        .post("/v1/lease/renew", &renew(enrolled.renewal_token, 1))
        .await
        .is(StatusCode::OK)
        .json();
    for request in 2..4 {
        let body = renew(renewed.renewal_token, request);
        renewed = anybody
            .post("/v1/lease/renew", &body)
            .await
            .is(StatusCode::OK)
            .json();
    }
    server.end().await;

    // The database goes back; of the two objects it knows nothing of, one's bytes went back with it.
    copy(&backup, &config.data);
    let bundle = BundleId([1; 16]);
    let bytes = config.data.join(format!("blobs/objects/acme/{bundle}/{third}"));
    std::fs::remove_file(bytes).unwrap();
    let server = Server::start(&config, clock).await.unwrap();
    let (stick, anybody) = (stick.at(server.address), nobody.at(server.address));
    let refused = stick.point("volumes", &point(4, 0, &[], &[])).await;
    let refused = refused.is(StatusCode::CONFLICT).refused().error;
    assert_eq!(
        (refused.code.as_str(), refused.generation),
        ("point.other-generation", Some(1))
    );
    // What the newest point here needs is known from its head; what there is now against it is asked for and sent.
    assert_eq!(stick.missing(&[first, second, third]).await, [second, third]);
    let retried = stick.point("volumes", &point(2, 0, &[second], &[first])).await;
    assert_eq!(retried.code(), "point.missing-objects");
    stick.put_object(b"second").await;
    stick.put_object(b"third").await;
    stick
        .made("volumes", &point(2, 9, &[second, third], &[first]))
        .await;
    for (id, bytes) in [(second, &b"second"[..]), (third, b"third")] {
        let reply = stick.get(&format!("/v1/objects/{id}")).await.is(StatusCode::OK);
        assert_eq!((reply.body.as_slice(), ObjectId::of(bytes)), (bytes, id));
    }
    // The token that it will have made is believed, and the next lease's number goes on.
    let body = renew(renewed.renewal_token, 4);
    anybody.post("/v1/lease/renew", &body).await.is(StatusCode::OK);
    let rows = audited_by(&viewer.at(server.address)).await;
    assert_eq!(rows.last().unwrap(), "lease.renewed-ahead");
    server.end().await;
}
