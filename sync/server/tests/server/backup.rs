//! Backups of a server at work, put back elsewhere: whole, in another kind of database, and sticks go on.

#![expect(
    clippy::disallowed_methods,
    reason = "a test damages a backup, and names other databases"
)]

use std::{collections::BTreeSet, net::SocketAddr, path::Path};

use age::x25519::Identity;
use gobag_protocol::{
    ids::{BundleId, ObjectId, TenantName},
    people::{Role, Sticks},
    points::Points,
};
use gobag_server::{
    backup::{
        BackupError,
        objects::{self, CheckOptions, CheckReport},
        read::{self, RestoreReport, Target},
        write::{self, BackupOptions, BackupReport, Source},
    },
    config::Config,
    serve::{Server, open_blobs, open_database},
    store::{StickKey, marker},
};
use hyper::StatusCode;

use crate::{
    harness::{Client, Site, audited_by, point},
    stores,
};

pub(crate) async fn backup(
    config: &Config,
    to: &Path,
    options: BackupOptions,
) -> Result<BackupReport, BackupError> {
    let database = open_database(config).await.unwrap();
    let blobs = open_blobs(config).unwrap();
    let source = Source {
        database: &database,
        blobs: &blobs,
        keys: &config.ca_folder(),
        clock: &Default::default(),
    };
    let report = write::write(&source, to, &options, &|_, _| ()).await;
    database.close().await;
    report
}

pub(crate) async fn restore(
    config: &Config,
    from: &Path,
    identities: &[Identity],
) -> Result<RestoreReport, BackupError> {
    let database = open_database(config).await.unwrap();
    let blobs = open_blobs(config).unwrap();
    let target = Target {
        database: &database,
        blobs: &blobs,
        keys: &config.ca_folder(),
        clock: &Default::default(),
    };
    let report = read::read(&target, from, identities, &|_, _| ()).await;
    database.close().await;
    report
}

/// A server that is not there yet, on SQLite and a folder.
pub(crate) fn elsewhere(folder: &Path) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        metrics_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: folder.join("data"),
        ..Config::default()
    }
}

pub(crate) fn whole() -> BackupOptions {
    BackupOptions {
        objects: true,
        ..BackupOptions::default()
    }
}

/// A point whose one object takes the place of the one before.
async fn send(stick: &Client, generation: u64) -> bool {
    let bytes = |generation: u64| generation.to_le_bytes().repeat(100);
    let before = generation.checked_sub(1).filter(|before| *before > 0);
    let drops: Vec<ObjectId> = before
        .map(|before| ObjectId::of(&bytes(before)))
        .into_iter()
        .collect();
    let id = stick.put_object(&bytes(generation)).await;
    let reply = stick.point("volumes", &point(generation, 0, &[id], &drops)).await;
    reply.status == StatusCode::CREATED
}

async fn a_backup_under_load_is_one_moment_and_the_stick_goes_on_at_the_server_put_back() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let viewer = site.person("acme", Role::Viewer).await;
    assert!(send(&stick, 1).await);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let (done, mut is_done) = tokio::sync::watch::channel(false);
    let sender = tokio::spawn({
        let stick = stick.clone();
        async move {
            let mut generation = 1;
            // Some before the backup ends, and some after it.
            while generation < 4 || !*is_done.borrow_and_update() {
                generation += 1;
                assert!(send(&stick, generation).await);
            }
            generation + u64::from(send(&stick, generation + 1).await)
        }
    });
    let report = backup(&site.config, &to, whole()).await.unwrap();
    done.send_replace(true);
    let newest = sender.await.unwrap();
    assert_eq!(report.objects_missing, 0);
    site.server.end().await;

    let config = elsewhere(folder.path());
    let restored = restore(&config, &to, &[]).await.unwrap();
    assert_eq!((restored.check.missing, restored.rows), (0, report.rows));
    assert!(restored.check.objects > 0);
    let server = Server::start(&config, site.clock.clone()).await.unwrap();
    let stick = stick.at(server.address);
    let listed: Points = stick
        .get("/v1/lines/volumes/points")
        .await
        .is(StatusCode::OK)
        .json();
    let back = listed.points[0].generation;
    assert!((1..newest).contains(&back), "{back} {newest}");
    // It hears that the server has less than it was told, and sends again what is missing.
    let refused = stick.point("volumes", &point(newest + 1, 0, &[], &[])).await;
    assert_eq!(
        refused.is(StatusCode::CONFLICT).refused().error.generation,
        Some(back)
    );
    for generation in back + 1..=newest {
        assert!(send(&stick, generation).await);
    }
    for generation in 1..=newest {
        let id = ObjectId::of(&generation.to_le_bytes().repeat(100));
        stick.get(&format!("/v1/objects/{id}")).await.is(StatusCode::OK);
    }
    let rows = audited_by(&viewer.at(server.address)).await;
    assert!(rows.contains(&"server.restored".to_owned()), "{rows:?}");
    server.end().await;
}

/// Rows of a backup, but for what putting it back adds.
fn rows(backup: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(backup.join("server.jsonl")).unwrap();
    let mut table = String::new();
    let mut rows = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with("{\"table\"") {
            table = line.to_owned();
        }
        let is_audit =
            table.contains("\"tenants\"") || table.contains("\"audit\"") && line.contains("server.restored");
        // That is always another.
        let is_mark = line.contains("\"store-id\"");
        if !is_audit && !is_mark && !line.starts_with("{\"end\"") {
            rows.insert(format!("{table} {line}"));
        }
    }
    rows
}

async fn a_backup_goes_into_the_other_kind_of_database_and_back() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    site.stick("other", 2).await;
    let mut named = point(1, 0, &[stick.put_object(b"object").await], &[]);
    named.bookmarks = serde_json::from_value(serde_json::json!([{"kind": "user", "label": "AAAA"}])).unwrap();
    stick.made("volumes", &named).await;
    let admin = site.person("acme", Role::Admin).await;
    let policy = serde_json::json!({"retention": {"last": {"count": 1}}});
    admin
        .put("/v1/admin/policy", &policy)
        .await
        .is(StatusCode::NO_CONTENT);
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) = (
        folder.path().join("first"),
        folder.path().join("second"),
        folder.path().join("third"),
    );
    backup(&site.config, &first, whole()).await.unwrap();
    // To SQLite and a folder, whatever it was; then to what this runs on.
    let between = elsewhere(&folder.path().join("between"));
    restore(&between, &first, &[]).await.unwrap();
    backup(&between, &second, whole()).await.unwrap();
    assert_eq!(rows(&first), rows(&second));
    let mut again = elsewhere(&folder.path().join("again"));
    std::fs::create_dir_all(&again.data).unwrap();
    stores::choose(&mut again);
    let restored = restore(&again, &second, &[]).await.unwrap();
    assert_eq!(
        restored.check,
        CheckReport {
            objects: 1,
            missing: 0,
            damaged: 0,
            forgotten: 0,
        }
    );
    backup(&again, &third, whole()).await.unwrap();
    assert_eq!(rows(&first), rows(&third));
    let server = Server::start(&again, site.clock.clone()).await.unwrap();
    send(&stick.at(server.address), 2).await;
    server.end().await;
}

async fn what_is_not_as_it_was_written_changes_nothing() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    send(&stick, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    backup(&site.config, &to, whole()).await.unwrap();
    assert_eq!(
        backup(&site.config, &to, whole()).await.unwrap_err().code(),
        "backup.there"
    );
    assert_eq!(
        restore(&site.config, &to, &[]).await.unwrap_err().code(),
        "backup.not-empty"
    );

    let config = elsewhere(folder.path());
    let refused = async || restore(&config, &to, &[]).await.unwrap_err().code();
    let path = to.join("server.jsonl");
    let text = std::fs::read(&path).unwrap();
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        std::fs::write(&path, &text[..cut]).unwrap();
        assert_eq!(refused().await, "backup.damaged");
    }
    let mut changed = text.clone();
    changed[text.len() / 2] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert_eq!(refused().await, "backup.damaged");
    std::fs::write(&path, &text).unwrap();
    // An object with other bytes.
    let objects = to.join(format!("objects/acme/{}", BundleId([1; 16])));
    let object = std::fs::read_dir(&objects)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let bytes = std::fs::read(&object).unwrap();
    std::fs::write(&object, b"other").unwrap();
    assert_eq!(refused().await, "backup.damaged");
    std::fs::write(&object, &bytes).unwrap();
    // Another CA is in place.
    std::fs::create_dir_all(config.ca_folder()).unwrap();
    std::fs::write(config.ca_folder().join("ca.pem"), "another").unwrap();
    assert_eq!(refused().await, "backup.other-key");
    std::fs::remove_file(config.ca_folder().join("ca.pem")).unwrap();
    // After all that it is still empty, and the right one goes in.
    assert_eq!(restore(&config, &to, &[]).await.unwrap().check.objects, 1);
}

async fn a_sealed_backup_opens_for_its_recipient_alone() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    send(&stick, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let (owner, stranger) = (Identity::generate(), Identity::generate());
    let options = BackupOptions {
        recipients: vec![owner.to_public()],
        objects: true,
    };
    backup(&site.config, &to, options).await.unwrap();
    let key = std::fs::read_to_string(site.config.ca_folder().join("lease-key")).unwrap();
    for entry in std::fs::read_dir(&to).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let is_in = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!is_in(key.trim()) && !is_in("PRIVATE KEY"), "{}", path.display());
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    let config = elsewhere(folder.path());
    assert_eq!(
        restore(&config, &to, &[]).await.unwrap_err().code(),
        "backup.sealed"
    );
    assert_eq!(
        restore(&config, &to, &[stranger]).await.unwrap_err().code(),
        "backup.age"
    );
    assert_eq!(restore(&config, &to, &[owner]).await.unwrap().check.missing, 0);
    assert_eq!(
        std::fs::read_to_string(config.ca_folder().join("lease-key")).unwrap(),
        key
    );
}

async fn an_interrupted_backup_goes_on_and_nothing_is_pruned_while_it_copies() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    for generation in 1..=3 {
        send(&stick, generation).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let partial = folder.path().join("backup.partial");
    // As one that was cut off left it: an object that is whole, and half of the rows.
    let id = ObjectId::of(&1_u64.to_le_bytes().repeat(100));
    let objects = partial.join(format!("objects/acme/{}", BundleId([1; 16])));
    std::fs::create_dir_all(&objects).unwrap();
    std::fs::write(objects.join(id.to_string()), 1_u64.to_le_bytes().repeat(100)).unwrap();
    std::fs::write(partial.join("server.jsonl"), "half").unwrap();
    let written = std::fs::metadata(objects.join(id.to_string()))
        .unwrap()
        .modified()
        .unwrap();

    let database = open_database(&site.config).await.unwrap();
    let blobs = open_blobs(&site.config).unwrap();
    let source = Source {
        database: &database,
        blobs: &blobs,
        keys: &site.config.ca_folder(),
        clock: &site.clock,
    };
    let admin = site.person("acme", Role::Admin).await;
    // Asked in the middle of copying, by another thread.
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (answer, answered) = std::sync::mpsc::channel();
    let pruner = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        while asked.recv().is_ok() {
            let reply = runtime.block_on(admin.post("/v1/admin/prune", &serde_json::Value::Null));
            answer.send(reply.status).unwrap();
        }
    });
    let statuses = std::sync::Mutex::new(Vec::new());
    let (ask, answered) = (std::sync::Mutex::new(ask), std::sync::Mutex::new(answered));
    let progress = |phase: &'static str, _| {
        if phase == "objects" {
            ask.lock().unwrap().send(()).unwrap();
            statuses
                .lock()
                .unwrap()
                .push(answered.lock().unwrap().recv().unwrap());
        }
    };
    let report = write::write(&source, &to, &whole(), &progress).await.unwrap();
    drop(ask);
    pruner.await.unwrap();
    assert_eq!((report.objects, report.objects_missing), (3, 0));
    assert_eq!(*statuses.lock().unwrap(), [StatusCode::SERVICE_UNAVAILABLE; 3]);
    let objects = to.join(format!("objects/acme/{}", BundleId([1; 16])));
    let kept = std::fs::metadata(objects.join(id.to_string()))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(kept, written, "it was not copied again");
    assert!(!partial.exists());
    restore(&elsewhere(folder.path()), &to, &[]).await.unwrap();
}

/// With the store that the one that was backed up works with: both would take what the other adds for rubbish.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_put_back_beside_the_one_at_work_has_to_adopt_the_store_and_then_the_other_prunes_nothing() {
    const OLD_S: u64 = 73 * 3600;
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let admin = site.person("acme", Role::Admin).await;
    assert!(send(&stick, 1).await);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    backup(&site.config, &to, whole()).await.unwrap();
    let config = elsewhere(folder.path());
    std::fs::create_dir_all(&config.data).unwrap();
    std::os::unix::fs::symlink(site.config.data.join("blobs"), config.data.join("blobs")).unwrap();
    let restored = restore(&config, &to, &[]).await.unwrap();
    assert_eq!(
        (restored.store, restored.check.missing),
        (Some("server.store-other"), 0)
    );
    let refused = Server::start(&config, site.clock.clone()).await;
    assert_eq!(refused.err().unwrap().code(), "server.store-other");
    let prune = async || admin.post("/v1/admin/prune", &serde_json::Value::Null).await;
    prune().await.is(StatusCode::OK);

    let database = open_database(&config).await.unwrap();
    let blobs = open_blobs(&config).unwrap();
    marker::adopt(&database, &blobs, false).await.unwrap();
    database.close().await;
    let server = Server::start(&config, site.clock.clone()).await.unwrap();
    // Bytes that the other has no row of, and that are old by its clock.
    let stray = stick
        .at(server.address)
        .put_object(b"sent to the one put back")
        .await;
    site.pass(OLD_S).await;
    prune().await.is(StatusCode::SERVICE_UNAVAILABLE);
    assert!(site.blobs().await.contains(&stray.to_string()));
    let again = backup(&site.config, &folder.path().join("again"), whole()).await;
    assert_eq!(again.unwrap_err().code(), "server.store-other");
    server.end().await;
}

/// Lost by the disk, or of a store that was put back without all of it.
async fn an_object_whose_bytes_are_gone_is_unknown_and_once_forgotten_it_is_missing_and_sent_again() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    let viewer = site.person("acme", Role::Viewer).await;
    let (lost, kept) = (stick.put_object(b"lost").await, stick.put_object(b"kept").await);
    stick.made("volumes", &point(1, 0, &[lost, kept], &[])).await;
    let blobs = open_blobs(&site.config).unwrap();
    let key = StickKey {
        tenant: TenantName::parse("acme").unwrap(),
        bundle: BundleId([1; 16]),
    };
    let get = async |id| stick.get(&format!("/v1/objects/{id}")).await;
    let check = async |forget: bool| {
        let options = CheckOptions {
            forget: forget.then_some(&site.clock),
            ..CheckOptions::default()
        };
        objects::check(&site.database, &blobs, &options, &|_, _| ()).await
    };
    let space = async || -> u64 {
        let sticks: Sticks = viewer.get("/v1/admin/sticks").await.json();
        sticks.sticks[0].space_bytes
    };
    if site.config.s3.is_none() {
        // A store that is not mounted says nothing of any object.
        let (there, away) = (site.config.data.join("blobs"), site.config.data.join("away"));
        std::fs::rename(&there, &away).unwrap();
        get(lost).await.is(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(check(true).await.unwrap_err().code(), "server.store-unknown");
        std::fs::rename(&away, &there).unwrap();
        assert_eq!(get(lost).await.is(StatusCode::OK).body, b"lost");
    }
    blobs.delete(&key, lost).await.unwrap();
    assert_eq!(get(lost).await.is(StatusCode::NOT_FOUND).code(), "object.unknown");
    let found = check(false).await.unwrap();
    assert_eq!((found.objects, found.missing, found.forgotten), (2, 1, 0));
    assert_eq!(stick.missing(&[lost, kept]).await, []);
    assert_eq!(check(true).await.unwrap().forgotten, 1);
    assert_eq!(
        (stick.missing(&[lost, kept]).await, space().await),
        (vec![lost], 4)
    );
    stick.put_object(b"lost").await;
    assert_eq!(get(lost).await.is(StatusCode::OK).body, b"lost");
    assert_eq!(space().await, 8);
    assert_eq!(check(true).await.unwrap().missing, 0);
    let rows = audited_by(&viewer).await;
    let forgotten = rows.iter().filter(|row| *row == "objects.forgotten");
    assert_eq!(forgotten.count(), 1, "{rows:?}");
}

/// What `gobag-server restore --replace` ends with.
fn replace(config: &Config, from: &Path) -> Option<i32> {
    let file = config.data.with_extension("toml");
    let text = format!("data = {:?}\n", config.data);
    std::fs::write(&file, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gobag-server"));
    command
        .args(["restore", "--replace", "--config"])
        .args([file.as_path(), from]);
    let done = command.output().unwrap();
    eprintln!("{}", String::from_utf8_lossy(&done.stderr));
    done.status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_put_aside_only_for_a_backup_that_opens_and_is_back_if_that_does_not_go_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let site = Site::start_with(|config| config.data = data.clone()).await;
    let stick = site.stick("acme", 1).await;
    send(&stick, 1).await;
    let to = folder.path().join("backup");
    backup(&site.config, &to, whole()).await.unwrap();
    send(&stick, 2).await;
    let (config, clock) = (site.config.clone(), site.clock.clone());
    let aside = || {
        let names = std::fs::read_dir(&config.data).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("before-")).count()
    };
    // A server works with it.
    assert_eq!(replace(&config, &to), Some(7));
    site.database.close().await;
    site.server.end().await;
    // A backup that is damaged.
    let rows = to.join("server.jsonl");
    let text = std::fs::read(&rows).unwrap();
    std::fs::write(&rows, &text[1..]).unwrap();
    assert_eq!((replace(&config, &to), aside()), (Some(6), 0));
    std::fs::write(&rows, &text).unwrap();
    // One of another server, which is seen when its rows have been read.
    let (ca, another) = (config.ca_folder().join("ca.pem"), b"another".as_slice());
    let own = std::fs::read(&ca).unwrap();
    std::fs::write(&ca, another).unwrap();
    assert_eq!((replace(&config, &to), aside()), (Some(1), 0));
    std::fs::write(&ca, own).unwrap();
    let newest = async || {
        let server = Server::start(&config, clock.clone()).await.unwrap();
        let stick = stick.at(server.address);
        let listed: Points = stick.get("/v1/lines/volumes/points").await.json();
        server.end().await;
        listed.points[0].generation
    };
    assert_eq!(newest().await, 2);
    // It goes in, and the store has to be made its own.
    assert_eq!(replace(&config, &to), Some(3));
    assert!(aside() > 0);
    let database = open_database(&config).await.unwrap();
    marker::adopt(&database, &open_blobs(&config).unwrap(), false)
        .await
        .unwrap();
    database.close().await;
    assert_eq!(newest().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_seen_before_objects_are_put_and_a_store_without_them_is_reported() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    send(&stick, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let (to, rows) = (folder.path().join("backup"), folder.path().join("rows"));
    backup(&site.config, &to, whole()).await.unwrap();
    backup(&site.config, &rows, BackupOptions::default())
        .await
        .unwrap();
    let config = elsewhere(folder.path());
    std::fs::create_dir_all(config.ca_folder()).unwrap();
    std::fs::write(config.ca_folder().join("lease-key"), "another").unwrap();
    let refused = restore(&config, &to, &[]).await.unwrap_err();
    assert_eq!(refused.code(), "backup.other-key");
    assert!(!config.data.join("blobs/objects").exists());
    assert!(!config.ca_folder().join("ca.pem").exists());
    std::fs::remove_file(config.ca_folder().join("lease-key")).unwrap();
    // Rows alone, and whoever copies the objects has not yet: the rows are back.
    let restored = restore(&config, &rows, &[]).await.unwrap();
    assert_eq!(
        (restored.store, restored.check.missing),
        (Some("server.store-unknown"), 1)
    );
    let again = restore(&config, &rows, &[]).await.unwrap_err();
    assert_eq!(again.code(), "backup.not-empty");
}

async fn a_server_without_objects_goes_into_a_backup_and_back() {
    let site = Site::start().await;
    site.stick("acme", 1).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    backup(&site.config, &to, whole()).await.unwrap();
    assert!(to.join("objects").is_dir());
    let restored = restore(&elsewhere(folder.path()), &to, &[]).await.unwrap();
    assert_eq!((restored.store, restored.objects), (None, 0));
    // As an earlier version wrote it.
    std::fs::remove_dir(to.join("objects")).unwrap();
    let again = elsewhere(&folder.path().join("again"));
    assert_eq!(restore(&again, &to, &[]).await.unwrap().objects, 0);
}

/// It stood still for so long that another took its place.
async fn a_backup_that_was_overtaken_while_it_copied_its_last_objects_is_not_whole() {
    let site = Site::start().await;
    let stick = site.stick("acme", 1).await;
    send(&stick, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let database = open_database(&site.config).await.unwrap();
    let blobs = open_blobs(&site.config).unwrap();
    let source = Source {
        database: &database,
        blobs: &blobs,
        keys: &site.config.ca_folder(),
        clock: &site.clock,
    };
    let other = open_database(&site.config).await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let progress = |phase: &'static str, _| {
        if phase == "objects" {
            let taken = async {
                let sql = "UPDATE locks SET fence = fence + 1";
                sqlx::query(sql).execute(other.read()).await
            };
            tokio::task::block_in_place(|| runtime.block_on(taken)).unwrap();
        }
    };
    let refused = write::write(&source, &to, &whole(), &progress).await;
    assert_eq!(refused.unwrap_err().code(), "backup.refused");
    assert!(!to.exists());
}

/// Somebody may have made it, to read along.
#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_a_backup_that_goes_on_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (to, partial) = (folder.path().join("backup"), folder.path().join("backup.partial"));
    let others = folder.path().join("others");
    std::fs::create_dir(&others).unwrap();
    std::os::unix::fs::symlink(&others, &partial).unwrap();
    let refused = backup(&site.config, &to, whole()).await;
    assert_eq!(refused.unwrap_err().code(), "backup.file");
    std::fs::remove_file(&partial).unwrap();
    std::fs::create_dir(&partial).unwrap();
    std::fs::set_permissions(&partial, std::fs::Permissions::from_mode(0o777)).unwrap();
    backup(&site.config, &to, whole()).await.unwrap();
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

scenarios!(
    a_server_without_objects_goes_into_a_backup_and_back,
    a_backup_that_was_overtaken_while_it_copied_its_last_objects_is_not_whole,
    an_object_whose_bytes_are_gone_is_unknown_and_once_forgotten_it_is_missing_and_sent_again,
    a_backup_under_load_is_one_moment_and_the_stick_goes_on_at_the_server_put_back,
    a_backup_goes_into_the_other_kind_of_database_and_back,
    what_is_not_as_it_was_written_changes_nothing,
    a_sealed_backup_opens_for_its_recipient_alone,
    an_interrupted_backup_goes_on_and_nothing_is_pruned_while_it_copies,
);
