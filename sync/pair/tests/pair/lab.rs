//! Two folders and what people do in them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gobag_format::Silent;
use gobag_member::ServerStore;
use gobag_pair::{Options, Pair, PairError, Report, RootId};
use gobag_protocol::workspaces::MemberRole;
use gobag_stores::{Elsewhere, Mode};
use gobag_workspace::{NoCache, Store, Workspace};
use tempfile::TempDir;

use crate::{away::Away, office::Office};

pub(crate) struct Lab {
    folder: TempDir,
    run: u32,
    /// Where the right folder is another member's, and both are in step with a workspace.
    office: Option<Office>,
    /// The same with a workspace that is at no server.
    away: Option<Away>,
}

impl Lab {
    /// Two folders that were never paired, and are empty.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("left")).unwrap();
        fs::create_dir(folder.path().join("right")).unwrap();
        Self {
            folder,
            run: 0,
            office: None,
            away: None,
        }
    }

    /// Two folders of two members that are in step with a workspace: both have `files`.
    pub(crate) fn shared(files: &[(&str, &str)]) -> Self {
        Self::shared_at(Office::new(), files)
    }

    pub(crate) fn shared_at(office: Office, files: &[(&str, &str)]) -> Self {
        let mut lab = Self::members_of(office);
        for (path, text) in files {
            lab.write("left", path, text);
        }
        lab.pass();
        lab
    }

    /// The same, and neither was ever paired.
    pub(crate) fn members_of(office: Office) -> Self {
        let mut lab = Self::new();
        lab.office = Some(office);
        lab
    }

    /// Two folders of two members that are in step with a workspace at no server: both have `files`.
    pub(crate) fn away(files: &[(&str, &str)]) -> Self {
        let mut lab = Self::new();
        lab.away = Some(Away::new());
        for (path, text) in files {
            lab.write("left", path, text);
        }
        lab.pass();
        lab
    }

    /// How the workspace is written.
    pub(crate) fn mode(&self) -> Mode {
        self.away.as_ref().unwrap().mode
    }

    /// The folder that the workspace is kept in, if it is in one here.
    pub(crate) fn away_folder(&self) -> Option<PathBuf> {
        let folder = self.away.as_ref()?.folder.as_ref()?;
        Some(folder.path().to_owned())
    }

    /// What keeps the workspace, as a member reaches it.
    pub(crate) fn store_away(&self, side: &str) -> Elsewhere {
        self.away.as_ref().unwrap().store(number(side))
    }

    /// The same, and the member is the one who writes.
    pub(crate) fn turn(&self, side: &str) -> Elsewhere {
        self.away.as_ref().unwrap().turn(number(side))
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
            // So that every first copy of more is made in slices.
            slice: 2,
        }
    }

    pub(crate) fn pass_with(&mut self, change: impl FnOnce(&mut Options)) -> Result<Report, PairError> {
        let mut options = self.options();
        change(&mut options);
        if !self.is_shared() {
            return Pair::open(&self.at("left"), &self.at("right"))?.pass(&options, &Silent);
        }
        self.right_pass()?;
        let report = self.pair_of("left")?.pass(&options, &Silent)?;
        if !options.dry_run {
            self.right_pass()?;
        }
        Ok(report)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.office.is_some() || self.away.is_some()
    }

    /// The other member's.
    pub(crate) fn right_pass(&mut self) -> Result<(), PairError> {
        let options = Options {
            label: "r".to_owned(),
            confirmed: true,
            ..self.options()
        };
        self.pair_of("right")?.pass(&options, &Silent).map(drop)
    }

    /// The pair of a member's folder with the workspace.
    pub(crate) fn pair_of(&self, side: &str) -> Result<Pair, PairError> {
        match &self.away {
            Some(away) => self.pair_by(side, Arc::new(away.turn(number(side)))),
            None => self.office().pair(&self.at(side), number(side)),
        }
    }

    pub(crate) fn pair_by(&self, side: &str, store: Arc<dyn Store>) -> Result<Pair, PairError> {
        match &self.away {
            Some(away) => away.pair_by(&self.at(side), number(side), store),
            None => self.office().pair_by(&self.at(side), number(side), store),
        }
    }

    /// A folder of somebody else's with this workspace.
    pub(crate) fn pair_with(&self, folder: &Path, store: Arc<dyn Store>) -> Result<Pair, PairError> {
        self.office().pair_by(folder, 9, store)
    }

    /// The server as this member reaches it.
    pub(crate) fn store(&self, side: &str) -> ServerStore {
        let office = self.office();
        let mut member = office.member(&self.at(side).with_extension("member"), number(side));
        office.store(&mut member)
    }

    /// A member's folder is as new: empty, and never paired.
    pub(crate) fn forget_all(&self, side: &str) {
        fs::remove_dir_all(self.at(side)).unwrap();
        fs::create_dir(self.at(side)).unwrap();
    }

    pub(crate) fn be(&self, side: &str, role: MemberRole) {
        self.office().be(number(side), role);
    }

    pub(crate) fn enrol_in_vain(&self, side: &str) {
        let office = self.office();
        let folder = self.at(side).with_extension("member");
        office.enrol_in_vain(&mut office.member(&folder, number(side)));
    }

    /// The workspace as this member sees it.
    pub(crate) fn workspace(&self, side: &str) -> Workspace {
        self.office()
            .workspace(Arc::new(self.store(side)), Arc::new(NoCache))
    }

    /// The bytes of all long objects at the server are gone.
    pub(crate) fn lose_packs(&self) {
        let mut lost = 0;
        let mut folders = vec![self.office().site.folder().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let is_object = entry.file_name().len() == 64;
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if is_object && entry.metadata().unwrap().len() > 5_000 {
                    fs::remove_file(entry.path()).unwrap();
                    lost += 1;
                }
            }
        }
        assert!(lost > 0);
    }

    pub(crate) fn office(&self) -> &Office {
        self.office.as_ref().unwrap()
    }

    /// A copy of all that the server has, while it stands still.
    pub(crate) fn save_server(&mut self) -> TempDir {
        let site = &mut self.office.as_mut().unwrap().site;
        site.end();
        let copy = TempDir::new().unwrap();
        copy_all(site.folder(), copy.path());
        site.start_again();
        copy
    }

    /// The server is again what it was.
    pub(crate) fn restore_server(&mut self, copy: TempDir) {
        let site = &mut self.office.as_mut().unwrap().site;
        site.end();
        for entry in fs::read_dir(site.folder()).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        copy_all(copy.path(), site.folder());
        site.start_again();
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

fn number(side: &str) -> u8 {
    if side == "left" { 1 } else { 2 }
}

pub(crate) fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => {
                fs::create_dir(&to).unwrap();
                copy_all(&path, &to);
            }
            false => drop(fs::copy(&path, &to).unwrap()),
        }
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
