//! Putting a backup back. The database gets another number than the backup's: the server that was backed up may be at work, and would remove what
//! this one puts into the store they had, and the reverse. So a store that has a number has to be adopted ([`marker::adopt`]) before it is served.
//!
//! 1. The file of rows is compared with its hash before anything is believed, and read to its end before anything is changed: its rows are one
//!    transaction, and keys that are in place are compared. 2. Objects go into the store, each compared with its name. 3. The keys are written. 4. The rows
//!    are made durable; cut off before that, it can be begun again. 5. The store is compared with the database, and every object that a row names is looked
//!    for; what is not well there is part of the report, for the database is back.

use std::{
    fs::{DirBuilder, File},
    io::{BufRead, BufReader, Read},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use age::Decryptor;
use gobag_format::digest::DigestStream;
use serde::Serialize;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{
    BackupError, FORMAT, KEYS, Line, MANIFEST, MAX_LINE, Manifest, OBJECTS, Progress, ROWS, SEALED_ROWS,
    damaged, file_error,
    objects::{self, CheckOptions, CheckReport},
    tables::{self, Kind, TABLES, Table},
};
use crate::{
    clock::Clock,
    refusal::Refusal,
    store::{
        audit::{self, Event},
        blobs::Blobs,
        database::{Database, Write, places},
        marker, owners,
    },
    tls::write_private,
};

/// Rows in one statement.
const BATCH: usize = 100;

/// Where a backup is put back to.
pub struct Target<'a> {
    /// An empty database.
    pub database: &'a Database,
    /// The store of objects, with the backup's objects or without.
    pub blobs: &'a Blobs,
    /// The CA's folder.
    pub keys: &'a Path,
    /// What time it is.
    pub clock: &'a Clock,
}

/// What was put back.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreReport {
    /// When the backup was made, seconds since 1970 UTC.
    pub made_s: u64,
    /// Rows.
    pub rows: u64,
    /// Objects that the backup has; those that were in the store already were left as they are.
    pub objects: u64,
    /// Whether the store has all that rows name.
    pub check: CheckReport,
    /// The code of why the store is not this database's, or could not be asked: no server starts until `gobag-server adopt-store --yes`, or it can be.
    pub store: Option<&'static str>,
}

/// Puts back what is in `folder`. `identities` open it if it is sealed.
pub async fn read(
    target: &Target<'_>,
    folder: &Path,
    identities: &[age::x25519::Identity],
    progress: &Progress<'_>,
) -> Result<RestoreReport, BackupError> {
    let manifest = look(folder, identities, progress)?;
    let path = folder.join(&manifest.rows_file);
    check_empty(target.database).await?;
    let rows = open(&path, &manifest, identities)?;
    let mut write = target.database.write().await?;
    let keys = load(&mut write, rows, &path, &manifest, progress).await?;
    owners::complete(&mut write).await?;
    note(&mut write, &manifest, target.clock.now_s()).await?;
    marker::renew(&mut write).await?;
    // All that can be known to be in the way, before anything is put where it would stay.
    let fresh = compare_keys(target.keys, &keys)?;
    marker::is_marked(target.blobs).await?;
    let objects = match manifest.objects {
        true => objects::put(&folder.join(OBJECTS), target.blobs, progress).await?,
        false => 0,
    };
    keep_keys(target.keys, &fresh)?;
    write.commit().await?;
    // The database is back whatever the store says now.
    let marked = marker::check(target.database, target.blobs).await;
    let looked = objects::check(target.database, target.blobs, &CheckOptions::default(), progress).await;
    let store = marked.map_err(|error| error.code()).err();
    let store = store.or(looked.as_ref().map_err(BackupError::code).err());
    let check = looked.unwrap_or_default();
    Ok(RestoreReport {
        made_s: manifest.made_s,
        rows: manifest.rows,
        objects,
        check,
        store,
    })
}

/// Whether what is in `folder` could be put back: it is as it was written, and opens with `identities`.
pub fn check(
    folder: &Path,
    identities: &[age::x25519::Identity],
    progress: &Progress<'_>,
) -> Result<(), BackupError> {
    look(folder, identities, progress).map(drop)
}

fn look(
    folder: &Path,
    identities: &[age::x25519::Identity],
    progress: &Progress<'_>,
) -> Result<Manifest, BackupError> {
    let manifest = manifest(folder)?;
    let path = folder.join(&manifest.rows_file);
    compare(&path, &manifest, progress)?;
    open(&path, &manifest, identities)?;
    Ok(manifest)
}

/// The rows in the clear.
fn open(
    path: &Path,
    manifest: &Manifest,
    identities: &[age::x25519::Identity],
) -> Result<Box<dyn BufRead>, BackupError> {
    let file = BufReader::new(File::open(path).map_err(file_error(path))?);
    if manifest.rows_file != SEALED_ROWS {
        return Ok(Box::new(file));
    }
    if identities.is_empty() {
        let path = path.to_owned();
        return Err(BackupError::Sealed { path });
    }
    let open = |error| BackupError::Age {
        what: "open",
        path: path.to_owned(),
        source: Box::new(error),
    };
    let decryptor = Decryptor::new_buffered(file).map_err(open)?;
    let identities = identities.iter().map(|identity| identity as &dyn age::Identity);
    Ok(Box::new(BufReader::new(
        decryptor.decrypt(identities).map_err(open)?,
    )))
}

fn manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let mut text = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_LINE).read_to_end(&mut text));
    read.map_err(file_error(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
    let is_known = [ROWS, SEALED_ROWS].contains(&manifest.rows_file.as_str());
    match manifest.format == FORMAT && is_known {
        true => Ok(manifest),
        false => Err(damaged(
            &path,
            format!(
                "it has format {}, and this program knows {FORMAT}",
                manifest.format
            ),
        )),
    }
}

fn compare(path: &Path, manifest: &Manifest, progress: &Progress<'_>) -> Result<(), BackupError> {
    let mut file = File::open(path).map_err(file_error(path))?;
    let (mut digest, mut bytes) = (DigestStream::new(), vec![0; 1 << 20]);
    let mut len = 0;
    loop {
        let read = file.read(&mut bytes).map_err(file_error(path))?;
        if read == 0 {
            break;
        }
        digest.update(&bytes[..read]);
        progress("hash", read as u64);
        len += read as u64;
    }
    match len == manifest.rows_bytes && digest.finish() == manifest.rows_blake3 {
        true => Ok(()),
        false => Err(damaged(path, "its hash is another")),
    }
}

async fn check_empty(database: &Database) -> Result<(), BackupError> {
    for table in TABLES {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
        let row = sqlx::query(AssertSqlSafe(sql))
            .fetch_optional(database.read())
            .await?;
        if row.is_some() {
            return Err(BackupError::NotEmpty);
        }
    }
    Ok(())
}

/// Rows into the database; gives the keys.
async fn load(
    write: &mut Write,
    mut from: impl BufRead,
    path: &Path,
    manifest: &Manifest,
    progress: &Progress<'_>,
) -> Result<Vec<(String, String)>, BackupError> {
    let mut keys = Vec::new();
    let mut into: Option<Loading> = None;
    let mut count = 0;
    loop {
        let mut text = Vec::new();
        let read = from.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        read.map_err(file_error(path))?;
        if text.pop() != Some(b'\n') {
            return Err(damaged(path, "it stops, or has a line without an end"));
        }
        progress("rows", text.len() as u64);
        let line = serde_json::from_slice(&text);
        match line.map_err(|error: serde_json::Error| {
            damaged(path, format!("a line that is none: {:?}", error.classify()))
        })? {
            Line::Key { name, text } if KEYS.contains(&name.as_str()) => keys.push((name, text)),
            Line::Key { .. } => return Err(damaged(path, "a key with another name")),
            Line::Table { name, columns } => {
                if let Some(into) = &mut into {
                    into.flush(write).await?;
                }
                into = Some(
                    Loading::new(&name, columns).ok_or_else(|| damaged(path, "a table that is not known"))?,
                );
            }
            Line::Row(values) => {
                let into = into.as_mut().ok_or_else(|| damaged(path, "a row of no table"))?;
                into.push(values)
                    .ok_or_else(|| damaged(path, "a row of another form"))?;
                count += 1;
                if into.rows.len() == BATCH {
                    into.flush(write).await?;
                }
            }
            Line::End { rows } => {
                if let Some(into) = &mut into {
                    into.flush(write).await?;
                }
                return match rows == count && rows == manifest.rows {
                    true => Ok(keys),
                    false => Err(damaged(path, "it has another number of rows than it says")),
                };
            }
        }
    }
}

/// The table that rows go into.
struct Loading {
    table: &'static Table,
    /// As they come in a row; those that the table has no more are read over.
    columns: Vec<Option<(String, Kind)>>,
    rows: Vec<Vec<Value>>,
}

impl Loading {
    fn new(name: &str, columns: Vec<String>) -> Option<Self> {
        let table = TABLES.iter().find(|table| table.name == name)?;
        // Known names alone become part of a query. A later version may have more columns; then each has a default.
        let columns = columns.into_iter().map(|column| match table.kind(&column) {
            Some(kind) => Some(Some((column, kind))),
            None => table.had(&column).then_some(None),
        });
        Some(Self {
            table,
            columns: columns.collect::<Option<_>>()?,
            rows: Vec::new(),
        })
    }

    fn push(&mut self, values: Vec<Value>) -> Option<()> {
        (values.len() == self.columns.len()).then(|| self.rows.push(values))
    }

    async fn flush(&mut self, write: &mut Write) -> Result<(), BackupError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let columns = self.columns.iter().flatten();
        let columns: Vec<&str> = columns.map(|(column, _)| column.as_str()).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.table.name,
            columns.join(", "),
            places(0, rows.len(), columns.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in &rows {
            for (column, value) in self.columns.iter().zip(row) {
                let Some((_, kind)) = column else { continue };
                query = tables::bind(query, *kind, value)
                    .ok_or_else(|| Refusal::unavailable("a value of another kind in the backup"))?;
            }
        }
        query.execute(write.connection()).await?;
        Ok(())
    }
}

/// Every tenant's audit log says that it was put back.
async fn note(write: &mut Write, manifest: &Manifest, now_s: u64) -> Result<(), BackupError> {
    let about = format!("from a backup made at {}", manifest.made_s);
    let event = Event {
        who: "console",
        what: "server.restored",
        about: &about,
    };
    Ok(audit::append_to_all(write, now_s, &event).await?)
}

/// Keys of another server are left alone: every stick trusts one CA.
fn compare_keys<'a>(
    folder: &Path,
    keys: &'a [(String, String)],
) -> Result<Vec<(PathBuf, &'a str)>, BackupError> {
    let mut fresh: Vec<(PathBuf, &str)> = Vec::new();
    for (name, text) in keys {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(there) if there == *text => {}
            Ok(_) => return Err(BackupError::OtherKey { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh.push((path, text)),
            Err(error) => return Err(file_error(&path)(error)),
        }
    }
    Ok(fresh)
}

fn keep_keys(folder: &Path, fresh: &[(PathBuf, &str)]) -> Result<(), BackupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(file_error(folder))?;
    for (path, text) in fresh {
        write_private(path, text).map_err(file_error(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sqlx::Row as _;

    /// As migrations 1 to 6 had them.
    #[tokio::test]
    async fn a_backup_from_when_tenants_had_counts_goes_in_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(&folder.path().join("db")).await.unwrap();
        let columns = ["tenant", "bytes", "audit_number", "audit_hash", "row_bytes"].map(str::to_owned);
        let mut loading = Loading::new("tenants", columns.to_vec()).unwrap();
        for (name, number) in [("acme", 7), ("umbrella", 8)] {
            loading
                .push(vec![
                    json!(name),
                    json!(5),
                    json!(number),
                    json!("AAEC"),
                    json!(6),
                ])
                .unwrap();
        }
        let mut write = database.write().await.unwrap();
        loading.flush(&mut write).await.unwrap();
        write.commit().await.unwrap();
        let rows = sqlx::query("SELECT tenant, audit_number, audit_hash FROM tenants ORDER BY tenant");
        let rows = rows.fetch_all(database.read()).await.unwrap();
        let told: Vec<(String, i64, Vec<u8>)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        let hash = vec![0, 1, 2];
        assert_eq!(
            told,
            [
                ("acme".to_owned(), 7, hash.clone()),
                ("umbrella".to_owned(), 8, hash)
            ]
        );
        assert!(Loading::new("tenants", vec!["moon".to_owned()]).is_none());
    }
    /// As migrations 1 to 7 had them.
    #[tokio::test]
    async fn sticks_of_a_backup_from_before_owners_count_for_what_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(&folder.path().join("db")).await.unwrap();
        let mut write = database.write().await.unwrap();
        let id = json!("AAAAAAAAAAAAAAAAAAAAAA==");
        for (table, columns, row) in [
            (
                "tenants",
                "tenant audit_number audit_hash",
                vec![json!("acme"), json!(7), json!("AAEC")],
            ),
            (
                "sticks",
                "tenant bundle person public_key revoked enrolled_s last_contact_s bytes row_bytes",
                [json!("acme"), id.clone(), json!("Ada"), id.clone()]
                    .into_iter()
                    .chain([0, 1, 2, 999, 999].map(|number| json!(number)))
                    .collect(),
            ),
            (
                "objects",
                "tenant bundle id bytes stored_s",
                vec![json!("acme"), id.clone(), id.clone(), json!(500), json!(1)],
            ),
            (
                "refs",
                "tenant bundle line id born died",
                vec![
                    json!("acme"),
                    id.clone(),
                    json!("volumes"),
                    id.clone(),
                    json!(1),
                    json!(0),
                ],
            ),
            (
                "points",
                "tenant bundle line generation time_s head request added dropped",
                [json!("acme"), id.clone(), json!("volumes"), json!(1), json!(1)]
                    .into_iter()
                    .chain([json!("AAEC"), id.clone(), json!(1), json!(0)])
                    .collect(),
            ),
        ] {
            let columns = columns.split(' ').map(str::to_owned).collect();
            let mut loading = Loading::new(table, columns).unwrap();
            loading.push(row).unwrap();
            loading.flush(&mut write).await.unwrap();
        }
        // Once more changes nothing.
        for _ in 0..2 {
            owners::complete(&mut write).await.unwrap();
        }
        write.commit().await.unwrap();
        let rows = sqlx::query("SELECT kind, bytes, row_bytes FROM owners").fetch_all(database.read());
        let rows = rows.await.unwrap();
        let told: Vec<(String, i64, i64)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        // What the backup says of counts is read over.
        assert_eq!(told, [("stick".to_owned(), 500, 128 + 128 + 3)]);
    }
}
