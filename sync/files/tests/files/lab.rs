//! A folder, what was known of it, and what a user does in it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gobag_files::{
    Base, Changes, FilesError, Filter, Found, Known, Root, RootId, Scan, Scope, content_of, scan,
};
use gobag_reconcile::{File, Item, Name, RelPath};
use tempfile::TempDir;

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

/// A file system that knows no exchanging or excluding rename: ext4 by way of `fuse2fs`. None where that is not installed, which `GOBAG_REQUIRE=container`
/// makes a failure.
pub(crate) struct Plain(TempDir);

impl Plain {
    pub(crate) fn mount() -> Option<Self> {
        let top = TempDir::new().unwrap();
        let (image, folder) = (top.path().join("image"), top.path().join("folder"));
        fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        fs::create_dir(&folder).unwrap();
        let run = |program: &str, words: &[&str]| {
            let paths: &[&Path] = if program == "fuse2fs" {
                &[&image, &folder]
            } else {
                &[&image]
            };
            let done = Command::new(program).args(words).args(paths).output();
            done.is_ok_and(|output| output.status.success())
        };
        if run("mke2fs", &["-q", "-t", "ext4"]) && run("fuse2fs", &["-o", "fakeroot"]) {
            return Some(Self(top));
        }
        let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "container"),
            "fuse2fs is missing"
        );
        println!("skipped: fuse2fs is missing");
        None
    }

    pub(crate) fn folder(&self) -> TempDir {
        TempDir::new_in(self.0.path().join("folder")).unwrap()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let folder = self.0.path().join("folder");
        let _ = rustix::mount::unmount(folder, rustix::mount::UnmountFlags::DETACH);
    }
}

/// What was known, by path.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<RelPath, Known>);

impl Base for Memory {
    type Error = Infallible;

    fn children(&mut self, folder: &RelPath) -> Result<BTreeMap<Name, Known>, Infallible> {
        let within = self
            .0
            .iter()
            .filter(|(path, _)| path.parent().as_ref() == Some(folder));
        let child =
            |(path, known): (&RelPath, &Known)| (Name::new(path.name().unwrap()).unwrap(), known.clone());
        Ok(within.map(child).collect())
    }
}

pub(crate) struct Lab {
    folder: TempDir,
    pub(crate) root: Root,
    pub(crate) known: Memory,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::in_folder(TempDir::new().unwrap())
    }

    pub(crate) fn in_folder(folder: TempDir) -> Self {
        let root = Root::open(folder.path(), RootId([7; 16]), None).unwrap();
        Self {
            folder,
            root,
            known: Memory::default(),
        }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    pub(crate) fn scan(&mut self) -> Scan {
        self.scan_in(&Filter::nothing())
    }

    pub(crate) fn scan_in(&mut self, filter: &Filter) -> Scan {
        let scope = Scope {
            slice: None,
            filter,
            is_refused: &|_| false,
            is_ended: &|| false,
        };
        scan(&self.root, &mut self.known, &scope, &|_| true).unwrap()
    }

    /// What differs, in words.
    pub(crate) fn told(&mut self) -> String {
        let one = |(path, found): (&RelPath, &Found)| match found {
            Found::Gone => format!("-{path}"),
            Found::Item(Item::Folder, _) => format!("{path}/"),
            Found::Item(Item::Link(text), _) => format!("{path}->{}", String::from_utf8_lossy(text)),
            Found::Item(Item::File(file), _) => format!("{path}:{}", file.len),
            Found::Same(_) => format!("={path}"),
            Found::Unknown(why) => format!("?{path}:{why:?}"),
            Found::Filtered(files) => format!("!{path}:{files}"),
        };
        self.scan().found.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Takes what is there for known. Stamps are kept as they are, however young.
    pub(crate) fn note(&mut self) -> Scan {
        let scan = self.scan();
        for (path, found) in &scan.found {
            match found {
                Found::Gone => drop(self.known.0.remove(path)),
                Found::Item(item, stamp) => {
                    let (item, stamp) = (item.clone(), Some(*stamp));
                    self.known.0.insert(path.clone(), Known { item, stamp });
                }
                Found::Same(stamp) => self.known.0.get_mut(path).unwrap().stamp = Some(*stamp),
                Found::Unknown(_) | Found::Filtered(_) => {}
            }
        }
        scan
    }

    pub(crate) fn of(&self, path: &str) -> Known {
        self.known.0[&self::path(path)].clone()
    }

    /// Puts `text` at `to`, as one run.
    pub(crate) fn put(
        &self,
        run: &str,
        to: &str,
        text: &str,
        expect: Option<&Known>,
    ) -> Result<(), FilesError> {
        let changes = Changes::begin(&self.root, run, "lab")?;
        let staged = changes.stage(
            &path(to),
            &file(text),
            (1_000_000, 7),
            0o644,
            &mut text.as_bytes(),
            expect.is_some(),
        )?;
        let ready = changes.flush(vec![staged])?.pop().unwrap();
        changes.place(ready, expect).map(drop)
    }

    /// Whatever is kept in the version store: `run/path=text`.
    pub(crate) fn kept(&self) -> String {
        let top = self.at(".gobag-sync/versions");
        let mut kept = Vec::new();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                    continue;
                }
                let text = match path.is_symlink() {
                    true => fs::read_link(&path).unwrap().to_string_lossy().into_owned(),
                    false => fs::read_to_string(&path).unwrap(),
                };
                kept.push(format!("{}={text}", path.strip_prefix(&top).unwrap().display()));
            }
        }
        kept.sort();
        kept.join(" ")
    }

    /// What is being made: nothing, once a run is over.
    pub(crate) fn staged(&self) -> usize {
        let owners = fs::read_dir(self.at(".gobag-sync/stage")).into_iter().flatten();
        owners
            .map(|owner| fs::read_dir(owner.unwrap().path()).unwrap().count())
            .sum()
    }
}

pub(crate) fn file(text: &str) -> File {
    let lab = Lab::new();
    lab.write("it", text);
    content_of(&lab.root, &path("it")).unwrap().0
}

/// Whether this is root; says that a test is skipped otherwise, or fails where that must not be.
pub(crate) fn may_mount() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        is_root || !required.split(',').any(|name| name == "root"),
        "only root mounts"
    );
    if !is_root {
        println!("skipped: only root mounts");
    }
    is_root
}
