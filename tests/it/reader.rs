//! The second reader: `tests/reader/`, in Python, written from the format documents alone, must read from a stick
//! exactly what we read.
//!
//! `cargo xtask test` installs its packages into `target/venv`.

#![expect(clippy::disallowed_methods, reason = "starts Python and damages files")]

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gobag_bundle::Session;
use gobag_tests::{ask, model::Op, rng::Rng, work::draw};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    stick::{PASSPHRASE, Sizes, Stick, content},
    vectors::{self, image},
};

/// Small segments, so that a few hundred writes go round the log several times.
const SIZES: Sizes = Sizes {
    base_chunks: 40,
    home: 2 << 20,
    system_space: 3 << 20,
    segment: 128 << 10,
};

#[test]
fn python_reads_what_we_read() {
    let Some(reader) = Reader::find() else { return };
    let stick = Stick::new(1, SIZES);
    let mut rng = Rng::new(2);
    assert_eq!(reader.same(&stick, "fresh")["segment_uses"], 0);
    for round in 0..4 {
        let mut session = stick.open(true);
        work(&session, &mut rng, 1500);
        session.close().unwrap();
        drop(session);
        let checked = reader.same(&stick, &format!("closed {round}"));
        assert_eq!(checked["records_replayed"], 0);
        let killed = stick.open(true);
        work(&killed, &mut rng, 40);
        drop(killed);
        let checked = reader.same(&stick, &format!("killed {round}"));
        assert_ne!(
            checked["records_replayed"], 0,
            "round {round} left nothing to replay"
        );
    }
    // The log went round, so blocks were moved.
    let checked = reader.check(stick.path());
    let segments = checked["segments"].as_u64().unwrap();
    assert!(
        checked["segment_uses"].as_u64().unwrap() > 2 * segments,
        "{checked}"
    );
}

#[test]
fn python_refuses_what_we_refuse() {
    let Some(reader) = Reader::find() else { return };
    let stick = Stick::new(3, SIZES);
    let mut session = stick.open(true);
    work(&session, &mut Rng::new(4), 100);
    session.close().unwrap();
    drop(session);
    reader.check(stick.path());

    let wrong = reader.run("unlock", stick.path(), b"wrong horse", &[]);
    assert_refused(&wrong, "wrong passphrase");

    let header = stick.path().join("GOBAG/A/HEADER.GBH");
    flip(&header, 60);
    flip(&header, 4 << 20);
    reader.same(&stick, "two header slots damaged");

    let segments = (0..60).map(|number| stick.path().join(format!("GOBAG/LOG/S{number:05}.GBL")));
    for segment in segments {
        // Wherever the blocks that count are, this is in one of them.
        (4096..128 << 10)
            .step_by(4096)
            .for_each(|at| flip(&segment, at + 200));
    }
    let damaged = reader.run("check", stick.path(), PASSPHRASE, &[]);
    assert_refused(&damaged, "wrong key or damaged data");

    (0..3).for_each(|area| flip(&stick.path().join(format!("GOBAG/CKPT/C{area}.GBC")), 100));
    assert_refused(
        &reader.run("check", stick.path(), PASSPHRASE, &[]),
        "no checkpoint opens",
    );
}

#[test]
fn python_reads_the_images_among_the_vectors() {
    let Some(reader) = Reader::find() else { return };
    let content = image::system();
    let good = reader.image("good", "good", "good");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(reader.written() == content, "the image reads differently");
    for (manifest, map, says) in [
        ("next-version", "good", "not the one that the header names"),
        ("newer-format", "good", "version 2"),
        ("of-another-image", "good", "belongs to"),
        ("good", "flipped-root", "not the one that the manifest names"),
        ("good", "flipped-leaf", "leaf 0 is another"),
        ("good", "flipped-format", "version 0"),
        ("good", "one-byte-short", "map of volume 0"),
    ] {
        assert_refused(&reader.image(manifest, map, "good"), says);
    }
}

pub(crate) fn work(session: &Session, rng: &mut Rng, operations: u64) {
    let volumes = &session.volumes()[..2];
    let sizes: Vec<u64> = volumes.iter().map(|volume| volume.volume.size_bytes()).collect();
    for _ in 0..operations {
        let done = match draw(rng, &sizes) {
            Op::Write { volume, offset, data } => volumes[volume].volume.write_at(offset, &data),
            Op::Trim { volume, offset, len } => volumes[volume].volume.trim(offset, len),
            Op::Reset { .. } => session.reset_system().map_err(|error| panic!("{error}")),
            Op::Flush => volumes[0].volume.flush(),
        };
        done.unwrap();
    }
    volumes[0].volume.flush().unwrap();
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn assert_refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
}

/// The reader, its Python, and a folder for what it writes.
pub(crate) struct Reader {
    python: PathBuf,
    script: PathBuf,
    folder: TempDir,
}

impl Reader {
    pub(crate) fn find() -> Option<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let python = target.join("venv/bin/python");
        ask::has("python", python.is_file()).then(|| Self {
            python,
            script: tests.join("reader/gobag_reader.py"),
            folder: TempDir::new().unwrap(),
        })
    }

    fn run(&self, command: &str, stick: &Path, passphrase: &[u8], more: &[&str]) -> Output {
        let file = self.folder.path().join("passphrase");
        std::fs::write(&file, passphrase).unwrap();
        let output = Command::new(&self.python)
            .args(["-B".as_ref(), self.script.as_os_str(), command.as_ref()])
            .args([stick.as_os_str(), "--passphrase-file".as_ref(), file.as_os_str()])
            .args(more)
            .output();
        output.unwrap()
    }

    fn answer(&self, command: &str, stick: &Path, passphrase: &[u8], more: &[&str]) -> Value {
        let output = self.run(command, stick, passphrase, more);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Reads the system volume of the image that these vectors make.
    fn image(&self, manifest: &str, map: &str, pack: &str) -> Output {
        let (stick, record) = (self.folder.path(), self.folder.path().join("record"));
        std::fs::write(&record, image::record().to_string()).unwrap();
        // Before the file a vector has a line about it.
        let map = vectors::stored("map", map);
        let end = map.iter().position(|byte| *byte == b'\n').unwrap();
        let files = [
            vectors::stored("manifest", manifest),
            map[end + 1..].to_vec(),
            vectors::stored("pack", pack),
        ];
        for (path, content) in image::paths().iter().zip(files) {
            let path = stick.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let out = self.folder.path().join("dump.raw");
        let (record, out) = (record.to_str().unwrap(), out.to_str().unwrap());
        let args = ["--record", record, "--volume", "0", out];
        Command::new(&self.python)
            .args([
                "-B".as_ref(),
                self.script.as_os_str(),
                "image".as_ref(),
                stick.as_os_str(),
            ])
            .args(args)
            .output()
            .unwrap()
    }

    fn written(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("dump.raw")).unwrap()
    }

    fn check(&self, stick: &Path) -> Value {
        self.answer("check", stick, PASSPHRASE, &[])
    }

    /// What the reader finds in a volume.
    pub(crate) fn dump(&self, stick: &Path, passphrase: &[u8], volume: &str) -> Vec<u8> {
        let out = self.folder.path().join("dump.raw");
        self.answer(
            "dump",
            stick,
            passphrase,
            &["--volume", volume, out.to_str().unwrap()],
        );
        std::fs::read(&out).unwrap()
    }

    /// Compares every volume as both read it, on a stick nobody writes to; returns what `check` said.
    fn same(&self, stick: &Stick, when: &str) -> Value {
        let ours = stick.open(false);
        for volume in &ours.volumes()[..2] {
            let name = volume.name.as_str();
            let theirs = self.dump(stick.path(), PASSPHRASE, name);
            assert!(content(&ours, name) == theirs, "{when}: {name} reads differently");
        }
        self.check(stick.path())
    }
}
