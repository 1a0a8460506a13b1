//! Bytes of objects: into a backup, out of it, and whether each that a row names is there.

#![expect(
    clippy::disallowed_methods,
    reason = "a backup is files of the server's own; nothing of this is on a stick"
)]

use std::{
    fs::DirBuilder,
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use gobag_protocol::{
    ids::{BundleId, Digest, ObjectId, TenantName},
    limits::MAX_OBJECT_BYTES,
};
use serde::Serialize;
use sqlx::Row;

use super::{
    BackupError, Progress, damaged, file_error,
    write::{Source, private},
};
use crate::{
    clock::Clock,
    refusal::{Answer, Refusal},
    store::{
        self, OwnerKey,
        audit::{self, Event},
        blobs::Blobs,
        database::Database,
        marker, owners,
        prune::Lease,
        unsigned,
    },
};

/// Rows at a time.
const PAGE: i64 = 500;

/// Objects that are looked for while a stick's row is held.
const HELD: usize = 50;

/// What was copied.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Copied {
    pub(super) copied: u64,
    pub(super) missing: u64,
}

/// An object that a row names.
struct Known {
    owner: OwnerKey,
    id: ObjectId,
    len: u64,
}

/// Copies all objects that rows name into `to`; those that are there already stay.
pub(super) async fn copy(
    source: &Source<'_>,
    to: &Path,
    lease: &Lease,
    progress: &Progress<'_>,
) -> Result<Copied, BackupError> {
    // It is there also where nobody has sent anything yet.
    make_folder(to)?;
    let mut copied = Copied::default();
    let mut after = None;
    loop {
        let page = page(source.database, after.as_ref()).await?;
        // Nothing is pruned as long as this is ours; asked after the last page, too, for what was copied before.
        let mut write = source.database.write().await?;
        lease.hold(&mut write, source.clock.now_s()).await?;
        write.commit().await?;
        let Some(last) = page.last() else {
            return Ok(copied);
        };
        for known in &page {
            let folder = to
                .join(known.owner.tenant.as_str())
                .join(known.owner.bundle.to_string());
            let path = folder.join(known.id.to_string());
            // It has its name only when it is whole.
            let is_there = std::fs::metadata(&path).is_ok_and(|found| found.len() == known.len);
            if !is_there {
                let Some(bytes) = bytes(source.blobs, known).await? else {
                    tracing::error!(id = %known.id, owner = ?known.owner, "an object is missing or damaged");
                    copied.missing += 1;
                    continue;
                };
                make_folder(&folder)?;
                keep(&path, &bytes).map_err(file_error(&path))?;
            }
            progress("objects", known.len);
            copied.copied += 1;
        }
        after = Some((last.owner.clone(), last.id));
    }
}

fn make_folder(folder: &Path) -> Result<(), BackupError> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(file_error(folder))
}

fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let mut file = private(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)
}

/// The object's bytes, if they are what its id says.
async fn bytes(blobs: &Blobs, known: &Known) -> Answer<Option<bytes::Bytes>> {
    let Some(found) = blobs.get(&known.owner, known.id, None).await? else {
        return Ok(None);
    };
    if found.meta.size > MAX_OBJECT_BYTES as u64 {
        return Ok(None);
    }
    let bytes = found.bytes().await?;
    Ok((ObjectId::of(&bytes) == known.id).then_some(bytes))
}

async fn page(database: &Database, after: Option<&(OwnerKey, ObjectId)>) -> Answer<Vec<Known>> {
    let (tenant, bundle, id) = match after {
        Some((owner, id)) => (
            owner.tenant.as_str().to_owned(),
            owner.bundle.0.to_vec(),
            id.as_bytes().to_vec(),
        ),
        None => (String::new(), Vec::new(), Vec::new()),
    };
    let sql = "SELECT tenant, bundle, id, bytes FROM objects WHERE (tenant, bundle, id) > ($1, $2, $3) \
         ORDER BY tenant, bundle, id LIMIT $4";
    let rows = sqlx::query(sql)
        .bind(tenant)
        .bind(bundle)
        .bind(id)
        .bind(PAGE)
        .fetch_all(database.read())
        .await?;
    let odd = || Refusal::unavailable("cannot read the row of an object");
    let mut page = Vec::with_capacity(rows.len());
    for row in rows {
        let (tenant, bundle, id): (String, Vec<u8>, Vec<u8>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        page.push(Known {
            owner: OwnerKey {
                tenant: TenantName::parse(&tenant).ok_or_else(odd)?,
                bundle: BundleId(bundle.try_into().map_err(|_| odd())?),
            },
            id: ObjectId(Digest(id.try_into().map_err(|_| odd())?)),
            len: unsigned(row.try_get(3)?),
        });
    }
    Ok(page)
}

/// Puts objects of a backup into the store; those that are there already stay. How many there were.
pub(super) async fn put(from: &Path, blobs: &Blobs, progress: &Progress<'_>) -> Result<u64, BackupError> {
    let mut count = 0;
    // A backup of a server without objects had no such folder once.
    let tenants = match entries(from) {
        Err(BackupError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        found => found?,
    };
    for (tenant, folder) in tenants {
        let tenant = TenantName::parse(&tenant).ok_or_else(|| damaged(&folder, "no name of a tenant"))?;
        for (bundle, folder) in entries(&folder)? {
            let bundle = BundleId::parse(&bundle).ok_or_else(|| damaged(&folder, "no number of a stick"))?;
            let owner = OwnerKey {
                tenant: tenant.clone(),
                bundle,
            };
            blobs.make_place(&owner).await?;
            for (id, path) in entries(&folder)? {
                let id = ObjectId::parse(&id).ok_or_else(|| damaged(&path, "no name of an object"))?;
                let len = std::fs::metadata(&path).map_err(file_error(&path))?.len();
                if len > MAX_OBJECT_BYTES as u64 {
                    return Err(damaged(&path, "larger than any object"));
                }
                if !blobs.has(&owner, id, len as usize).await? {
                    let bytes = std::fs::read(&path).map_err(file_error(&path))?;
                    if ObjectId::of(&bytes) != id {
                        return Err(damaged(&path, "other bytes than those of its name"));
                    }
                    blobs.put(&owner, id, bytes.into()).await?;
                }
                progress("objects", len);
                count += 1;
            }
        }
    }
    Ok(count)
}

/// What is in a folder, but for what was left half written.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(file_error(folder))? {
        let entry = entry.map_err(file_error(folder))?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| damaged(&entry.path(), "a name that is no text"))?;
        if !name.ends_with(".partial") {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// What the store has of an object.
#[derive(PartialEq, Eq)]
enum State {
    Whole,
    Missing,
    Damaged,
}

async fn state(blobs: &Blobs, known: &Known, is_read: bool) -> Answer<State> {
    if !blobs.has(&known.owner, known.id, known.len as usize).await? {
        return Ok(State::Missing);
    }
    let is_whole = !is_read || bytes(blobs, known).await?.is_some();
    Ok(if is_whole { State::Whole } else { State::Damaged })
}

/// Takes away the rows of objects of one stick that are still not there. One that is put at this moment is missing for the stick, and put once more.
async fn forget(
    database: &Database,
    blobs: &Blobs,
    gone: &[&Known],
    is_read: bool,
    clock: &Clock,
) -> Result<u64, BackupError> {
    let Some(Known { owner, .. }) = gone.first() else {
        return Ok(0);
    };
    let mut write = database.write().await?;
    owners::hold(&mut write, owner).await?;
    let mut ids = Vec::new();
    for known in gone {
        // It may have been sent again meanwhile.
        if state(blobs, known, is_read).await? != State::Whole {
            ids.push(known.id);
        }
    }
    let count = store::objects::forget(&mut write, owner, &ids).await?;
    let about = format!("{count} objects of {} were not in the store", owner.bundle);
    let event = Event {
        who: "console",
        what: "objects.forgotten",
        about: &about,
    };
    audit::append(&mut write, &owner.tenant, clock.now_s(), &event).await?;
    // Asked last: a store that went away while it was looked through has nothing of anybody.
    marker::check(database, blobs).await?;
    write.commit().await?;
    Ok(count)
}

/// What [`check`] found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Objects that rows name.
    pub objects: u64,
    /// Those that are not in the store, or not with as many bytes.
    pub missing: u64,
    /// Those that have other bytes than they should; 0 unless they were read.
    pub damaged: u64,
    /// Of both, those whose rows were taken away.
    pub forgotten: u64,
}

/// How to look.
#[derive(Default)]
pub struct CheckOptions<'a> {
    /// Read each object and compare it with its name.
    pub is_read: bool,
    /// Take away the rows of those that are missing or damaged, at the time that this tells: sticks are told that they are missing, and send them again.
    pub forget: Option<&'a Clock>,
}

/// Whether each object that a row names is in the store; with `is_read` also whether its bytes are right.
pub async fn check(
    database: &Database,
    blobs: &Blobs,
    options: &CheckOptions<'_>,
    progress: &Progress<'_>,
) -> Result<CheckReport, BackupError> {
    if options.forget.is_some() {
        marker::check(database, blobs).await?;
    }
    let mut report = CheckReport::default();
    let mut after = None;
    loop {
        let page = page(database, after.as_ref()).await?;
        let Some(last) = page.last() else {
            return Ok(report);
        };
        let mut gone = Vec::new();
        for known in &page {
            report.objects += 1;
            match state(blobs, known, options.is_read).await? {
                State::Whole => {}
                State::Missing => {
                    tracing::error!(id = %known.id, owner = ?known.owner, "an object is missing");
                    report.missing += 1;
                    gone.push(known);
                }
                State::Damaged => {
                    tracing::error!(id = %known.id, owner = ?known.owner, "an object is damaged");
                    report.damaged += 1;
                    gone.push(known);
                }
            }
            progress("objects", known.len);
        }
        if let Some(clock) = options.forget {
            for of_owner in gone.chunk_by(|one, next| one.owner == next.owner) {
                for some in of_owner.chunks(HELD) {
                    report.forgotten += forget(database, blobs, some, options.is_read, clock).await?;
                }
            }
        }
        after = Some((last.owner.clone(), last.id));
    }
}
