//! Keys and passphrases leave the memory of a process with the session they belong to.
//!
//! A second process opens a stick, uses it and closes it. This one knows every key of that stick, because it opens the
//! escrow, and looks for each in the other's whole memory, as a core dump or a swapped page would show it: while the
//! stick is open some must be there, or the search would show nothing; afterwards none may be.

#![expect(
    clippy::disallowed_methods,
    reason = "starts itself as a second process, which is told in its environment that it is one"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use gobag_bundle::{Ambient, Secret, medium::BUNDLE_FOLDER};
use gobag_format::{
    crypto::Key,
    escrow,
    header::{HeaderRecord, HeaderSlot},
    limits::HEADER_SLOT_LEN,
    manifest::{self, Manifest, Trust},
};
use gobag_tests::ask;

use crate::stick::{CHEAP, PASSPHRASE, Sizes, Stick, content, open, unlock};

const SIZES: Sizes = Sizes {
    base_chunks: 40,
    home: 8 << 20,
    system_space: 4 << 20,
    segment: 512 << 10,
};
/// Bytes of the passphrase: a key as base64.
const PASSPHRASE_LEN: usize = 44;
/// Set for the second process: the stick it opens.
const STICK: &str = "GOBAG_TEST_SECRETS_STICK";
const SECOND: &str = "secrets::what_the_second_process_does";

#[test]
fn nothing_secret_is_left_in_memory_when_the_stick_is_closed() {
    if !ask::has("root", rustix::process::geteuid().is_root()) {
        return;
    }
    let escrow = age::x25519::Identity::generate();
    let recipient = escrow.to_public();
    let stick = Stick::of(Ambient::system().random, 77, SIZES, vec![&recipient]);
    // Drawn now: one that stands in this program is in the memory of the other, which is the same program.
    let words = Key::generate(&*Ambient::system().random);
    let passphrase = serde_json::to_string(&words).unwrap();
    let passphrase = passphrase.trim_matches('"').as_bytes();
    let opened = unlock(
        stick.path(),
        &Secret::Passphrase(PASSPHRASE),
        true,
        Ambient::system(),
    );
    opened.unwrap().set_passphrase(passphrase, CHEAP).unwrap();
    let mut second = Second::start(stick.path(), passphrase);
    second.wait_for("open");
    // Only now: opening begins a segment, whose key is looked for, too.
    let secrets = secrets(stick.path(), &escrow, passphrase);
    assert!(secrets.len() > 12, "{:?}", secrets.keys());
    let seen = second.search(&secrets);
    for name in ["bundle key", "log key", "checkpoint key"] {
        assert!(
            seen.contains_key(name),
            "the search does not find the {name}: {seen:?}"
        );
    }
    second.go_on();
    second.wait_for("closed");
    let left = second.search(&secrets);
    second.go_on();
    assert!(left.is_empty(), "still in memory: {left:#?}");
}

/// Not a test: what runs in the second process. Without a stick it does nothing.
#[test]
fn what_the_second_process_does() {
    let Some(stick) = std::env::var_os(STICK) else {
        return;
    };
    let mut input = File::open("/dev/stdin").unwrap();
    {
        // Read as the program does: into a buffer of its own, which is erased.
        let mut passphrase = zeroize::Zeroizing::new(vec![0; PASSPHRASE_LEN]);
        input.read_exact(&mut passphrase).unwrap();
        let mut session = open(Path::new(&stick), &passphrase, true, Ambient::system());
        drop(passphrase);
        let home = session
            .volumes()
            .iter()
            .find(|volume| volume.name == "home")
            .unwrap();
        let home = Arc::clone(&home.volume);
        for block in 0..300u64 {
            home.write_at(block * 8192, &[block as u8 | 1; 4096]).unwrap();
            if block % 50 == 0 {
                home.flush().unwrap();
            }
        }
        home.flush().unwrap();
        // The base as well: packs and maps are opened.
        content(&session, "system");
        say("open");
        input.read_exact(&mut [0]).unwrap();
        drop(home);
        session.close().unwrap();
    }
    say("closed");
    input.read_exact(&mut [0]).unwrap();
}

fn say(word: &str) {
    // Past the test harness, which keeps what tests print.
    let mut out = io::stdout().lock();
    writeln!(out, "\n{word}").unwrap();
    out.flush().unwrap();
}

struct Second {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Second {
    fn start(stick: &Path, passphrase: &[u8]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", SECOND, "--nocapture", "--test-threads=1"])
            .env(STICK, stick)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(passphrase).unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Ends when it has said `word`, or with it.
    fn wait_for(&mut self, word: &str) {
        let said = (&mut self.output).lines().map(Result::unwrap);
        assert!(
            said.into_iter().any(|line| line == word),
            "ended without `{word}`"
        );
    }

    fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// Which of `secrets` are in its memory, and where.
    fn search(&self, secrets: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<String>> {
        let mut by_start: BTreeMap<[u8; 4], Vec<(&String, &Vec<u8>)>> = BTreeMap::new();
        for (name, secret) in secrets {
            by_start
                .entry(*secret.first_chunk().unwrap())
                .or_default()
                .push((name, secret));
        }
        // One bit for each pair of first bytes: nearly every place is passed over by one look.
        let mut may_start = vec![false; 1 << 16];
        by_start
            .keys()
            .for_each(|start| may_start[usize::from(u16::from_le_bytes([start[0], start[1]]))] = true);
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let memory = File::open(proc.join("mem")).unwrap();
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in fs::read_to_string(proc.join("maps")).unwrap().lines() {
            let Some((from, bytes)) = mapped(&memory, line) else {
                continue;
            };
            for (at, pair) in bytes.windows(2).enumerate() {
                if !may_start[usize::from(u16::from_le_bytes([pair[0], pair[1]]))] {
                    continue;
                }
                let start = bytes[at..].first_chunk::<4>();
                for (name, secret) in start.and_then(|start| by_start.get(start)).into_iter().flatten() {
                    if bytes[at..].starts_with(secret) {
                        let place = line.split_whitespace().nth(5).unwrap_or("(anonymous)");
                        let at = from + at as u64;
                        found
                            .entry((*name).clone())
                            .or_default()
                            .push(format!("{at:#x} {place}"));
                    }
                }
            }
        }
        found
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // One that has ended cannot be killed again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a readable mapping begins, and what is in it.
fn mapped(memory: &File, line: &str) -> Option<(u64, Vec<u8>)> {
    let mut words = line.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    if !words.next()?.starts_with('r') || line.contains("[v") {
        return None;
    }
    let (from, to) = (
        u64::from_str_radix(from, 16).ok()?,
        u64::from_str_radix(to, 16).ok()?,
    );
    let mut bytes = vec![0; usize::try_from(to - from).ok()?];
    memory.read_exact_at(&mut bytes, from).ok()?;
    Some((from, bytes))
}

/// Every secret of the stick by name, as bytes.
fn secrets(stick: &Path, identity: &age::x25519::Identity, passphrase: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let folder = stick.join(BUNDLE_FOLDER);
    let header = fs::read(folder.join("A/HEADER.GBH")).unwrap();
    let header = &header[..HEADER_SLOT_LEN];
    let slot = HeaderSlot::decode(header).unwrap();
    let bundle = escrow_key(&folder, &slot, identity);
    let record = slot.open(&bundle).unwrap();
    let (log, checkpoint) = (bundle.derive("log", &[]), bundle.derive("checkpoint", &[]));
    let mut secrets = BTreeMap::from([("passphrase".to_owned(), passphrase.to_vec())]);
    let mut add = |name: String, key: &Key| {
        let text = serde_json::to_string(key).unwrap();
        secrets.insert(
            format!("{name} as text"),
            text.trim_matches('"').as_bytes().to_vec(),
        );
        secrets.insert(name, key.expose().to_vec());
    };
    add("bundle key".into(), &bundle);
    add(
        "header record's key".into(),
        &bundle.derive("header record", &header[1088..1120]),
    );
    add("header's MAC key".into(), &bundle.derive("header mac", &[]));
    add("log key".into(), &log);
    add("checkpoint key".into(), &checkpoint);
    for number in 0..record.log.segments {
        let salt = salt(&folder.join(format!("LOG/S{number:05}.GBL")));
        add(
            format!("key of segment {number}"),
            &log.derive("log segment", &[&number.to_le_bytes()[..], &salt].concat()),
        );
    }
    for number in 0..record.log.checkpoints {
        let salt = salt(&folder.join(format!("CKPT/C{number}.GBC")));
        let context = [&[number][..], &salt].concat();
        add(
            format!("key of checkpoint {number}"),
            &checkpoint.derive("checkpoint area", &context),
        );
    }
    let (image_key, manifest) = image(&folder, &record);
    add("image key".into(), &image_key);
    add("chunk key".into(), &manifest.chunk_key);
    manifest
        .packs
        .iter()
        .for_each(|pack| add(format!("key of pack {}", pack.id), &pack.key));
    secrets
}

fn escrow_key(folder: &Path, slot: &HeaderSlot, identity: &age::x25519::Identity) -> Key {
    let mut files = fs::read_dir(folder.join("KEYS")).unwrap();
    let file = fs::read(files.next().unwrap().unwrap().path()).unwrap();
    escrow::open(slot.bundle, &file, identity).unwrap()
}

fn image(folder: &Path, record: &HeaderRecord) -> (Key, Manifest) {
    let image = &record.images[0];
    let file = fs::read(folder.join(format!("IMAGES/{}.GBM", image.id))).unwrap();
    let trust = Trust {
        image: image.id,
        publisher: record.publisher,
        min_version: image.version,
        digest: Some(image.manifest),
    };
    let opened = manifest::open(&file, &image.image_key, &trust);
    (
        image.image_key.clone(),
        opened.map_err(|error| error.to_string()).unwrap().manifest,
    )
}

fn salt(path: &Path) -> [u8; 32] {
    let mut salt = [0; 32];
    File::open(path).unwrap().read_exact_at(&mut salt, 0).unwrap();
    salt
}
