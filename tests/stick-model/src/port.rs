//! A USB port as a file system: a folder, passed on at full speed, until the stick is pulled out. Then every request fails,
//! and what no flush has covered is lost, as on a medium with a cache. One stick can be seen through several ports, one
//! after another.
//!
//! What it does not do: add, rename or remove files. In daily use nothing on a stick asks for that, so it is refused.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite,
    Request, WriteFlags,
};

/// Nothing is remembered by the kernel: what is pulled out is gone at once.
const TTL: Duration = Duration::ZERO;

/// What a stick keeps.
pub struct Medium {
    root: PathBuf,
    cache: Mutex<Vec<Unflushed>>,
}

/// A write that no flush has covered, and what was there before it.
struct Unflushed {
    path: PathBuf,
    offset: u64,
    before: Vec<u8>,
}

impl Medium {
    /// The stick whose files lie in the folder `root`.
    pub fn new(root: &Path) -> Arc<Self> {
        Arc::new(Self {
            root: root.to_owned(),
            cache: Mutex::default(),
        })
    }

    fn cache(&self) -> MutexGuard<'_, Vec<Unflushed>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loses what was not flushed; says how many writes.
    fn lose_cache(&self) -> io::Result<usize> {
        let mut cache = self.cache();
        let lost = cache.len();
        for write in cache.drain(..).rev() {
            let file = File::options().write(true).open(&write.path)?;
            file.write_all_at(&write.before, write.offset)?;
        }
        Ok(lost)
    }
}

/// A place where the stick is plugged in; unmounted when dropped.
pub struct Port {
    medium: Arc<Medium>,
    state: Arc<Mutex<State>>,
    _session: BackgroundSession,
}

#[derive(Default)]
struct State {
    /// Why every request fails.
    trouble: Option<Errno>,
    refused: u64,
    /// How often it was pulled out. What was opened before belongs to a device that is no more.
    pulls: u64,
    /// Paths by inode number; the root is 1.
    paths: Vec<PathBuf>,
    files: HashMap<u64, Arc<File>>,
}

impl Port {
    /// Plugs the stick in at `folder`.
    pub fn mount(medium: &Arc<Medium>, folder: &Path) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State {
            paths: vec![medium.root.clone()],
            ..State::default()
        }));
        let served = Served {
            medium: Arc::clone(medium),
            state: Arc::clone(&state),
        };
        Ok(Self {
            medium: Arc::clone(medium),
            state,
            _session: fuser::spawn_mount(served, folder, &Config::default())?,
        })
    }

    /// Pulls the stick out: from now on every request fails like this. Says how many writes no flush had covered; they
    /// are lost.
    pub fn pull(&self, trouble: Errno) -> io::Result<usize> {
        // With the state held no request is under way.
        let mut state = lock(&self.state);
        state.trouble = Some(trouble);
        state.pulls += 1;
        state.files.clear();
        self.medium.lose_cache()
    }

    /// Plugs it in again.
    pub fn plug_in(&self) {
        lock(&self.state).trouble = None;
    }

    /// Requests that failed.
    pub fn refused(&self) -> u64 {
        lock(&self.state).refused
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Served {
    medium: Arc<Medium>,
    state: Arc<Mutex<State>>,
}

impl Served {
    /// The state, unless the stick is out.
    fn plugged(&self) -> Result<MutexGuard<'_, State>, Errno> {
        let mut state = lock(&self.state);
        match state.trouble {
            Some(trouble) => {
                state.refused += 1;
                Err(trouble)
            }
            None => Ok(state),
        }
    }

    /// The state, for a file that was opened since the stick was last plugged in.
    fn open_file(&self, handle: FileHandle) -> Result<MutexGuard<'_, State>, Errno> {
        let mut state = self.plugged()?;
        if handle.0 == state.pulls {
            return Ok(state);
        }
        state.refused += 1;
        Err(Errno::EIO)
    }

    fn look_up(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let mut state = self.plugged()?;
        let path = state.path(parent)?.join(name);
        let found = fs::metadata(&path).map_err(errno)?;
        let known = state.paths.iter().position(|known| *known == path);
        let position = known.unwrap_or_else(|| {
            state.paths.push(path);
            state.paths.len() - 1
        });
        Ok(attributes(INodeNo(position as u64 + 1), &found))
    }

    fn attributes(&self, ino: INodeNo) -> Result<FileAttr, Errno> {
        let state = self.plugged()?;
        let found = fs::metadata(state.path(ino)?).map_err(errno)?;
        Ok(attributes(ino, &found))
    }

    fn read_at(&self, ino: INodeNo, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; size as usize];
        let len = self
            .open_file(handle)?
            .file(ino)?
            .read_at(&mut bytes, offset)
            .map_err(errno)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_at(&self, ino: INodeNo, handle: FileHandle, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let mut state = self.open_file(handle)?;
        let (file, path) = (state.file(ino)?, state.path(ino)?.to_owned());
        let mut before = vec![0; data.len()];
        file.read_exact_at(&mut before, offset).map_err(errno)?;
        file.write_all_at(data, offset).map_err(errno)?;
        let write = Unflushed { path, offset, before };
        self.medium.cache().push(write);
        Ok(data.len() as u32)
    }

    fn flush_file(&self, ino: INodeNo, handle: FileHandle) -> Result<(), Errno> {
        let state = self.open_file(handle)?;
        let path = state.path(ino)?;
        self.medium.cache().retain(|write| write.path != path);
        Ok(())
    }
}

impl State {
    fn path(&self, ino: INodeNo) -> Result<&Path, Errno> {
        let path = self.paths.get((ino.0 - 1) as usize);
        path.map(PathBuf::as_path).ok_or(Errno::ENOENT)
    }

    fn file(&mut self, ino: INodeNo) -> Result<Arc<File>, Errno> {
        if let Some(file) = self.files.get(&ino.0) {
            return Ok(Arc::clone(file));
        }
        let opened = File::options().read(true).write(true).open(self.path(ino)?);
        let file = Arc::new(opened.map_err(errno)?);
        self.files.insert(ino.0, Arc::clone(&file));
        Ok(file)
    }
}

/// What an open file says after a pull that leaves no names behind.
fn gone(errno: Errno) -> Errno {
    match i32::from(errno) == i32::from(Errno::ENOENT) {
        true => Errno::EIO,
        false => errno,
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_i32(error.raw_os_error().unwrap_or(5))
}

fn attributes(ino: INodeNo, found: &Metadata) -> FileAttr {
    let time = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    FileAttr {
        ino,
        size: found.len(),
        blocks: found.blocks(),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: if found.is_dir() {
            FileType::Directory
        } else {
            FileType::RegularFile
        },
        perm: (found.mode() & 0o7777) as u16,
        nlink: 1,
        uid: found.uid(),
        gid: found.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.look_up(parent, name) {
            Ok(found) => reply.entry(&TTL, &found, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(ino) {
            Ok(found) => reply.attr(&TTL, &found),
            Err(errno) => reply.error(gone(errno)),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.plugged() {
            Ok(state) => reply.opened(FileHandle(state.pulls), FopenFlags::FOPEN_DIRECT_IO),
            Err(errno) => reply.error(gone(errno)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_at(ino, handle, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(gone(errno)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_at(ino, handle, offset, data) {
            Ok(written) => reply.written(written),
            Err(errno) => reply.error(gone(errno)),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.flush_file(ino, handle) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(gone(errno)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file says nothing about what the medium has kept.
        reply.ok();
    }
}
