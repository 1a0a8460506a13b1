//! Two folders, the person who works in them, and the program.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than this nothing takes.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        for folder in ["mine", "office"] {
            fs::create_dir(desk.at(folder)).unwrap();
        }
        desk
    }

    /// Two folders that are the same: both have `files`.
    pub(crate) fn paired(files: &[(&str, &str)]) -> Self {
        let desk = Self::new();
        for (path, text) in files {
            desk.write(&format!("mine/{path}"), text);
        }
        desk.is("pair mine office", 0, &[]);
        desk.is("sync mine office", 0, &[]);
        desk
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }

    /// Both change a file that they had; the program puts the one of `mine` beside it, and this is where.
    pub(crate) fn conflict(&self, path: &str, [ours, theirs]: [&str; 2]) -> String {
        self.write(&format!("office/{path}"), theirs);
        self.write(&format!("mine/{path}"), ours);
        self.is("sync mine office", 3, &["was changed in both folders"]);
        let listed = self.json("conflicts mine", 3);
        let copies = listed["conflicts"].as_array().unwrap().iter();
        let copies = copies.map(|conflict| conflict["copy"].as_str().unwrap().to_owned());
        let is_it = |copy: &String| self.read(&format!("mine/{copy}")) == ours;
        copies.into_iter().find(is_it).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gobag-sync"));
        command
            .current_dir(self.0.path())
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs it in the folder of the desk; what it says, standard error after standard output, and how it ended.
    pub(crate) fn run(&self, words: &[&str]) -> (i32, String) {
        ended(self.command(words).output().unwrap())
    }

    /// The same where clocks go otherwise.
    pub(crate) fn run_at(&self, zone: &str, words: &[&str]) -> (i32, String) {
        ended(self.command(words).env("TZ", zone).output().unwrap())
    }

    pub(crate) fn is(&self, words: &str, code: i32, said: &[&str]) {
        self.are(&words.split(' ').collect::<Vec<_>>(), code, said);
    }

    /// The same, where there are spaces in words.
    pub(crate) fn are(&self, words: &[&str], code: i32, said: &[&str]) {
        let (found, text) = self.run(words);
        assert_eq!(found, code, "{words:?}: {text}");
        for said in said {
            assert!(text.contains(said), "{words:?}: no `{said}` in {text}");
        }
    }

    /// Its answer.
    pub(crate) fn json(&self, words: &str, code: i32) -> Value {
        let words: Vec<&str> = words.split(' ').chain(["--json", "-q"]).collect();
        let (found, text) = self.run(&words);
        assert_eq!(found, code, "{words:?}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Starts it, to go on.
    pub(crate) fn start(&self, words: &str) -> Running {
        let words: Vec<&str> = words.split(' ').collect();
        let mut child = self
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines() {
                    if sender.send(line.unwrap()).is_err() {
                        break;
                    }
                }
            });
        }
        Running {
            child,
            lines,
            heard: Vec::new(),
        }
    }
}

fn ended(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// The program at work.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    /// Waits for a line with this in it, and gives it.
    pub(crate) fn says(&mut self, what: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no `{what}` in {:#?}", self.heard);
            };
            self.heard.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    /// The same of a line of JSON.
    pub(crate) fn tells(&mut self, what: &str) -> Value {
        serde_json::from_str(&self.says(what)).unwrap()
    }

    pub(crate) fn heard(&self, what: &str) -> usize {
        self.heard.iter().filter(|line| line.contains(what)).count()
    }

    /// Sends a signal, and waits for its end: with what code, and all that was said.
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, Vec<String>) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        // Both streams are at their end then.
        let mut heard = std::mem::take(&mut self.heard);
        heard.extend(self.lines.iter());
        (status.code(), heard)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
