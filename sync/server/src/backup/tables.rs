//! What of the database belongs to a backup: all but who prunes and what the clock said, which are of the moment.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use sqlx::{Row, any::AnyArguments, any::AnyRow};

/// What a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bytes,
}

/// A table with its columns; the first ones are its key, by which rows are ordered.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

use Kind::{Bytes, Number, Text};

/// Columns that tables had once, in backups of then; what they say follows from other rows.
const GONE: &[(&str, &str)] = &[
    ("tenants", "bytes"),
    ("tenants", "row_bytes"),
    ("sticks", "bytes"),
    ("sticks", "row_bytes"),
];

/// In an order in which no row names one that comes later.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "tenants",
        columns: &[("tenant", Text), ("audit_number", Number), ("audit_hash", Bytes)],
    },
    Table {
        name: "owners",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("kind", Text),
            ("bytes", Number),
            ("row_bytes", Number),
        ],
    },
    Table {
        name: "sticks",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("person", Text),
            ("public_key", Bytes),
            ("revoked", Number),
            ("enrolled_s", Number),
            ("last_contact_s", Number),
            ("revoked_reason", Text),
            ("revoked_s", Number),
            ("erased_s", Number),
        ],
    },
    Table {
        name: "enrolments",
        columns: &[
            ("token_hash", Bytes),
            ("tenant", Text),
            ("bundle", Bytes),
            ("person", Text),
            ("ends_s", Number),
            ("used_by", Bytes),
            ("team", Text),
        ],
    },
    Table {
        name: "people",
        columns: &[
            ("token_hash", Bytes),
            ("tenant", Text),
            ("name", Text),
            ("role", Text),
            ("made_s", Number),
        ],
    },
    Table {
        name: "objects",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("id", Bytes),
            ("bytes", Number),
            ("stored_s", Number),
        ],
    },
    Table {
        name: "points",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("line", Text),
            ("generation", Number),
            ("time_s", Number),
            ("head", Bytes),
            ("request", Bytes),
            ("added", Number),
            ("dropped", Number),
            ("complete", Number),
            ("drilled_s", Number),
            ("doubted", Number),
            ("made_by", Text),
        ],
    },
    Table {
        name: "bookmarks",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("line", Text),
            ("generation", Number),
            ("number", Number),
            ("kind", Text),
            ("label", Bytes),
        ],
    },
    Table {
        name: "refs",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("line", Text),
            ("id", Bytes),
            ("born", Number),
            ("died", Number),
        ],
    },
    Table {
        name: "parts",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("line", Text),
            ("request", Bytes),
            ("adds", Number),
            ("id", Bytes),
            ("stored_s", Number),
        ],
    },
    Table {
        name: "memories",
        columns: &[("tenant", Text), ("bundle", Bytes), ("sealed", Bytes)],
    },
    Table {
        name: "results",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("number", Number),
            ("digest", Bytes),
            ("time_s", Number),
            ("envelope", Bytes),
        ],
    },
    Table {
        name: "audit",
        columns: &[
            ("tenant", Text),
            ("number", Number),
            ("time_s", Number),
            ("who", Text),
            ("what", Text),
            ("about", Text),
            ("hash", Bytes),
        ],
    },
    Table {
        name: "leases",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("org", Bytes),
            ("team", Text),
            ("number", Number),
            ("token", Bytes),
            ("taken", Bytes),
            ("request", Bytes),
            ("suspended", Number),
            ("lease", Text),
            ("expires_s", Number),
        ],
    },
    Table {
        name: "settings",
        columns: &[("name", Text), ("value", Bytes)],
    },
    Table {
        name: "policies",
        columns: &[("tenant", Text), ("policy", Text)],
    },
    Table {
        name: "shares",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("made", Number),
            ("held", Number),
            ("wrong", Number),
            ("locked_until_s", Number),
        ],
    },
    Table {
        name: "workspaces",
        columns: &[
            ("tenant", Text),
            ("id", Bytes),
            ("name", Text),
            ("made_s", Number),
        ],
    },
    Table {
        name: "workspace_members",
        columns: &[
            ("tenant", Text),
            ("workspace", Bytes),
            ("bundle", Bytes),
            ("role", Text),
            ("since_s", Number),
        ],
    },
    Table {
        name: "dying",
        columns: &[
            ("tenant", Text),
            ("bundle", Bytes),
            ("id", Bytes),
            ("gone_s", Number),
        ],
    },
];

impl Table {
    /// Reads all of it.
    pub(super) fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.name)
    }

    pub(super) fn kind(&self, column: &str) -> Option<Kind> {
        let found = self.columns.iter().find(|(name, _)| *name == column);
        found.map(|(_, kind)| *kind)
    }

    /// Whether an earlier version had this column and needs nothing of it now.
    pub(super) fn had(&self, column: &str) -> bool {
        GONE.contains(&(self.name, column))
    }

    /// One row as it is written.
    pub(super) fn values(&self, row: &AnyRow) -> sqlx::Result<Vec<Value>> {
        let columns = self.columns.iter().enumerate();
        columns
            .map(|(at, (_, kind))| match kind {
                Text => Ok(Value::from(row.try_get::<String, _>(at)?)),
                Number => Ok(Value::from(row.try_get::<i64, _>(at)?)),
                Bytes => Ok(Value::from(BASE64.encode(row.try_get::<Vec<u8>, _>(at)?))),
            })
            .collect()
    }
}

type Query = sqlx::query::Query<'static, sqlx::Any, AnyArguments>;

/// Binds what was written; none if it is not of this kind.
pub(super) fn bind(query: Query, kind: Kind, value: &Value) -> Option<Query> {
    Some(match kind {
        Text => query.bind(value.as_str()?.to_owned()),
        Number => query.bind(value.as_i64()?),
        Bytes => query.bind(BASE64.decode(value.as_str()?).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::database::Database;
    use std::collections::BTreeSet;

    /// What a later migration adds is added here.
    #[tokio::test]
    async fn every_column_of_every_table_is_in_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(&folder.path().join("db")).await.unwrap();
        let sql = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' \
             AND m.name NOT LIKE 'sqlite%' AND m.name NOT IN ('_sqlx_migrations', 'locks', 'clock')";
        let rows = sqlx::query(sql).fetch_all(database.read()).await.unwrap();
        let there: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let columns = TABLES.iter().flat_map(|table| {
            let columns = table.columns.iter();
            columns.map(|(column, _)| (table.name.to_owned(), (*column).to_owned()))
        });
        assert_eq!(columns.collect::<BTreeSet<_>>(), there);
    }
}
