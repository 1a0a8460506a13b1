//! Making a backup.

#![expect(
    clippy::disallowed_methods,
    reason = "a backup is files of the server's own; nothing of this is on a stick"
)]

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use age::{Encryptor, x25519::Recipient};
use futures_util::TryStreamExt as _;
use gobag_format::digest::DigestStream;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::{
    BackupError, FORMAT, KEYS, Line, MANIFEST, Manifest, OBJECTS, Progress, ROWS, SEALED_ROWS, file_error,
    objects, tables::TABLES,
};
use crate::{
    clock::Clock,
    refusal::Refusal,
    store::{blobs::Blobs, database::Database, marker, prune::Lease},
};

/// What is to be backed up.
pub struct Source<'a> {
    /// Rows.
    pub database: &'a Database,
    /// Objects.
    pub blobs: &'a Blobs,
    /// The CA's folder.
    pub keys: &'a Path,
    /// What time it is.
    pub clock: &'a Clock,
}

/// How.
#[derive(Default)]
pub struct BackupOptions {
    /// Who alone can open rows and keys; nobody in particular if there is none.
    pub recipients: Vec<Recipient>,
    /// Whether objects are copied, too.
    pub objects: bool,
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct BackupReport {
    /// The folder.
    pub folder: PathBuf,
    /// Rows of the database.
    pub rows: u64,
    /// Bytes of the file that has them.
    pub rows_bytes: u64,
    /// Objects in the folder.
    pub objects: u64,
    /// Objects that the database knows and that are not in the store, or damaged there.
    pub objects_missing: u64,
}

/// Writes a backup to `folder`, which must not be there yet.
pub async fn write(
    source: &Source<'_>,
    folder: &Path,
    options: &BackupOptions,
    progress: &Progress<'_>,
) -> Result<BackupReport, BackupError> {
    if folder.exists() {
        let path = folder.to_owned();
        return Err(BackupError::There { path });
    }
    if options.objects {
        marker::check(source.database, source.blobs).await?;
    }
    let partial = folder.with_file_name(match folder.file_name() {
        Some(name) => format!("{}.partial", name.display()),
        None => {
            return Err(BackupError::There {
                path: folder.to_owned(),
            });
        }
    });
    make_partial(&partial).map_err(file_error(&partial))?;
    let lease = match options.objects {
        true => Some(Lease::take(source.database, source.clock.now_s()).await?),
        false => None,
    };
    let written = whole(source, &partial, options, lease.as_ref(), progress).await;
    if let Some(lease) = lease {
        lease.release(source.database).await?;
    }
    let (manifest, copied) = written?;
    std::fs::rename(&partial, folder).map_err(file_error(folder))?;
    sync_folder(
        folder
            .parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new(".")),
    )?;
    Ok(BackupReport {
        folder: folder.to_owned(),
        rows: manifest.rows,
        rows_bytes: manifest.rows_bytes,
        objects: copied.copied,
        objects_missing: copied.missing,
    })
}

/// For its owner alone, also one that is there already: somebody else could have made it, to read along.
fn make_partial(partial: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(partial)?;
    let found = std::fs::symlink_metadata(partial)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    // Who may not do this is not its owner.
    std::fs::set_permissions(partial, std::fs::Permissions::from_mode(0o700))
}

async fn whole(
    source: &Source<'_>,
    partial: &Path,
    options: &BackupOptions,
    lease: Option<&Lease>,
    progress: &Progress<'_>,
) -> Result<(Manifest, objects::Copied), BackupError> {
    let made_s = source.clock.now_s();
    let name = if options.recipients.is_empty() {
        ROWS
    } else {
        SEALED_ROWS
    };
    // The one of an earlier try would stay beside it.
    for name in [ROWS, SEALED_ROWS, MANIFEST] {
        match std::fs::remove_file(partial.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&partial.join(name))(error));
            }
            _ => {}
        }
    }
    let path = partial.join(name);
    let hashed = Hashed::create(&path).map_err(file_error(&path))?;
    let (rows, hashed) = match options.recipients.is_empty() {
        true => lines(source, hashed, &path, progress).await?,
        false => {
            let recipients = options
                .recipients
                .iter()
                .map(|recipient| recipient as &dyn age::Recipient);
            let seal = |error: Box<dyn std::error::Error + Send + Sync>| BackupError::Age {
                what: "seal",
                path: path.clone(),
                source: error,
            };
            let encryptor = Encryptor::with_recipients(recipients).map_err(|error| seal(Box::new(error)))?;
            let writer = encryptor
                .wrap_output(hashed)
                .map_err(|error| seal(Box::new(error)))?;
            let (rows, writer) = lines(source, writer, &path, progress).await?;
            (rows, writer.finish().map_err(|error| seal(Box::new(error)))?)
        }
    };
    let (rows_bytes, rows_blake3) = hashed.finish().map_err(file_error(&path))?;
    let copied = match lease {
        Some(lease) => {
            let to = partial.join(OBJECTS);
            objects::copy(source, &to, lease, progress).await?
        }
        None => objects::Copied::default(),
    };
    let manifest = Manifest {
        format: FORMAT,
        made_s,
        rows_file: name.to_owned(),
        rows_bytes,
        rows_blake3,
        rows,
        objects: lease.is_some(),
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(Refusal::unavailable)?;
    let path = partial.join(MANIFEST);
    let mut file = private(&path).map_err(file_error(&path))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(file_error(&path))?;
    sync_folder(partial)?;
    Ok((manifest, copied))
}

/// Keys, and the rows of one moment.
async fn lines<W: Write>(
    source: &Source<'_>,
    mut to: W,
    path: &Path,
    progress: &Progress<'_>,
) -> Result<(u64, W), BackupError> {
    let mut line = |line: &Line| -> Result<(), BackupError> {
        let mut text = serde_json::to_vec(line).map_err(Refusal::unavailable)?;
        text.push(b'\n');
        progress("rows", text.len() as u64);
        to.write_all(&text).map_err(file_error(path))
    };
    for name in KEYS {
        let path = source.keys.join(name);
        let text = std::fs::read_to_string(&path).map_err(file_error(&path))?;
        line(&Line::Key {
            name: name.to_owned(),
            text,
        })?;
    }
    let mut snapshot = source.database.snapshot().await?;
    let mut count = 0;
    for table in TABLES {
        line(&Line::Table {
            name: table.name.to_owned(),
            columns: table
                .columns
                .iter()
                .map(|(column, _)| (*column).to_owned())
                .collect(),
        })?;
        let mut rows = sqlx::query(AssertSqlSafe(table.select())).fetch(&mut *snapshot);
        while let Some(row) = rows.try_next().await? {
            line(&Line::Row(table.values(&row)?))?;
            count += 1;
        }
    }
    line(&Line::End { rows: count })?;
    snapshot.rollback().await?;
    Ok((count, to))
}

/// A new file for its owner alone.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(file_error(path))
}

/// A file that knows its digest.
struct Hashed {
    file: BufWriter<File>,
    digest: DigestStream,
    bytes: u64,
}

impl Hashed {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(private(path)?),
            digest: DigestStream::new(),
            bytes: 0,
        })
    }

    fn finish(mut self) -> io::Result<(u64, gobag_protocol::ids::Digest)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.bytes, self.digest.finish()))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
