//! The file system's side of the recorder: one method for each request of the kernel.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the medium that programs under test write to"
)]

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::{Op, Tape, lock};

/// Numbers of paths, and open files, which live on when their names are gone.
struct Nodes {
    paths: Vec<PathBuf>,
    numbers: HashMap<PathBuf, u64>,
    open: HashMap<u64, (Arc<File>, u64)>,
}

impl Default for Nodes {
    fn default() -> Self {
        // Number 0 is nobody's, 1 is the root.
        Self {
            paths: vec![PathBuf::new(), PathBuf::new()],
            numbers: HashMap::from([(PathBuf::new(), 1)]),
            open: HashMap::new(),
        }
    }
}

impl Nodes {
    fn path(&self, ino: INodeNo) -> Result<PathBuf, Errno> {
        self.paths.get(ino.0 as usize).cloned().ok_or(Errno::ENOENT)
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        Ok(self.path(parent)?.join(name))
    }

    fn number(&mut self, path: &Path) -> u64 {
        let next = self.paths.len() as u64;
        let number = *self.numbers.entry(path.to_owned()).or_insert(next);
        if number == next {
            self.paths.push(path.to_owned());
        }
        number
    }

    /// A name means another file from now on.
    fn forget(&mut self, path: &Path) {
        self.numbers.remove(path);
    }
}

pub(super) struct Files {
    backing: PathBuf,
    nodes: Mutex<Nodes>,
    tape: Arc<Mutex<Tape>>,
}

impl Files {
    pub(super) fn new(backing: &Path, tape: Arc<Mutex<Tape>>) -> Self {
        Self {
            backing: backing.to_owned(),
            nodes: Mutex::new(Nodes::default()),
            tape,
        }
    }

    fn real(&self, path: &Path) -> PathBuf {
        self.backing.join(path)
    }

    fn record(&self, op: Op) -> Result<(), Errno> {
        lock(&self.tape).record(op)
    }

    fn entry(&self, path: &Path) -> Result<FileAttr, Errno> {
        let metadata = fs::symlink_metadata(self.real(path))?;
        Ok(attr(lock(&self.nodes).number(path), &metadata))
    }

    fn attributes(&self, ino: INodeNo) -> Result<FileAttr, Errno> {
        let nodes = lock(&self.nodes);
        let metadata = match nodes.open.get(&ino.0) {
            Some((file, _)) => file.metadata()?,
            None => fs::symlink_metadata(self.real(&nodes.path(ino)?))?,
        };
        Ok(attr(ino.0, &metadata))
    }

    fn file(&self, ino: INodeNo) -> Result<Arc<File>, Errno> {
        let nodes = lock(&self.nodes);
        let open = nodes.open.get(&ino.0).map(|(file, _)| Arc::clone(file));
        open.ok_or(Errno::EBADF)
    }

    fn hold(&self, ino: u64) -> Result<(), Errno> {
        let mut nodes = lock(&self.nodes);
        let path = self.real(&nodes.path(INodeNo(ino))?);
        if let Some((_, holders)) = nodes.open.get_mut(&ino) {
            *holders += 1;
            return Ok(());
        }
        let file = File::options().read(true).write(true).open(path)?;
        nodes.open.insert(ino, (Arc::new(file), 1));
        Ok(())
    }

    fn create_at(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let path = lock(&self.nodes).child(parent, name)?;
        if !self.real(&path).exists() {
            self.record(Op::Create(path.clone()))?;
            File::options()
                .write(true)
                .create_new(true)
                .open(self.real(&path))?;
        }
        let attr = self.entry(&path)?;
        self.hold(attr.ino.0)?;
        Ok(attr)
    }

    fn resize(&self, ino: INodeNo, size: Option<u64>) -> Result<FileAttr, Errno> {
        let path = lock(&self.nodes).path(ino)?;
        if let Some(size) = size {
            self.record(Op::Resize(path.clone(), size))?;
            let file = File::options().write(true).open(self.real(&path))?;
            file.set_len(size)?;
        }
        self.attributes(ino)
    }

    fn delete(&self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        let path = lock(&self.nodes).child(parent, name)?;
        self.record(Op::Delete(path.clone()))?;
        fs::remove_file(self.real(&path))?;
        lock(&self.nodes).forget(&path);
        Ok(())
    }

    fn rename_to(&self, from: PathBuf, to: PathBuf) -> Result<(), Errno> {
        self.record(Op::Rename(from.clone(), to.clone()))?;
        fs::rename(self.real(&from), self.real(&to))?;
        let mut nodes = lock(&self.nodes);
        nodes.forget(&to);
        if let Some(number) = nodes.numbers.remove(&from) {
            nodes.paths[number as usize].clone_from(&to);
            nodes.numbers.insert(to, number);
        }
        Ok(())
    }
}

/// Attributes are asked for each time: nothing here is about speed.
const TTL: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;

fn attr(ino: u64, metadata: &Metadata) -> FileAttr {
    let is_folder = metadata.is_dir();
    FileAttr {
        ino: INodeNo(ino),
        size: metadata.len(),
        blocks: metadata.len().div_ceil(512),
        atime: SystemTime::UNIX_EPOCH,
        mtime: SystemTime::UNIX_EPOCH,
        ctime: SystemTime::UNIX_EPOCH,
        crtime: SystemTime::UNIX_EPOCH,
        kind: if is_folder {
            FileType::Directory
        } else {
            FileType::RegularFile
        },
        perm: (metadata.permissions().mode() & 0o7777) as u16,
        nlink: 1,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn answer_entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
        Err(errno) => reply.error(errno),
    }
}

fn answer_attr(result: Result<FileAttr, Errno>, reply: ReplyAttr) {
    match result {
        Ok(attr) => reply.attr(&TTL, &attr),
        Err(errno) => reply.error(errno),
    }
}

fn answer(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let path = lock(&self.nodes).child(parent, name);
        answer_entry(path.and_then(|path| self.entry(&path)), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer_attr(self.attributes(ino), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _accessed: Option<TimeOrNow>,
        _modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _changed_macos: Option<SystemTime>,
        _backed_up: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        answer_attr(self.resize(ino, size), reply);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        let path = lock(&self.nodes).child(parent, name);
        let made = path.and_then(|path| {
            self.record(Op::Folder(path.clone()))?;
            fs::create_dir(self.real(&path))?;
            self.entry(&path)
        });
        answer_entry(made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.delete(parent, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let paths = {
            let nodes = lock(&self.nodes);
            nodes
                .child(parent, name)
                .and_then(|from| Ok((from, nodes.child(new_parent, new_name)?)))
        };
        answer(paths.and_then(|(from, to)| self.rename_to(from, to)), reply);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.create_at(parent, name) {
            Ok(attr) => reply.created(&TTL, &attr, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.hold(ino.0) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut buffer = vec![0; size as usize];
        match self
            .file(ino)
            .and_then(|file| Ok(file.read_at(&mut buffer, offset)?))
        {
            Ok(len) => reply.data(&buffer[..len]),
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let path = lock(&self.nodes).path(ino);
        let written = path.and_then(|path| {
            self.record(Op::Write(path, offset, data.to_vec()))?;
            Ok(self.file(ino)?.write_all_at(data, offset)?)
        });
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(errno) => reply.error(errno),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let mut nodes = lock(&self.nodes);
        if let Some((_, holders)) = nodes.open.get_mut(&ino.0) {
            *holders -= 1;
            if *holders == 0 {
                nodes.open.remove(&ino.0);
            }
        }
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        let path = lock(&self.nodes).path(ino);
        answer(path.and_then(|path| self.record(Op::Sync(path))), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        let path = lock(&self.nodes).path(ino);
        answer(path.and_then(|path| self.record(Op::SyncFolder(path))), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let list = || {
            let path = lock(&self.nodes).path(ino)?;
            let mut entries = vec![
                (FileType::Directory, OsString::from(".")),
                (FileType::Directory, "..".into()),
            ];
            for entry in fs::read_dir(self.real(&path))? {
                let entry = entry?;
                let is_folder = entry.file_type()?.is_dir();
                let kind = if is_folder {
                    FileType::Directory
                } else {
                    FileType::RegularFile
                };
                entries.push((kind, entry.file_name()));
            }
            entries[2..].sort_by(|(_, one), (_, other)| one.cmp(other));
            Ok::<_, Errno>(entries)
        };
        match list() {
            Ok(entries) => {
                for (nth, (kind, name)) in entries.iter().enumerate().skip(offset as usize) {
                    // Any number but 0 will do for a name that is only listed.
                    if reply.add(INodeNo(u64::MAX), nth as u64 + 1, *kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = (8 << 30) / u64::from(BLOCK);
        reply.statfs(blocks, blocks, blocks, 0, 0, BLOCK, 255, BLOCK);
    }
}
