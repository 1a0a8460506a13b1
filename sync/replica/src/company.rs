//! The company's server: where a stick sends to, and what IT reads.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use gobag_bundle::SystemRandom;
use gobag_client::{Backoff, Client, ClientError, People};
use gobag_protocol::{
    error::Code,
    ids::{BundleId, LineName, ObjectId},
    points::{MadePoint, NewPoint, Part, Point, Wanted},
};

use crate::remote::{Archive, Remote, RemoteError, StoredPoint};

/// The line of volumes.
const LINE: &str = "volumes";
/// How often IT's requests are made until a server counts as not there.
const ATTEMPTS: u32 = 10;

/// A stick's line of volumes on the company's server.
pub struct Company {
    client: RwLock<Client>,
    line: LineName,
}

impl Company {
    /// Through a client that has the stick's certificate.
    pub fn new(client: Client) -> Self {
        Self {
            client: RwLock::new(client),
            line: LineName::parse(LINE).expect("the name has the form of one"),
        }
    }

    /// From now on through another client: the certificate was renewed, or the company answers elsewhere.
    pub fn replace(&self, client: Client) {
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// The present client; not locked while it works.
    fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Archive for Company {
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError> {
        let wanted = Wanted {
            limit: Some(1),
            ..Wanted::default()
        };
        let points = self.client().points(&self.line, &wanted).map_err(remote_error)?;
        match points.first() {
            Some(newest) => self.point(newest.generation),
            None => Ok(None),
        }
    }

    fn point(&self, generation: u64) -> Result<Option<StoredPoint>, RemoteError> {
        match self.client().point(&self.line, generation) {
            Ok(point) => Ok(stored(point)),
            Err(error) if error.is_refused(Code::PointUnknown) => Ok(None),
            Err(error) => Err(remote_error(error)),
        }
    }

    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError> {
        self.client().get(id).map_err(remote_error)
    }
}

impl Remote for Company {
    fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), RemoteError> {
        self.client().put(id, sealed).map_err(remote_error)
    }

    fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        self.client().missing(ids).map_err(remote_error)
    }

    fn part(&self, part: &Part) -> Result<(), RemoteError> {
        self.client().part(&self.line, part).map_err(remote_error)
    }

    fn publish(&self, point: &NewPoint) -> Result<MadePoint, RemoteError> {
        self.client().publish(&self.line, point).map_err(remote_error)
    }
}

/// A stick's line of volumes, as a person of IT reads it: also of a stick that is lost or revoked.
pub struct Archived {
    people: People,
    bundle: BundleId,
    line: LineName,
    fetched_bytes: AtomicU64,
}

impl Archived {
    /// What the server keeps of a stick.
    pub fn new(people: People, bundle: BundleId) -> Self {
        Self {
            people,
            bundle,
            line: LineName::parse(LINE).expect("the name has the form of one"),
            fetched_bytes: AtomicU64::new(0),
        }
    }

    /// Points that are wanted, newest first, at most 100 of them. A server that gives others, or in another order, is not believed.
    pub fn points(&self, wanted: &Wanted) -> Result<Vec<Point>, RemoteError> {
        let points = self.ask(|people| people.points(self.bundle, &self.line, wanted))?;
        let mut before = wanted.before.unwrap_or(u64::MAX);
        for point in &points {
            let is_wanted = point.generation < before
                && wanted.before_s.is_none_or(|before_s| point.time_s <= before_s)
                && (wanted.complete != Some(true) || point.complete);
            if !is_wanted {
                return Err(RemoteError::Refused(
                    "the server lists points that were not asked for".into(),
                ));
            }
            before = point.generation;
        }
        Ok(points)
    }

    /// A drill brought this point back.
    pub fn drilled(&self, generation: u64) -> Result<(), RemoteError> {
        self.ask(|people| people.drilled(self.bundle, &self.line, generation))
    }

    /// Bytes of objects that were fetched so far.
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes.load(Ordering::Relaxed)
    }

    /// Asks again, for some minutes, while the server cannot be reached.
    fn ask<T>(&self, ask: impl Fn(&People) -> Result<T, ClientError>) -> Result<T, RemoteError> {
        let mut backoff = Backoff::new(&SystemRandom, Some(ATTEMPTS));
        let people = &self.people;
        people
            .client()
            .retry(&mut backoff, |_| ask(people))
            .map_err(remote_error)
    }
}

impl Archive for Archived {
    fn newest(&self) -> Result<Option<StoredPoint>, RemoteError> {
        let wanted = Wanted {
            limit: Some(1),
            ..Wanted::default()
        };
        match self.points(&wanted)?.first() {
            Some(newest) => self.point(newest.generation),
            None => Ok(None),
        }
    }

    fn point(&self, generation: u64) -> Result<Option<StoredPoint>, RemoteError> {
        self.ask(|people| match people.point(self.bundle, &self.line, generation) {
            Err(error) if error.is_refused(Code::PointUnknown) => Ok(None),
            point => point.map(stored),
        })
    }

    fn get(&self, id: ObjectId) -> Result<Vec<u8>, RemoteError> {
        let sealed = self.ask(|people| people.object(self.bundle, id))?;
        self.fetched_bytes
            .fetch_add(sealed.len() as u64, Ordering::Relaxed);
        Ok(sealed)
    }
}

fn stored(point: Point) -> Option<StoredPoint> {
    Some(StoredPoint {
        generation: point.generation,
        time_s: point.time_s,
        head: point.head?.into_inner(),
    })
}

/// What a refusal means here.
pub fn remote_error(error: ClientError) -> RemoteError {
    if error.is_refused(Code::PointOtherGeneration) {
        return RemoteError::OtherGeneration;
    }
    if error.is_refused(Code::PointPartsMissing) {
        return RemoteError::PartsMissing;
    }
    let lacks = [Code::PointMissingObjects, Code::ObjectUnknown];
    let is_other = matches!(error, ClientError::OtherContent { .. });
    if is_other || lacks.into_iter().any(|code| error.is_refused(code)) {
        return RemoteError::Missing {
            what: error.to_string(),
        };
    }
    if error.is_refused(Code::StickRevoked) {
        return RemoteError::CutOff;
    }
    match &error {
        // Another thread sees to a certificate that counts, and ends clients that are no longer needed.
        ClientError::Certificate { .. } | ClientError::Closed => RemoteError::Offline(Box::new(error)),
        _ if error.is_transient() => RemoteError::Offline(Box::new(error)),
        _ => RemoteError::Refused(Box::new(error)),
    }
}
