//! Calls to a store that wait for their answer, and try again what is worth it.
//!
//! Each runs as a task of its own: what a store answers is read by code that was not written for answers that want to do harm, so a panic there is
//! an error here.

use std::{
    future::Future,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use opendal::{Buffer, Error, ErrorKind, Operator};
use rustix::fs::{Mode, OFlags};
use tokio::runtime::Runtime;

use crate::{ElsewhereError, limits};

/// Whether something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    Yes,
    /// There is something of that name already.
    Already,
}

/// A store, reached.
#[derive(Clone)]
pub(crate) struct Calls {
    operator: Operator,
    runtime: Arc<Runtime>,
    /// As people know it.
    place: String,
    /// Where it is a folder: what was put there is flushed with its names.
    folder: Option<PathBuf>,
}

impl Calls {
    pub(crate) fn new(
        operator: Operator,
        place: String,
        folder: Option<PathBuf>,
    ) -> Result<Self, ElsewhereError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|source| ElsewhereError::Setup {
            place: place.clone(),
            source: Box::new(source),
        })?;
        Ok(Self {
            operator,
            runtime: Arc::new(runtime),
            place,
            folder,
        })
    }

    pub(crate) fn place(&self) -> String {
        self.place.clone()
    }

    /// All of an object, at most `most` bytes; none: there is none.
    pub(crate) fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, ElsewhereError> {
        let read = self.ask("read", |operator| {
            let path = path.to_owned();
            async move {
                let mut stream = operator.reader(&path).await?.into_stream(..).await?;
                read_at_most(&mut stream, most).await
            }
        });
        match found(read)? {
            Some(bytes) if bytes.len() > most => Err(ElsewhereError::Long),
            found => Ok(found),
        }
    }

    /// These bytes of an object; fewer where it ends.
    pub(crate) fn read_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, ElsewhereError> {
        let most = (range.end - range.start) as usize;
        let read = self.ask("read", |operator| {
            let (path, range) = (path.to_owned(), range.clone());
            async move {
                let mut stream = operator.reader(&path).await?.into_stream(range).await?;
                read_at_most(&mut stream, most).await
            }
        });
        match found(read)? {
            Some(bytes) if bytes.len() > most => Err(ElsewhereError::Long),
            found => Ok(found),
        }
    }

    /// How long an object is; none: there is none.
    pub(crate) fn len(&self, path: &str) -> Result<Option<u64>, ElsewhereError> {
        let asked = self.ask("look at", |operator| {
            let path = path.to_owned();
            async move { Ok(operator.stat(&path).await?.content_length()) }
        });
        found(asked)
    }

    /// When an object was put, as the store says it: seconds since 1970 UTC; none: it does not say, or there is none.
    pub(crate) fn modified_s(&self, path: &str) -> Result<Option<u64>, ElsewhereError> {
        let asked = self.ask("look at", |operator| {
            let path = path.to_owned();
            async move { Ok(operator.stat(&path).await?.last_modified()) }
        });
        let modified = found(asked)?.flatten();
        Ok(modified.and_then(|time| u64::try_from(time.into_inner().as_second()).ok()))
    }

    /// Puts an object, whatever was there.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), ElsewhereError> {
        self.write_trying(path, bytes, limits::TRIES)
    }

    /// The same, for which one try is enough: before the next there is something to look at.
    pub(crate) fn write_once(&self, path: &str, bytes: &[u8]) -> Result<(), ElsewhereError> {
        self.write_trying(path, bytes, 1)
    }

    fn write_trying(&self, path: &str, bytes: &[u8], tries: u32) -> Result<(), ElsewhereError> {
        let bytes = Buffer::from(bytes.to_vec());
        let put = self.ask_trying("write", tries, |operator| {
            let (path, bytes) = (path.to_owned(), bytes.clone());
            async move { operator.write(&path, bytes).await.map(drop) }
        });
        put.map_err(|failed| failed.error)?;
        self.flush(path)
    }

    /// Puts an object if there is none of that name, as far as the store honours that.
    pub(crate) fn create(&self, path: &str, bytes: &[u8]) -> Result<Created, ElsewhereError> {
        let bytes = Buffer::from(bytes.to_vec());
        let put = self.ask("write", |operator| {
            let (path, bytes) = (path.to_owned(), bytes.clone());
            async move {
                let put = operator.write_with(&path, bytes).if_not_exists(true).await;
                put.map(drop)
            }
        });
        made(put)
    }

    /// Puts an object if what is there has this tag, as far as the store honours that.
    pub(crate) fn replace(&self, path: &str, bytes: &[u8], tag: &str) -> Result<Created, ElsewhereError> {
        let bytes = Buffer::from(bytes.to_vec());
        let put = self.ask("write", |operator| {
            let (path, bytes, tag) = (path.to_owned(), bytes.clone(), tag.to_owned());
            async move {
                let put = operator.write_with(&path, bytes).if_match(&tag).await;
                put.map(drop)
            }
        });
        made(put)
    }

    /// Takes an object away; one that is not there is no error.
    pub(crate) fn delete(&self, path: &str) -> Result<(), ElsewhereError> {
        let deleted = self.ask("delete", |operator| {
            let path = path.to_owned();
            async move { operator.delete(&path).await }
        });
        found(deleted).map(drop)
    }

    /// Whether it is a folder, which may be another one from one moment to the next.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// The names in a folder of the store; none if there is no such folder. Names of folders end with `/`.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<String>, ElsewhereError> {
        let listed = self.ask("list", |operator| {
            let folder = folder.to_owned();
            async move {
                let mut names = Vec::new();
                let mut lister = operator.lister(&folder).await?.take(limits::LISTED);
                while let Some(entry) = lister.try_next().await? {
                    if let Some(name) = entry.path().strip_prefix(&folder)
                        && !name.is_empty()
                    {
                        names.push(name.to_owned());
                    }
                }
                Ok(names)
            }
        });
        Ok(found(listed)?.unwrap_or_default())
    }

    /// Asks, and asks again while that may help.
    fn ask<T, F>(&self, what: &'static str, ask: impl Fn(Operator) -> F) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.ask_trying(what, limits::TRIES, ask)
    }

    fn ask_trying<T, F>(
        &self,
        what: &'static str,
        tries: u32,
        ask: impl Fn(Operator) -> F,
    ) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut tried = 0;
        loop {
            tried += 1;
            let asked = ask(self.operator.clone());
            let asked = async { tokio::time::timeout(limits::CALL, asked).await };
            let answer = self.runtime.block_on(self.runtime.spawn(asked));
            let error = match answer {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(error))) => error,
                Ok(Err(late)) => Error::new(ErrorKind::Unexpected, "no answer")
                    .set_source(late)
                    .set_temporary(),
                // A panic: its own words were said where it was.
                Err(_) => Error::new(ErrorKind::Unsupported, "an answer that makes no sense"),
            };
            if !error.is_temporary() || tried >= tries {
                let kind = error.kind();
                let error = ElsewhereError::of(error, &self.place, what);
                return Err(Failed { kind, error });
            }
            tracing::debug!(what, tried, %error, "the store is asked again");
            self.pause(tried);
        }
    }

    /// Waits after so many tries in vain, longer each time.
    pub(crate) fn pause(&self, tried: u32) {
        let pause = limits::PAUSE * (1 << tried.saturating_sub(1).min(limits::TRIES));
        self.runtime.block_on(async { tokio::time::sleep(pause).await });
    }

    /// Where it is a folder: makes the names down to an object durable. OpenDAL has flushed its bytes.
    fn flush(&self, path: &str) -> Result<(), ElsewhereError> {
        let Some(top) = &self.folder else {
            return Ok(());
        };
        let folders = Path::new(path).ancestors().skip(1).map(|folder| top.join(folder));
        for folder in folders {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            let flushed =
                rustix::fs::open(&folder, flags, Mode::empty()).and_then(|folder| rustix::fs::fsync(&folder));
            flushed.map_err(|error| ElsewhereError::Offline {
                place: self.place.clone(),
                source: Box::new(std::io::Error::from(error)),
            })?;
        }
        Ok(())
    }
}

/// What became of a call after its last try.
struct Failed {
    kind: ErrorKind,
    error: ElsewhereError,
}

/// What comes; one byte more than allowed says enough.
async fn read_at_most(stream: &mut opendal::BufferStream, most: usize) -> opendal::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= most
        && let Some(part) = stream.try_next().await?
    {
        bytes.extend_from_slice(&part.to_bytes());
    }
    Ok(bytes)
}

fn found<T>(asked: Result<T, Failed>) -> Result<Option<T>, ElsewhereError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(failed) if failed.kind == ErrorKind::NotFound => Ok(None),
        Err(failed) => Err(failed.error),
    }
}

fn made(put: Result<(), Failed>) -> Result<Created, ElsewhereError> {
    match put {
        Ok(()) => Ok(Created::Yes),
        Err(failed)
            if matches!(
                failed.kind,
                ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists
            ) =>
        {
            Ok(Created::Already)
        }
        Err(failed) => Err(failed.error),
    }
}
