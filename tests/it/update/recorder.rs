//! A file system that passes everything on to a folder and writes down, in order, whatever changes it: each write,
//! flush, new file, new name, deletion. Programs use it through the kernel like any other, so what is recorded is what they
//! really do.

mod files;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use fuser::{Config, Errno, MountOption, Session, SessionUnmounter};

use files::Files;

/// The longest that mounting or unmounting takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// One change, with paths below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Folder(PathBuf),
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Resize(PathBuf, u64),
    Delete(PathBuf),
    Rename(PathBuf, PathBuf),
    /// Everything written to the file is durable.
    Sync(PathBuf),
    /// All names in the folder are.
    SyncFolder(PathBuf),
}

/// What is recorded, and when it ends.
#[derive(Default)]
pub(super) struct Tape {
    ops: Vec<Op>,
    /// From here on every change is refused, as for a program that is no more.
    end: Option<usize>,
}

impl Tape {
    /// Takes down a change that is about to happen.
    fn record(&mut self, op: Op) -> Result<(), Errno> {
        if self.end.is_some_and(|end| self.ops.len() >= end) {
            return Err(Errno::EIO);
        }
        self.ops.push(op);
        Ok(())
    }
}

/// A mounted recorder.
pub(super) struct Recorder {
    tape: Arc<Mutex<Tape>>,
    unmounter: SessionUnmounter,
    ended: Receiver<io::Result<()>>,
}

impl Recorder {
    /// Shows `backing` at `place`.
    pub(super) fn mount(backing: &Path, place: &Path) -> io::Result<Self> {
        let tape = Arc::new(Mutex::new(Tape::default()));
        let files = Files::new(backing, Arc::clone(&tape));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("recorder".to_owned()), MountOption::NoAtime];
        config.n_threads = Some(1);
        let (started, has_started) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let place = place.to_owned();
        thread::spawn(move || {
            let mut session = match Session::new(files, &place, &config) {
                Ok(session) => session,
                Err(error) => return started.send(Err(error)).unwrap(),
            };
            started.send(Ok(session.unmount_callable())).unwrap();
            let _ = end.send(session.run());
        });
        Ok(Self {
            tape,
            unmounter: has_started.recv_timeout(DEADLINE).map_err(io::Error::other)??,
            ended,
        })
    }

    /// Everything that was done so far.
    pub(super) fn ops(&self) -> Vec<Op> {
        lock(&self.tape).ops.clone()
    }

    /// Refuses all changes once there were so many; `None` allows them again.
    pub(super) fn end_at(&self, end: Option<usize>) {
        lock(&self.tape).end = end;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.unmounter.unmount().is_ok() {
            let _ = self.ended.recv_timeout(DEADLINE);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
