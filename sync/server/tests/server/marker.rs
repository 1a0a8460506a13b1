//! A database and a store of objects that do not belong together: nothing is served, and nothing pruned.

#![expect(clippy::disallowed_methods, reason = "a test swaps the server's folders")]

use std::path::Path;

use gobag_protocol::ids::ObjectId;
use gobag_server::{
    clock::Clock,
    config::Config,
    serve::{Server, open_blobs, open_database},
    store::marker,
};
use hyper::StatusCode;

use crate::harness::{Client, Site};

/// A server that has one object, ended; its folder stays with the site's parts.
async fn used(bytes: &[u8]) -> (tempfile::TempDir, Config, Client, ObjectId) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let site = Site::start_with(|config| config.data = data.clone()).await;
    let stick = site.stick("acme", 1).await;
    let id = stick.put_object(bytes).await;
    let config = site.config.clone();
    site.database.close().await;
    site.server.end().await;
    (folder, config, stick, id)
}

async fn refused(config: &Config) -> String {
    match Server::start(config, Clock::default()).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.code().to_owned(),
    }
}

/// A copy of the files, as somebody without `gobag-server backup` makes one.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_database_and_its_copy_the_one_that_adopts_the_store_has_it_alone() {
    let (_folder, config, stick, id) = used(b"object").await;
    let copy = Config {
        data: config.data.with_extension("copy"),
        ..config.clone()
    };
    std::fs::create_dir(&copy.data).unwrap();
    std::fs::copy(config.data.join("gobag.sqlite"), copy.data.join("gobag.sqlite")).unwrap();
    std::os::unix::fs::symlink(config.data.join("blobs"), copy.data.join("blobs")).unwrap();
    let (from, to) = (config.ca_folder(), copy.ca_folder());
    std::fs::create_dir(&to).unwrap();
    for name in ["ca.pem", "ca-key.pem", "lease-key"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let database = open_database(&copy).await.unwrap();
    let store = open_blobs(&copy).unwrap();
    marker::adopt(&database, &store, false).await.unwrap();
    database.close().await;
    serves(&copy, &stick, id).await;
    assert_eq!(refused(&config).await, "server.store-other");
}

/// It starts, and gives the object.
async fn serves(config: &Config, stick: &Client, id: ObjectId) {
    let server = Server::start(config, Clock::default()).await.unwrap();
    let reply = stick.at(server.address).get(&format!("/v1/objects/{id}")).await;
    reply.is(StatusCode::OK);
    server.end().await;
}

fn swap(one: &Path, other: &Path) {
    let between = one.with_extension("between");
    std::fs::rename(one, &between).unwrap();
    std::fs::rename(other, one).unwrap();
    std::fs::rename(&between, other).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_database_is_refused_until_it_is_adopted() {
    let (_one, config, stick, id) = used(b"one").await;
    let (_other, other, ..) = used(b"other").await;
    let (blobs, others) = (config.data.join("blobs"), other.data.join("blobs"));
    swap(&blobs, &others);
    assert_eq!(refused(&config).await, "server.store-other");
    swap(&blobs, &others);
    serves(&config, &stick, id).await;

    // A copy of the store that somebody marked as another's, and IT knows better.
    std::fs::copy(others.join("gobag-store.json"), blobs.join("gobag-store.json")).unwrap();
    assert_eq!(refused(&config).await, "server.store-other");
    let database = open_database(&config).await.unwrap();
    let store = open_blobs(&config).unwrap();
    let looked = marker::adopt(&database, &store, true).await.unwrap();
    assert_eq!((looked.looked_for, looked.found, looked.adopted), (1, 1, false));
    assert_eq!(refused(&config).await, "server.store-other");
    assert!(marker::adopt(&database, &store, false).await.unwrap().adopted);
    database.close().await;
    serves(&config, &stick, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_mounted_is_refused() {
    let (_folder, config, stick, id) = used(b"object").await;
    let (blobs, away) = (config.data.join("blobs"), config.data.join("away"));
    std::fs::rename(&blobs, &away).unwrap();
    assert_eq!(refused(&config).await, "server.store-unknown");
    // Nothing was written where the store should have been.
    assert!(!blobs.join("gobag-store.json").exists());
    std::fs::remove_dir(&blobs).unwrap();
    std::fs::rename(&away, &blobs).unwrap();
    serves(&config, &stick, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_at_a_used_store_is_refused() {
    let (_folder, config, ..) = used(b"object").await;
    for name in ["gobag.sqlite", "gobag.sqlite-wal", "gobag.sqlite-shm"] {
        let _ = std::fs::remove_file(config.data.join(name));
    }
    assert_eq!(refused(&config).await, "server.store-other");
    // The same where the store has no number yet.
    std::fs::remove_file(config.data.join("blobs/gobag-store.json")).unwrap();
    assert_eq!(refused(&config).await, "server.store-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_of_before_gets_its_number() {
    let (_folder, config, stick, id) = used(b"object").await;
    let mark = config.data.join("blobs/gobag-store.json");
    let before = std::fs::read(&mark).unwrap();
    std::fs::remove_file(&mark).unwrap();
    let forget = async || {
        let database = open_database(&config).await.unwrap();
        let sql = "DELETE FROM settings WHERE name = 'store-id'";
        sqlx::query(sql).execute(database.read()).await.unwrap();
        database.close().await;
    };
    forget().await;
    serves(&config, &stick, id).await;
    assert_ne!(std::fs::read(&mark).unwrap(), before);
    // A database put back to before it had one: another may have the store now.
    forget().await;
    assert_eq!(refused(&config).await, "server.store-other");
    let database = open_database(&config).await.unwrap();
    let store = open_blobs(&config).unwrap();
    marker::adopt(&database, &store, false).await.unwrap();
    database.close().await;
    serves(&config, &stick, id).await;
}
