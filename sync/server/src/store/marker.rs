//! Which store of objects belongs to this database: a random number that both have.
//!
//! Pruning removes bytes that no row knows. With a store of another database that would be all of them, so a server does not start with such
//! a pair. A store without a number gets the database's if it can be seen that they belong together: an object that the database knows is there,
//! or neither knows of any. A folder that is not mounted and a bucket that is empty by mistake are found out by the same. A database without a number
//! never takes a store's: whose it is only IT can say ([`adopt`]).
//!
//! Of two databases that were one, a copy or one put back, only one may have the number: [`renew`] and [`adopt`] make a new one, so that the other,
//! which asks before it prunes, stops.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use gobag_protocol::{
    ids::{BundleId, Digest, ObjectId, TenantName},
    limits::MAX_SMALL_BODY,
};
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{
    StickKey,
    blobs::Blobs,
    database::{Database, Write},
    settings, unsigned,
};
use crate::{
    refusal::{Answer, Refusal},
    secret,
};

/// The store's part of it.
const MARK: &str = "gobag-store.json";
/// The database's.
const SETTING: &str = "store-id";
/// Objects that are looked for.
const LOOKED_FOR: i64 = 16;

/// What is written into the store.
#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
    /// A number as 32 digits.
    store: BundleId,
}

/// Why a database and a store are not used together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarkerError {
    /// They have different numbers.
    #[error("the store of objects belongs to another database")]
    Other,
    /// One has no number, and nothing shows that they belong together.
    #[error("nothing shows that the store of objects belongs to this database: {why}")]
    Unknown {
        /// What was looked for.
        why: &'static str,
    },
    /// One of them could not be asked.
    #[error("cannot compare the database with the store of objects")]
    Refused {
        /// Why.
        source: Refusal,
    },
}

impl MarkerError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Other => "server.store-other",
            Self::Unknown { .. } => "server.store-unknown",
            Self::Refused { .. } => "server.store-compare",
        }
    }
}

impl From<MarkerError> for Refusal {
    fn from(error: MarkerError) -> Self {
        match error {
            MarkerError::Refused { source } => source,
            other => Self::unavailable(other),
        }
    }
}

impl From<Refusal> for MarkerError {
    fn from(source: Refusal) -> Self {
        Self::Refused { source }
    }
}

/// Fails unless the two belong together; gives both a number if they do and have none.
pub async fn check(database: &Database, blobs: &Blobs) -> Result<(), MarkerError> {
    // The store first: a replica that gives both their number begins with the database.
    let of_store = read(blobs).await?;
    match (of_database(database).await?, of_store) {
        (Some(ours), Some(theirs)) => same(ours == theirs),
        // A new database at a used store would take all of it for strays, and one put back may not be the only one that has it.
        (None, Some(_)) => Err(MarkerError::Other),
        (ours, None) => {
            belong_together(database, blobs).await?;
            let ours = match ours {
                Some(ours) => ours,
                None => note(database, secret::random()?).await?,
            };
            // Another replica may be at the same: what is there afterwards counts.
            write(blobs, ours, PutMode::Create).await?;
            same(read(blobs).await? == Some(ours))
        }
    }
}

/// What [`adopt`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// Objects of the database that were looked for in the store.
    pub looked_for: u64,
    /// Those that are there.
    pub found: u64,
    /// Whether the store belongs to the database now.
    pub adopted: bool,
}

/// Makes the store this database's and no other's, whatever it was before; with `only_look` nothing is changed.
pub async fn adopt(database: &Database, blobs: &Blobs, only_look: bool) -> Answer<Adoption> {
    let (looked_for, found) = found(database, blobs).await?;
    if !only_look {
        // A new number: a copy of this database may be at work, with the one it had. Cut off before the store has it, nothing is pruned by either.
        let mut transaction = database.write().await?;
        let ours = renew(&mut transaction).await?;
        transaction.commit().await?;
        write(blobs, ours, PutMode::Overwrite).await?;
    }
    Ok(Adoption {
        looked_for,
        found,
        adopted: !only_look,
    })
}

/// Gives the database another number than it had: no store is its own until it is adopted, or has no number.
pub async fn renew(write: &mut Write) -> Answer<[u8; 16]> {
    let number = secret::random()?;
    settings::set(write, SETTING, &number).await?;
    Ok(number)
}

/// Whether the store has a number already.
pub async fn is_marked(blobs: &Blobs) -> Answer<bool> {
    Ok(read(blobs).await?.is_some())
}

fn same(is_same: bool) -> Result<(), MarkerError> {
    match is_same {
        true => Ok(()),
        false => Err(MarkerError::Other),
    }
}

async fn belong_together(database: &Database, blobs: &Blobs) -> Result<(), MarkerError> {
    match found(database, blobs).await? {
        (0, _) if blobs.has_any().await? => Err(MarkerError::Unknown {
            why: "the database knows no objects, and there are some",
        }),
        (0, _) => Ok(()),
        (_, 0) => Err(MarkerError::Unknown {
            why: "of the objects that the database knows none is there",
        }),
        _ => Ok(()),
    }
}

/// How many known objects were looked for, and are there.
async fn found(database: &Database, blobs: &Blobs) -> Answer<(u64, u64)> {
    let known = known(database).await?;
    let mut found = 0;
    for (stick, id, len) in &known {
        found += u64::from(blobs.has(stick, *id, *len).await?);
    }
    Ok((known.len() as u64, found))
}

async fn known(database: &Database) -> Answer<Vec<(StickKey, ObjectId, usize)>> {
    let odd = || Refusal::unavailable("cannot read the row of an object");
    let rows = sqlx::query("SELECT tenant, bundle, id, bytes FROM objects LIMIT $1")
        .bind(LOOKED_FOR)
        .fetch_all(database.read())
        .await?;
    let mut known = Vec::with_capacity(rows.len());
    for row in rows {
        let (tenant, bundle, id): (String, Vec<u8>, Vec<u8>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let stick = StickKey {
            tenant: TenantName::parse(&tenant).ok_or_else(odd)?,
            bundle: BundleId(bundle.try_into().map_err(|_| odd())?),
        };
        let id = ObjectId(Digest(id.try_into().map_err(|_| odd())?));
        known.push((stick, id, unsigned(row.try_get(3)?) as usize));
    }
    Ok(known)
}

async fn of_database(database: &Database) -> Answer<Option<[u8; 16]>> {
    let Some(value) = settings::get(database, SETTING).await? else {
        return Ok(None);
    };
    let value = value.try_into();
    value
        .map(Some)
        .map_err(|_| Refusal::unavailable("the number of the store has another length"))
}

/// The number that the database has now: another replica may have been faster.
async fn note(database: &Database, number: [u8; 16]) -> Answer<[u8; 16]> {
    settings::is_same(database, SETTING, &number).await?;
    of_database(database)
        .await?
        .ok_or_else(|| Refusal::unavailable("the number of the store was not kept"))
}

async fn read(blobs: &Blobs) -> Answer<Option<[u8; 16]>> {
    let found = match blobs.store().get(&Path::from(MARK)).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if found.meta.size > MAX_SMALL_BODY as u64 {
        return Err(Refusal::unavailable("the store's mark is too long"));
    }
    let mark: Mark = serde_json::from_slice(&found.bytes().await?).map_err(Refusal::unavailable)?;
    Ok(Some(mark.store.0))
}

async fn write(blobs: &Blobs, number: [u8; 16], mode: PutMode) -> Answer<()> {
    let mark = Mark {
        format: 1,
        store: BundleId(number),
    };
    let text = serde_json::to_vec(&mark).map_err(Refusal::unavailable)?;
    let options = PutOptions {
        mode,
        ..PutOptions::default()
    };
    match blobs
        .store()
        .put_opts(&Path::from(MARK), Bytes::from(text).into(), options)
        .await
    {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

impl Blobs {
    /// Whether there is an object of anybody.
    async fn has_any(&self) -> Answer<bool> {
        let mut listed = self.store().list(Some(&Path::from("objects")));
        while let Some(found) = listed.try_next().await? {
            if found.location.filename().and_then(ObjectId::parse).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
