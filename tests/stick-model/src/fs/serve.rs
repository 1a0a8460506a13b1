//! One method for each request of the kernel. What moves data or syncs is charged; names and attributes are answered at
//! once, as from the caches of a kernel that has read them before.

use std::{
    ffi::{OsStr, OsString},
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt, chown},
    sync::Arc,
    time::SystemTime,
};

use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags as FuseRenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::{BACKGROUND_REQUESTS, REQUEST_BYTES, Shared, State, TTL, attr_of, kind_of, no_space};
use crate::{
    device::now,
    volume::{Planned, SyncKind},
};

const BLOCK_BYTES: u32 = 4096;
const NAME_BYTES: u32 = 255;
const ONLY_GENERATION: Generation = Generation(0);

/// The file system.
pub(super) struct Files {
    pub(super) shared: Arc<Shared>,
}

impl Files {
    /// The attributes of a name that exists; the kernel now knows its node.
    fn entry(&self, state: &mut State, parent: u64, name: &OsStr) -> Result<fuser::FileAttr, Errno> {
        let metadata = std::fs::symlink_metadata(state.nodes.child(parent, name)?)?;
        let (ino, is_new) = state.nodes.intern(parent, name);
        if is_new {
            let size = if metadata.is_file() { metadata.len() } else { 0 };
            state.volume.found(ino, parent, size).map_err(no_space)?;
        }
        state.nodes.looked_up(ino);
        Ok(attr_of(ino, &metadata))
    }

    /// The same for a name that was just created.
    fn new_entry(&self, state: &mut State, parent: u64, name: &OsStr) -> Result<fuser::FileAttr, Errno> {
        let (ino, is_new) = state.nodes.intern(parent, name);
        if is_new {
            state.volume.created(ino, parent).map_err(no_space)?;
        }
        self.entry(state, parent, name)
    }

    /// Charges what the kernel writes on its own by now, then `planned`.
    fn charge(&self, state: &mut State, planned: &[Planned]) -> std::time::Duration {
        let expired = state.volume.expire(now());
        if !expired.is_empty() {
            self.shared.device.charge(&expired);
        }
        self.shared.device.charge(planned)
    }

    fn sync(&self, ino: u64, data_only: bool, reply: ReplyEmpty) {
        let kind = if data_only { SyncKind::Data } else { SyncKind::Full };
        let mut state = self.shared.state();
        let planned = state.volume.sync(ino, kind);
        let due = self.charge(&mut state, &planned);
        drop(state);
        self.shared.device.count(|stats| match kind {
            SyncKind::Data => stats.host.data_syncs += 1,
            SyncKind::Full => stats.host.full_syncs += 1,
        });
        self.shared.device.answer_at(due, move || reply.ok());
    }

    fn remove(&self, parent: u64, name: &OsStr, flags: AtFlags) -> Result<(), Errno> {
        let mut state = self.shared.state();
        let path = state.nodes.child(parent, name)?;
        // Its place on the device must be known to be given back.
        self.entry(&mut state, parent, name)
            .map(|attr| state.nodes.forget(attr.ino.0, 1))?;
        rustix::fs::unlinkat(CWD, &path, flags).map_err(io::Error::from)?;
        state.forget_name(parent, name);
        Ok(())
    }

    fn set_attributes(&self, ino: u64, change: &Change) -> Result<fuser::FileAttr, Errno> {
        let mut state = self.shared.state();
        let path = state.nodes.path(ino)?;
        if let Some(mode) = change.mode {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode & 0o7777))?;
        }
        if change.uid.is_some() || change.gid.is_some() {
            chown(&path, change.uid, change.gid)?;
        }
        if let Some(size) = change.size {
            state.nodes.file(ino)?.set_len(size)?;
            state.volume.resized(ino, size).map_err(no_space)?;
        }
        if change.accessed.is_some() || change.modified.is_some() {
            let times = Timestamps {
                last_access: timespec(change.accessed),
                last_modification: timespec(change.modified),
            };
            rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty()).map_err(io::Error::from)?;
            state.volume.touched(ino);
        }
        Ok(attr_of(ino, &state.nodes.metadata(ino)?))
    }

    fn move_name(
        &self,
        (from, name): (u64, &OsStr),
        (to, new_name): (u64, &OsStr),
        flags: FuseRenameFlags,
    ) -> Result<(), Errno> {
        let flags = RenameFlags::from_bits_retain(flags.bits());
        if !(flags - RenameFlags::NOREPLACE).is_empty() {
            return Err(Errno::EINVAL);
        }
        let mut state = self.shared.state();
        let (old_path, new_path) = (state.nodes.child(from, name)?, state.nodes.child(to, new_name)?);
        let moved = self.entry(&mut state, from, name)?.ino.0;
        state.nodes.forget(moved, 1);
        let target = self.entry(&mut state, to, new_name);
        if let Ok(attr) = &target {
            state.nodes.forget(attr.ino.0, 1);
        }
        rustix::fs::renameat_with(CWD, &old_path, CWD, &new_path, flags).map_err(io::Error::from)?;
        if target.is_ok_and(|attr| attr.ino.0 != moved) {
            state.forget_name(to, new_name);
        }
        state.nodes.rename(moved, to, new_name);
        state.volume.renamed(moved, from, to).map_err(no_space)
    }
}

impl State {
    /// A name was removed or replaced.
    fn forget_name(&mut self, parent: u64, name: &OsStr) {
        if let Some((ino, is_open)) = self.nodes.unlink(parent, name) {
            self.volume.removed(ino, parent);
            if !is_open {
                self.volume.freed(ino);
                self.nodes.forget(ino, 0);
            }
        }
    }
}

/// What `setattr` asks for.
struct Change {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
    accessed: Option<TimeOrNow>,
    modified: Option<TimeOrNow>,
}

fn timespec(time: Option<TimeOrNow>) -> Timespec {
    let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    match time {
        None => special(UTIME_OMIT),
        Some(TimeOrNow::Now) => special(UTIME_NOW),
        Some(TimeOrNow::SpecificTime(time)) => {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            Timespec {
                tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: since.subsec_nanos().into(),
            }
        }
    }
}

fn answer_empty(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

fn answer_entry(result: Result<fuser::FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(attr) => reply.entry(&TTL, &attr, ONLY_GENERATION),
        Err(errno) => reply.error(errno),
    }
}

fn answer_attr(result: Result<fuser::FileAttr, Errno>, reply: ReplyAttr) {
    match result {
        Ok(attr) => reply.attr(&TTL, &attr),
        Err(errno) => reply.error(errno),
    }
}

/// Reads until the buffer is full or the file ends.
fn read_fully(file: &std::fs::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

impl Filesystem for Files {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Without write-back every write system call would be a request of its own, as on no real stick.
        config
            .add_capabilities(InitFlags::FUSE_WRITEBACK_CACHE)
            .map_err(|_| io::Error::other("this kernel's FUSE has no write-back cache"))?;
        let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        let _ = config.set_max_write(REQUEST_BYTES);
        let _ = config.set_max_background(BACKGROUND_REQUESTS);
        Ok(())
    }

    fn destroy(&mut self) {
        let planned = self.shared.state().volume.flush();
        self.shared.device.charge(&planned);
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.shared.state();
        answer_entry(self.entry(&mut state, parent.0, name), reply);
    }

    fn forget(&self, _request: &Request, ino: INodeNo, lookups: u64) {
        self.shared.state().nodes.forget(ino.0, lookups);
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        let metadata = self.shared.state().nodes.metadata(ino.0);
        answer_attr(metadata.map(|metadata| attr_of(ino.0, &metadata)), reply);
    }

    fn setattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _changed_macos: Option<SystemTime>,
        _backed_up: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = Change {
            mode,
            uid,
            gid,
            size,
            accessed,
            modified,
        };
        answer_attr(self.set_attributes(ino.0, &change), reply);
    }

    fn mknod(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _device: u32,
        reply: ReplyEntry,
    ) {
        let is_file = mode & 0o170_000 == 0o100_000;
        let make = || {
            if !is_file {
                return Err(Errno::EPERM);
            }
            let mut state = self.shared.state();
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode & !umask & 0o7777)
                .open(state.nodes.child(parent.0, name)?)?;
            self.new_entry(&mut state, parent.0, name)
        };
        answer_entry(make(), reply);
    }

    fn mkdir(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let make = || {
            let mut state = self.shared.state();
            DirBuilder::new()
                .mode(mode & !umask & 0o7777)
                .create(state.nodes.child(parent.0, name)?)?;
            self.new_entry(&mut state, parent.0, name)
        };
        answer_entry(make(), reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.remove(parent.0, name, AtFlags::empty()), reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.remove(parent.0, name, AtFlags::REMOVEDIR), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: FuseRenameFlags,
        reply: ReplyEmpty,
    ) {
        let moved = self.move_name((parent.0, name), (new_parent.0, new_name), flags);
        answer_empty(moved, reply);
    }

    fn create(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let make = || {
            let mut state = self.shared.state();
            let exclusive = OFlags::from_bits_retain(flags as u32).contains(OFlags::EXCL);
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .create_new(exclusive)
                .truncate(false)
                .mode(mode & !umask & 0o7777)
                .open(state.nodes.child(parent.0, name)?)?;
            let attr = self.new_entry(&mut state, parent.0, name)?;
            state.nodes.open(attr.ino.0)?;
            Ok::<_, Errno>(attr)
        };
        match make() {
            Ok(attr) => reply.created(
                &TTL,
                &attr,
                ONLY_GENERATION,
                FileHandle(0),
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.shared.state().nodes.open(ino.0) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(errno) => reply.error(errno),
        }
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
        let mut state = self.shared.state();
        let planned = state.volume.read(ino.0, offset, size.into());
        let due = self.charge(&mut state, &planned);
        let file = state.nodes.file(ino.0);
        drop(state);
        let mut buffer = vec![0; size.min(REQUEST_BYTES) as usize];
        let read = file.and_then(|file| Ok(read_fully(&file, offset, &mut buffer)?));
        if let Ok(count) = read {
            self.shared
                .device
                .count(|stats| stats.host.reads.count(count as u64));
        }
        self.shared.device.answer_at(due, move || match read {
            Ok(count) => reply.data(&buffer[..count]),
            Err(errno) => reply.error(errno),
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
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.shared.state();
        let planned = match state.volume.write(ino.0, offset, data.len() as u64) {
            Ok(planned) => planned,
            Err(full) => return reply.error(no_space(full)),
        };
        let due = self.charge(&mut state, &planned);
        let file = state.nodes.file(ino.0);
        drop(state);
        let written = file.and_then(|file| Ok(file.write_all_at(data, offset)?));
        let len = data.len();
        self.shared
            .device
            .count(|stats| stats.host.writes.count(len as u64));
        self.shared.device.answer_at(due, move || match written {
            // Fits: a request is at most 1 MiB.
            Ok(()) => reply.written(len as u32),
            Err(errno) => reply.error(errno),
        });
    }

    fn flush(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let mut state = self.shared.state();
        if state.nodes.close(ino.0) {
            state.volume.freed(ino.0);
            state.nodes.forget(ino.0, 0);
        }
        reply.ok();
    }

    fn fsync(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.sync(ino.0, data_only, reply);
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.sync(ino.0, data_only, reply);
    }

    fn fallocate(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _offset: u64,
        _length: u64,
        _mode: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EOPNOTSUPP);
    }

    fn opendir(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let list = || {
            let mut state = self.shared.state();
            let parent = state.nodes.parent(ino.0);
            let dot = |name: &str| OsString::from(name);
            let mut entries = vec![
                (ino.0, FileType::Directory, dot(".")),
                (parent, FileType::Directory, dot("..")),
            ];
            for entry in std::fs::read_dir(state.nodes.path(ino.0)?)? {
                let entry = entry?;
                let known = state.nodes.known(ino.0, &entry.file_name());
                // Any number but 0 will do for a name nobody has looked up.
                let number = known.unwrap_or(u64::MAX);
                entries.push((number, kind_of(entry.file_type()?), entry.file_name()));
            }
            state.listings.last += 1;
            let handle = state.listings.last;
            state.listings.open.insert(handle, entries);
            Ok::<_, Errno>(handle)
        };
        match list() {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let state = self.shared.state();
        let entries = state.listings.open.get(&handle.0).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (place, (ino, kind, name)) in entries.iter().enumerate().skip(start) {
            if reply.add(INodeNo(*ino), place as u64 + 1, *kind, name) {
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
        self.shared.state().listings.open.remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let (all, free) = self.shared.state().volume.space();
        let blocks = |bytes: u64| bytes / u64::from(BLOCK_BYTES);
        reply.statfs(
            blocks(all),
            blocks(free),
            blocks(free),
            0,
            0,
            BLOCK_BYTES,
            NAME_BYTES,
            BLOCK_BYTES,
        );
    }
}
