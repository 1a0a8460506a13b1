//! Known inputs, mostly bad, each named after what is wrong with it: `tests/vectors/<kind>/`.
//!
//! `<kind>/EXPECTED` lists every `<name>.bin.zst` with the one thing that opening it must say. Files are zstd frames, for most of a
//! header or a segment is padding. The modules below make them from fixed randomness: `GOBAG_BLESS=1` writes them anew,
//! and without it each file must be exactly what is made, except escrow files, which `age` seals with its own randomness.
//! Packs are one file and a list of edits (`pack.rs`).

mod checkpoint;
mod escrow;
mod header;
pub(crate) mod image;
mod keyslot;
mod log;
mod manifest;
mod map;
mod memory;
mod pack;
mod token;
mod waiver;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gobag_format::{crypto::Key, crypto::Random, ids::BundleId};
use gobag_tests::rng::FixedRandom;

/// No vector may make its reader hold more than this, argon2 aside.
const MOST_MEMORY: u64 = 64 << 20;
/// The longest is one byte longer than a manifest may be.
const MOST_FILE: usize = (16 << 20) + 1;
const ENDING: &str = ".bin.zst";

/// A file to be: its name, its bytes, and what opening it must say.
struct Vector {
    name: String,
    bytes: Vec<u8>,
    expected: String,
}

/// The vectors of one kind.
#[derive(Default)]
struct Vectors(Vec<Vector>);

impl Vectors {
    fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>, expected: impl Into<String>) {
        self.0.push(Vector {
            name: name.into(),
            bytes,
            expected: expected.into(),
        });
    }
}

/// The bundle that all vectors belong to.
fn bundle() -> BundleId {
    BundleId([0xb0; 16])
}

fn bundle_key() -> Key {
    Key::from_bytes([0x6b; 32])
}

fn other_key() -> Key {
    Key::from_bytes([0x0c; 32])
}

/// Repeatable; long fills are zero, so that padding compresses.
pub(crate) struct Quiet(FixedRandom);

impl Quiet {
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedRandom::new(seed))
    }
}

impl Random for Quiet {
    fn fill(&self, out: &mut [u8]) {
        if out.len() <= 64 {
            self.0.fill(out);
        } else {
            out.fill(0);
        }
    }
}

/// The stored bytes of a vector.
pub(crate) fn stored(kind: &str, name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(kind);
    zstd::bulk::decompress(&fs::read(path(&folder, name)).unwrap(), MOST_FILE).unwrap()
}

/// The body of a good checkpoint.
pub(crate) fn checkpoint_body() -> Vec<u8> {
    checkpoint::good_body()
}

pub(crate) use manifest::{good_payload as manifest_payload, with_payload as manifest_with};
pub(crate) use map::{good_entries as map_entries, with_entries as map_with};

/// Flips the lowest bit of byte `at`.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn headers() {
    run("header", header::make(), MOST_MEMORY, header::open);
}

#[test]
fn key_slots() {
    // argon2 takes the 64 MiB that the slot asks for.
    run("keyslot", keyslot::make(), 2 * MOST_MEMORY, keyslot::open);
}

#[test]
fn escrow_files() {
    run("escrow", escrow::make(), MOST_MEMORY, escrow::open);
}

#[test]
fn logs() {
    run("log", log::make(), MOST_MEMORY, log::open);
}

#[test]
fn checkpoints() {
    run("checkpoint", checkpoint::make(), MOST_MEMORY, checkpoint::open);
}

#[test]
fn maps() {
    run("map", map::make(), MOST_MEMORY, map::open);
}

#[test]
fn manifests() {
    run("manifest", manifest::make(), MOST_MEMORY, manifest::open);
}

#[test]
fn memories() {
    run("memory", memory::make(), MOST_MEMORY, memory::open);
}

#[test]
fn restore_tokens() {
    run("token", token::make(), MOST_MEMORY, token::open);
}

#[test]
fn waivers() {
    run("waiver", waiver::make(), MOST_MEMORY, waiver::open);
}

#[test]
fn the_memory_limit_sees_what_is_allocated() {
    let memory =
        allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8; MOST_MEMORY as usize + 1])));
    assert!(memory.bytes_max > MOST_MEMORY);
}

/// Opens every listed file of `kind`; all faults are reported together.
fn run(kind: &str, made: Vectors, most_memory: u64, open: impl Fn(&[u8]) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(kind);
    if blessing() {
        bless(&folder, &made);
    }
    let listed = listed(&folder);
    let mut faults = Vec::new();
    let present: Vec<String> = files(&folder);
    let names: Vec<&String> = listed.keys().collect();
    if present.iter().collect::<Vec<_>>() != names {
        faults.push(format!("EXPECTED lists {names:?}, the folder has {present:?}"));
    }
    let by_name: BTreeMap<&str, &Vector> = made.0.iter().map(|made| (made.name.as_str(), made)).collect();
    assert_eq!(
        by_name.len(),
        made.0.len(),
        "{kind}: two vectors have the same name"
    );
    if by_name.keys().copied().ne(listed.keys().map(String::as_str)) {
        faults.push("the files and the vectors that are made are not the same".to_owned());
    }
    for (name, expected) in &listed {
        let Ok(packed) = fs::read(path(&folder, name)) else {
            continue;
        };
        let bytes = zstd::bulk::decompress(&packed, MOST_FILE).unwrap();
        let made = by_name.get(name.as_str());
        if made.is_some_and(|made| made.expected != *expected || (kind != "escrow" && made.bytes != bytes)) {
            faults.push(format!("{name}: differs from what is made"));
        }
        let mut said = String::new();
        let memory = allocation_counter::measure(|| said = open(&bytes));
        if said != *expected {
            faults.push(format!("{name}: says `{said}`, not `{expected}`"));
        }
        if memory.bytes_max > most_memory {
            faults.push(format!("{name}: took {} bytes of memory", memory.bytes_max));
        }
    }
    assert!(faults.is_empty(), "{kind}:\n{}", faults.join("\n"));
}

/// Name and expectation of every line.
fn listed(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join("EXPECTED")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (name, expected) = line.split_once(' ').unwrap();
        (name.to_owned(), expected.trim_start().to_owned())
    });
    parsed.collect()
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{ENDING}"))
}

/// Names of what is there, without the ending.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others = names.filter(|name| name != "EXPECTED");
    let mut names: Vec<String> = others
        .map(|name| name.strip_suffix(ENDING).unwrap_or(&name).to_owned())
        .collect();
    names.sort_unstable();
    names
}

#[expect(clippy::disallowed_methods, reason = "asked for through the environment")]
pub(crate) fn blessing() -> bool {
    std::env::var("GOBAG_BLESS").is_ok_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "makes the test's own files")]
fn bless(folder: &Path, made: &Vectors) {
    fs::create_dir_all(folder).unwrap();
    let keep = folder.ends_with("escrow");
    for name in files(folder) {
        let is_made = made.0.iter().any(|vector| vector.name == name);
        if !is_made {
            fs::remove_file(path(folder, &name)).unwrap();
        }
    }
    let mut text = "# file, and what opening it must say; made by tests/it/vectors.rs\n".to_owned();
    let mut sorted: Vec<&Vector> = made.0.iter().collect();
    sorted.sort_by_key(|vector| &vector.name);
    for vector in sorted {
        let path = path(folder, &vector.name);
        // What age seals is new each time; one that is there is as good.
        if !(keep && path.exists()) {
            write_vector(&path, &vector.bytes);
        }
        text.push_str(&format!("{:<44} {}\n", vector.name, vector.expected));
    }
    fs::write(folder.join("EXPECTED"), text).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "makes the test's own files")]
fn write_vector(path: &Path, bytes: &[u8]) {
    fs::write(path, zstd::bulk::compress(bytes, 19).unwrap()).unwrap();
}
