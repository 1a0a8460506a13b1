//! Publishing a point, and which packs there are.

use std::{collections::HashSet, sync::Arc};

use gobag_format::{
    digest::Digest,
    ids::PointId,
    workspace::{BlobKind, BlobRef, PackList, PackedIn, WorkspaceHead},
};

use crate::{
    NewHead, StoreError, Workspace, WorkspaceError, edit, limits,
    packer::{Packed, Packer},
    sweep::Swept,
};

/// A point to be, but for its packs.
struct Coming {
    root: Option<(u8, BlobRef)>,
    points: Vec<PointId>,
    older_points: Option<PackedIn>,
}

impl Workspace {
    /// Publishes what was changed as the next point. Whoever was raced asks for the newest point and does it anew; packs that were sent
    /// need not be sent again.
    pub fn publish(&mut self) -> Result<(), WorkspaceError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let tree = self.tree()?;
        self.packer.begin_pages()?;
        let root = match edit::rebuild(&tree, &self.changes, &mut self.packer)? {
            Some((level, packed)) => Some((level, self.packer.placed(&packed)?)),
            None => None,
        };
        let (points, older_points) = self.earlier_points()?;
        self.packer.end()?;
        let swept = self.sweep(root, older_points.as_ref());
        let is_dropping = !swept.drops.is_empty();
        let coming = Coming {
            root,
            points,
            older_points,
        };
        let published = match self.offer(&coming, swept) {
            // By what a head names wrongly nobody could publish anything any more.
            Err(WorkspaceError::Store(StoreError::Refused(error))) if is_dropping => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "a point that drops packs is refused"
                );
                self.offer(&coming, Swept::nothing((self.sweep_after)(0)))
            }
            offered => offered,
        };
        // They are not there any more, so all has to be sent again.
        if matches!(published, Err(WorkspaceError::Store(StoreError::Gone))) {
            self.forget_packs();
            self.changes.clear();
        }
        published
    }

    fn offer(&mut self, coming: &Coming, swept: Swept) -> Result<(), WorkspaceError> {
        let Swept { kept, drops, next } = swept;
        let (packs, older_packs) = self.pack_names(kept)?;
        let adds = self.packer.packs().to_vec();
        let point = PointId::generate(&*self.random);
        let head = WorkspaceHead {
            format: WorkspaceHead::format(),
            workspace: self.id,
            generation: self.head.as_ref().map_or(0, |head| head.generation) + 1,
            point,
            by: self.by.clone(),
            tree_level: coming.root.map_or(0, |(level, _)| level),
            tree: coming.root.map(|(_, blob)| blob.into()),
            packs,
            older_packs,
            points: coming.points.clone(),
            older_points: coming.older_points.clone(),
            sweep_in: Some(next),
        };
        self.sent = Some(point);
        self.fetcher.store.publish(&NewHead {
            generation: head.generation,
            point,
            after: self.head.as_ref().map(|head| head.point),
            head: head.seal(&self.fetcher.keys),
            adds,
            drops,
        })?;
        self.head = Some(head);
        self.changes.clear();
        self.forget_packs();
        Ok(())
    }

    /// What was sent so far is nobody's, or a point's.
    pub(crate) fn forget_packs(&mut self) {
        self.packer = Packer::new(Arc::clone(&self.fetcher), Arc::clone(&self.random));
    }

    /// All packs that the newest point and those before it added, and that were not let go since.
    pub fn packs(&self) -> Result<Vec<Digest>, WorkspaceError> {
        Ok(self.packs_by(&mut { usize::MAX })?.unwrap_or_default())
    }

    /// The same, each once; `asks` says how often the store may still be asked; none: more would be needed.
    pub(crate) fn packs_by(&self, asks: &mut usize) -> Result<Option<Vec<Digest>>, WorkspaceError> {
        let Some(head) = &self.head else {
            return Ok(Some(Vec::new()));
        };
        let mut packs = head.packs.clone();
        let mut older = head.older_packs.as_ref().map(PackedIn::blob).transpose()?;
        while let Some(blob) = older {
            let Some(plain) = self.fetcher.page_of_many(BlobKind::Packs, &blob, asks)? else {
                return Ok(None);
            };
            let list = PackList::decode(&plain, blob.pack)?;
            packs.extend(list.packs);
            older = list.older;
        }
        let mut named = HashSet::new();
        packs.retain(|pack| named.insert(*pack));
        Ok(Some(packs))
    }

    /// The packs that the next head names, and the list that names the others; where there are too many, they come into such lists. `kept` are those of
    /// the point before that stay, if not all do.
    fn pack_names(
        &mut self,
        kept: Option<Vec<Digest>>,
    ) -> Result<(Vec<Digest>, Option<PackedIn>), WorkspaceError> {
        let (mut packs, older) = match (kept, &self.head) {
            (Some(kept), _) => (kept, None),
            (None, Some(head)) => (head.packs.clone(), head.older_packs.clone()),
            (None, None) => (Vec::new(), None),
        };
        packs.extend_from_slice(self.packer.packs());
        if packs.len() <= limits::HEAD_PACKS {
            return Ok((packs, older));
        }
        let mut list = older.as_ref().map(PackedIn::blob).transpose()?.map(Packed::from);
        for named in packs.chunks(limits::PACK_NAMES) {
            let older: Vec<Packed> = list.into_iter().collect();
            let packs = named.to_vec();
            list = Some(self.packer.add_page(BlobKind::Packs, &older, &|blobs| {
                let (packs, older) = (packs.clone(), blobs.first().copied());
                PackList { packs, older }.encode()
            })?);
        }
        self.packer.end()?;
        let older = match &list {
            Some(list) => Some(self.packer.placed(list)?.into()),
            None => None,
        };
        let named: HashSet<Digest> = packs.into_iter().collect();
        let rest = self.packer.packs().iter().filter(|pack| !named.contains(pack));
        Ok((rest.copied().collect(), older))
    }
}
