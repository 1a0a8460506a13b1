//! Sticks made by earlier versions open for ever: `tests/bundles/<format version>/<stick>/`.
//!
//! A stick is a packed tar of its personal part and a record of what it holds. The image, the same on all of them, lies
//! beside them once. Where nothing was written there are zeros instead of noise, which no reader can tell. A folder that
//! is there is never made again; `GOBAG_BLESS=1` makes those that are missing.

use std::{
    fs::{self, File},
    io::Cursor,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_bundle::{OpenError, Secret, Session, Volume};
use gobag_format::limits::{HEADER_SLOT_LEN, HEADER_SLOT_STRIDE};
use gobag_tests::rng::{FixedRandom, Rng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    reader::Reader,
    stick::{self, CHEAP, PASSPHRASE, Sizes, Stick, content},
    vectors::{Quiet, blessing},
};

/// Every stick, by format version: closed in order; pulled out while at work; and given a new passphrase by IT after that.
const BUNDLES: &[(&str, &[&str])] = &[("v1", &["closed", "pulled", "rescued"])];
const IMAGE: &str = "image.tar.zst";
const PERSONAL: &str = "personal.tar.zst";
const RECORD: &str = "stick.json";
const NEW_PASSPHRASE: &[u8] = b"battery staple";
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
/// Parts of a bundle that are the same on every stick.
const SHARED: [&str; 2] = ["GOBAG/IMAGES", "GOBAG/PACKS"];

#[test]
fn every_old_bundle_is_listed() {
    let folders = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> = folders
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(
        folders(&root()),
        BUNDLES.iter().map(|(version, _)| *version).collect::<Vec<_>>()
    );
    for (version, names) in BUNDLES {
        assert_eq!(folders(&root().join(version)), *names);
    }
}

#[test]
fn old_bundles_open_and_hold_what_they_held() {
    if blessing() {
        make();
    }
    for (version, names) in BUNDLES {
        for name in *names {
            opens(&root().join(version), name);
        }
    }
}

fn opens(version: &Path, name: &str) {
    let folder = TempDir::new().unwrap();
    unpack(&version.join(IMAGE), folder.path());
    unpack(&version.join(name).join(PERSONAL), folder.path());
    let record: Value = serde_json::from_slice(&fs::read(version.join(name).join(RECORD)).unwrap()).unwrap();
    let passphrase = record["passphrase"].as_str().unwrap().as_bytes();
    let reader = Reader::find();
    let open = |writable| {
        let random = Arc::new(FixedRandom::new(7));
        stick::open(folder.path(), passphrase, writable, stick::ambient(random))
    };
    let same = |session: &Session, when: &str| {
        for volume in ["home", "system"] {
            let found = blake3::hash(&content(session, volume)).to_string();
            assert_eq!(found, record["volumes"][volume], "{name}, {when}: {volume}");
        }
    };
    let session = open(false);
    same(&session, "read only");
    assert_eq!(
        session.recovery().replayed_records,
        record["records_replayed"].as_u64().unwrap(),
        "{name}"
    );
    drop(session);
    for volume in ["home", "system"] {
        let Some(reader) = &reader else { break };
        let found = blake3::hash(&reader.dump(folder.path(), passphrase, volume)).to_string();
        assert_eq!(found, record["volumes"][volume], "{name}, in Python: {volume}");
    }
    if record["passphrase_before"].is_string() {
        let before = record["passphrase_before"].as_str().unwrap().as_bytes();
        let refused = unlock(folder.path(), &Secret::Passphrase(before)).err().unwrap();
        assert_eq!(refused.code(), "unlock.wrong-passphrase");
    }
    let identity: age::x25519::Identity = IDENTITY.parse().unwrap();
    let rescued = unlock(folder.path(), &Secret::Escrow(&identity)).unwrap();
    assert_eq!(rescued.record().user, "alice");
    drop(rescued);
    let mut session = open(true);
    same(&session, "writable");
    let home = home(&session);
    home.write_at(5, b"written by a later version").unwrap();
    let changed = content(&session, "home");
    session.close().unwrap();
    drop((session, home));
    assert!(
        content(&open(false), "home") == changed,
        "{name}: written and closed"
    );
}

fn unlock(folder: &Path, secret: &Secret<'_>) -> Result<gobag_bundle::Bundle, OpenError> {
    stick::unlock(folder, secret, true, stick::ambient(Arc::new(Quiet::new(7))))
}

fn home(session: &Session) -> Arc<dyn Volume> {
    let mut volumes = session.volumes().iter();
    Arc::clone(&volumes.find(|volume| volume.name == "home").unwrap().volume)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles")
}

fn unpack(archive: &Path, to: &Path) {
    let packed = fs::read(archive).unwrap();
    let tar = zstd::stream::decode_all(Cursor::new(packed)).unwrap();
    tar::Archive::new(Cursor::new(tar)).unpack(to).unwrap();
}

const SIZES: Sizes = Sizes {
    base_chunks: 4,
    home: 256 << 10,
    system_space: 128 << 10,
    segment: 128 << 10,
};

/// Makes the sticks of the present version that are not there.
fn make() {
    let version = root().join("v1");
    let recipient = IDENTITY.parse::<age::x25519::Identity>().unwrap().to_public();
    let escrow: Vec<&dyn age::Recipient> = vec![&recipient];
    let stick = Stick::of(Arc::new(Quiet::new(11)), 11, SIZES, escrow);
    let fresh = TempDir::new().unwrap();
    copy(stick.path(), fresh.path());
    fs::create_dir_all(&version).unwrap();
    if !version.join(IMAGE).exists() {
        pack(stick.path(), &SHARED, &version.join(IMAGE));
    }
    let save = |name: &str, session: &Session, rescued: bool| {
        let replayed = session.recovery().replayed_records;
        let record = json!({
            "passphrase": String::from_utf8_lossy(if rescued { NEW_PASSPHRASE } else { PASSPHRASE }),
            "passphrase_before": rescued.then(|| String::from_utf8_lossy(PASSPHRASE)),
            "records_replayed": replayed,
            "volumes": {
                "home": blake3::hash(&content(session, "home")).to_string(),
                "system": blake3::hash(&content(session, "system")).to_string(),
            },
        });
        save(&version.join(name), stick.path(), fresh.path(), &record);
    };
    let mut rng = Rng::new(12);
    let mut session = stick.open(true);
    work(&session, &mut rng);
    session.close().unwrap();
    drop(session);
    save("closed", &stick.open(false), false);
    let pulled = stick.open(true);
    work(&pulled, &mut rng);
    drop(pulled);
    save("pulled", &stick.open(false), false);
    let identity: age::x25519::Identity = IDENTITY.parse().unwrap();
    let mut bundle = unlock(stick.path(), &Secret::Escrow(&identity)).unwrap();
    bundle.set_passphrase(NEW_PASSPHRASE, CHEAP).unwrap();
    bundle.set_escrow(&[&recipient]).unwrap();
    drop(bundle);
    let ambient = stick::ambient(Arc::new(FixedRandom::new(13)));
    save(
        "rescued",
        &stick::open(stick.path(), NEW_PASSPHRASE, false, ambient),
        true,
    );
}

/// Writes and trims here and there, and makes sure that what is read is what was written.
fn work(session: &Session, rng: &mut Rng) {
    for name in ["home", "system"] {
        let volume = session
            .volumes()
            .iter()
            .find(|volume| volume.name == name)
            .unwrap();
        let volume = &volume.volume;
        let mut model = content(session, name);
        for nth in 0..20 {
            let at = rng.below(model.len() as u64 - 6000) as usize;
            let len = rng.within(1..=6000) as usize;
            if nth % 5 == 4 {
                volume.trim(at as u64, len as u64).unwrap();
                model[at..at + len].fill(0);
            } else {
                let data = gobag_tests::work::draw_data(rng, len);
                volume.write_at(at as u64, &data).unwrap();
                model[at..at + len].copy_from_slice(&data);
            }
            if nth % 7 == 6 {
                volume.flush().unwrap();
            }
        }
        volume.flush().unwrap();
        assert!(content(session, name) == model, "{name}");
    }
}

#[expect(clippy::disallowed_methods, reason = "makes the test's own files")]
fn save(folder: &Path, stick: &Path, fresh: &Path, record: &Value) {
    if folder.exists() {
        return;
    }
    let lean = TempDir::new().unwrap();
    copy(stick, lean.path());
    for shared in SHARED {
        fs::remove_dir_all(lean.path().join(shared)).unwrap();
    }
    for header in ["GOBAG/A/HEADER.GBH", "GOBAG/B/HEADER.GBH"] {
        clear(&lean.path().join(header), |at| {
            at % HEADER_SLOT_STRIDE >= HEADER_SLOT_LEN as u64
        });
    }
    for entry in fs::read_dir(lean.path().join("GOBAG/LOG")).unwrap() {
        let path = entry.unwrap().path();
        let before = fs::read(fresh.join(path.strip_prefix(lean.path()).unwrap())).unwrap();
        let now = fs::read(&path).unwrap();
        let page = |at: u64| at as usize..at as usize + 4096;
        clear(&path, |at| before[page(at)] == now[page(at)]);
    }
    for entry in fs::read_dir(lean.path().join("GOBAG/CKPT")).unwrap() {
        clear(&entry.unwrap().path(), |at| at >= 16 << 10);
    }
    fs::create_dir_all(folder).unwrap();
    pack(lean.path(), &["GOBAG"], &folder.join(PERSONAL));
    fs::write(
        folder.join(RECORD),
        serde_json::to_string_pretty(record).unwrap() + "\n",
    )
    .unwrap();
}

/// Fills with zeros every page of a file that `is_noise` says holds nothing.
fn clear(path: &Path, is_noise: impl Fn(u64) -> bool) {
    let file = File::options().write(true).open(path).unwrap();
    let pages = (0..file.metadata().unwrap().len()).step_by(4096);
    pages
        .filter(|at| is_noise(*at))
        .for_each(|at| file.write_all_at(&[0; 4096], at).unwrap());
}

#[expect(clippy::disallowed_methods, reason = "makes the test's own files")]
fn pack(from: &Path, folders: &[&str], archive: &Path) {
    let mut tar = tar::Builder::new(Vec::new());
    for folder in folders {
        tar.append_dir_all(folder, from.join(folder)).unwrap();
    }
    let packed = zstd::bulk::compress(&tar.into_inner().unwrap(), 19).unwrap();
    fs::write(archive, packed).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
