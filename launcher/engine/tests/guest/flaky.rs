//! A medium that fails and comes back: a file system with one file, `disk`, which can be told to answer every request
//! with an I/O error. It remembers what was there at the last flush, apart from what was only written.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, UNIX_EPOCH},
};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite,
    Request, WriteFlags,
};

const TTL: Duration = Duration::from_secs(3600);
const DISK: INodeNo = INodeNo(2);

/// What the disk holds and how it behaves.
#[derive(Default)]
pub(crate) struct Medium {
    written: Vec<u8>,
    pub(crate) flushed: Vec<u8>,
    pub(crate) failing: bool,
    /// Requests refused so far.
    pub(crate) refused: u64,
}

impl Medium {
    /// The file's bytes, or an error when the medium fails right now.
    fn attempt(&mut self) -> Result<&mut Vec<u8>, Errno> {
        if self.failing {
            self.refused += 1;
            return Err(Errno::EIO);
        }
        Ok(&mut self.written)
    }
}

/// The mounted file system; unmounted when dropped.
pub(crate) struct Flaky {
    medium: Arc<Mutex<Medium>>,
    folder: PathBuf,
    _session: BackgroundSession,
}

impl Flaky {
    /// Mounts it on `folder` with a disk of this size.
    pub(crate) fn mount(folder: &Path, size_bytes: usize) -> std::io::Result<Self> {
        let medium = Arc::new(Mutex::new(Medium {
            written: vec![0; size_bytes],
            flushed: vec![0; size_bytes],
            ..Medium::default()
        }));
        let served = Served(Arc::clone(&medium));
        Ok(Self {
            medium,
            folder: folder.to_owned(),
            _session: fuser::spawn_mount(served, folder, &Config::default())?,
        })
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    pub(crate) fn medium(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap()
    }
}

struct Served(Arc<Mutex<Medium>>);

impl Served {
    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.0.lock().unwrap()
    }

    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let is_disk = ino == DISK;
        FileAttr {
            ino,
            size: if is_disk {
                self.medium().written.len() as u64
            } else {
                0
            },
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_disk {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: if is_disk { 0o600 } else { 0o700 },
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name == "disk" {
            true => reply.entry(&TTL, &self.attributes(DISK), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(ino));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.medium().attempt() {
            Ok(bytes) => {
                let start = (offset as usize).min(bytes.len());
                let end = (start + size as usize).min(bytes.len());
                reply.data(&bytes[start..end]);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.medium().attempt() {
            Ok(bytes) => {
                let start = offset as usize;
                bytes[start..start + data.len()].copy_from_slice(data);
                reply.written(data.len() as u32);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut medium = self.medium();
        match medium.attempt().map(|bytes| bytes.clone()) {
            Ok(bytes) => {
                medium.flushed = bytes;
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        }
    }
}
