//! The program whose stick is pulled out and comes back: what was flushed stays, what was not is lost. Needs `/dev/fuse`.

#[path = "../../../launcher/engine/tests/guest/require.rs"]
mod require;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// The longest that an answer takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A stick with one file, and two places for it.
struct Ports {
    program: Child,
    answers: Receiver<String>,
    folder: TempDir,
}

impl Ports {
    /// `None` where nothing can be mounted, unless `GOBAG_REQUIRE` asks for it.
    fn start() -> Option<Self> {
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
        let output = BufReader::new(program.stdout.take().expect("its output"));
        let (tell, answers) = mpsc::channel();
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        let ports = Self {
            program,
            answers,
            folder,
        };
        let missing = match ports.answer().as_str() {
            "ready" => None,
            "" => Some("no fuse: nothing can be mounted here".to_owned()),
            other => panic!("{other}"),
        };
        require::have("fuse", missing).then_some(ports)
    }

    /// Its next line; empty when it has ended.
    fn answer(&self) -> String {
        match self.answers.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => String::new(),
            Err(RecvTimeoutError::Timeout) => panic!("no answer within {DEADLINE:?}"),
        }
    }

    /// Its exit code, once it has closed its output.
    fn ended(&mut self) -> Option<i32> {
        if self.answers.recv_timeout(DEADLINE) != Err(RecvTimeoutError::Disconnected) {
            self.program.kill().expect("killed");
        }
        self.program.wait().expect("ended").code()
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
        let _ = self.ended();
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
    assert_eq!(ports.ended(), Some(1));
    assert!(!ports.file("0").exists(), "nothing is mounted any more");
}
