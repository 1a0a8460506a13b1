//! Whole sticks whose files changed places: with those of another stick, and with each other.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_bundle::{Bundle, Secret, Session, SessionOptions, Volume, store::StoreMode};
use gobag_format::limits::BLOCK_LEN;
use gobag_tests::rng::{FixedRandom, Rng};

use super::Tally;
use crate::{
    reader::work,
    stick::{PASSPHRASE, Sizes, Stick, ambient, content, unlock, write},
};

const SIZES: Sizes = Sizes {
    base_chunks: 4,
    home: 1 << 20,
    system_space: 2 << 20,
    segment: 128 << 10,
};
const VOLUMES: [&str; 2] = ["system", "home"];

/// All files of a stick below its folder `GOBAG`.
pub(crate) fn files(stick: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = stick.join("GOBAG");
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Writes these files of a stick.
pub(crate) fn put<'a>(stick: &Path, files: impl IntoIterator<Item = (&'a PathBuf, &'a Vec<u8>)>) {
    for (name, bytes) in files {
        write(&stick.join("GOBAG").join(name), bytes);
    }
}

/// What can be read of a stick: `None` if it does not open, and no bytes for blocks that answer with an error.
pub(crate) fn look(stick: &Path, passphrase: &[u8]) -> Option<Vec<Vec<Option<Vec<u8>>>>> {
    let ambient = ambient(Arc::new(FixedRandom::new(7)));
    let bundle: Bundle = unlock(stick, &Secret::Passphrase(passphrase), false, ambient).ok()?;
    let options = SessionOptions {
        mode: StoreMode::ReadOnly,
        ..SessionOptions::default()
    };
    let session = Session::open(Arc::new(bundle), &options).ok()?;
    let volume = |name: &&str| {
        session
            .volumes()
            .iter()
            .find(|volume| volume.name == **name)
            .unwrap()
            .volume
            .clone()
    };
    Some(VOLUMES.iter().map(|name| blocks(&*volume(name))).collect())
}

fn blocks(volume: &dyn Volume) -> Vec<Option<Vec<u8>>> {
    let size = volume.size_bytes();
    (0..size.div_ceil(BLOCK_LEN as u64))
        .map(|nth| {
            let offset = nth * BLOCK_LEN as u64;
            let mut bytes = vec![0xee; BLOCK_LEN.min((size - offset) as usize)];
            volume.read_at(offset, &mut bytes).ok().map(|()| bytes)
        })
        .collect()
}

/// Whether everything is there and is `truth`; panics when something is there that is not.
pub(crate) fn is_whole(seen: Option<Vec<Vec<Option<Vec<u8>>>>>, truth: &[Vec<u8>], what: &str) -> bool {
    let Some(seen) = seen else { return false };
    let mut whole = true;
    for (blocks, truth) in seen.iter().zip(truth) {
        for (nth, (block, truth)) in blocks.iter().zip(truth.chunks(BLOCK_LEN)).enumerate() {
            match block {
                Some(block) => assert!(block == truth, "{what}: block {nth} shows wrong bytes"),
                None => whole = false,
            }
        }
    }
    whole
}

/// What the volumes of a stick hold.
pub(crate) fn truth(session: &Session) -> Vec<Vec<u8>> {
    VOLUMES.iter().map(|name| content(session, name)).collect()
}

/// A stick that was worked with, and what it holds.
fn worked(seed: u64) -> (Stick, Vec<Vec<u8>>) {
    let stick = Stick::new(seed, SIZES);
    let mut session = stick.open(true);
    work(&session, &mut Rng::new(seed), 150);
    let truth = truth(&session);
    session.close().unwrap();
    drop(session);
    (stick, truth)
}

#[test]
fn files_of_another_stick_are_refused() {
    let ((mine, my_truth), (theirs, their_truth)) = (worked(1), worked(2));
    assert!(is_whole(look(mine.path(), PASSPHRASE), &my_truth, "mine"));
    let (my_files, their_files) = (files(mine.path()), files(theirs.path()));
    let tally = Tally::default();
    for folder in ["A", "B", "LOG", "CKPT", "IMAGES", "PACKS"] {
        let of_mine: Vec<&PathBuf> = my_files.keys().filter(|name| name.starts_with(folder)).collect();
        let of_theirs: Vec<&Vec<u8>> = their_files
            .iter()
            .filter(|(name, _)| name.starts_with(folder))
            .map(|(_, bytes)| bytes)
            .collect();
        assert!(!of_mine.is_empty() && !of_theirs.is_empty(), "{folder}");
        // Their content under our names: packs and images are named after what they are.
        put(mine.path(), of_mine.iter().copied().zip(of_theirs));
        tally.note(is_whole(look(mine.path(), PASSPHRASE), &my_truth, folder));
        put(mine.path(), of_mine.iter().map(|name| (*name, &my_files[*name])));
    }
    // Their whole header over our log: it may be theirs that opens, and nothing of it reads as ours or theirs.
    let headers = || {
        their_files
            .iter()
            .filter(|(name, _)| name.starts_with("A") || name.starts_with("B"))
    };
    put(mine.path(), headers());
    assert!(
        look(mine.path(), PASSPHRASE).is_none(),
        "another bundle's header opens our log"
    );
    tally.note(false);
    put(mine.path(), &my_files);
    // Everything of theirs is simply their stick.
    assert!(is_whole(look(theirs.path(), PASSPHRASE), &their_truth, "theirs"));
    assert!(is_whole(look(mine.path(), PASSPHRASE), &my_truth, "put back"));
    tally.tell("stick, folders of another");
}

#[test]
fn files_that_changed_places_on_a_stick_are_refused_or_healed() {
    let (stick, truth) = worked(3);
    let all = files(stick.path());
    let tally = Tally::default();
    let mut rng = Rng::new(4);
    // Pairs of the same length: those of other lengths differ at once.
    let names: Vec<&PathBuf> = all.keys().collect();
    let mut pairs: Vec<(&PathBuf, &PathBuf)> = Vec::new();
    for (nth, a) in names.iter().enumerate() {
        pairs.extend(
            names[..nth]
                .iter()
                .filter(|b| all[**b].len() == all[*a].len())
                .map(|b| (*a, *b)),
        );
    }
    // Segments make most pairs; some of them are enough, all were tried on the smaller log.
    pairs.retain(|(a, _)| !a.starts_with("LOG") || rng.chance(3));
    for (a, b) in pairs {
        put(stick.path(), [(a, &all[b]), (b, &all[a])]);
        tally.note(is_whole(
            look(stick.path(), PASSPHRASE),
            &truth,
            &format!("{} and {}", a.display(), b.display()),
        ));
        put(stick.path(), [(a, &all[a]), (b, &all[b])]);
    }
    assert!(is_whole(look(stick.path(), PASSPHRASE), &truth, "put back"));
    tally.tell("stick, files swapped");
}
