//! Sealed pages of a workspace's tree, and lists of files' pieces, that were read or made before, in our folder of the left root. What is lost of it is asked for again.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use gobag_files::OURS;
use gobag_format::workspace::BlobName;
use gobag_workspace::{NoCache, PageCache};
use rusqlite::{Connection, OptionalExtension as _, params};

/// The database.
const FILE: &str = "pages.db";
/// Bytes from which no more is kept, and it is begun anew when it is opened.
const MOST: u64 = 512 << 20;

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS pages (name BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
";

struct Pages(Mutex<Kept>);

struct Kept {
    connection: Connection,
    bytes: u64,
}

/// What keeps them for the left root at this path; where that cannot be, nothing does.
pub fn pages(left: &Path) -> Arc<dyn PageCache> {
    let path = left.join(OURS).join(FILE);
    let opened = || {
        let size = || std::fs::metadata(&path).map_or(0, |kept| kept.len());
        if size() > MOST {
            forget(&path);
        }
        let open = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(std::time::Duration::from_secs(1))?;
            connection.execute_batch(TABLES)?;
            let bytes = size();
            Ok(Kept { connection, bytes })
        };
        open().or_else(|_: rusqlite::Error| {
            // Damaged: there is nothing in it that cannot be had again.
            forget(&path);
            open()
        })
    };
    match path.parent().is_some_and(Path::is_dir).then(opened) {
        Some(Ok(kept)) => Arc::new(Pages(Mutex::new(kept))),
        Some(Err(error)) => {
            tracing::debug!(%error, "no pages are kept");
            Arc::new(NoCache)
        }
        None => Arc::new(NoCache),
    }
}

fn forget(path: &Path) {
    for ending in crate::aside::ENDINGS {
        let _ = rustix::fs::unlink(crate::aside::with(path, ending));
    }
}

impl PageCache for Pages {
    fn get(&self, name: &BlobName) -> Option<Vec<u8>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = kept
            .connection
            .prepare_cached("SELECT sealed FROM pages WHERE name = ?1")
            .ok()?;
        statement
            .query_row([name.0], |row| row.get(0))
            .optional()
            .ok()
            .flatten()
    }

    fn put(&self, name: &BlobName, sealed: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += sealed.len() as u64;
        if kept.bytes > MOST {
            return;
        }
        let put = kept
            .connection
            .prepare_cached("INSERT OR REPLACE INTO pages (name, sealed) VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute(params![name.0, sealed]));
        if let Err(error) = put {
            tracing::debug!(%error, "a page is not kept");
        }
    }
}
