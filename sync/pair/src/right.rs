//! The right side of a pair: another folder, or a workspace.

use std::{
    cell::RefCell,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use gobag_files::{Filter, Root, RootId, Scan, Scope, Walked};
use gobag_reconcile::{Item, Name, RelPath};
use gobag_workspace::{Workspace, WorkspaceError, item_of};

use crate::{
    PairError,
    base::Base,
    share::{self, Share},
    side::{Folder, Target},
    spared::Renamed,
};

/// What a folder is to be kept the same as.
pub enum Other {
    /// A folder.
    Folder(PathBuf),
    /// A workspace.
    Workspace(Box<Workspace>),
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Other {
    fn from(path: &P) -> Self {
        Self::Folder(path.as_ref().to_owned())
    }
}

impl From<Workspace> for Other {
    fn from(workspace: Workspace) -> Self {
        Self::Workspace(Box::new(workspace))
    }
}

/// The same, open.
pub(crate) enum Right {
    Folder(Root),
    Workspace(Box<Workspace>),
}

impl Right {
    /// What was to be put into a workspace, and is in no point, is not put.
    pub(crate) fn forget_changes(&mut self) {
        if let Self::Workspace(workspace) = self {
            workspace.forget_changes();
        }
    }

    /// Opens it. Where `expect` is given, it has to be that one; a folder that has no name gets `fresh`.
    pub(crate) fn open(other: Other, fresh: RootId, expect: Option<RootId>) -> Result<Self, PairError> {
        match other {
            Other::Folder(path) => Ok(Self::Folder(Root::open(&path, fresh, expect)?)),
            Other::Workspace(workspace) => {
                let id = RootId(workspace.id().0);
                match expect.is_none_or(|expect| expect == id) {
                    true => Ok(Self::Workspace(workspace)),
                    false => Err(PairError::OtherWorkspace),
                }
            }
        }
    }

    pub(crate) fn id(&self) -> RootId {
        match self {
            Self::Folder(root) => root.id(),
            Self::Workspace(workspace) => RootId(workspace.id().0),
        }
    }

    /// The folder, if it is one.
    pub(crate) fn folder(&self) -> Option<&Root> {
        match self {
            Self::Folder(root) => Some(root),
            Self::Workspace(_) => None,
        }
    }

    /// Where it is, as it is noted for people: a path, or `workspace:` and a name.
    pub(crate) fn place(&self) -> Vec<u8> {
        match self {
            Self::Folder(root) => {
                let path = root.path();
                let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                path.into_os_string().into_vec()
            }
            Self::Workspace(workspace) => format!("workspace:{}", workspace.name()).into_bytes(),
        }
    }

    pub(crate) fn has_modes(&self) -> bool {
        match self {
            Self::Folder(root) => root.has_modes(),
            Self::Workspace(_) => true,
        }
    }

    /// How many passes it has heard of with this left root; a workspace has points instead.
    pub(crate) fn passes(&self, left: RootId) -> Result<u64, PairError> {
        match self {
            Self::Folder(root) => Ok(root.counter(left)?),
            Self::Workspace(_) => Ok(0),
        }
    }

    /// Whether it, or the left root, was put back to an earlier state: what the base has is then not what both had last. Asks a workspace for its newest point.
    pub(crate) fn went_back(&mut self, left: RootId, base: &Base) -> Result<bool, PairError> {
        match self {
            Self::Folder(root) => {
                let (passes, unsaid) = base.passes()?;
                let heard = root.counter(left)?;
                Ok(heard != passes && !(unsaid && heard + 1 == passes))
            }
            Self::Workspace(workspace) => match workspace.refresh(base.seen()?) {
                Err(WorkspaceError::PutBack { .. }) => Ok(true),
                refreshed => {
                    refreshed?;
                    workspace.point().map(|point| base.set_seen(point)).transpose()?;
                    Ok(false)
                }
            },
        }
    }

    /// Counts a pass on both sides, before it changes anything.
    pub(crate) fn count(&self, left: RootId, base: &Base) -> Result<(), PairError> {
        match self {
            Self::Folder(root) => {
                // One that was cut off in here counted no further than this.
                let passes = root.counter(left)? + 1;
                base.set_passes(passes, true)?;
                root.set_counter(left, passes)?;
                base.set_passes(passes, false)
            }
            Self::Workspace(_) => base.set_point_in_step(None),
        }
    }

    /// Whether it cannot have a file of this name; where nobody can tell, it is tried.
    pub(crate) fn refuses_name(&self, name: &Name) -> bool {
        self.folder()
            .is_some_and(|root| root.refuses_name(name).unwrap_or(false))
    }

    /// Whether it takes some names for one.
    pub(crate) fn folds_names(&self) -> bool {
        self.folder().is_some_and(Root::folds_names)
    }

    /// Whether it takes these two for one.
    pub(crate) fn is_one_name(&self, one: &Name, other: &Name) -> bool {
        self.folder()
            .is_some_and(|root| root.is_one_name(one, other).unwrap_or(false))
    }

    /// The text of its own file of patterns.
    pub(crate) fn patterns(&self) -> Result<Vec<u8>, PairError> {
        match self {
            Self::Folder(root) => Ok(Filter::text(root)?),
            Self::Workspace(workspace) => share::patterns(workspace),
        }
    }

    /// Something that is left out in this folder, if there is something.
    pub(crate) fn left_out_in(&self, filter: &Filter, folder: &RelPath) -> Result<Option<Name>, PairError> {
        match self {
            Self::Folder(root) => Ok(filter.left_out_in(root, folder)),
            Self::Workspace(workspace) => {
                let is = |name: &Name, is_folder| filter.leaves_out(&folder.join(name), is_folder);
                Ok(workspace.find_in(folder, &is)?)
            }
        }
    }

    /// The files of a workspace at `path` and below it.
    pub(crate) fn files_below(&self, path: &RelPath) -> Result<Vec<Renamed>, PairError> {
        let Self::Workspace(workspace) = self else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut waiting = vec![path.clone()];
        while let Some(path) = waiting.pop() {
            match workspace.kind(&path)?.map(|kind| item_of(&kind)) {
                Some(Item::File(file)) => found.push(Renamed {
                    path,
                    len: file.len,
                    stamp: None,
                    content: Some(file.content),
                }),
                Some(Item::Folder) => {
                    let names = RefCell::new(Vec::new());
                    workspace.find_in(&path, &|name, _| {
                        names.borrow_mut().push(name.clone());
                        false
                    })?;
                    waiting.extend(names.into_inner().iter().map(|name| path.join(name)));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// What differs from what the base has, before its files are read.
    pub(crate) fn walk(&self, base: &Base, scope: &Scope<'_>) -> Result<Walked<'_>, PairError> {
        use gobag_reconcile::Side::Right;
        match self {
            Self::Folder(root) => Ok(gobag_files::walk(root, &mut base.side(Right), scope)?),
            Self::Workspace(workspace) => {
                let point = workspace.point().map(|(_, point)| point);
                let is_same_filter = base.filter()? == Some(scope.filter.digest());
                if point.is_none() || base.point_in_step()? != point || !is_same_filter {
                    return Ok(share::scan(workspace, base, scope)?.into());
                }
                let mut scan = Scan::without_stamps();
                scan.files = base.totals()?.files;
                Ok(scan.into())
            }
        }
    }

    /// To be changed in this run.
    pub(crate) fn target<'a>(
        &'a mut self,
        scan: &'a Scan,
        run: &str,
        owner: &str,
    ) -> Result<Box<dyn Target + 'a>, PairError> {
        Ok(match self {
            Self::Folder(root) => Box::new(Folder::begin(root, scan, run, owner)?),
            Self::Workspace(workspace) => Box::new(Share(workspace)),
        })
    }

    /// A pass is over that left both the same.
    pub(crate) fn note_in_step(&self, base: &Base) -> Result<(), PairError> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Workspace(workspace) => base.set_point_in_step(workspace.point().map(|(_, point)| point)),
        }
    }
}
