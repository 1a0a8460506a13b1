//! The program as IT types it: the whole story once, and what it says when things go wrong.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start the program and prepare its files"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "cli/age.rs"]
mod age;
#[path = "cli/codes.rs"]
mod codes;
#[path = "cli/company.rs"]
mod company;
#[path = "cli/extensions.rs"]
mod extensions;
#[path = "cli/named.rs"]
mod named;
#[path = "cli/officers.rs"]
mod officers;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/recovered.rs"]
mod recovered;
#[path = "cli/results.rs"]
mod results;
#[path = "cli/site.rs"]
mod site;
#[path = "cli/update.rs"]
mod update;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use gobag_engine::{
    ext4::{Ext4Options, make_empty},
    tools,
};
use serde_json::Value;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A folder with an organisation in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// `None`, and a word, where the tools for file systems are missing.
    fn new() -> Option<Self> {
        if tools::find("mke2fs", std::env::var_os("PATH").as_deref()).is_err() {
            let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word == "e2fsprogs"),
                "mke2fs is missing"
            );
            eprintln!("skipped: no mke2fs here");
            return None;
        }
        let desk = Self {
            folder: TempDir::new().unwrap(),
        };
        for (name, passphrase) in [
            ("it", "correct horse battery"),
            ("wrong", "incorrect horse"),
            ("anna", "anna has a long one"),
        ] {
            fs::write(desk.path(name), format!("{passphrase}\n")).unwrap();
        }
        let made = desk.run(&[
            "init",
            "acme",
            "--name",
            "Acme",
            "--contact",
            "42",
            "--new-passphrase-file",
            "it",
        ]);
        assert_eq!(made.exit, 0, "{}", made.stderr);
        Some(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gobag-image"));
        command
            .current_dir(self.folder.path())
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// With IT's passphrase, an answer in JSON, and no progress.
    fn keyed(&self, args: &[&str]) -> Ran {
        let keys = ["--org", "acme", "--passphrase-file", "it", "--json", "--quiet"];
        self.run(&[args, &keys].concat())
    }

    fn answer(&self, args: &[&str]) -> Value {
        let ran = self.keyed(args);
        assert_eq!(ran.exit, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.json()
    }

    /// An ext4 file system with `noise_mib` MiB of noise in its free space.
    fn disk(&self, name: &str, noise_mib: u64) {
        let options = Ext4Options {
            label: "test".to_owned(),
            size_bytes: Some((64 + noise_mib) * MIB),
            uuid: [7; 16],
            epoch_seconds: 1_700_000_000,
            block_size: 4096,
        };
        make_empty(&options, &self.path(name)).unwrap();
        let file = File::options().write(true).open(self.path(name)).unwrap();
        let mut state = 1u64;
        for piece in 0..noise_mib {
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .take(MIB as usize / 8)
            .flatten()
            .collect();
            file.write_all_at(&noise, (48 + piece) * MIB).unwrap();
        }
    }

    fn stick(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path
    }

    /// `stick` with everything as small as it gets; a launcher is any program.
    fn write_sticks(&self, args: &[&str]) -> Ran {
        let launcher = std::env::current_exe().unwrap();
        let small = [
            "--image",
            "office",
            "--home-size",
            "32MiB",
            "--system-space",
            "8MiB",
            "--segment-size",
            "1MiB",
            "--launcher",
            launcher.to_str().unwrap(),
        ];
        self.keyed(&[&["stick"], args, &small].concat())
    }
}

/// How a run ended.
struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

#[test]
fn a_probe_says_what_came_back_and_leaves_nothing() {
    let Some(desk) = Desk::new() else { return };
    fs::create_dir(desk.path("stick")).unwrap();
    // No stick is mounted there, so a yes is needed.
    let probed = desk.run(&["probe", "stick", "--size", "2MiB", "--yes"]);
    assert_eq!(probed.exit, 0, "{}", probed.stderr);
    assert!(
        probed
            .stdout
            .contains("ok: everything came back as it was written."),
        "{}",
        probed.stdout
    );
    assert_eq!(fs::read_dir(desk.path("stick")).unwrap().count(), 0);
    fs::create_dir(desk.path("stick/GOBAG-TEST")).unwrap();
    fs::write(desk.path("stick/GOBAG-TEST/letter"), "mine").unwrap();
    let kept = desk.run(&["probe", "stick", "--size", "2MiB", "--yes"]);
    assert_eq!(kept.exit, 1, "{}", kept.stderr);
    assert_eq!(
        fs::read_to_string(desk.path("stick/GOBAG-TEST/letter")).unwrap(),
        "mine"
    );
}

fn flip(path: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[test]
fn from_a_disk_to_two_sticks_and_back() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 4);
    let first = desk.answer(&["build", "disk.raw", "--name", "office"]);
    assert_eq!(first["version"], 1);
    let second = desk.answer(&["build", "disk.raw", "--name", "office"]);
    assert_eq!(
        (&second["version"], &second["new_chunks"]),
        (&2.into(), &0.into())
    );
    let shown = desk.answer(&["inspect", "office"]);
    assert_eq!(shown["container"]["volume"], "system");
    assert_eq!(shown["requirements"]["modes"], serde_json::json!(["container"]));

    let (anna, ben) = (desk.stick("anna-stick"), desk.stick("ben-stick"));
    let targets = [
        "anna-stick",
        "ben-stick",
        "--user",
        "anna",
        "--user",
        "ben",
        "--generate-passphrase",
    ];
    let written = desk.write_sticks(&targets);
    assert_eq!(written.exit, 0, "{}{}", written.stdout, written.stderr);
    let sticks = written.json()["sticks"].clone();
    assert_ne!(sticks[0]["passphrase"], sticks[1]["passphrase"]);
    for (stick, name) in [(&anna, "anna"), (&ben, "ben")] {
        let page = fs::read_to_string(stick.join("START-HERE.html")).unwrap();
        assert!(
            page.contains(&format!("the workstation of {name} at Acme")),
            "{page}"
        );
        assert!(stick.join("linux/gobag").is_file());
        assert_names_differ_by_more_than_case(stick);
    }
    let listed = desk.run(&["list", "--org", "acme", "--sticks"]);
    assert!(
        listed.stdout.contains("anna") && listed.stdout.contains("ben"),
        "{}",
        listed.stdout
    );

    // Nobody's work is overwritten by accident.
    let again = desk.write_sticks(&["anna-stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(
        (again.exit, again.code().as_str()),
        (1, "provision.already-a-bundle")
    );
    // A forgotten passphrase is replaced with the escrow key.
    let opened = desk.answer(&["escrow", "open", "anna-stick"]);
    assert_eq!(
        (&opened["user"], &opened["images"][0]),
        (&"anna".into(), &"office@2".into())
    );
    let changed = desk.answer(&["passwd", "anna-stick", "--new-passphrase-file", "anna"]);
    assert_eq!(changed["bundle"], sticks[0]["bundle"]);
    // And asked for, it is overwritten; what is right on it is kept.
    let replaced = [
        "anna-stick",
        "--user",
        "anna",
        "--new-passphrase-file",
        "anna",
        "--replace",
        "--yes",
    ];
    let replaced = desk.write_sticks(&replaced);
    assert_eq!(replaced.exit, 0, "{}", replaced.stdout);
    assert_eq!(replaced.json()["sticks"][0]["written_bytes"], 0);
}

#[test]
fn a_wrong_passphrase_and_wrong_names_have_their_exit_codes() {
    let Some(desk) = Desk::new() else { return };
    let wrong = desk.run(&["verify", "--org", "acme", "--passphrase-file", "wrong"]);
    assert_eq!(
        (wrong.exit, wrong.stdout.as_str(), wrong.stderr.as_str()),
        (
            5,
            "",
            "error: cannot use acme/signing.age\ncaused by: wrong passphrase or damaged file\nhint: check Caps Lock and \
             the keyboard's language\n"
        )
    );
    let missing = desk.run(&["inspect", "office", "--org", "acme", "--passphrase-file", "it"]);
    assert_eq!(
        (missing.exit, missing.stderr.as_str()),
        (
            2,
            "error: image `office` is not in the repository\nhint: see what is there with `gobag-image list`\n"
        )
    );
    let elsewhere = desk.run(&["list", "--org", "."]);
    assert_eq!(
        (elsewhere.exit, elsewhere.stderr.as_str()),
        (
            2,
            "error: . is not an organisation's folder: it has no org.json\nhint: name the organisation's folder with \
             `--org FOLDER`\nhint: or make one with `gobag-image init FOLDER --name NAME`\n"
        )
    );
    let twice = desk.run(&["init", "acme", "--name", "Acme", "--new-passphrase-file", "it"]);
    assert_eq!(
        (twice.exit, twice.stderr.lines().next()),
        (1, Some("error: acme is an organisation's folder already"))
    );
    fs::write(desk.path("noise"), vec![1; 100_000]).unwrap();
    assert_eq!(
        desk.keyed(&["build", "noise", "--name", "office"]).code(),
        "import.no-disk"
    );
    assert_eq!(
        desk.keyed(&["build", "noise", "--name", "../x"]).code(),
        "build.name"
    );
    assert_eq!(desk.run(&["build"]).exit, 2);
}

#[test]
fn damage_is_found_named_and_kept_off_sticks() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 4);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    assert_eq!(desk.answer(&["verify"])["findings"], serde_json::json!([]));
    let pack = files_below(&desk.path("acme/repository/packs")).remove(0);
    flip(&pack, 50_000);
    let damaged = desk.keyed(&["verify"]);
    assert_eq!(
        (damaged.exit, damaged.json()["findings"][0]["code"].clone()),
        (3, "pack.frame".into())
    );
    assert_eq!(damaged.json()["findings"][0]["images"][0], "office@1");
    let stick = desk.stick("stick");
    let refused = desk.write_sticks(&["stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(
        (refused.exit, refused.code().as_str()),
        (6, "stick.source-damaged")
    );
    assert!(!stick.join("GOBAG/A/HEADER.GBH").exists());
    let removed = desk.answer(&["rm", "office", "--yes"]);
    assert_eq!(removed["packs"], 1);
    assert!(files_below(&desk.path("acme/repository/packs")).is_empty());
}

#[test]
fn a_stick_without_room_is_said_to_be_before_anything_is_written() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 1);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let stick = desk.stick("stick");
    let launcher = std::env::current_exe().unwrap();
    let args = [
        "--image",
        "office",
        "--home-size",
        "0",
        "--system-space",
        "900T",
        "--new-passphrase-file",
        "anna",
    ];
    let launcher = ["--launcher", launcher.to_str().unwrap()];
    let ran = desk.keyed(&[&["stick", "stick", "--user", "anna"], &args[..], &launcher].concat());
    assert_eq!(ran.exit, 1, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.json()["sticks"][0]["error"]["code"], "stick.no-space");
    assert!(fs::read_dir(stick).unwrap().next().is_none());
}

#[test]
fn ctrl_c_ends_a_build_in_good_order_and_the_next_one_goes_on() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 192);
    let args = [
        "build",
        "disk.raw",
        "--name",
        "office",
        "--org",
        "acme",
        "--passphrase-file",
        "it",
        "--level",
        "12",
    ];
    let mut child = desk
        .command(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = interrupt_at(&mut child, "building: 2");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    let end = "error: stopped; what is stored already will be used by the next build\nhint: run the same command \
               again: what is stored already is not stored twice\n";
    assert!(said.ends_with(end), "{said}");
    assert!(files_below(&desk.path("acme/repository/work")).is_empty());
    assert!(files_below(&desk.path("acme/repository/import")).is_empty());
    let report = desk.answer(&["build", "disk.raw", "--name", "office"]);
    assert_eq!(report["version"], 1);
    assert!(report["reused_chunks"].as_u64().unwrap() > 30, "{report}");
    assert_eq!(desk.answer(&["verify"])["findings"], serde_json::json!([]));
}

/// Presses Ctrl-C once a line of progress begins like this, and returns all that was said.
fn interrupt_at(child: &mut Child, line: &str) -> String {
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.lines().last().is_some_and(|last| last.starts_with(line)) {
        assert_ne!(
            errors.read_line(&mut said).unwrap(),
            0,
            "ended before `{line}`: {said}"
        );
    }
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    errors.read_to_string(&mut said).unwrap();
    said
}

/// On exFAT, names that differ only in their case are one name.
fn assert_names_differ_by_more_than_case(folder: &Path) {
    let mut names = std::collections::HashSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
        assert!(names.insert(name), "{} is there twice", path.display());
        if path.is_dir() {
            assert_names_differ_by_more_than_case(&path);
        }
    }
}
