//! The same on PostgreSQL and on a bucket: a private cluster in a temporary folder, reached by a socket there, and PyPI's `moto` as
//! the S3 (`cargo xtask test` installs both). Where one is not installed the test says so and is skipped; `GOBAG_REQUIRE=postgres,moto`
//! makes that a failure.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start the stores that the server uses"
)]

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::Router;
use gobag_server::{
    clock::Clock,
    config::{Config, S3},
    probe,
    serve::{Server, open_blobs},
};
use tokio::task::block_in_place;

use crate::{
    backup,
    cluster::{Cluster, database},
    enrolment, leases, limits,
    moto::{Moto, skipped},
    objects, points, pruning, shares, tenants, waiting, workspaces,
};

tokio::task_local! {
    static STORES: Arc<Stores>;
}

struct Stores {
    cluster: Cluster,
    moto: Moto,
    made: AtomicU32,
}

/// A database and a bucket of their own, if the test runs on such.
pub(crate) fn choose(config: &mut Config) {
    let Ok(stores) = STORES.try_with(Arc::clone) else {
        return;
    };
    let number = stores.made.fetch_add(1, Ordering::Relaxed);
    block_in_place(|| {
        let name = format!("gobag{number}");
        config.postgres = Some(database(stores.cluster.folder(), &config.data, &name));
        config.s3 = Some(stores.moto.bucket(&config.data, number));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_again_on_postgresql_and_a_bucket() {
    let Some(cluster) = block_in_place(Cluster::start) else {
        return skipped("postgres", "PostgreSQL (Debian's `postgresql`) is not installed");
    };
    let Some(moto) = block_in_place(|| Moto::start(None)) else {
        return;
    };
    let stores = Arc::new(Stores {
        cluster,
        moto,
        made: AtomicU32::new(0),
    });
    let everything = async {
        enrolment::all().await;
        leases::all().await;
        objects::all().await;
        points::all().await;
        pruning::all().await;
        shares::all().await;
        tenants::all().await;
        backup::all().await;
        limits::all().await;
        workspaces::all().await;
        waiting::all().await;
    };
    STORES.scope(stores, everything).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_honours_conditions_passes_the_probe() {
    let Some(moto) = block_in_place(|| Moto::start(None)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        s3: Some(block_in_place(|| moto.bucket(folder.path(), 0))),
        ..Config::default()
    };
    let blobs = open_blobs(&config).unwrap();
    assert_eq!(probe::probe(blobs.store()).await.unwrap().kept.len(), 4);
}

/// An S3 that takes every header and ignores all conditions, as some do.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_ignores_conditions_is_refused_before_anything_is_kept() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let careless = Router::new().fallback(async || ([("etag", "\"1\"")], ""));
    let serving = tokio::spawn(async move { axum::serve(listener, careless).await });
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("s3-key");
    fs::write(&key, "key\n").unwrap();
    let config = Config {
        data: folder.path().join("data"),
        s3: Some(S3 {
            bucket: "gobag".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{address}")),
            allow_http: true,
            ca_file: None,
            direct: false,
            access_key_file: key.clone(),
            secret_key_file: key,
        }),
        ..Config::default()
    };
    let refused = Server::start(&config, Clock::default()).await.err().unwrap();
    assert_eq!(refused.code(), "server.probe-broken", "{refused}");
    assert!(refused.to_string().contains("If-None-Match"), "{refused}");
    serving.abort();
}
