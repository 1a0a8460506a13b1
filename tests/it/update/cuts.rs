//! What a cut may leave of a folder: everything that was made durable, and of the rest all, nothing, or parts.
//!
//! Stricter than exFAT on Linux: a name is durable only once its folder was flushed, content only once its file was, and
//! each change that was not is there or not whatever became of the others; a write may be torn at 512 bytes.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use gobag_tests::rng::Rng;

use super::recorder::Op;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A file without its pages of zeros.
#[derive(Clone, Default)]
struct Content {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let mut content = Self::default();
        content.write(0, &bytes);
        content.len = bytes.len() as u64;
        content
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let (page, from) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let len = (PAGE - from).min(data.len() - done);
            let part = &data[done..done + len];
            if self.pages.contains_key(&page) || part.iter().any(|byte| *byte != 0) {
                let held = self.pages.entry(page).or_insert_with(|| vec![0; PAGE]);
                held[from..from + len].copy_from_slice(part);
            }
            done += len;
        }
        self.len = self.len.max(offset + data.len() as u64);
    }

    fn resize(&mut self, len: u64) {
        self.len = len;
        self.pages.retain(|page, _| page * (PAGE as u64) < len);
        if let Some(last) = self.pages.get_mut(&(len / PAGE as u64)) {
            last[(len % PAGE as u64) as usize..].fill(0);
        }
    }
}

/// A folder with all in it, in memory.
#[derive(Clone, Default)]
pub(super) struct Tree {
    folders: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Content>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.read_below(root, Path::new(""));
        tree
    }

    fn read_below(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root.join(&path).is_dir() {
                self.folders.push(path.clone());
                self.read_below(root, &path);
            } else {
                self.files.insert(path.clone(), Content::read(&root.join(&path)));
            }
        }
    }

    /// Puts it into an empty folder.
    #[expect(clippy::disallowed_methods, reason = "tests make the sticks they look at")]
    pub(super) fn put(&self, root: &Path) {
        for folder in &self.folders {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (path, content) in &self.files {
            let file = fs::File::create(root.join(path)).unwrap();
            file.set_len(content.len).unwrap();
            for (page, bytes) in &content.pages {
                let at = page * PAGE as u64;
                let len = (content.len - at).min(PAGE as u64) as usize;
                file.write_all_at(&bytes[..len], at).unwrap();
            }
        }
    }

    fn apply(&mut self, op: &Op, fate: &mut impl FnMut() -> bool) {
        match op {
            Op::Folder(path) => self.folders.push(path.clone()),
            Op::Create(path) => drop(self.files.insert(path.clone(), Content::default())),
            Op::Write(path, offset, data) => {
                // What was written to a file whose name is lost is lost with it.
                let Some(file) = self.files.get_mut(path) else {
                    return;
                };
                for (nth, sector) in data.chunks(SECTOR).enumerate() {
                    if fate() {
                        file.write(offset + (nth * SECTOR) as u64, sector);
                    }
                }
            }
            Op::Resize(path, len) => {
                if let Some(file) = self.files.get_mut(path) {
                    file.resize(*len);
                }
            }
            Op::Delete(path) => drop(self.files.remove(path)),
            Op::Rename(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Op::Sync(_) | Op::SyncFolder(_) => {}
        }
    }

    /// Everything as it was done.
    pub(super) fn after(&self, ops: &[Op]) -> Self {
        let mut tree = self.clone();
        ops.iter().for_each(|op| tree.apply(op, &mut || true));
        tree
    }

    /// What a cut after `ops` may leave.
    pub(super) fn cut(&self, ops: &[Op], left: Left, rng: &mut Rng) -> Self {
        let mut tree = self.clone();
        for (nth, op) in ops.iter().enumerate() {
            if is_durable(op, &ops[nth + 1..]) {
                tree.apply(op, &mut || true);
                continue;
            }
            let luck = match left {
                Left::All => 0,
                Left::Nothing => 1,
                Left::Parts => rng.below(3),
            };
            match luck {
                0 => tree.apply(op, &mut || true),
                1 => {}
                // A name is there or not; a write may be torn.
                _ if matches!(op, Op::Write(..)) => tree.apply(op, &mut || rng.chance(50)),
                _ => tree.apply(op, &mut || true),
            }
        }
        tree
    }
}

/// What is left of changes that were not durable.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    All,
    Nothing,
    Parts,
}

impl Left {
    pub(super) const EACH: [Self; 3] = [Self::All, Self::Nothing, Self::Parts];
}

/// Whether one of the operations `behind` made `op` durable.
fn is_durable(op: &Op, behind: &[Op]) -> bool {
    let folder = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    match op {
        Op::Write(path, ..) | Op::Resize(path, _) => behind.contains(&Op::Sync(path.clone())),
        Op::Folder(path) | Op::Create(path) | Op::Delete(path) => {
            behind.contains(&Op::SyncFolder(folder(path)))
        }
        Op::Rename(from, to) => [from, to]
            .iter()
            .all(|path| behind.contains(&Op::SyncFolder(folder(path)))),
        Op::Sync(_) | Op::SyncFolder(_) => true,
    }
}
