//! Letting packs go in which there is nothing that the newest point needs.
//!
//! Whoever publishes a point goes through all that it leads to, once as many packs were added as stayed the last time; a pack in which nothing of that is, is
//! dropped with the point. For earlier points a store keeps theirs as long as it keeps those. What cannot be read, or is in no pack that the head names, ends it: then
//! nothing goes, and it is tried again later.

use std::{collections::HashSet, sync::Arc};

use gobag_format::{
    digest::Digest,
    workspace::{
        BlobError, BlobKind, BlobName, BlobRef, Body, EntryKind, Leaf, PackedIn, PartList, PointList,
    },
};

use crate::{StoreError, Workspace, WorkspaceError, fetch::Fetcher, limits, tree::Tree};

/// How many packs may be added until it is looked again, where so many stay: with each time as many more, it costs a share of what is published that does not grow.
pub fn sweep_after(kept: usize) -> u64 {
    kept as u64 + limits::SWEEP_AFTER
}

/// What comes of it.
pub(crate) struct Swept {
    /// Packs of the point before that stay; none: all of them, and nobody looked.
    pub(crate) kept: Option<Vec<Digest>>,
    /// Those that go.
    pub(crate) drops: Vec<Digest>,
    /// How many may be added until the next time.
    pub(crate) next: u64,
}

impl Swept {
    /// Nothing goes.
    pub(crate) fn nothing(next: u64) -> Self {
        Self {
            kept: None,
            drops: Vec::new(),
            next,
        }
    }
}

impl Workspace {
    /// Which packs a point needs no more that has this tree and this list of earlier points. What is to be published is in packs that are whole.
    pub(crate) fn sweep(&self, root: Option<(u8, BlobRef)>, older_points: Option<&PackedIn>) -> Swept {
        let said = self.head.as_ref().and_then(|head| head.sweep_in);
        // Whatever somebody said, it is looked again one day.
        let left = said
            .unwrap_or_else(|| (self.sweep_after)(0))
            .min(limits::SWEEP_MOST);
        let added = self.packer.packs().len() as u64;
        if left > added || !self.fetcher.store.lets_go() {
            return Swept::nothing(left.saturating_sub(added));
        }
        match self.drops(root, older_points) {
            Ok(Some(swept)) => {
                tracing::debug!(dropped = swept.drops.len(), "packs that nothing needs go");
                swept
            }
            Ok(None) => Swept::nothing(limits::SWEEP_AGAIN),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "which packs nothing needs cannot be told"
                );
                Swept::nothing((self.sweep_after)(0))
            }
        }
    }

    /// None: not all that there is could be looked at yet.
    fn drops(
        &self,
        root: Option<(u8, BlobRef)>,
        older_points: Option<&PackedIn>,
    ) -> Result<Option<Swept>, WorkspaceError> {
        let mut asks = limits::SWEEP_ASKS;
        let Some(packs) = self.packs_by(&mut asks)? else {
            return Ok(None);
        };
        let mut marks = Marks {
            fetcher: &self.fetcher,
            known: packs.iter().chain(self.packer.packs()).copied().collect(),
            needed: HashSet::new(),
            seen: HashSet::new(),
            asks,
            looks: limits::SWEEP_LOOKS,
        };
        let tree = Tree {
            fetcher: Arc::clone(&self.fetcher),
            root,
        };
        if !marks.tree(&tree)? || !marks.points(older_points)? {
            return Ok(None);
        }
        let (mut kept, mut drops): (Vec<_>, Vec<_>) =
            packs.into_iter().partition(|pack| marks.needed.contains(pack));
        let most = limits::SWEEP_DROPS.min(drops.len());
        let next = match most == drops.len() {
            true => (self.sweep_after)(kept.len()),
            false => limits::SWEEP_AGAIN,
        };
        kept.extend(drops.drain(most..));
        let kept = Some(kept);
        Ok(Some(Swept { kept, drops, next }))
    }
}

/// Packs in which something is that is needed.
struct Marks<'a> {
    fetcher: &'a Fetcher,
    /// All that there are. What is said to be in another one is damaged: another error more would not mend it.
    known: HashSet<Digest>,
    needed: HashSet<Digest>,
    /// Lists of lists that were gone through: one that a member names any number of times has no end otherwise.
    seen: HashSet<(Digest, BlobName)>,
    /// How often the store may still be asked.
    asks: usize,
    /// How many pages may still be looked at, wherever they are.
    looks: usize,
}

// Each says whether it could look at all that there is.
impl Marks<'_> {
    fn tree(&mut self, tree: &Tree) -> Result<bool, WorkspaceError> {
        let pages = tree.pages()?;
        for (_, node) in pages.nodes.values() {
            self.needs(node.pack)?;
        }
        for child in &pages.leaves {
            let Some(plain) = self.page(BlobKind::Leaf, &child.blob)? else {
                return Ok(false);
            };
            for entry in Leaf::decode(&plain, child.blob.pack)?.entries {
                if let EntryKind::File { body, .. } = entry.kind
                    && !self.body(&body)?
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn body(&mut self, body: &Body) -> Result<bool, WorkspaceError> {
        match body {
            Body::Empty => Ok(true),
            Body::Piece(blob) => self.needs(blob.pack).map(|()| true),
            Body::List(level, blob) => self.list(*level, blob),
        }
    }

    fn list(&mut self, level: u8, blob: &BlobRef) -> Result<bool, WorkspaceError> {
        if level > 0 && !self.seen.insert((blob.pack, blob.name)) {
            return Ok(true);
        }
        let Some(plain) = self.page(BlobKind::List, blob)? else {
            return Ok(false);
        };
        let parts = PartList::decode(&plain, blob.pack, level)?.parts;
        let Some(below) = level.checked_sub(1) else {
            parts.iter().try_for_each(|part| self.needs(part.blob.pack))?;
            return Ok(true);
        };
        for part in &parts {
            if !self.list(below, &part.blob)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The lists of earlier points.
    fn points(&mut self, newest: Option<&PackedIn>) -> Result<bool, WorkspaceError> {
        let mut older = newest.map(PackedIn::blob).transpose()?;
        while let Some(blob) = older {
            let plain = match self.page(BlobKind::Points, &blob) {
                // Nobody reads on there.
                Err(WorkspaceError::Store(StoreError::Missing)) => break,
                plain => plain?,
            };
            let Some(plain) = plain else {
                return Ok(false);
            };
            older = PointList::decode(&plain, blob.pack)?.older;
        }
        Ok(true)
    }

    fn page(&mut self, kind: BlobKind, blob: &BlobRef) -> Result<Option<Vec<u8>>, WorkspaceError> {
        self.needs(blob.pack)?;
        self.looks = self.looks.checked_sub(1).ok_or(BlobError::Damaged)?;
        self.fetcher.page_of_many(kind, blob, &mut self.asks)
    }

    fn needs(&mut self, pack: Digest) -> Result<(), WorkspaceError> {
        match self.known.contains(&pack) {
            true => {
                self.needed.insert(pack);
                Ok(())
            }
            false => Err(BlobError::Damaged.into()),
        }
    }
}
