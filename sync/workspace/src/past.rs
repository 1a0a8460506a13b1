//! What was at a path in earlier points.

use std::sync::Arc;

use gobag_format::{
    Monitor,
    workspace::{EntryKind, WorkspaceHead},
};
use gobag_reconcile::RelPath;

use crate::{StoredPoint, Workspace, WorkspaceError, item_of, key::tree_key, tree::Tree};

/// What was at a path in points one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Was {
    /// What; none: nothing.
    pub kind: Option<EntryKind>,
    /// The generation of the last kept point in which it was so.
    pub generation: u64,
    /// When the first kept point was made in which it was so, by the store's clock: seconds since 1970 UTC.
    pub since_s: Option<u64>,
    /// When the first kept point was made in which it was so no more; none: it is so now, or nobody says.
    pub until_s: Option<u64>,
    /// By what name the maker of the first goes.
    pub by: String,
}

impl Workspace {
    /// What was at `path` in the points that are kept, the newest first, until `each` has enough or somebody ends it.
    pub fn past(
        &self,
        path: &RelPath,
        monitor: &dyn Monitor,
        each: &mut dyn FnMut(Was) -> bool,
    ) -> Result<(), WorkspaceError> {
        let key = tree_key(path)?;
        let mut state: Option<Was> = None;
        let mut before = None;
        loop {
            let points = self.fetcher.store.points(before)?;
            let Some(last) = points.last() else { break };
            before = Some(last.generation);
            for point in &points {
                if monitor.is_cancelled() {
                    return Ok(());
                }
                let Some((head, tree)) = self.at_point(point)? else {
                    continue;
                };
                let kind = tree.find(&key)?.map(|entry| entry.kind);
                if let Some(was) = &mut state
                    && was.kind.as_ref().map(item_of) == kind.as_ref().map(item_of)
                {
                    (was.since_s, was.by) = (point.made_s, head.by);
                    continue;
                }
                let until_s = state.as_ref().and_then(|was| was.since_s);
                let next = Was {
                    kind,
                    generation: point.generation,
                    since_s: point.made_s,
                    until_s,
                    by: head.by,
                };
                if let Some(was) = state.replace(next)
                    && !each(was)
                {
                    return Ok(());
                }
            }
        }
        if let Some(was) = state {
            each(was);
        }
        Ok(())
    }

    /// The head and the tree of a point; none: it was let go meanwhile.
    fn at_point(&self, point: &StoredPoint) -> Result<Option<(WorkspaceHead, Tree)>, WorkspaceError> {
        let Some(sealed) = self.fetcher.store.head(point.generation)? else {
            return Ok(None);
        };
        let head = self.open(point.generation, &sealed)?;
        let root = match &head.tree {
            Some(root) => Some((head.tree_level, root.blob()?)),
            None => None,
        };
        let fetcher = Arc::clone(&self.fetcher);
        Ok(Some((head, Tree { fetcher, root })))
    }
}
