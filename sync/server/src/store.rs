//! What is kept: rows in a database, bytes in an object store. One file per thing.
//!
//! Order makes a crash safe: an object's bytes are durable before its row, its row before the stick hears of it, and a point's
//! rows are one transaction that finds all its objects' rows. So what was acknowledged is there, and what is there without
//! an acknowledgement is at most bytes without a row, which the next upload writes again, and pruning removes.

pub mod audit;
pub mod blobs;
pub mod database;
pub mod details;
pub mod leases;
pub mod marker;
pub mod memories;
pub mod objects;
pub mod owners;
pub mod people;
pub mod points;
pub mod policies;
pub mod prune;
pub mod results;
pub mod revocation;
pub mod settings;
pub mod shares;
pub(crate) mod space;
pub mod sticks;
pub mod ticks;
pub mod workspaces;

use gobag_protocol::ids::{BundleId, TenantName};

/// Who has objects, lines and points: what every query about them begins with.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OwnerKey {
    /// Whose.
    pub tenant: TenantName,
    /// Which stick; of a workspace its number, which is no stick's.
    pub bundle: BundleId,
}

/// A stick of a tenant. Where it stands, a workspace's number finds nothing, for `sticks` has no row of one.
pub type StickKey = OwnerKey;

impl OwnerKey {
    pub(crate) fn tenant(&self) -> String {
        self.tenant.as_str().to_owned()
    }

    pub(crate) fn bundle(&self) -> Vec<u8> {
        self.bundle.0.to_vec()
    }
}

/// Numbers of the wire are unsigned, those of databases signed; none comes near the end of either.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
