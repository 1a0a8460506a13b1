//! What was at a path in earlier points.

use std::sync::Arc;

use gobag_format::{
    Monitor,
    workspace::{BlobError, EntryKind, WorkspaceHead},
};
use gobag_reconcile::RelPath;

use crate::{StoreError, StoredPoint, Workspace, WorkspaceError, item_of, key::tree_key, tree::Tree};

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
    /// When the last kept point was made in which it was so.
    pub last_s: Option<u64>,
    /// Whether the point after that one is kept, too, or there is none: then it was so until `until_s`. Else nobody knows how long.
    pub is_next_kept: bool,
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
        let mut before: Option<u64> = None;
        // The generation after the point that is looked at; none: there is none.
        let mut next: Option<u64> = None;
        loop {
            let points = self.fetcher.store.points(before)?;
            let Some(last) = points.last() else { break };
            if before.is_some_and(|before| last.generation >= before) {
                // It would go round for ever.
                return Err(BlobError::Damaged.into());
            }
            before = Some(last.generation);
            for point in &points {
                if monitor.is_cancelled() {
                    return Ok(());
                }
                let Some((head, kind)) = self.at_point(point, &key)? else {
                    continue;
                };
                let is_next_kept = next.is_none_or(|next| point.generation.checked_add(1) == Some(next));
                next = Some(point.generation);
                if let Some(was) = &mut state
                    && was.kind.as_ref().map(item_of) == kind.as_ref().map(item_of)
                {
                    (was.since_s, was.by) = (point.made_s, head.by);
                    continue;
                }
                let until_s = state.as_ref().and_then(|was| was.since_s);
                let earlier = Was {
                    kind,
                    generation: point.generation,
                    since_s: point.made_s,
                    until_s,
                    last_s: point.made_s,
                    is_next_kept,
                    by: head.by,
                };
                if let Some(was) = state.replace(earlier)
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

    /// The head of a point and what is there by a key; none: it was let go meanwhile, or is damaged: others may not be.
    fn at_point(
        &self,
        point: &StoredPoint,
        key: &[u8],
    ) -> Result<Option<(WorkspaceHead, Option<EntryKind>)>, WorkspaceError> {
        let look = || {
            let Some(sealed) = self.fetcher.store.head(point.generation)? else {
                return Ok(None);
            };
            let head = self.open(point.generation, &sealed)?;
            let root = match &head.tree {
                Some(root) => Some((head.tree_level, root.blob()?)),
                None => None,
            };
            let fetcher = Arc::clone(&self.fetcher);
            let found = Tree { fetcher, root }.find(key)?;
            Ok(Some((head, found.map(|entry| entry.kind))))
        };
        match look() {
            Err(WorkspaceError::Format(BlobError::Damaged) | WorkspaceError::Store(StoreError::Missing)) => {
                tracing::warn!(
                    generation = point.generation,
                    "an earlier point is damaged, and passed over"
                );
                Ok(None)
            }
            looked => looked,
        }
    }
}
