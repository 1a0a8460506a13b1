//! Two folders and what people do in them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gobag_format::Silent;
use gobag_pair::{Options, Pair, PairError, Report, RootId};
use tempfile::TempDir;

pub(crate) struct Lab {
    folder: TempDir,
    run: u32,
}

impl Lab {
    /// Two folders that were never paired, and are empty.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("left")).unwrap();
        fs::create_dir(folder.path().join("right")).unwrap();
        Self { folder, run: 0 }
    }

    /// Two folders that are the same: both have `files`.
    pub(crate) fn paired(files: &[(&str, &str)]) -> Self {
        let mut lab = Self::new();
        lab.pair().unwrap();
        for (path, text) in files {
            lab.write("left", path, text);
        }
        lab.pass();
        lab
    }

    pub(crate) fn pair(&self) -> Result<Pair, PairError> {
        Pair::make(
            &self.at("left"),
            &self.at("right"),
            [RootId([1; 16]), RootId([2; 16])],
        )
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, side: &str, path: &str, text: &str) {
        let at = self.at(side).join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    pub(crate) fn remove(&self, side: &str, path: &str) {
        let at = self.at(side).join(path);
        match at.is_dir() && !at.is_symlink() {
            true => fs::remove_dir_all(at).unwrap(),
            false => fs::remove_file(at).unwrap(),
        }
    }

    pub(crate) fn options(&mut self) -> Options {
        self.run += 1;
        Options {
            label: "s".to_owned(),
            run: format!("run {}", self.run),
            confirmed: false,
            dry_run: false,
            limits: gobag_reconcile::HoldLimits::default(),
            patterns: Vec::new(),
        }
    }

    pub(crate) fn pass_with(&mut self, change: impl FnOnce(&mut Options)) -> Result<Report, PairError> {
        let mut options = self.options();
        change(&mut options);
        Pair::open(&self.at("left"), &self.at("right"))?.pass(&options, &Silent)
    }

    /// A pass after which both are the same, and a second one that finds nothing to do.
    pub(crate) fn pass(&mut self) -> Report {
        let report = self.pass_with(|_| {}).unwrap();
        assert!(report.is_in_step(), "{report:#?}");
        assert_eq!(self.tree("left"), self.tree("right"), "{report:#?}");
        let again = self.pass_with(|_| {}).unwrap();
        assert_eq!((again.left, again.right), Default::default(), "{again:#?}");
        report
    }

    /// What a side has: `d/`, `f=text`, `l->text`, `x*text`.
    pub(crate) fn tree(&self, side: &str) -> String {
        words(&list(&self.at(side)))
    }

    /// What a side has kept of earlier.
    pub(crate) fn kept(&self, side: &str) -> String {
        words(&list(&self.at(side).join(".gobag-sync/versions")))
    }
}

fn words(tree: &BTreeMap<String, String>) -> String {
    let words: Vec<String> = tree.iter().map(|(path, what)| format!("{path}{what}")).collect();
    words.join(" ")
}

pub(crate) fn list(top: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
            if name == ".gobag-sync" {
                continue;
            }
            let kind = fs::symlink_metadata(&path).unwrap();
            let what = if kind.is_symlink() {
                format!("->{}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                folders.push(path);
                "/".to_owned()
            } else if !kind.is_file() {
                "?".to_owned()
            } else {
                let run = if kind.permissions().mode() & 0o100 != 0 {
                    "*"
                } else {
                    "="
                };
                format!("{run}{}", String::from_utf8_lossy(&fs::read(&path).unwrap()))
            };
            found.insert(name, what);
        }
    }
    found
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
