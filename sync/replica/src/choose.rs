//! Which point somebody means: the newest, that of a time, that of a name.

use gobag_format::replica::{Kind, ReplicaKeys};
use gobag_protocol::{
    limits::MAX_LISTED_POINTS,
    points::{BookmarkKind, Point, Wanted},
};

use crate::{company::Archived, remote::RemoteError};

/// What somebody wants to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// The newest point.
    Latest,
    /// The newest one made at or before this time of the server, seconds since 1970 UTC.
    At(u64),
    /// The newest one that has this name (any, if none is given), made at or before a time.
    Bookmark {
        /// The name, as it was given.
        name: Option<String>,
        /// See above.
        before_s: Option<u64>,
    },
}

/// A name of a point, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Why it was named.
    pub kind: BookmarkKind,
    /// The name; none if it does not open with this key.
    pub name: Option<String>,
}

/// Finds the point that is meant, among those that show one moment.
pub fn choose(
    archived: &Archived,
    keys: &ReplicaKeys,
    moment: &Moment,
) -> Result<Option<Point>, RemoteError> {
    let mut wanted = Wanted {
        complete: Some(true),
        limit: Some(1),
        ..Wanted::default()
    };
    let (name, before_s) = match moment {
        Moment::Latest => return Ok(archived.points(&wanted)?.into_iter().next()),
        Moment::At(time_s) => {
            wanted.before_s = Some(*time_s);
            return Ok(archived.points(&wanted)?.into_iter().next());
        }
        Moment::Bookmark { name, before_s } => (name, before_s),
    };
    wanted.before_s = *before_s;
    wanted.limit = Some(MAX_LISTED_POINTS);
    loop {
        let points = archived.points(&wanted)?;
        let Some(oldest) = points.last().map(|point| point.generation) else {
            return Ok(None);
        };
        let is_meant = |point: &Point| {
            let mut names = names(keys, point).into_iter();
            names.any(|found| name.is_none() || found.name == *name)
        };
        if let Some(point) = points.into_iter().find(is_meant) {
            return Ok(Some(point));
        }
        wanted.before = Some(oldest);
    }
}

/// The names of a point.
pub fn names(keys: &ReplicaKeys, point: &Point) -> Vec<Name> {
    let name = |label: &[u8]| {
        let plain = keys.open(Kind::Label, label.to_vec()).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    };
    let bookmarks = point.bookmarks.iter();
    bookmarks
        .map(|bookmark| Name {
            kind: bookmark.kind,
            name: name(bookmark.label.as_slice()),
        })
        .collect()
}
