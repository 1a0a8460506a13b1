//! The points that there were, as each head names them: who saw one of them knows by that whether the store was put back since.

use gobag_format::{
    ids::PointId,
    workspace::{BlobError, BlobKind, BlobRef, PackedIn, PointList, WorkspaceHead},
};

use crate::{StoreError, Workspace, WorkspaceError, limits, packer::Packed};

/// What is known of an earlier point.
pub(crate) enum Earlier {
    /// This attempt made it.
    Made(PointId),
    /// Nobody says: a program that knew nothing of earlier points made one since.
    Unsaid,
    /// What says it is not there any more.
    Lost,
}

impl Workspace {
    /// Which attempt made the point of a generation, by a later head.
    pub(crate) fn earlier(&self, head: &WorkspaceHead, generation: u64) -> Result<Earlier, WorkspaceError> {
        let mut first = head.generation.saturating_sub(head.points.len() as u64);
        let mut points = head.points.clone();
        let mut older = head.older_points.as_ref().map(PackedIn::blob).transpose()?;
        loop {
            let found = generation
                .checked_sub(first)
                .and_then(|at| points.get(usize::try_from(at).ok()?));
            match (found, older) {
                (Some(point), _) => return Ok(Earlier::Made(*point)),
                (None, None) => return Ok(Earlier::Unsaid),
                (None, Some(blob)) => match self.points_before(&blob, first)? {
                    None => return Ok(Earlier::Lost),
                    Some(list) => (first, points, older) = (list.first, list.points, list.older),
                },
            }
        }
    }

    /// The earlier points that the next head names, and the list that names the others; where there are too many, they come into that list.
    pub(crate) fn earlier_points(&mut self) -> Result<(Vec<PointId>, Option<PackedIn>), WorkspaceError> {
        let Some(head) = &self.head else {
            return Ok((Vec::new(), None));
        };
        let mut points = head.points.clone();
        points.push(head.point);
        if points.len() <= limits::HEAD_POINTS {
            return Ok((points, head.older_points.clone()));
        }
        let mut first = head.generation + 1 - points.len() as u64;
        let mut older = head.older_points.as_ref().map(PackedIn::blob).transpose()?;
        // Those of a list that is lost are lost: who saw one of them is told that the store was put back.
        if let Some(blob) = older
            && let Some(list) = self.points_before(&blob, first)?
            && list.points.len() + points.len() <= limits::POINT_NAMES
        {
            points.splice(0..0, list.points);
            (first, older) = (list.first, list.older);
        }
        let older: Vec<Packed> = older.map(Packed::from).into_iter().collect();
        let packed = self.packer.add_page(BlobKind::Points, &older, &|blobs| {
            let (points, older) = (points.clone(), blobs.first().copied());
            PointList { first, points, older }.encode()
        })?;
        Ok((Vec::new(), Some(self.packer.placed(&packed)?.into())))
    }

    /// A list of points that ends before `next`; none: it is lost.
    fn points_before(&self, blob: &BlobRef, next: u64) -> Result<Option<PointList>, WorkspaceError> {
        let plain = match self.fetcher.page(BlobKind::Points, blob) {
            Err(WorkspaceError::Format(BlobError::Damaged) | WorkspaceError::Store(StoreError::Missing)) => {
                return Ok(None);
            }
            plain => plain?,
        };
        let list = PointList::decode(&plain, blob.pack)?;
        match list.first + list.points.len() as u64 == next {
            true => Ok(Some(list)),
            false => Err(BlobError::Damaged.into()),
        }
    }
}
