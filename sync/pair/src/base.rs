//! What both sides had when they were last the same, path by path, with the stamps that it had on either.
//!
//! Every row carries a digest of itself: one that a stick gave back altered is no reason to delete anything, so the whole base is put aside then.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gobag_files::{Known, RootId, Stamp};
use gobag_format::ids::PointId;
use gobag_reconcile::{Content, File, Item, Name, RelPath, Side, Totals};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use crate::PairError;

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS items (
        folder BLOB NOT NULL,
        name BLOB NOT NULL,
        item BLOB NOT NULL,
        len INTEGER NOT NULL,
        left BLOB,
        right BLOB,
        digest BLOB NOT NULL,
        PRIMARY KEY (folder, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS conflicts (copy BLOB PRIMARY KEY, path BLOB NOT NULL, run TEXT NOT NULL, whose TEXT) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lately (
        side TEXT NOT NULL,
        path BLOB NOT NULL,
        removed INTEGER,
        at_s INTEGER NOT NULL,
        PRIMARY KEY (side, path)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS history (number INTEGER PRIMARY KEY, agreed INTEGER NOT NULL, told TEXT NOT NULL);
";

/// The workspace's point that was in step with the base.
const POINT_IN_STEP: &str = "point-in-step";

/// Bytes of a row's digest.
const DIGEST: usize = 8;

/// The database.
pub(crate) struct Base {
    connection: Connection,
    path: PathBuf,
}

/// Gives what comes next; none: that was all.
pub(crate) type Next<'a> = dyn FnMut() -> Result<Option<(RelPath, Known)>, PairError> + 'a;
/// Goes through it.
pub(crate) type Each<'a> = dyn FnMut(&mut Next<'_>) -> Result<(), PairError> + 'a;

/// A change of the base.
pub(crate) enum Change {
    /// Both have it, with these stamps; none: it has to be read again.
    Has(RelPath, Item, [Option<Stamp>; 2]),
    /// It has another stamp on a side.
    Stamp(RelPath, Side, Option<Stamp>),
    /// Neither has it.
    Gone(RelPath),
}

impl Base {
    /// Opens it; makes it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, PairError> {
        let path = path.to_owned();
        let opened = Connection::open(&path).and_then(|connection| {
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            connection.execute_batch(TABLES)?;
            add_whose(&connection)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => Ok(Self { connection, path }),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// One that is in no file, to have none open.
    pub(crate) fn nowhere() -> Result<Self, PairError> {
        let path = PathBuf::from(":memory:");
        let opened = Connection::open_in_memory();
        let connection = opened.map_err(|error| failed(&path, error))?;
        Ok(Self { connection, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which roots it is of: the left one, the right one.
    pub(crate) fn roots(&self) -> Result<Option<[RootId; 2]>, PairError> {
        let id =
            |name| -> Result<Option<RootId>, PairError> { Ok(self.setting::<[u8; 16]>(name)?.map(RootId)) };
        Ok(match (id("left-root")?, id("right-root")?) {
            (Some(left), Some(right)) => Some([left, right]),
            _ => None,
        })
    }

    pub(crate) fn set_roots(&self, [left, right]: [RootId; 2]) -> Result<(), PairError> {
        self.set("left-root", left.0)?;
        self.set("right-root", right.0)
    }

    /// How many passes it knows of, and whether the right root may not have heard of the last.
    pub(crate) fn passes(&self) -> Result<(u64, bool), PairError> {
        let passes = self.setting::<i64>("passes")?.unwrap_or(0);
        let unsaid = self.setting::<i64>("unsaid")?.unwrap_or(0);
        Ok((u64::try_from(passes).unwrap_or(0), unsaid != 0))
    }

    pub(crate) fn set_passes(&self, passes: u64, unsaid: bool) -> Result<(), PairError> {
        // In this order: a cut between the two leaves one that is not said.
        self.set("unsaid", i64::from(unsaid))?;
        self.set("passes", i64::try_from(passes).unwrap_or(i64::MAX))
    }

    /// The newest point of the workspace that was seen: its generation and the attempt that made it.
    pub(crate) fn seen(&self) -> Result<Option<(u64, PointId)>, PairError> {
        let generation = self.setting::<i64>("seen-generation")?;
        let point = self.setting::<[u8; 16]>("seen-point")?;
        Ok(generation
            .and_then(|generation| u64::try_from(generation).ok())
            .zip(point.map(PointId)))
    }

    pub(crate) fn set_seen(&self, (generation, point): (u64, PointId)) -> Result<(), PairError> {
        let set = || {
            let generation = i64::try_from(generation).unwrap_or(i64::MAX);
            let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES ('seen-generation', ?1), ('seen-point', ?2)";
            self.connection.execute(sql, params![generation, point.0])
        };
        set().map(drop).map_err(|error| failed(&self.path, error))
    }

    /// The point that was in step with the base, if nothing was changed since.
    pub(crate) fn point_in_step(&self) -> Result<Option<PointId>, PairError> {
        Ok(self.setting::<[u8; 16]>(POINT_IN_STEP)?.map(PointId))
    }

    pub(crate) fn set_point_in_step(&self, point: Option<PointId>) -> Result<(), PairError> {
        match point {
            Some(point) => self.set(POINT_IN_STEP, point.0),
            None => self.unset(POINT_IN_STEP),
        }
    }

    /// Whether it was begun in place of one that was lost, and nobody has been told.
    pub(crate) fn is_lost(&self) -> Result<bool, PairError> {
        Ok(self.setting::<i64>("lost")?.unwrap_or(0) != 0)
    }

    pub(crate) fn set_lost(&self, lost: bool) -> Result<(), PairError> {
        self.set("lost", i64::from(lost))
    }

    /// Whether a pass was ever through: what is new since is little.
    pub(crate) fn is_whole(&self) -> Result<bool, PairError> {
        Ok(self.setting::<i64>("whole")?.unwrap_or(0) != 0)
    }

    pub(crate) fn set_whole(&self) -> Result<(), PairError> {
        self.set("whole", 1)
    }

    /// The digest of the filter that it was made with; none: nobody had one.
    pub(crate) fn filter(&self) -> Result<Option<[u8; 32]>, PairError> {
        self.setting("filter")
    }

    pub(crate) fn set_filter(&self, digest: [u8; 32]) -> Result<(), PairError> {
        self.set("filter", digest)
    }

    pub(crate) fn setting<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<Option<T>, PairError> {
        let sql = "SELECT value FROM settings WHERE name = ?1";
        self.ask(|connection| connection.query_row(sql, [name], |row| row.get(0)).optional())
    }

    pub(crate) fn set(&self, name: &str, value: impl rusqlite::ToSql) -> Result<(), PairError> {
        let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
        self.ask(|connection| connection.execute(sql, params![name, value]))
            .map(drop)
    }

    pub(crate) fn unset(&self, name: &str) -> Result<(), PairError> {
        self.ask(|connection| connection.execute("DELETE FROM settings WHERE name = ?1", [name]))
            .map(drop)
    }

    /// Asks the database something.
    pub(crate) fn ask<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, PairError> {
        ask(&self.connection).map_err(|error| failed(&self.path, error))
    }

    /// Does all of it or nothing, durably.
    pub(crate) fn at_once(
        &mut self,
        make: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), PairError> {
        let path = self.path.clone();
        let done = self.connection.transaction().and_then(|transaction| {
            make(&transaction)?;
            transaction.commit()
        });
        done.map_err(|error| failed(&path, error))
    }

    /// What it has at `path`.
    pub(crate) fn get(&self, path: &RelPath) -> Result<Option<Both>, PairError> {
        let folder = path.parent().unwrap_or_default();
        let sql = "SELECT name, item, len, left, right, digest FROM items WHERE folder = ?1 AND name = ?2";
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|error| failed(&self.path, error))?;
        let name = path.name().unwrap_or_default();
        let row = statement.query_row(params![folder.as_bytes(), name], |row| Ok(known(&folder, row)));
        match row.optional().map_err(|error| failed(&self.path, error))? {
            None => Ok(None),
            Some(Some((_, known))) => Ok(Some(known)),
            Some(None) => Err(PairError::BaseDamaged {
                path: self.path.clone(),
            }),
        }
    }

    /// Until it is dropped, what is asked is answered as of one moment.
    pub(crate) fn reading(&self) -> Result<rusqlite::Transaction<'_>, PairError> {
        let begun = self.connection.unchecked_transaction();
        begun.map_err(|error| failed(&self.path, error))
    }

    /// How much there is.
    pub(crate) fn totals(&self) -> Result<Totals, PairError> {
        // Folders have none of a length, and links the length of none.
        let sql = "SELECT COUNT(*) FILTER (WHERE len >= 0), COALESCE(SUM(len) FILTER (WHERE len >= 0), 0), \
             COUNT(*) FILTER (WHERE folder = X'') FROM items";
        let count = |row: &Row<'_>, at| {
            row.get::<_, i64>(at)
                .map(|count| u64::try_from(count).unwrap_or(0))
        };
        let totals = self.connection.query_row(sql, [], |row| {
            Ok(Totals {
                files: count(row, 0)?,
                bytes: count(row, 1)?,
                at_top: count(row, 2)?,
            })
        });
        totals.map_err(|error| failed(&self.path, error))
    }

    /// Makes these changes, all or none, durably.
    pub(crate) fn change(&mut self, changes: &[Change]) -> Result<(), PairError> {
        self.at_once(|connection| changes.iter().try_for_each(|change| apply(connection, change)))
    }

    /// All that one side has, in the order of folders, and of names in each: `each` is given what gives the next.
    pub(crate) fn in_order(&self, side: Side, each: &mut Each<'_>) -> Result<(), PairError> {
        let failed = |error| failed(&self.path, error);
        let sql = "SELECT name, item, len, left, right, digest, folder FROM items ORDER BY folder, name";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        each(&mut || {
            let Some(row) = rows.next().map_err(failed)? else {
                return Ok(None);
            };
            let damaged = || PairError::BaseDamaged {
                path: self.path.clone(),
            };
            let folder: Vec<u8> = row.get(6).map_err(failed)?;
            let folder = RelPath::new(&folder).map_err(|_| damaged())?;
            let (name, both) = known(&folder, row).ok_or_else(damaged)?;
            Ok(Some((folder.join(&name), both.of(side))))
        })
    }

    /// As a scan of this side wants it.
    pub(crate) fn side(&self, side: Side) -> OfSide<'_> {
        OfSide { base: self, side }
    }
}

/// What the base has at a path, with the stamps of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Both {
    pub(crate) item: Item,
    pub(crate) stamps: [Option<Stamp>; 2],
}

impl Both {
    pub(crate) fn of(self, side: Side) -> Known {
        Known {
            stamp: self.stamps[at(side)],
            item: self.item,
        }
    }
}

/// Where a side's is of both.
pub(crate) fn at(side: Side) -> usize {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}

/// The base as one side has it.
pub(crate) struct OfSide<'a> {
    base: &'a Base,
    side: Side,
}

impl gobag_files::Base for OfSide<'_> {
    type Error = PairError;

    fn children(&mut self, folder: &RelPath) -> Result<BTreeMap<Name, Known>, PairError> {
        let failed = |error| failed(&self.base.path, error);
        let sql = "SELECT name, item, len, left, right, digest FROM items WHERE folder = ?1 ORDER BY name";
        let mut statement = self.base.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement
            .query_map(params![folder.as_bytes()], |row| Ok(known(folder, row)))
            .map_err(failed)?;
        let child = |row: rusqlite::Result<Option<(Name, Both)>>| match row.map_err(failed)? {
            Some((name, both)) => Ok((name, both.of(self.side))),
            None => Err(PairError::BaseDamaged {
                path: self.base.path.clone(),
            }),
        };
        // In order, the map is made at once.
        rows.map(child).collect()
    }
}

/// A base of before it was noted whose a conflict copy is gets the column; programs of before leave it alone.
fn add_whose(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT COUNT(*) > 0 FROM pragma_table_info('conflicts') WHERE name = 'whose'";
    let has = || connection.query_row(sql, [], |row| row.get::<_, bool>(0));
    if has()? {
        return Ok(());
    }
    match connection.execute_batch("ALTER TABLE conflicts ADD COLUMN whose TEXT") {
        // Somebody else was faster.
        Err(_) if has()? => Ok(()),
        added => added,
    }
}

fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    let (folder, name) = match change {
        Change::Has(path, ..) | Change::Stamp(path, ..) | Change::Gone(path) => {
            (path.parent().unwrap_or_default(), path.name().unwrap_or_default())
        }
    };
    match change {
        Change::Gone(path) => {
            let mut statement =
                connection.prepare_cached("DELETE FROM items WHERE folder = ?1 AND name = ?2")?;
            statement.execute(params![folder.as_bytes(), name])?;
            forget_below(connection, path)?;
        }
        Change::Has(path, item, stamps) => {
            if !item.is_folder() {
                forget_below(connection, path)?;
            }
            // A scan would not see it: then both have it without a base, which loses nothing.
            if is_folder(connection, &folder)? {
                put(connection, &folder, name, item, stamps)?;
            }
        }
        Change::Stamp(_, side, stamp) => {
            let sql =
                "SELECT name, item, len, left, right, digest FROM items WHERE folder = ?1 AND name = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let row = statement.query_row(params![folder.as_bytes(), name], |row| Ok(known(&folder, row)));
            if let Some((_, mut known)) = row.optional()?.flatten() {
                known.stamps[at(*side)] = *stamp;
                put(connection, &folder, name, &known.item, &known.stamps)?;
            }
        }
    }
    Ok(())
}

/// What is in no folder any more is not known of: else a scan that does not look there would take it for what is on a side.
fn forget_below(connection: &Connection, path: &RelPath) -> rusqlite::Result<()> {
    // Paths that begin with this one and a slash; `0` comes right after it.
    let (from, to) = ([path.as_bytes(), b"/"].concat(), [path.as_bytes(), b"0"].concat());
    let sql = "DELETE FROM items WHERE folder = ?1 OR (folder >= ?2 AND folder < ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![path.as_bytes(), from, to])?;
    Ok(())
}

fn is_folder(connection: &Connection, path: &RelPath) -> rusqlite::Result<bool> {
    let Some(name) = path.name() else { return Ok(true) };
    let folder = path.parent().unwrap_or_default();
    let mut statement =
        connection.prepare_cached("SELECT item = X'64' FROM items WHERE folder = ?1 AND name = ?2")?;
    let found = statement
        .query_row(params![folder.as_bytes(), name], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(false))
}

fn put(
    connection: &Connection,
    folder: &RelPath,
    name: &[u8],
    item: &Item,
    stamps: &[Option<Stamp>; 2],
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO items (folder, name, item, len, left, right, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (bytes, len) = encode(item);
    let [left, right] = stamps.map(|stamp| stamp.map(|stamp| stamp_bytes(&stamp)));
    let digest = digest(folder, name, &bytes, len, [left.as_ref(), right.as_ref()]);
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![folder.as_bytes(), name, bytes, len, left, right, digest])?;
    Ok(())
}

/// A row; none if it is not as it was written.
fn known(folder: &RelPath, row: &Row<'_>) -> Option<(Name, Both)> {
    let name = row.get_ref(0).ok()?.as_blob().ok()?;
    let item = row.get_ref(1).ok()?.as_blob().ok()?;
    let len: i64 = row.get(2).ok()?;
    let stamps: [Option<[u8; STAMP]>; 2] = [row.get(3).ok()?, row.get(4).ok()?];
    let found: [u8; DIGEST] = row.get(5).ok()?;
    let [left, right] = &stamps;
    if digest(folder, name, item, len, [left.as_ref(), right.as_ref()]) != found {
        return None;
    }
    let item = decode(item, len)?;
    let stamps = stamps.map(|stamp| stamp.map(|bytes| stamp_of(&bytes)));
    Some((Name::new(name).ok()?, Both { item, stamps }))
}

fn digest(
    folder: &RelPath,
    name: &[u8],
    item: &[u8],
    len: i64,
    stamps: [Option<&[u8; STAMP]>; 2],
) -> [u8; DIGEST] {
    // In one piece, which the hash takes twice as fast as its parts.
    let mut bytes = Vec::with_capacity(256);
    // Names have no NUL in them, and a stamp is there or not.
    for part in [folder.as_bytes(), name] {
        bytes.extend_from_slice(part);
        bytes.push(0);
    }
    bytes.extend_from_slice(&(item.len() as u64).to_le_bytes());
    bytes.extend_from_slice(item);
    bytes.extend_from_slice(&len.to_le_bytes());
    for stamp in stamps {
        bytes.push(u8::from(stamp.is_some()));
        bytes.extend(stamp.into_iter().flatten());
    }
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..DIGEST]);
    digest
}

/// `d`, `f` or `x` and the content, `l` and the text; and a file's length, -1 of what is none.
fn encode(item: &Item) -> (Vec<u8>, i64) {
    match item {
        Item::Folder => (b"d".to_vec(), -1),
        Item::Link(text) => ([b"l", &text[..]].concat(), -1),
        Item::File(file) => {
            let kind = if file.executable { b"x" } else { b"f" };
            (
                [kind, &file.content.0[..]].concat(),
                i64::try_from(file.len).unwrap_or(i64::MAX),
            )
        }
    }
}

fn decode(bytes: &[u8], len: i64) -> Option<Item> {
    let (kind, rest) = bytes.split_first()?;
    Some(match kind {
        b'd' => Item::Folder,
        b'l' => Item::Link(rest.into()),
        b'f' | b'x' => Item::File(File {
            content: Content(rest.try_into().ok()?),
            len: u64::try_from(len).ok()?,
            executable: *kind == b'x',
        }),
        _ => return None,
    })
}

/// Bytes of a stamp: size, both times with nanoseconds, number.
const STAMP: usize = 40;

fn stamp_bytes(stamp: &Stamp) -> [u8; STAMP] {
    let mut bytes = [0; STAMP];
    bytes[..8].copy_from_slice(&stamp.size.to_le_bytes());
    bytes[8..16].copy_from_slice(&stamp.mtime.0.to_le_bytes());
    bytes[16..24].copy_from_slice(&stamp.ctime.0.to_le_bytes());
    bytes[24..32].copy_from_slice(&stamp.ino.to_le_bytes());
    bytes[32..36].copy_from_slice(&stamp.mtime.1.to_le_bytes());
    bytes[36..].copy_from_slice(&stamp.ctime.1.to_le_bytes());
    bytes
}

fn stamp_of(bytes: &[u8; STAMP]) -> Stamp {
    let long = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    let short = |at: usize| bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
    Stamp {
        size: long(0),
        mtime: (long(8).cast_signed(), short(32)),
        ctime: (long(16).cast_signed(), short(36)),
        ino: long(24),
    }
}

fn failed(path: &Path, source: rusqlite::Error) -> PairError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => PairError::BaseDamaged { path },
        _ => PairError::Base { path, source },
    }
}

#[cfg(test)]
mod tests {
    use gobag_files::Base as _;

    use super::*;

    #[test]
    fn a_row_that_was_altered_is_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let mut base = Base::open(&folder.path().join("db")).unwrap();
        let path = RelPath::new(b"a/b").unwrap();
        let item = Item::File(File {
            content: Content([7; 32]),
            len: 5,
            executable: true,
        });
        let stamp = Stamp {
            size: 5,
            mtime: (-1, 2),
            ctime: (3, 4),
            ino: u64::MAX,
        };
        let both = [Some(stamp), None];
        let in_it = Change::Has(path.clone(), item.clone(), both);
        base.change(std::slice::from_ref(&in_it)).unwrap();
        assert_eq!(base.get(&path).unwrap(), None, "it is in no folder");
        let folder = Change::Has(RelPath::new(b"a").unwrap(), Item::Folder, [None; 2]);
        base.change(&[folder, in_it]).unwrap();
        assert_eq!(base.get(&path).unwrap().unwrap(), Both { item, stamps: both });
        assert_eq!(
            base.totals().unwrap(),
            Totals {
                files: 1,
                bytes: 5,
                at_top: 1
            }
        );
        base.change(&[Change::Stamp(path.clone(), Side::Right, Some(stamp))])
            .unwrap();
        assert_eq!(base.get(&path).unwrap().unwrap().stamps, [Some(stamp); 2]);
        base.connection.execute("UPDATE items SET len = 6", []).unwrap();
        assert_eq!(base.get(&path).unwrap_err().code(), "pair.base-damaged");
        let folder = RelPath::new(b"a").unwrap();
        assert_eq!(
            base.side(Side::Left).children(&folder).unwrap_err().code(),
            "pair.base-damaged"
        );
    }
}
