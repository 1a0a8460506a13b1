//! Two members of a workspace, or two folders, and what must not be lost of what their users write.

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use gobag_format::{digest::Digest, workspace::EntryKind};
use gobag_workspace::{Workspace, WorkspaceError};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::{
    pass::workspace,
    server::{Past, Server},
    users::{Contents, act, gone, kept, seen},
};
use crate::{dice::Dice, disk::Disk, lab::list};

pub(crate) struct World {
    pub(crate) server: Arc<Server>,
    /// Whether both folders are members' of a workspace; else the first is paired with the second.
    pub(crate) is_shared: bool,
    /// What the first folder is on, if that may fail.
    pub(crate) disk: Option<Disk>,
    dice: Mutex<Dice>,
    folder: TempDir,
    now: Mutex<Timestamp>,
    oracle: Mutex<Oracle>,
    told: Mutex<Vec<String>>,
}

/// What must be somewhere.
#[derive(Default)]
struct Oracle {
    written: u64,
    /// What was there when a pass began: no pass may lose it.
    owed: BTreeSet<String>,
    /// What some user took away or replaced: it need not be at a path any more.
    let_go: BTreeSet<String>,
    /// Digests of what was ever in a point.
    published: BTreeSet<[u8; 32]>,
    /// Points that were looked at.
    points: usize,
}

impl Oracle {
    fn is_published(&self, text: &str) -> bool {
        let text = text.strip_prefix("->").unwrap_or(text);
        self.published.contains(&Digest::of(text.as_bytes()).0)
    }
}

impl World {
    /// None if its disk is to fail, and there is none that can.
    pub(crate) fn new(seed: u64, disk_fails: bool) -> Option<Arc<Self>> {
        let mut dice = Dice(seed);
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        let folder = folder.unwrap();
        for member in ["0", "1"] {
            std::fs::create_dir(folder.path().join(member)).unwrap();
        }
        let disk = match disk_fails {
            true => Some(Disk::mount(&folder.path().join("0"))?),
            false => None,
        };
        Some(Arc::new(Self {
            server: Arc::default(),
            disk,
            is_shared: !dice.one_in(4),
            dice: Mutex::new(dice),
            folder,
            now: Mutex::new("2026-11-22T09:15:00Z".parse().unwrap()),
            oracle: Mutex::default(),
            told: Mutex::default(),
        }))
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut self.dice.lock().unwrap())
    }

    /// For whoever looks why a seed fails; the same seed tells the same.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        self.told.lock().unwrap().push(what());
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn at(&self, member: usize) -> PathBuf {
        self.folder.path().join(member.to_string())
    }

    /// Who makes passes.
    pub(crate) fn members(&self) -> Range<usize> {
        0..if self.is_shared { 2 } else { 1 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// Time goes by; now and then a clock leaps.
    pub(crate) fn wait(&self) {
        let seconds = self.draw(|dice| match dice.below(20) {
            0 => -400 * 86_400,
            1 => 400 * 86_400,
            2 => 0,
            _ => dice.below(4000) as i64,
        });
        let mut now = self.now.lock().unwrap();
        *now = now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(*now);
    }

    /// A user of this folder does something, at any moment of anybody's passes.
    pub(crate) fn user(&self, member: usize) {
        let written = {
            let mut oracle = self.oracle.lock().unwrap();
            oracle.written += 1;
            oracle.written
        };
        let folder = self.at(member);
        self.changes(member, || {
            self.draw(|dice| {
                let len = match dice.below(12) {
                    0 => 100_000,
                    1 => 40_000,
                    _ => dice.below(50),
                };
                act(
                    &folder,
                    dice,
                    &format!("text {written} {}", "x".repeat(len as usize)),
                );
            });
        });
    }

    /// The server is again what it was at some point. What was only there, on its way from one folder to the other, is in version stores at best.
    pub(crate) fn put_server_back(&self) {
        let points = self.draw(|dice| dice.below(self.server.points() as u64 + 1)) as usize;
        self.tell(|| format!("the server is put back to point {points}"));
        self.server.put_back(points);
        let there = [seen(&self.at(0)), seen(&self.at(1))];
        let mut oracle = self.oracle.lock().unwrap();
        let is_there = |text: &String| there.iter().any(|there| there.contains_key(text));
        let only_there: Vec<String> = oracle
            .owed
            .iter()
            .filter(|text| !is_there(text))
            .cloned()
            .collect();
        oracle.let_go.extend(only_there);
    }

    /// A folder with what is ours in it is again what it was: `act` is done, and then a copy of before is in its place.
    pub(crate) fn put_folder_back(&self, member: usize, meanwhile: impl FnOnce()) {
        let (folder, copy) = (self.at(member), self.folder.path().join("copy"));
        let copied = Command::new("cp").arg("-a").args([&folder, &copy]).status();
        assert!(copied.unwrap().success());
        meanwhile();
        self.tell(|| format!("folder {member} is put back"));
        self.changes(member, || {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() && !path.is_symlink() {
                    true => std::fs::remove_dir_all(path).unwrap(),
                    false => std::fs::remove_file(path).unwrap(),
                }
            }
            // With all that is in it; the folder itself may be a disk.
            let put = Command::new("cp")
                .arg("-a")
                .args([&copy.join("."), &folder])
                .status();
            assert!(put.unwrap().success());
            std::fs::remove_dir_all(&copy).unwrap();
        });
    }

    /// What goes by a user's hand is owed no more, but where it is kept.
    fn changes(&self, member: usize, change: impl FnOnce()) {
        let folder = self.at(member);
        let (before, before_kept) = (seen(&folder), kept(&folder, false));
        change();
        self.tell(|| {
            let found = list(&folder);
            let words = found.iter().map(|(path, what)| format!("{path}{what:.8}"));
            format!("user {member}: {}", words.collect::<Vec<_>>().join(", "))
        });
        let went = gone(&before, &seen(&folder));
        let all: Vec<String> = went
            .iter()
            .cloned()
            .chain(gone(&before_kept, &kept(&folder, false)))
            .collect();
        if all.is_empty() {
            return;
        }
        self.look_at_points();
        let there = self.contents(false);
        let mut oracle = self.oracle.lock().unwrap();
        for text in all {
            if !there.contains_key(&text) && !oracle.is_published(&text) {
                oracle.owed.remove(&text);
            }
        }
        oracle.let_go.extend(went);
    }

    /// A pass begins: what is there is owed.
    pub(crate) fn owe(&self) {
        let there = [seen(&self.at(0)), seen(&self.at(1))];
        let mut oracle = self.oracle.lock().unwrap();
        oracle
            .owed
            .extend(there.into_iter().flat_map(Contents::into_keys));
    }

    /// A pass is over: what is owed is somewhere.
    pub(crate) fn check(&self) {
        let there = self.contents(true);
        let is_missing = |text: &&String| !there.contains_key(*text);
        if !self
            .oracle
            .lock()
            .unwrap()
            .owed
            .iter()
            .any(|text| is_missing(&text))
        {
            return;
        }
        self.look_at_points();
        let oracle = self.oracle.lock().unwrap();
        let mut missing = oracle.owed.iter().filter(is_missing);
        if let Some(lost) = missing.find(|text| !oracle.is_published(text)) {
            panic!("{lost:.20} is lost");
        }
    }

    /// When the dust has settled: what nobody let go is at a path, and all that is owed where people find it.
    pub(crate) fn check_settled(&self) {
        let shown = seen(&self.at(0));
        let found = self.contents(false);
        self.look_at_points();
        let oracle = self.oracle.lock().unwrap();
        for text in &oracle.owed {
            let is_let_go = oracle.let_go.contains(text);
            assert!(is_let_go || shown.contains_key(text), "{text:.20} is at no path");
            let is_found = found.contains_key(text) || oracle.is_published(text);
            assert!(is_found, "{text:.20} is lost");
        }
    }

    /// What is in both folders, also what is kept of earlier.
    fn contents(&self, staged: bool) -> Contents {
        let mut all = Contents::new();
        for member in 0..2 {
            all.extend(seen(&self.at(member)));
            all.extend(kept(&self.at(member), staged));
        }
        all
    }

    /// Reads what is in points that are new.
    fn look_at_points(&self) {
        let after = self.oracle.lock().unwrap().points;
        for head in self.server.every_point(after) {
            let server = Arc::clone(&self.server);
            let mut point = workspace(Arc::new(Past { server, head }));
            point.refresh(None).unwrap();
            let found = digests(&point);
            let mut oracle = self.oracle.lock().unwrap();
            oracle.published.extend(found);
            oracle.points += 1;
        }
    }
}

/// Of all that is in a point, as whoever reads it has it.
fn digests(point: &Workspace) -> Vec<[u8; 32]> {
    let mut found = Vec::new();
    let each = &mut |entry: gobag_format::workspace::Entry| -> Result<(), WorkspaceError> {
        match &entry.kind {
            EntryKind::File { .. } => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut point.read(&entry.kind), &mut bytes).unwrap();
                found.push(Digest::of(&bytes).0);
            }
            EntryKind::Link(text) => found.push(Digest::of(text).0),
            EntryKind::Folder => {}
        }
        Ok(())
    };
    point.tree().unwrap().for_each(each).unwrap();
    found
}
