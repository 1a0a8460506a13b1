//! What daily use may do to a stick's folder: nothing but overwrite bytes of files that are there. And what IT can do
//! with the stock `age` program alone.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_bundle::{Bundle, Secret, Session, SessionOptions, store::StoreMode};
use gobag_tests::{ask, rng::FixedRandom, rng::Rng};

use crate::{
    reader::work,
    stick::{PASSPHRASE, Sizes, Stick, ambient, unlock},
};

const SIZES: Sizes = Sizes {
    base_chunks: 20,
    home: 1 << 20,
    system_space: 3 << 20,
    segment: 128 << 10,
};

/// Every file and folder with what a created, renamed, resized or deleted entry would change: inode and size of files,
/// and the time a folder's list of names last changed.
fn entries(folder: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let meta = fs::metadata(&folder).unwrap();
        found.insert(folder.clone(), (meta.ino(), 0, meta.mtime(), meta.mtime_nsec()));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::metadata(&path).unwrap();
            if meta.is_dir() {
                folders.push(path);
            } else {
                found.insert(path, (meta.ino(), meta.len(), 0, 0));
            }
        }
    }
    found
}

#[test]
fn daily_use_creates_renames_resizes_and_deletes_nothing() {
    let stick = Stick::new(11, SIZES);
    let (before, first_segment) = (entries(stick.path()), stick.path().join("GOBAG/LOG/S00000.GBL"));
    let noise = fs::read(&first_segment).unwrap();
    let mut rng = Rng::new(12);
    for round in 0..3 {
        let mut session = stick.open(true);
        work(&session, &mut rng, 800);
        if round == 1 {
            session.reset_system().unwrap();
        }
        session.close().unwrap();
        drop(session);
        let killed = stick.open(true);
        work(&killed, &mut rng, 40);
        drop(killed);
        let random = Arc::new(FixedRandom::new(100 + round));
        let bundle = unlock(
            stick.path(),
            &Secret::Passphrase(PASSPHRASE),
            true,
            ambient(random),
        )
        .unwrap();
        let options = SessionOptions {
            mode: StoreMode::Throwaway,
            ..SessionOptions::default()
        };
        let mut throwaway = Session::open(Arc::new(bundle), &options).unwrap();
        // Little: only segments that are free serve a throwaway session.
        let home = &throwaway.volumes()[0].volume;
        home.write_at(5000, &[7; 100_000]).unwrap();
        home.flush().unwrap();
        throwaway.close().unwrap();
    }
    assert_ne!(
        fs::read(&first_segment).unwrap(),
        noise,
        "nothing was written at all"
    );
    assert_eq!(entries(stick.path()), before);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about a program of others")]
fn the_stock_age_program_opens_the_escrow_file() {
    let age_is_there = std::process::Command::new("age")
        .arg("--version")
        .output()
        .is_ok();
    if !ask::has("age", age_is_there) {
        return;
    }
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let stick = Stick::of(Arc::new(FixedRandom::new(13)), 13, SIZES, vec![&recipient]);
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("escrow.txt");
    let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    fs::write(&key_file, secret).unwrap();
    let opened = std::process::Command::new("age")
        .arg("--decrypt")
        .arg("--identity")
        .arg(&key_file)
        .arg(stick.path().join("GOBAG/KEYS/ESCROW0.AGE"))
        .output()
        .unwrap();
    let text = String::from_utf8(opened.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let id = Bundle::identify(stick.path()).unwrap();
    assert_eq!(
        lines[..2],
        ["gobag-escrow-v1".to_owned(), format!("bundle: {id}")]
    );
    // 32 bytes in base64.
    assert_eq!(lines[2].strip_prefix("key: ").map(str::len), Some(44));
}
