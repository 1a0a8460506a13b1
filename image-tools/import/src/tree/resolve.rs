//! Following symbolic links inside the tree.

use super::{Found, InodeKind, Tree};
use crate::{
    limits::{MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PATH_DEPTH, MAX_SYMLINK_HOPS},
    path::PathProblem,
};

/// A resolved path: names of folders from the root down.
pub(super) type Names = Vec<Box<[u8]>>;

/// Why a path cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResolveError {
    Loop,
    Path(PathProblem),
}

impl Tree {
    /// The path that `components` lead to when every symbolic link on the way, and the last one, is followed inside the
    /// tree. `..` only comes from link targets and stops at the root, as it does for a program running in there. Names
    /// that do not exist (yet) are kept as they are.
    pub(super) fn resolve<'a>(
        &self,
        components: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<Names, ResolveError> {
        let mut pending: Names = components.rev().map(Box::from).collect();
        let mut resolved: Names = Vec::new();
        let mut hops = 0;
        while let Some(name) = pending.pop() {
            match &*name {
                b"" | b"." => continue,
                b".." => {
                    resolved.pop();
                    continue;
                }
                long if long.len() > MAX_NAME_BYTES => {
                    return Err(ResolveError::Path(PathProblem::NameTooLong));
                }
                _ => resolved.push(name),
            }
            if resolved.len() > MAX_PATH_DEPTH {
                return Err(ResolveError::Path(PathProblem::TooDeep));
            }
            let Some(target) = self.symlink_at(&resolved) else {
                continue;
            };
            hops += 1;
            if hops > MAX_SYMLINK_HOPS {
                return Err(ResolveError::Loop);
            }
            resolved.pop();
            if target.starts_with(b"/") {
                resolved.clear();
            }
            pending.extend(target.split(|&byte| byte == b'/').rev().map(Box::from));
        }
        match resolved.iter().map(|name| name.len() + 1).sum::<usize>() > MAX_PATH_BYTES {
            true => Err(ResolveError::Path(PathProblem::TooLong)),
            false => Ok(resolved),
        }
    }

    fn symlink_at(&self, names: &Names) -> Option<&[u8]> {
        match self.node(names.iter().map(|name| &**name))? {
            Found::Inode(id) => match &self.inode(id).kind {
                InodeKind::Symlink { target } => Some(target),
                _ => None,
            },
            Found::Folder(_) => None,
        }
    }
}
