//! Publishing a point, and which packs there are.

use std::{collections::HashSet, sync::Arc};

use gobag_format::{
    digest::Digest,
    ids::PointId,
    workspace::{BlobKind, PackList, PackedIn, WorkspaceHead},
};

use crate::{
    NewHead, StoreError, Workspace, WorkspaceError, edit, limits,
    packer::{Packed, Packer},
};

impl Workspace {
    /// Publishes what was changed as the next point. Whoever was raced asks for the newest point and does it anew; packs that were sent
    /// need not be sent again.
    pub fn publish(&mut self) -> Result<(), WorkspaceError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let point = PointId::generate(&*self.random);
        let tree = self.tree()?;
        let root = edit::rebuild(&tree, &self.changes, &mut self.packer)?;
        let root = match root {
            Some((level, packed)) => Some((level, self.packer.placed(&packed)?)),
            None => None,
        };
        let (points, older_points) = self.earlier_points()?;
        self.packer.end()?;
        let (packs, older_packs) = self.pack_names()?;
        let adds = self.packer.packs().to_vec();
        let head = WorkspaceHead {
            format: WorkspaceHead::format(),
            workspace: self.id,
            generation: self.head.as_ref().map_or(0, |head| head.generation) + 1,
            point,
            by: self.by.clone(),
            tree_level: root.map_or(0, |(level, _)| level),
            tree: root.map(|(_, blob)| blob.into()),
            packs,
            older_packs,
            points,
            older_points,
        };
        self.sent = Some(point);
        let published = self.fetcher.store.publish(&NewHead {
            generation: head.generation,
            point,
            after: self.head.as_ref().map(|head| head.point),
            head: head.seal(&self.fetcher.keys),
            adds,
        });
        match published {
            Ok(()) => {
                self.head = Some(head);
                self.changes.clear();
                self.forget_packs();
                Ok(())
            }
            Err(error) => {
                // They are not there any more, so they have to be sent again.
                if matches!(error, StoreError::Gone) {
                    self.forget_packs();
                }
                Err(error.into())
            }
        }
    }

    /// What was sent so far is nobody's, or a point's.
    pub(crate) fn forget_packs(&mut self) {
        self.packer = Packer::new(Arc::clone(&self.fetcher), Arc::clone(&self.random));
    }

    /// All packs that the newest point and those before it added, and that were not let go since.
    pub fn packs(&self) -> Result<Vec<Digest>, WorkspaceError> {
        let Some(head) = &self.head else {
            return Ok(Vec::new());
        };
        let mut packs = head.packs.clone();
        let mut older = head.older_packs.as_ref().map(PackedIn::blob).transpose()?;
        while let Some(blob) = older {
            let list = PackList::decode(&self.fetcher.blob(BlobKind::Packs, &blob)?, blob.pack)?;
            packs.extend(list.packs);
            older = list.older;
        }
        Ok(packs)
    }

    /// The packs that the next head names, and the list that names the others; where there are too many, they come into such lists.
    fn pack_names(&mut self) -> Result<(Vec<Digest>, Option<PackedIn>), WorkspaceError> {
        let (mut packs, older) = match &self.head {
            Some(head) => (head.packs.clone(), head.older_packs.clone()),
            None => (Vec::new(), None),
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
