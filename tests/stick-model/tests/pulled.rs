//! The program whose stick is pulled out and comes back: what was flushed stays, what was not is lost. Needs `/dev/fuse`.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;

/// A stick with one file, and two places for it.
struct Ports {
    program: Child,
    answers: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Ports {
    /// `None` where there is no FUSE, unless `GOBAG_REQUIRE` asks for it.
    fn start() -> Option<Self> {
        if !Path::new("/dev/fuse").exists() {
            #[expect(clippy::disallowed_methods, reason = "CI says in it what must not be skipped")]
            let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name == "fuse"), "no /dev/fuse");
            println!("skipped: no /dev/fuse");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["backing", "0", "1"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the stick's content is made behind its back"
        )]
        fs::write(folder.path().join("backing/file"), [b'-'; 8]).expect("a file");
        #[expect(clippy::disallowed_methods, reason = "starts the program it tests")]
        let mut program = Command::new(env!("CARGO_BIN_EXE_stick-port"))
            .args(["backing", "0", "1"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let answers = BufReader::new(program.stdout.take().expect("its output"));
        let mut ports = Self {
            program,
            answers,
            folder,
        };
        assert_eq!(ports.answer(), "ready");
        Some(ports)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line.trim_end().to_owned()
    }

    fn tell(&mut self, line: &str) -> String {
        let input = self.program.stdin.as_mut().expect("its input");
        input.write_all(format!("{line}\n").as_bytes()).expect("told");
        self.answer()
    }

    fn file(&self, place: &str) -> PathBuf {
        self.folder.path().join(place).join("file")
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.program.stdin.take());
        let _ = self.program.wait();
    }
}

#[test]
fn what_was_flushed_stays_and_the_rest_is_lost_with_the_stick() {
    let Some(mut ports) = Ports::start() else {
        return;
    };
    let open = |path: PathBuf| File::options().read(true).write(true).open(path);
    let file = open(ports.file("0")).expect("open");
    file.write_all_at(b"kept", 0).expect("written");
    file.sync_data().expect("flushed");
    file.write_all_at(b"lost", 4).expect("written");
    assert_eq!(ports.tell("pull enodev"), "pulled 1");
    let errno = |error: std::io::Error| error.raw_os_error();
    let write = file.write_all_at(b"late", 0).map_err(errno);
    assert_eq!(write, Err(Some(19)), "ENODEV");
    assert_eq!(open(ports.file("0")).map(drop).map_err(errno), Err(Some(19)));

    assert_eq!(ports.tell("plug 1"), "plugged 1");
    assert_eq!(fs::read(ports.file("1")).expect("read"), b"kept----");
    assert_eq!(open(ports.file("0")).map(drop).map_err(errno), Err(Some(19)));

    let file = open(ports.file("1")).expect("open");
    assert_eq!(ports.tell("pull gone"), "pulled 0");
    assert_eq!(
        open(ports.file("1")).map(drop).map_err(errno),
        Err(Some(2)),
        "no such file"
    );
    assert_eq!(
        file.sync_data().map_err(errno),
        Err(Some(5)),
        "an open one fails otherwise"
    );
    assert_eq!(ports.tell("plug 0"), "plugged 0");
    let old = file.sync_data().map_err(errno);
    assert_eq!(old, Err(Some(5)), "what was opened before the pull stays dead");
    assert_eq!(fs::read(ports.file("0")).expect("read"), b"kept----");
}

#[test]
fn what_is_not_understood_ends_it_and_unmounts() {
    let Some(mut ports) = Ports::start() else {
        return;
    };
    assert_eq!(ports.tell("plug 2"), "");
    assert_eq!(ports.program.wait().expect("ended").code(), Some(1));
    assert!(!ports.file("0").exists(), "nothing is mounted any more");
}
