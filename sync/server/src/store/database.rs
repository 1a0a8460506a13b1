//! The database: SQLite in a file or PostgreSQL, behind the same queries.
//!
//! Nothing is acknowledged before it is durable: SQLite writes ahead and flushes at every commit (`synchronous = FULL`),
//! PostgreSQL does so of itself. SQLite has one writer at a time, so writers of this process wait for each other in the order
//! they came; another process waits for the file's lock.

use std::{path::Path, sync::Arc, sync::Once};

use sqlx::{
    Any, AnyPool, AssertSqlSafe, Connection as _, Executor, SqlSafeStr, SqlStr, Transaction,
    any::AnyPoolOptions,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::space::Sums;
use crate::refusal::{Answer, Refusal};

const BASE: &str = include_str!("../../migrations/1-base.sql");
const APPEND_ONLY_SQLITE: &str = include_str!("../../migrations/2-append-only.sqlite.sql");
const APPEND_ONLY_POSTGRES: &str = include_str!("../../migrations/2-append-only.postgres.sql");

const LEASES: &str = include_str!("../../migrations/3-leases.sql");

const PRUNING: &str = include_str!("../../migrations/4-pruning.sql");

const INTEGRITY: &str = include_str!("../../migrations/5-integrity.sql");

const SHARES: &str = include_str!("../../migrations/6-shares.sql");

const SUMS: &str = include_str!("../../migrations/7-sums.sql");

const WORKSPACES: &str = include_str!("../../migrations/8-workspaces.sql");

/// Connections to SQLite: one writer, the others read.
const SQLITE_CONNECTIONS: u32 = 8;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It cannot be reached or opened.
    #[error("cannot open the database {shown}")]
    Open {
        /// Its address without user and password.
        shown: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// Its tables cannot be made or brought up to date.
    #[error("cannot bring the tables of {shown} up to date")]
    Migrate {
        /// Its address without user and password.
        shown: String,
        /// What the driver said.
        source: MigrateError,
    },
}

impl DatabaseError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "server.database-open",
            Self::Migrate { .. } => "server.database-migrate",
        }
    }
}

/// A pool of connections.
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    /// There with SQLite.
    writer: Option<Arc<Semaphore>>,
    sums: Arc<Sums>,
}

/// A transaction that writes; gone without a trace if it is not committed.
pub struct Write {
    transaction: Transaction<'static, Any>,
    sums: Arc<Sums>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Write {
    /// To run queries in it.
    pub fn connection(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.transaction
    }

    pub(super) fn sums(&self) -> Arc<Sums> {
        Arc::clone(&self.sums)
    }

    /// Makes it durable.
    pub async fn commit(self) -> Answer<()> {
        self.transaction.commit().await.map_err(Refusal::from)
    }
}

impl Database {
    /// Opens SQLite in `file`, which is made if it is not there.
    pub async fn sqlite(file: &Path) -> Result<Self, DatabaseError> {
        let url = address(file, "rwc");
        let options = AnyPoolOptions::new()
            .max_connections(SQLITE_CONNECTIONS)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    for pragma in [
                        "PRAGMA busy_timeout = 10000",
                        "PRAGMA journal_mode = WAL",
                        "PRAGMA synchronous = FULL",
                        "PRAGMA foreign_keys = ON",
                    ] {
                        connection.execute(pragma).await?;
                    }
                    Ok(())
                })
            });
        Self::open(options, &url, file.display().to_string(), true).await
    }

    /// Opens PostgreSQL at `url`.
    pub async fn postgres(url: &str, connections: u32) -> Result<Self, DatabaseError> {
        let options = AnyPoolOptions::new().max_connections(connections.max(1));
        // Without the part that has the password.
        let shown = url
            .rsplit_once('@')
            .map_or("PostgreSQL", |(_, shown)| shown)
            .to_owned();
        Self::open(options, url, shown, false).await
    }

    async fn open(
        options: AnyPoolOptions,
        url: &str,
        shown: String,
        lite: bool,
    ) -> Result<Self, DatabaseError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let pool = match options.connect(url).await {
            Ok(pool) => pool,
            Err(source) => return Err(DatabaseError::Open { shown, source }),
        };
        match migrator(lite).run(&pool).await {
            Ok(()) => Ok(Self {
                pool,
                writer: lite.then(|| Arc::new(Semaphore::new(1))),
                sums: Arc::default(),
            }),
            Err(source) => Err(DatabaseError::Migrate { shown, source }),
        }
    }

    /// For queries that only read.
    pub fn read(&self) -> &AnyPool {
        &self.pool
    }

    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Begins to read what is there at one moment, until it ends.
    pub async fn snapshot(&self) -> Answer<Transaction<'static, Any>> {
        let begin = match self.writer {
            // The moment is that of the first read.
            Some(_) => "BEGIN DEFERRED",
            None => "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// Begins to write.
    pub async fn write(&self) -> Answer<Write> {
        let (turn, transaction) = match &self.writer {
            Some(writer) => {
                let turn = writer
                    .clone()
                    .acquire_owned()
                    .await
                    .map_err(Refusal::unavailable)?;
                // A transaction that begins by reading could be refused its first write.
                (Some(turn), self.pool.begin_with("BEGIN IMMEDIATE").await?)
            }
            None => (None, self.pool.begin().await?),
        };
        Ok(Write {
            transaction,
            sums: Arc::clone(&self.sums),
            _turn: turn,
        })
    }

    /// Whether it answers.
    pub async fn is_ready(&self) -> bool {
        sqlx::query("SELECT 1").fetch_one(&self.pool).await.is_ok()
    }

    /// Closes all connections, after what they are at.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// How SQLite's driver calls a file.
fn address(file: &Path, mode: &str) -> String {
    let mut url = "sqlite://".to_owned();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                url.push(char::from(*byte))
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    format!("{url}?mode={mode}")
}

fn migrator(lite: bool) -> Migrator {
    let migration = |version, name: &'static str, sql: SqlStr| {
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    let append_only = match lite {
        true => APPEND_ONLY_SQLITE,
        false => APPEND_ONLY_POSTGRES,
    };
    let both = |sql: &str| match lite {
        true => AssertSqlSafe(sql.to_owned()).into_sql_str(),
        false => AssertSqlSafe(sql.replace("BLOB", "BYTEA")).into_sql_str(),
    };
    Migrator::with_migrations(vec![
        migration(1, "base", both(BASE)),
        migration(2, "append only", append_only.into_sql_str()),
        migration(3, "leases", both(LEASES)),
        migration(4, "pruning", both(PRUNING)),
        migration(5, "integrity", both(INTEGRITY)),
        migration(6, "shares", both(SHARES)),
        migration(7, "sums", both(SUMS)),
        migration(8, "workspaces", both(WORKSPACES)),
    ])
}

/// `($1,$2),($3,$4)`: places for `rows` rows of `columns` values, after `first` values before them. The texts of queries are
/// made of our own words and of numbers, never of what somebody sent.
pub(crate) fn places(first: usize, rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            let number = first + row * columns + column + 1;
            text.push_str(&format!("{}${number}", if column == 0 { "" } else { "," }));
        }
        text.push(')');
    }
    text
}

/// A SQLite database that nobody else has open.
pub(crate) struct Alone(Option<sqlx::AnyConnection>);

impl Alone {
    /// Takes it; none if another connection has it. One that is damaged is nobody's.
    pub(crate) async fn with(file: &Path) -> Option<Self> {
        sqlx::any::install_default_drivers();
        let Ok(mut connection) = sqlx::AnyConnection::connect(&address(file, "rw")).await else {
            return Some(Self(None));
        };
        // Whoever has it open in WAL mode has a lock for as long as it is open, and taking it alone waits for no one.
        for sql in [
            "PRAGMA busy_timeout = 0",
            "PRAGMA locking_mode = EXCLUSIVE",
            "BEGIN EXCLUSIVE",
        ] {
            match connection.execute(sql).await {
                Err(error) if is_busy(&error) => return None,
                _ => {}
            }
        }
        Some(Self(Some(connection)))
    }

    /// Lets it go.
    pub(crate) async fn end(self) {
        if let Some(connection) = self.0 {
            // Nothing was changed that could be lost.
            let _ = connection.close().await;
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // `SQLITE_BUSY` and `SQLITE_LOCKED` with whatever they are extended by.
    let code = code.and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xff), Some(5 | 6))
}

/// Is it what the database says when a row is there already?
pub(crate) fn is_there_already(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn migration_8_moves_what_sticks_take_and_keeps_earlier_servers_out() {
        use sqlx::Row as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db");
        sqlx::any::install_default_drivers();
        let earlier = migrator(true);
        let earlier = earlier.iter().filter(|migration| migration.version < 8);
        let earlier = Migrator::with_migrations(earlier.cloned().collect());
        let pool = AnyPoolOptions::new()
            .connect(&address(&file, "rwc"))
            .await
            .unwrap();
        earlier.run(&pool).await.unwrap();
        for sql in [
            "INSERT INTO tenants (tenant, audit_number, audit_hash) VALUES ('acme', 0, X'00')",
            "INSERT INTO sticks (tenant, bundle, person, public_key, revoked, enrolled_s, last_contact_s, bytes, row_bytes) \
             VALUES ('acme', X'01', 'Ada', X'02', 0, 1, 2, 500, 700)",
        ] {
            sqlx::query(sql).execute(&pool).await.unwrap();
        }
        pool.close().await;
        let database = Database::sqlite(&file).await.unwrap();
        let row = sqlx::query("SELECT o.kind, o.bytes, o.row_bytes, s.person FROM owners o JOIN sticks s ON s.bundle = o.bundle")
            .fetch_one(database.read())
            .await
            .unwrap();
        let found: (String, i64, i64, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(found, ("stick".to_owned(), 500, 700, "Ada".to_owned()));
        let refused = earlier.run(database.read()).await;
        assert!(
            matches!(refused, Err(MigrateError::VersionMissing(8))),
            "{refused:?}"
        );
    }

    #[test]
    fn places_are_numbered_on() {
        assert_eq!(places(0, 2, 2), "($1,$2),($3,$4)");
        assert_eq!(places(3, 1, 3), "($4,$5,$6)");
    }
}
