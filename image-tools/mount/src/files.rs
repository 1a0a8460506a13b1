//! The file system the kernel talks to: one folder, one file per export, nothing can be added or removed.
//!
//! Metadata is answered at once from what was known at mount time. Requests that reach a volume go through
//! [`crate::lanes`]. What is not implemented here is refused by `fuser` with `ENOSYS`, which the kernel remembers and
//! does not ask again: extended attributes (asked before *every* write otherwise) and `lseek` for holes (the kernel
//! then treats a file as all data, which is true as far as we know).

use std::{cell::RefCell, ffi::OsStr, sync::Arc, time::SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use rustix::fs::{FallocateFlags, OFlags};

use crate::{
    handles::{Handles, Opened, process_of},
    lanes::Lanes,
    limits::{ATTRIBUTE_TTL, BACKGROUND_REQUESTS, NAME_BYTES, REQUEST_BYTES},
    served::Served,
};

/// The answer to `open` while the mount is being left.
const LEAVING: Errno = Errno::ENXIO;
const BLOCK_BYTES: u32 = 4096;
/// What `stat` recommends for a single transfer.
const TRANSFER_BYTES: u32 = 128 << 10;

thread_local! {
    /// Each thread reads into a buffer of its own, as large as the largest request it has seen.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the file system and the mount's handle share.
pub(crate) struct Shared {
    pub(crate) exports: Vec<Arc<Served>>,
    pub(crate) handles: Handles,
}

/// The file system itself.
pub(crate) struct Files {
    shared: Arc<Shared>,
    lanes: Lanes,
    owner: Owner,
}

/// Who owns the files, and since when they exist.
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) time: SystemTime,
}

impl Files {
    pub(crate) fn new(shared: Arc<Shared>, lanes: Lanes, owner: Owner) -> Self {
        Self { shared, lanes, owner }
    }

    fn served(&self, ino: INodeNo) -> Result<&Arc<Served>, Errno> {
        match index(ino) {
            None => Err(Errno::EISDIR),
            Some(index) => self.shared.exports.get(index).ok_or(Errno::ENOENT),
        }
    }

    fn attr(&self, ino: INodeNo) -> Result<FileAttr, Errno> {
        let (kind, perm, nlink, size) = match index(ino) {
            None => (FileType::Directory, 0o700, 2, 0),
            Some(_) => {
                let served = self.served(ino)?;
                let perm = if served.is_read_only() { 0o400 } else { 0o600 };
                (FileType::RegularFile, perm, 1, served.size_bytes())
            }
        };
        Ok(FileAttr {
            ino,
            size,
            blocks: size.div_ceil(512),
            atime: self.owner.time,
            mtime: self.owner.time,
            ctime: self.owner.time,
            crtime: self.owner.time,
            kind,
            perm,
            nlink,
            uid: self.owner.uid,
            gid: self.owner.gid,
            rdev: 0,
            blksize: TRANSFER_BYTES,
            flags: 0,
        })
    }

    /// Runs volume work here or, if this is the last thread at the door, on a spare thread.
    fn work(&self, ino: INodeNo, work: impl FnOnce(Result<&Served, Errno>) + Send + 'static) {
        match (self.served(ino), self.lanes.enter()) {
            (Err(errno), _) => work(Err(errno)),
            (Ok(served), Some(_lane)) => work(Ok(served)),
            (Ok(served), None) => {
                let served = Arc::clone(served);
                self.lanes.hand_over(move || work(Ok(&served)));
            }
        }
    }
}

/// Index of the export of a file; `None` is the folder.
fn index(ino: INodeNo) -> Option<usize> {
    let number = usize::try_from(ino.0).unwrap_or(usize::MAX);
    number.checked_sub(2)
}

fn ino(index: usize) -> INodeNo {
    INodeNo(index as u64 + 2)
}

fn empty(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

impl Filesystem for Files {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Each is a wish: an older kernel offers less, which costs speed and nothing else.
        let _ = config.set_max_write(REQUEST_BYTES);
        let _ = config.set_max_background(BACKGROUND_REQUESTS);
        // Direct I/O that was submitted asynchronously (io_uring, libaio) stays asynchronous.
        let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        let _ = config.add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let is_named = |served: &Arc<Served>| OsStr::new(served.name()) == name;
        let found = match index(parent) {
            Some(_) => Err(Errno::ENOTDIR),
            None => self.shared.exports.iter().position(is_named).ok_or(Errno::ENOENT),
        };
        match found.and_then(|index| self.attr(ino(index))) {
            Ok(attr) => reply.entry(&ATTRIBUTE_TTL, &attr, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.attr(ino) {
            Ok(attr) => reply.attr(&ATTRIBUTE_TTL, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        // A disk has the size it has: `O_TRUNC` (a shell's `>`) is refused instead of being ignored. Times are not
        // kept; programs that set them mean no harm.
        let refuses = |attr: &FileAttr| {
            mode.is_some() || uid.is_some() || gid.is_some() || size.is_some_and(|size| size != attr.size)
        };
        match self.attr(ino) {
            Ok(attr) if refuses(&attr) => reply.error(Errno::EPERM),
            Ok(attr) => reply.attr(&ATTRIBUTE_TTL, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let served = match self.served(ino) {
            Ok(served) => served,
            Err(errno) => return reply.error(errno),
        };
        let for_writing = flags.acc_mode() != OpenAccMode::O_RDONLY;
        if for_writing && served.is_read_only() {
            return reply.error(Errno::EROFS);
        }
        let mut how = if served.is_cached() {
            FopenFlags::FOPEN_KEEP_CACHE
        } else {
            FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES
        };
        if !for_writing {
            how |= FopenFlags::FOPEN_NOFLUSH;
        }
        let number = self.shared.handles.open(Opened {
            pid: process_of(request.pid()),
            export: index(ino),
            for_writing,
        });
        match number {
            Some(number) => reply.opened(FileHandle(number), how),
            None => reply.error(LEAVING),
        }
    }

    fn release(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.shared.handles.close(handle.0);
        reply.ok();
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.work(ino, move |served| {
            let served = match served {
                Ok(served) => served,
                Err(errno) => return reply.error(errno),
            };
            BUFFER.with_borrow_mut(|buffer| {
                let len = size.min(REQUEST_BYTES) as usize;
                if buffer.len() < len {
                    buffer.resize(len, 0);
                }
                match served.read(offset, &mut buffer[..len]) {
                    Ok(count) => reply.data(&buffer[..count]),
                    Err(errno) => reply.error(errno),
                }
            });
        });
    }

    fn write(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // O_SYNC contains the bit of O_DSYNC; the kernel also sets it for a single write with RWF_DSYNC.
        let durable = flags.0 as u32 & OFlags::DSYNC.bits() != 0;
        let answer = move |served: &Served, data: &[u8], reply: ReplyWrite| {
            match served.write(offset, data, durable) {
                // Fits: a request is at most 1 MiB.
                Ok(count) => reply.written(count as u32),
                Err(errno) => reply.error(errno),
            }
        };
        match (self.served(ino), self.lanes.enter()) {
            (Err(errno), _) => reply.error(errno),
            (Ok(served), Some(_lane)) => answer(served, data, reply),
            (Ok(served), None) => {
                // `data` lies in this thread's receive buffer, which the next request needs.
                let (served, data) = (Arc::clone(served), data.to_vec());
                self.lanes.hand_over(move || answer(&served, &data, reply));
            }
        }
    }

    fn flush(
        &self,
        _request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // Called on close. An older kernel calls it for readers too (FOPEN_NOFLUSH is from 5.16).
        if self
            .shared
            .handles
            .get(handle.0)
            .is_some_and(|opened| !opened.for_writing)
        {
            return reply.ok();
        }
        self.work(ino, move |served| empty(served.and_then(Served::flush), reply));
    }

    fn fsync(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.work(ino, move |served| empty(served.and_then(Served::flush), reply));
    }

    fn fallocate(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mode = FallocateFlags::from_bits_retain(mode as u32);
        let punches = mode.contains(FallocateFlags::PUNCH_HOLE);
        let zeroes = mode.contains(FallocateFlags::ZERO_RANGE);
        self.work(ino, move |served| {
            let result = served.and_then(|served| {
                let end = offset.checked_add(length).ok_or(Errno::EINVAL)?;
                match () {
                    // Preallocation would be a promise of space that a volume cannot give.
                    () if !punches && !zeroes => Err(Errno::EOPNOTSUPP),
                    () if zeroes
                        && end > served.size_bytes()
                        && !mode.contains(FallocateFlags::KEEP_SIZE) =>
                    {
                        Err(Errno::EFBIG)
                    }
                    () => served.discard(offset, length),
                }
            });
            empty(result, reply);
        });
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        if index(ino).is_some() {
            return reply.error(Errno::ENOTDIR);
        }
        let number = self.shared.handles.open(Opened {
            pid: process_of(request.pid()),
            export: None,
            for_writing: false,
        });
        let how = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
        match number {
            Some(number) => reply.opened(FileHandle(number), how),
            None => reply.error(LEAVING),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let dots = [".", ".."].map(|name| (INodeNo::ROOT, FileType::Directory, name));
        let files = self.shared.exports.iter().enumerate();
        let files = files.map(|(index, served)| (ino(index), FileType::RegularFile, served.name()));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (place, (ino, kind, name)) in dots.into_iter().chain(files).enumerate().skip(start) {
            // The offset of an entry is where the next call starts.
            if reply.add(ino, place as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.shared.handles.close(handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let bytes: u64 = self.shared.exports.iter().map(|served| served.size_bytes()).sum();
        let blocks = bytes.div_ceil(u64::from(BLOCK_BYTES));
        let files = self.shared.exports.len() as u64;
        // Nothing can be created here, so nothing is free.
        reply.statfs(
            blocks,
            0,
            0,
            files,
            0,
            BLOCK_BYTES,
            NAME_BYTES as u32,
            BLOCK_BYTES,
        );
    }

    // The folder's contents are fixed. `EPERM` says so; the default `ENOSYS` would read as a fault of ours.

    fn create(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EPERM);
    }

    fn mknod(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn mkdir(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn unlink(&self, _request: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn rmdir(&self, _request: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _new_parent: INodeNo,
        _new_name: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EPERM);
    }
}
