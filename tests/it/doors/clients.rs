//! Programs that nobody here wrote, at every door: `qemu-img`, `qemu-io` and fio with its checksums, and for the block
//! socket libnbd's `nbdinfo` and `nbdcopy`. What one wrote another reads.

#![expect(clippy::disallowed_methods, reason = "runs clients of the doors")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use gobag_bundle::{Volume, store::StoreMode};
use gobag_mount::Export;
use gobag_tests::{
    ask,
    rig::{Rig, geometry},
    rng::Rng,
    sim::SimMedium,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{Door, Kind};

/// Whole sectors of 512 bytes: `qemu-img` wants them.
const SIZE: usize = 24 << 20;
const NAME: &str = "home.img";

#[test]
fn files_serve_other_programs() {
    if Kind::Files.is_here() && has_programs() {
        Visit::new(Kind::Files).all();
    }
}

#[test]
fn a_block_socket_serves_other_programs() {
    if has_programs() {
        let visit = Visit::new(Kind::Socket);
        visit.describe();
        visit.all();
    }
}

#[test]
fn a_loopback_door_serves_other_programs() {
    if has_programs() {
        let visit = Visit::new(Kind::Loopback);
        visit.describe();
        visit.all();
    }
}

fn has_programs() -> bool {
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    ask::has("qemu", ["qemu-img", "qemu-io"].iter().all(is_there))
        && ask::has("nbd", ["nbdinfo", "nbdcopy", "fio"].iter().all(is_there))
}

/// An open door with an empty volume behind it.
struct Visit {
    kind: Kind,
    target: String,
    door: Box<dyn Door>,
    rig: Rig,
    medium: Arc<SimMedium>,
    store: Arc<gobag_bundle::store::Store>,
    folder: TempDir,
}

impl Visit {
    fn new(kind: Kind) -> Self {
        let blocks = SIZE as u64 / 4096;
        let (rig, medium) = Rig::new(7, geometry(96, 1024, 1024, blocks + 100), 64 << 12, SIZE as u64);
        let session = rig.open(&medium, StoreMode::Keep, false).unwrap();
        let volume: Arc<dyn Volume> = Arc::new(session.volumes.into_iter().nth(1).unwrap());
        let door = kind.open(vec![Export::volume(NAME, volume)]);
        Self {
            kind,
            target: door.target(NAME),
            door,
            rig,
            medium,
            store: session.store,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn describe(&self) {
        let told: Value = serde_json::from_str(&run("nbdinfo", &["--json", &self.target])).unwrap();
        let export = &told["exports"][0];
        assert_eq!(told["protocol"], "newstyle-fixed");
        assert_eq!(export["export-size"], SIZE);
        for able in ["can_flush", "can_fua", "can_trim", "can_zero", "can_multi_conn"] {
            assert_eq!(export[able], true, "{able}");
        }
        assert_eq!(
            (&export["is_read_only"], &export["block_size_preferred"]),
            (&false.into(), &4096.into())
        );
        let listed = output("nbdinfo", &["--list", "--json", &self.target]);
        match self.kind {
            Kind::Loopback => assert!(listed.is_err(), "who asks what there is, is told nothing"),
            _ => assert!(listed.unwrap().contains(NAME)),
        }
    }

    fn all(mut self) {
        let content = self.copy_in();
        self.compare(&content);
        self.write_patterns();
        self.checksums();
        let last = self.an_image_in_it();
        self.door.close();
        self.store.close().unwrap();
        self.medium.next_session();
        let session = self.rig.open_sound(&self.medium);
        let mut now = vec![0; SIZE];
        session.volumes[1].read_at(0, &mut now).unwrap();
        assert!(now == last, "what the last of them read is on the stick");
    }

    /// Bytes of all kinds; copied in by the fastest tool there is for this door.
    fn copy_in(&self) -> PathBuf {
        let mut content = vec![0; SIZE];
        let mut rng = Rng::new(3);
        for piece in content.chunks_mut(1 << 20) {
            match rng.below(3) {
                0 => rng.fill(piece),
                1 => piece.fill(rng.next() as u8),
                _ => {}
            }
        }
        let path = self.path("content.raw");
        fs::write(&path, content).unwrap();
        match self.kind {
            Kind::Files => run(
                "qemu-img",
                &[
                    "convert",
                    "-n",
                    "-f",
                    "raw",
                    "-O",
                    "raw",
                    text(&path),
                    &self.target,
                ],
            ),
            _ => run("nbdcopy", &["--flush", text(&path), &self.target]),
        };
        path
    }

    fn compare(&self, content: &Path) {
        run(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", &self.target, text(content)],
        );
        let copy = self.path("copy.raw");
        match self.kind {
            Kind::Files => run(
                "qemu-img",
                &["convert", "-f", "raw", "-O", "raw", &self.target, text(&copy)],
            ),
            _ => run("nbdcopy", &["--requests=8", &self.target, text(&copy)]),
        };
        assert!(fs::read(content).unwrap() == fs::read(&copy).unwrap());
    }

    /// Odd and even places, FUA, zeroes and trim; and the tool does tell when bytes differ.
    fn write_patterns(&self) {
        let io = |commands: &[&str]| {
            let mut args = vec!["-f", "raw"];
            commands.iter().for_each(|command| args.extend(["-c", command]));
            args.push(&self.target);
            output("qemu-io", &args)
        };
        io(&[
            "write -P 0x11 0 3M",
            "write -P 0x22 -f 1000000 12345",
            "write -z 65536 65536",
            "write -z -u 1536 512",
            "discard 2M 4k",
            "aio_write -P 0x33 5M 1M",
            "aio_write -P 0x44 6M 64k",
            "aio_flush",
            "flush",
        ])
        .unwrap();
        io(&[
            "read -P 0x11 0 1536",
            "read -P 0 1536 512",
            "read -P 0x11 2048 63488",
            "read -P 0 64k 64k",
            "read -P 0x22 1000000 12345",
            "read -P 0 2M 4k",
            "read -P 0x33 5M 1M",
            "read -P 0x44 6M 64k",
        ])
        .unwrap();
        let differs = io(&["read -P 0x12 0 1536"]).map(|said| said.contains("Pattern verification failed"));
        assert_ne!(differs, Ok(false), "this tool tells when bytes differ");
    }

    /// Random writes in many sizes, several at once, flushed now and then, then all read back and compared.
    fn checksums(&self) {
        let (engine, place) = match self.kind {
            Kind::Files => ("--ioengine=libaio", format!("--filename={}", self.target)),
            _ => ("--ioengine=nbd", format!("--uri={}", self.target)),
        };
        let loops = format!("--loops={}", ask::seeds(1).min(50));
        let args = [
            "--name=verify",
            "--rw=randwrite",
            "--bsrange=4k-128k",
            "--iodepth=16",
            "--fsync=32",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--do_verify=1",
            "--size=24m",
            "--randseed=11",
            "--output-format=json",
            engine,
            &place,
            &loops,
        ];
        let said = run("fio", &args);
        // Its engine has a word before it.
        let report = said.find('{').map(|start| &said[start..]);
        let report: Value = serde_json::from_str(report.unwrap_or_default()).unwrap();
        let job = &report["jobs"][0];
        assert_eq!(job["error"], 0);
        assert_eq!(job["write"]["io_kbytes"], SIZE / 1024);
        assert_eq!(job["read"]["io_kbytes"], SIZE / 1024, "everything was read back");
    }

    /// A QCOW2 image in the volume: its maker checks it, and reads from it what stands in it. The volume's last bytes.
    fn an_image_in_it(&self) -> Vec<u8> {
        // Made elsewhere, for no door lets a volume become longer or shorter.
        let empty = self.path("empty.qcow2");
        run("qemu-img", &["create", "-q", "-f", "qcow2", text(&empty), "16M"]);
        let copy = [
            "convert",
            "-n",
            "-f",
            "raw",
            "-O",
            "raw",
            text(&empty),
            &self.target,
        ];
        run("qemu-img", &copy);
        let write = "write -P 0x55 3M 5M";
        run(
            "qemu-io",
            &["-f", "qcow2", "-c", write, "-c", "flush", &self.target],
        );
        let checked = run("qemu-img", &["check", "-f", "qcow2", &self.target]);
        assert!(checked.contains("No errors were found"), "{checked}");
        let inside = self.path("inside.raw");
        run(
            "qemu-img",
            &["convert", "-f", "qcow2", "-O", "raw", &self.target, text(&inside)],
        );
        let inside = fs::read(inside).unwrap();
        let (start, end) = (3 << 20, 8 << 20);
        assert!(
            inside[..start]
                .iter()
                .chain(&inside[end..])
                .all(|byte| *byte == 0)
        );
        assert!(inside[start..end].iter().all(|byte| *byte == 0x55));
        let whole = self.path("whole.raw");
        run(
            "qemu-img",
            &["convert", "-f", "raw", "-O", "raw", &self.target, text(&whole)],
        );
        fs::read(whole).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a program; what it said.
fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn run(program: &str, args: &[&str]) -> String {
    output(program, args).unwrap_or_else(|said| panic!("{program} {args:?}: {said}"))
}
