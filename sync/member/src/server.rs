//! The company's server as where a workspace is kept.

use std::{error::Error, ops::Range, sync::Arc};

use gobag_client::{Backoff, Client, ClientError, Owner};
use gobag_format::{
    crypto::Random,
    digest::Digest,
    ids::{PointId, WorkspaceId},
};
use gobag_protocol::{
    bounded::Bounded,
    bytes::Sealed,
    error::Code,
    ids::{LineName, ObjectId, RequestId},
    limits::MAX_POINT_IDS,
    points::{NewPoint, Part, Point, Wanted},
};
use gobag_workspace::{NewHead, Store, StoreError, StoredHead, StoredPoint};

/// The line of a workspace's points.
const LINE: &str = "files";
/// How often a request is made until the server counts as not there.
const TRIES: u32 = 5;

/// A workspace at the company's server.
pub struct ServerStore {
    client: Client,
    owner: Owner,
    line: LineName,
    random: Arc<dyn Random>,
}

impl ServerStore {
    /// Through a client with a member's certificate.
    pub fn new(client: Client, workspace: WorkspaceId, random: Arc<dyn Random>) -> Self {
        Self {
            owner: client.workspace(workspace),
            client,
            line: LineName::parse(LINE).expect("the name has the form of one"),
            random,
        }
    }

    /// Asks again, for a while, while the server cannot be reached: whatever became of an answer, the same request gets it again.
    fn ask<T>(&self, ask: impl Fn(&Owner) -> Result<T, ClientError>) -> Result<T, StoreError> {
        let mut backoff = Backoff::new(&*self.random, Some(TRIES));
        let asked = self.client.retry(&mut backoff, |_| ask(&self.owner));
        asked.map_err(store_error)
    }

    /// Waits for at most so many seconds until there is a point of a generation above `after`; gives that of the newest. Asks once.
    pub fn wait(&self, after: u64, wait_s: u32) -> Result<u64, StoreError> {
        let told = self.owner.wait(&self.line, after, wait_s).map_err(store_error)?;
        let listed = told.points.first().map(|point| point.generation);
        Ok(told.newest.or(listed).unwrap_or(after))
    }

    fn told(&self, generation: u64) -> Result<Option<Point>, StoreError> {
        let mut backoff = Backoff::new(&*self.random, Some(TRIES));
        let asked = self
            .client
            .retry(&mut backoff, |_| self.owner.point(&self.line, generation));
        match asked {
            Ok(point) => Ok(Some(point)),
            Err(error) if error.is_refused(Code::PointUnknown) => Ok(None),
            Err(error) => Err(store_error(error)),
        }
    }
}

impl Store for ServerStore {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        let wanted = Wanted {
            limit: Some(1),
            head: Some(true),
            ..Wanted::default()
        };
        let points = self.ask(|owner| owner.points(&self.line, &wanted))?;
        let Some(newest) = points.into_iter().next() else {
            return Ok(None);
        };
        let generation = newest.generation;
        let head = match newest.head {
            Some(head) => head.as_slice().to_vec(),
            // An earlier server.
            None => self.head(generation)?.ok_or(StoreError::Missing)?,
        };
        Ok(Some(StoredHead { generation, head }))
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let point = self.told(generation)?;
        Ok(point
            .and_then(|point| point.head)
            .map(|head| head.as_slice().to_vec()))
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        let wanted = Wanted {
            before,
            complete: Some(true),
            ..Wanted::default()
        };
        let points = self.ask(|owner| owner.points(&self.line, &wanted))?;
        let told = points.iter().map(|point| StoredPoint {
            generation: point.generation,
            made_s: Some(point.time_s),
        });
        Ok(told.collect())
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        let id = ObjectId(pack);
        match range {
            Some(range) => {
                let range = u64::from(range.start)..u64::from(range.end);
                self.ask(|owner| owner.get_range(id, range.clone()))
            }
            None => self.ask(|owner| owner.get(id)),
        }
    }

    fn missing(&self, packs: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let ids: Vec<ObjectId> = packs.iter().copied().map(ObjectId).collect();
        let missing = self.ask(|owner| owner.missing(&ids))?;
        Ok(missing.into_iter().map(|ObjectId(pack)| pack).collect())
    }

    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.ask(|owner| owner.put(ObjectId(pack), bytes))
    }

    fn lets_go(&self) -> bool {
        true
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        let request = RequestId(new.point.0);
        let ids = |packs: &[Digest]| -> Vec<ObjectId> { packs.iter().copied().map(ObjectId).collect() };
        let (ids, drops) = (ids(&new.adds), ids(&new.drops));
        let mut batches: Vec<&[ObjectId]> = ids.chunks(MAX_POINT_IDS).collect();
        let last = batches.pop().unwrap_or_default();
        for batch in batches {
            let part = Part {
                request,
                generation: new.generation,
                adds: bounded(batch)?,
                drops: Bounded::default(),
            };
            self.ask(|owner| owner.part(&self.line, &part))?;
        }
        let point = NewPoint {
            request,
            generation: new.generation,
            after: new.after.map(|PointId(after)| RequestId(after)),
            complete: true,
            head: Sealed::new(new.head.clone()).map_err(refused)?,
            adds: bounded(last)?,
            drops: bounded(&drops)?,
            all_adds: Some(ids.len() as u64),
            all_drops: Some(drops.len() as u64),
            bookmarks: Bounded::default(),
        };
        self.ask(|owner| owner.publish(&self.line, &point)).map(drop)
    }
}

fn bounded<const MOST: usize>(ids: &[ObjectId]) -> Result<Bounded<ObjectId, MOST>, StoreError> {
    Bounded::new(ids.to_vec()).map_err(refused)
}

fn refused(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Refused(Box::new(error))
}

fn store_error(error: ClientError) -> StoreError {
    let is = |code| error.is_refused(code);
    if is(Code::PointOtherGeneration) {
        StoreError::Raced
    } else if is(Code::PointMissingObjects) || is(Code::PointPartsMissing) {
        StoreError::Gone
    } else if is(Code::ObjectUnknown) {
        StoreError::Missing
    } else if is(Code::QuotaExceeded) {
        StoreError::Full(Box::new(error))
    } else if error.is_transient() {
        StoreError::Offline(Box::new(error))
    } else {
        StoreError::Refused(Box::new(error))
    }
}
