//! Stores in a folder, and one that cuts short what it takes. Real ones of other kinds are tested where passes are: `sync/pair/tests/pair/endpoints.rs`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the tests are the store's other users")]

mod cutting;

use std::{fs, path::Path, sync::Arc};

use gobag_format::{
    crypto::Random,
    digest::Digest,
    ids::{BundleId, PointId, WorkspaceId},
};
use gobag_stores::{Access, Elsewhere, ElsewhereError, Me, Mode};
use gobag_workspace::{NewHead, Store as _, StoreError};

const ID: WorkspaceId = WorkspaceId([3; 16]);

/// Always the same: what is made here needs no names that nobody else draws.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

fn access(place: &str) -> Access {
    Access {
        place: place.parse().unwrap(),
        credentials: None,
    }
}

fn at(folder: &Path) -> Access {
    access(&folder.display().to_string())
}

fn open(access: &Access, number: u8, is_proved: bool) -> Result<Elsewhere, ElsewhereError> {
    let me = Me {
        member: BundleId([number; 16]),
        name: format!("member {number}"),
    };
    Elsewhere::open(access, ID, me, is_proved, Arc::new(Fixed))
}

fn head(generation: u64, adds: &[Digest]) -> NewHead {
    NewHead {
        generation,
        point: PointId([1; 16]),
        after: None,
        head: generation.to_be_bytes().to_vec(),
        adds: adds.to_vec(),
        drops: Vec::new(),
    }
}

#[test]
fn of_heads_in_two_groups_the_newest_is_found_and_old_ones_are_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    Elsewhere::make(&at(folder.path()), ID, false, &Fixed).unwrap();
    let store = open(&at(folder.path()), 1, false).unwrap();
    assert_eq!(store.newest().unwrap(), None);
    for generation in 250..=260 {
        store.publish(&head(generation, &[])).unwrap();
    }
    let other = open(&at(folder.path()), 2, false).unwrap();
    assert_eq!(other.newest().unwrap().unwrap().generation, 260);
    for generation in [250, 255, 256, 259] {
        assert_eq!(other.head(generation).unwrap().unwrap(), generation.to_be_bytes());
    }
    assert_eq!(other.head(261).unwrap(), None);
    // What somebody else left there is no head.
    fs::write(folder.path().join("heads/00000000000001/notes"), "x").unwrap();
    fs::create_dir(folder.path().join("heads/lost+found")).unwrap();
    assert_eq!(other.newest().unwrap().unwrap().generation, 260);
}

#[test]
fn a_head_needs_its_packs_and_the_head_before_it() {
    let folder = tempfile::tempdir().unwrap();
    Elsewhere::make(&at(folder.path()), ID, false, &Fixed).unwrap();
    let store = open(&at(folder.path()), 1, false).unwrap();
    let pack = Digest::of(b"pack");
    assert!(matches!(store.publish(&head(1, &[pack])), Err(StoreError::Gone)));
    store.put(pack, b"pack").unwrap();
    store.publish(&head(1, &[pack])).unwrap();
    assert_eq!(store.get(pack, None).unwrap(), b"pack");
    assert_eq!(store.get(pack, Some(1..3)).unwrap(), b"ac");
    let missing = store.get(Digest::of(b"other"), None);
    assert!(matches!(missing, Err(StoreError::Missing)), "{missing:?}");
    // The same again is no second one, and another of its number comes too late.
    store.publish(&head(1, &[pack])).unwrap();
    let mut other = head(1, &[]);
    other.head = b"other".to_vec();
    assert!(matches!(store.publish(&other), Err(StoreError::Raced)));
    // Somebody puts the store back.
    fs::remove_dir_all(folder.path().join("heads")).unwrap();
    assert!(matches!(store.publish(&head(2, &[])), Err(StoreError::Raced)));
}

#[test]
fn what_is_written_about_the_store_decides_whether_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let code = || open(&at(folder.path()), 1, false).err().map(|error| error.code());
    assert_eq!(code(), Some("stores.not-there"));
    let made = Elsewhere::make(&at(folder.path()), ID, false, &Fixed).unwrap();
    assert_eq!(made, (Mode::SingleWriter, None));
    assert_eq!(code(), None);
    let again = Elsewhere::make(&at(folder.path()), ID, false, &Fixed);
    assert_eq!(again.err().map(|error| error.code()), Some("stores.other"));
    let marker = folder.path().join("gobag-workspace");
    let text = fs::read_to_string(&marker).unwrap();
    for (from, to, expected) in [
        ("\"format\":1", "\"format\":2", Some("stores.newer")),
        ("0303", "0404", Some("stores.other")),
        ("single-writer", "by-turns", Some("stores.damaged")),
        ("{", "", Some("stores.damaged")),
        // Of a later program.
        ("{", "{\"colour\":\"red\",", None),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(&marker, text.replacen(from, to, 1)).unwrap();
        assert_eq!(code(), expected, "{to}");
    }
    fs::write(&marker, vec![b' '; 5000]).unwrap();
    assert_eq!(code(), Some("stores.long"));
    assert_eq!(
        open(&at(&folder.path().join("not mounted")), 1, false)
            .err()
            .map(|error| error.code()),
        Some("stores.not-there")
    );
    assert!(!folder.path().join("not mounted").exists());
}

#[test]
fn s42_a_store_that_cuts_short_what_it_takes_is_found_out() {
    let store = cutting::Store::start(ID);
    let access = access(&store.place);
    let elsewhere = open(&access, 1, true).unwrap();
    let short = [1; 50];
    elsewhere.put(Digest::of(&short), &short).unwrap();
    let long = [2; 5000];
    let put = elsewhere.put(Digest::of(&long), &long);
    let Err(StoreError::Refused(cause)) = put else {
        panic!("{put:?}")
    };
    assert!(
        matches!(cause.downcast_ref(), Some(ElsewhereError::Altered)),
        "{cause}"
    );
}
