//! Objects and lines at the server: of the stick itself, or of a workspace that it is a member of.

use std::ops::Range;

use gobag_protocol::{
    bounded::Bounded,
    ids::{LineName, ObjectId},
    limits::{MAX_MISSING_IDS, MAX_OBJECT_BYTES, MAX_WAIT_S},
    objects::{Missing, MissingRequest},
    points::{MadePoint, NewPoint, Part, Point, Points, Wanted},
};
use ureq::http::StatusCode;

use crate::{client::Client, error::ClientError};

/// Who has objects and lines. As cheap to clone as the client it asks through.
#[derive(Clone)]
pub struct Owner {
    client: Client,
    /// What its addresses begin with.
    base: String,
}

impl Owner {
    pub(crate) fn new(client: &Client, base: String) -> Self {
        let client = client.clone();
        Self { client, base }
    }

    /// Those of `ids` that the server has not, of any number of them.
    pub fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, ClientError> {
        let mut missing = Vec::new();
        for ids in ids.chunks(MAX_MISSING_IDS) {
            let ids = Bounded::new(ids.to_vec()).map_err(|error| self.client.protocol(error.to_string()))?;
            let answer: Missing = self
                .client
                .answered(&self.path("objects/missing"), &MissingRequest { ids })?;
            missing.extend(answer.missing);
        }
        Ok(missing)
    }

    /// Puts an object; when this returns it is durable there.
    pub fn put(&self, id: ObjectId, sealed: &[u8]) -> Result<(), ClientError> {
        let path = self.object(id);
        match self.client.put_bytes(&path, &[], sealed) {
            Err(ClientError::Offline { .. }) => {
                self.client
                    .put_bytes(&path, &[("expect", "100-continue")], sealed)
            }
            put => put,
        }
        .map(drop)
    }

    /// A whole object, whose bytes are those of its id.
    pub fn get(&self, id: ObjectId) -> Result<Vec<u8>, ClientError> {
        self.client.whole(&self.object(id), &[], id)
    }

    /// A part of an object; nothing vouches for its bytes but what they are sealed with.
    pub fn get_range(&self, id: ObjectId, range: Range<u64>) -> Result<Vec<u8>, ClientError> {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            return Ok(Vec::new());
        };
        let asked = format!("bytes={}-{last}", range.start);
        let response = self.client.get_path(&self.object(id), &[("range", &asked)])?;
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        let part = self.client.body(response, MAX_OBJECT_BYTES as u64)?;
        match is_part && part.len() as u64 == range.end - range.start {
            true => Ok(part),
            false => Err(self
                .client
                .protocol("this is not the part that was asked for".to_owned())),
        }
    }

    /// Ids of a point to come.
    pub fn part(&self, line: &LineName, part: &Part) -> Result<(), ClientError> {
        self.client
            .posted(&self.path(&format!("lines/{line}/parts")), part)
    }

    /// Makes the next point of a line; when this returns it is durable there.
    pub fn publish(&self, line: &LineName, point: &NewPoint) -> Result<MadePoint, ClientError> {
        self.client
            .answered(&self.path(&format!("lines/{line}/points")), point)
    }

    /// Points of a line that are wanted, newest first, at most 100 of them.
    pub fn points(&self, line: &LineName, wanted: &Wanted) -> Result<Vec<Point>, ClientError> {
        self.told(line, wanted).map(|told| told.points)
    }

    /// One point, with its head.
    pub fn point(&self, line: &LineName, generation: u64) -> Result<Point, ClientError> {
        self.client
            .get_json(&self.path(&format!("lines/{line}/points/{generation}")))
    }

    /// Points of generations above `after`, newest first, as soon as there is one; none if there is none within so many seconds, at most 50.
    /// [`Points::newest`] says how far the line is. Only with the feature [`WORKSPACES`](gobag_protocol::hello::WORKSPACES).
    pub fn wait(&self, line: &LineName, after: u64, wait_s: u32) -> Result<Points, ClientError> {
        let wanted = Wanted {
            after: Some(after),
            wait_s: Some(wait_s.min(MAX_WAIT_S)),
            ..Wanted::default()
        };
        self.told(line, &wanted)
    }

    fn told(&self, line: &LineName, wanted: &Wanted) -> Result<Points, ClientError> {
        let path = self.path(&format!("lines/{line}/points?{}", query(wanted)));
        self.client.get_json(&path)
    }

    fn object(&self, id: ObjectId) -> String {
        self.path(&format!("objects/{id}"))
    }

    fn path(&self, of_owner: &str) -> String {
        format!("{}/{of_owner}", self.base)
    }
}

/// Bytes that are those of their id.
pub(crate) fn same_object(id: ObjectId, sealed: Vec<u8>) -> Result<Vec<u8>, ClientError> {
    match ObjectId::of(&sealed) == id {
        true => Ok(sealed),
        false => Err(ClientError::OtherContent { id }),
    }
}

/// The query that says which points are wanted.
pub(crate) fn query(wanted: &Wanted) -> String {
    let fields = [
        wanted.after.map(|after| format!("after={after}")),
        wanted.wait_s.map(|wait_s| format!("wait_s={wait_s}")),
        wanted.before.map(|before| format!("before={before}")),
        wanted.before_s.map(|before_s| format!("before_s={before_s}")),
        wanted.complete.map(|complete| format!("complete={complete}")),
        wanted.bookmark.map(|kind| format!("bookmark={}", kind.as_str())),
        wanted.limit.map(|limit| format!("limit={limit}")),
        wanted.head.map(|head| format!("head={head}")),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join("&")
}
