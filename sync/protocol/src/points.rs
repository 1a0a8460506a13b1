//! Points of a line: what they are made of, and how they are told.

use serde::{Deserialize, Serialize};

use crate::{
    bounded::Bounded,
    bytes::Sealed,
    ids::{BundleId, ObjectId, RequestId},
    limits::{MAX_BOOKMARKS, MAX_HEAD_BYTES, MAX_LABEL_BYTES, MAX_POINT_IDS},
};

/// A list of ids of a point or of a part of one.
pub type Ids = Bounded<ObjectId, MAX_POINT_IDS>;

/// Why somebody named a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BookmarkKind {
    /// The guest's agent had called the guest's own hooks, by which applications write out what they have to write, and held the file systems still.
    Application,
    /// The guest's file systems stood still.
    FileSystem,
    /// A person asked for it.
    User,
    /// By the clock; sticks make it only where the guest's agent did the same.
    Automatic,
}

impl BookmarkKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Application, Self::FileSystem, Self::User, Self::Automatic];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::FileSystem => "file-system",
            Self::User => "user",
            Self::Automatic => "automatic",
        }
    }

    /// Reads its word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A name for a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// Why it was named.
    pub kind: BookmarkKind,
    /// The name, which only the stick can read.
    pub label: Sealed<MAX_LABEL_BYTES>,
}

/// The body of `POST /v1/lines/{line}/parts`: ids of a point to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The request that will make the point: what other attempts sent does not count for it.
    pub request: RequestId,
    /// The generation of the point to come.
    pub generation: u64,
    /// Ids the point adds.
    #[serde(default)]
    pub adds: Ids,
    /// Ids the point drops.
    #[serde(default)]
    pub drops: Ids,
}

/// The body of `POST /v1/lines/{line}/points`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPoint {
    /// One attempt: sent again, it gives the first answer again.
    pub request: RequestId,
    /// The next generation: 1 for the line's first point.
    pub generation: u64,
    /// The request that made the point it is built on. A generation alone does not tell two histories apart: a server that was put
    /// back may have got another point of that number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RequestId>,
    /// Whether it is a moment that one can go back to. One that is not is progress of a first copy: it keeps what was sent from being
    /// sent again, and is never recovered to.
    #[serde(default = "yes")]
    pub complete: bool,
    /// The state itself, sealed.
    pub head: Sealed<MAX_HEAD_BYTES>,
    /// Ids that the point before did not need.
    #[serde(default)]
    pub adds: Ids,
    /// Ids that the point before needed and this one does not.
    #[serde(default)]
    pub drops: Ids,
    /// How many ids the point adds with all its parts, each counted once. Parts go when they are old: without these two numbers a point could
    /// be made of fewer ids than its stick meant. An earlier stick says neither, and is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_adds: Option<u64>,
    /// How many it drops with all its parts, each counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_drops: Option<u64>,
    /// Names for it.
    #[serde(default)]
    pub bookmarks: Bounded<Bookmark, MAX_BOOKMARKS>,
}

fn yes() -> bool {
    true
}

/// The answer: the point is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadePoint {
    /// Its generation.
    pub generation: u64,
    /// The server's time of it, seconds since 1970 UTC; never before the point before.
    pub time_s: u64,
}

/// A point as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its generation.
    pub generation: u64,
    /// The server's time of it, seconds since 1970 UTC.
    pub time_s: u64,
    /// Whether the server's clock may have been wrong then; the time is put right when the clock is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time_doubtful: bool,
    /// Whether one can go back to it.
    #[serde(default = "yes")]
    pub complete: bool,
    /// When a drill last proved that one can; pruning keeps the last such point of a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled_s: Option<u64>,
    /// Of a workspace: the member that made it, by the server's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<BundleId>,
    /// How many ids it added.
    pub added: u64,
    /// How many ids it dropped.
    pub dropped: u64,
    /// Its names.
    pub bookmarks: Vec<Bookmark>,
    /// The state itself; only when one point was asked for, or the newest with its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Sealed<MAX_HEAD_BYTES>>,
}

/// Which points `GET /v1/lines/{line}/points` tells; all that are asked for must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of generations above this one. An earlier server tells the others, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// If there is none, the answer waits for one so many seconds, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
    /// Of generations below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Made at or before this time of the server, seconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_s: Option<u64>,
    /// `true`: only complete ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Only those with a bookmark of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<BookmarkKind>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `true` with a limit of one: it comes with its head. An earlier server tells it without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<bool>,
}

/// The answer to `GET /v1/lines/{line}/points`: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// The points.
    pub points: Vec<Point>,
    /// Where `after` was asked for: the line's newest generation of all, 0 for none. One that is lower than `after` is of a server that was put
    /// back to an earlier state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn point(fields: &str) -> Result<NewPoint, serde_json::Error> {
        let request = "0".repeat(32);
        serde_json::from_str(&format!(r#"{{"request":"{request}","generation":1,{fields}}}"#))
    }

    #[test]
    fn unknown_fields_are_ignored_and_lists_may_be_left_out() {
        let read = point(r#""head":"AAAA","moon":{"phase":[1,2]}"#).unwrap();
        assert_eq!(read.head.as_slice(), [0; 3]);
        assert!(read.complete);
        assert!(!point(r#""head":"AAAA","complete":false"#).unwrap().complete);
        assert!(read.adds.is_empty() && read.drops.is_empty() && read.bookmarks.is_empty());
    }

    #[test]
    fn what_is_over_a_limit_or_of_another_form_is_refused() {
        let head = format!(r#""head":"{}""#, "A".repeat(limits::MAX_HEAD_BYTES * 2));
        assert!(point(&head).is_err());
        assert!(point(r#""head":"AAAA","generation":-1"#).is_err());
        assert!(point(r#""head":"AAAA","adds":["00"]"#).is_err());
        assert!(point(r#""head":"AAAA","bookmarks":[{"kind":"moon","label":""}]"#).is_err());
        let bookmarks = vec![r#"{"kind":"user","label":""}"#; limits::MAX_BOOKMARKS + 1].join(",");
        assert!(point(&format!(r#""head":"AAAA","bookmarks":[{bookmarks}]"#)).is_err());
    }

    #[test]
    fn kinds_have_the_words_of_the_document() {
        for kind in BookmarkKind::ALL {
            assert_eq!(BookmarkKind::parse(kind.as_str()), Some(kind));
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("{:?}", kind.as_str())
            );
        }
    }

    #[test]
    fn the_largest_point_fits_the_largest_body() {
        let id = format!("{:?},", ObjectId::of(b"").to_string()).len();
        let bookmarks = limits::MAX_BOOKMARKS * (limits::MAX_LABEL_BYTES * 4 / 3 + 64);
        let most = 2 * limits::MAX_POINT_IDS * id + limits::MAX_HEAD_BYTES * 4 / 3 + bookmarks + 256;
        assert!(most <= limits::MAX_BODY, "{most}");
    }
}
