//! What a file was in earlier points of a workspace: for `versions` and `restore` with `--from workspace:NAME`.

use std::{
    io::{self, Read},
    path::Path,
};

use gobag_client::UploadLimit;
use gobag_files::{Changes, Root, Source, known, once, put_back};
use gobag_format::{Monitor, workspace::EntryKind};
use gobag_pair::PairError;
use gobag_reconcile::RelPath;
use gobag_term::{CliError, ExitCode};
use gobag_workspace::{FileReader, Was, Workspace, item_of};

use crate::{
    Right, Shell, error::OrExplain as _, program::quoted, progress::Progress, restore::Wanted, time::run_now,
};

/// What stands before the generation in the name of a version.
const POINT: &str = "point-";
/// So many versions are listed without `--all`.
pub(crate) const MANY: usize = 20;

/// A workspace of which earlier points are asked.
pub(crate) struct Earlier<'a> {
    workspace: Workspace,
    shell: &'a Shell<'a>,
}

/// How the versions of a file are listed.
fn list(path: &RelPath, shell: &Shell<'_>) -> String {
    shell.call(&format!(
        "versions LEFT {} --from RIGHT",
        quoted(&path.to_string())
    ))
}

impl<'a> Earlier<'a> {
    /// The workspace that `from` names, for the folder `left`.
    pub(crate) fn open(left: &Path, from: &Right, shell: &'a Shell<'a>) -> Result<Self, CliError> {
        let Right::Workspace(name) = from else {
            let error = CliError::new(ExitCode::Usage, "sync.from-folder", "`--from` takes a workspace");
            return Err(error.hint("name the other folder in the place of this one, without `--from`"));
        };
        let opened = Right::workspace(name, left, &*shell.program, &UploadLimit::default(), None);
        let workspace = opened.or_explain(shell)?;
        Ok(Self { workspace, shell })
    }

    /// What was at `path` of the folder before, the oldest first; not all of it, unless `all` is wanted.
    pub(crate) fn versions(&self, root: &Root, path: &RelPath, all: bool) -> Result<Vec<Was>, CliError> {
        let now = known(root, path).or_explain(self.shell)?.map(|now| now.item);
        let mut found = Vec::new();
        let mut is_newest = true;
        self.past(path, &mut |was| {
            let is_now = std::mem::take(&mut is_newest) && was.kind.as_ref().map(item_of) == now;
            if !is_now && is_kept(&was) {
                found.push(was);
            }
            all || found.len() < MANY
        })?;
        found.reverse();
        Ok(found)
    }

    /// Puts what was wanted at `path` of the folder. Gives the version's name; none: it was so already.
    pub(crate) fn restore(
        &self,
        root: &Root,
        path: &RelPath,
        wanted: &Wanted<'_>,
    ) -> Result<Option<String>, CliError> {
        let now = known(root, path).or_explain(self.shell)?.map(|now| now.item);
        let mut found = None;
        let mut is_known = true;
        self.past(path, &mut |was| {
            let is_it = match wanted {
                Wanted::Newest => is_kept(&was) && was.kind.as_ref().map(item_of) != now,
                Wanted::Named(name) => *name == version_name(&was),
                Wanted::At(time) => {
                    let time_s = u64::try_from(time.as_second()).unwrap_or(0);
                    // Between two points that are kept there may have been others.
                    is_known = was.is_next_kept || was.last_s.is_some_and(|last_s| time_s <= last_s);
                    was.since_s.is_some_and(|since_s| since_s <= time_s)
                }
            };
            if is_it {
                found = Some(was);
            }
            !is_it
        })?;
        if found.is_some() && !is_known {
            let error = format!(
                "what `{path}` was then is not kept: of the points around that time some were let go"
            );
            let list = list(path, self.shell);
            let error = CliError::new(ExitCode::Failed, "sync.changed-since", error);
            return Err(error.hint(format!(
                "take one that is kept by its name; list them with {list}"
            )));
        }
        let Some((was, kind)) = found.and_then(|was| Some((was.clone(), was.kind?))) else {
            let error = "there is no such version of this file in the points that are kept";
            let list = list(path, self.shell);
            let error = CliError::new(ExitCode::Failed, "sync.no-version", error);
            return Err(error.hint(format!("list them with {list}")));
        };
        let item = item_of(&kind);
        if now.is_some_and(|now| now == item) {
            return Ok(None);
        }
        let (mtime, mode) = match kind {
            EntryKind::File { mtime, mode, .. } => (mtime, mode),
            _ => ((0, 0), 0),
        };
        let name = run_now();
        let changes = Changes::begin(root, &name, &once(&name)).or_explain(self.shell)?;
        let mut from = Published(self.workspace.read(&kind));
        let put = put_back(root, &changes, path, &item, mtime, mode, &mut from);
        if let Some(error) = from.0.take_error() {
            return Err(error).or_explain(self.shell);
        }
        put.or_explain(self.shell)?;
        Ok(Some(version_name(&was)))
    }

    fn past(&self, path: &RelPath, each: &mut dyn FnMut(Was) -> bool) -> Result<(), CliError> {
        let progress = Progress::new(self.shell.ui);
        progress.phase("looking at earlier points", None);
        let looked = self.workspace.past(path, &progress, each);
        progress.finish();
        looked.or_explain(self.shell)?;
        // What was not looked at is not known to be missing.
        match progress.is_cancelled() {
            true => Err(PairError::Ended).or_explain(self.shell),
            false => Ok(()),
        }
    }
}

/// By what name a version goes.
pub(crate) fn version_name(was: &Was) -> String {
    format!("{POINT}{}", was.generation)
}

/// Bytes of what was there.
pub(crate) fn bytes(was: &Was) -> u64 {
    was.kind.as_ref().map_or(0, |kind| item_of(kind).len())
}

/// Whether it is something that can be put back.
fn is_kept(was: &Was) -> bool {
    matches!(was.kind, Some(EntryKind::File { .. } | EntryKind::Link(_)))
}

/// A file of a point, which has no attributes; what is zeros in it becomes a hole.
struct Published(FileReader);

impl Read for Published {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Source for Published {
    fn skip_hole(&mut self) -> io::Result<u64> {
        self.0.skip_zeros()
    }
}
