//! A file system that is unlike Linux's own in what it makes of names: capitals are the same as small letters, accents are kept apart from their letters, a colon
//! is refused and a dot at the end is dropped. And one that fails when it is told to.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use unicode_normalization::UnicodeNormalization as _;

const ONCE: Duration = Duration::ZERO;

/// It, mounted.
pub(crate) struct Odd {
    fails: Arc<AtomicBool>,
    _session: fuser::BackgroundSession,
}

impl Odd {
    /// None where FUSE is missing, which `GOBAG_REQUIRE=fuse` makes a failure.
    pub(crate) fn mount(folder: &Path) -> Option<Self> {
        let files = Files::default();
        let fails = Arc::clone(&files.fails);
        match fuser::spawn_mount(files, folder, &Config::default()) {
            Ok(session) => Some(Self {
                fails,
                _session: session,
            }),
            Err(error) => {
                let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|name| name == "fuse"), "{error}");
                println!("skipped: FUSE is missing: {error}");
                None
            }
        }
    }

    /// From now on folders named `half` cannot be listed to their end, and those named `closed` not at all.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}

enum What {
    /// By what names are the same: as what it is listed, and which it is.
    Folder(BTreeMap<String, (String, u64)>),
    File(Vec<u8>),
    Link(Vec<u8>),
}

struct Node {
    what: What,
    name: String,
    mtime: SystemTime,
    ctime: SystemTime,
    perm: u16,
}

impl Node {
    fn new(what: What, name: &str) -> Self {
        let (now, is_folder) = (SystemTime::now(), matches!(what, What::Folder(_)));
        Self {
            what,
            name: name.to_owned(),
            mtime: now,
            ctime: now,
            perm: if is_folder { 0o755 } else { 0o644 },
        }
    }
}

struct Files {
    nodes: Mutex<BTreeMap<u64, Node>>,
    fails: Arc<AtomicBool>,
}

impl Default for Files {
    fn default() -> Self {
        let top = Node::new(What::Folder(BTreeMap::new()), "");
        Self {
            nodes: Mutex::new(BTreeMap::from([(1, top)])),
            fails: Arc::default(),
        }
    }
}

type Nodes = BTreeMap<u64, Node>;

/// By what a name is found, and as what it is listed.
fn name(name: &OsStr) -> Result<(String, String), Errno> {
    let text = std::str::from_utf8(name.as_bytes()).map_err(|_| Errno::EILSEQ)?;
    if text.contains(':') {
        return Err(Errno::EINVAL);
    }
    let listed: String = text.trim_end_matches('.').nfd().collect();
    Ok((listed.to_lowercase(), listed))
}

fn folder(nodes: &mut Nodes, ino: INodeNo) -> Result<&mut BTreeMap<String, (String, u64)>, Errno> {
    match nodes.get_mut(&ino.0).map(|node| &mut node.what) {
        Some(What::Folder(entries)) => Ok(entries),
        Some(_) => Err(Errno::ENOTDIR),
        None => Err(Errno::ENOENT),
    }
}

fn attributes(nodes: &Nodes, ino: u64) -> Result<FileAttr, Errno> {
    let node = nodes.get(&ino).ok_or(Errno::ENOENT)?;
    let (kind, size) = match &node.what {
        What::Folder(_) => (FileType::Directory, 0),
        What::File(bytes) => (FileType::RegularFile, bytes.len() as u64),
        What::Link(text) => (FileType::Symlink, text.len() as u64),
    };
    Ok(FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size.div_ceil(512),
        atime: node.mtime,
        mtime: node.mtime,
        ctime: node.ctime,
        crtime: node.ctime,
        kind,
        perm: node.perm,
        nlink: 1,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

impl Files {
    fn with<T>(&self, act: impl FnOnce(&mut Nodes) -> Result<T, Errno>) -> Result<T, Errno> {
        act(&mut self.nodes.lock().unwrap())
    }

    fn make(&self, parent: INodeNo, at: &OsStr, what: What, is_exclusive: bool) -> Result<FileAttr, Errno> {
        self.with(|nodes| {
            let (key, listed) = name(at)?;
            if let Some((_, ino)) = folder(nodes, parent)?.get(&key) {
                let ino = *ino;
                return if is_exclusive {
                    Err(Errno::EEXIST)
                } else {
                    attributes(nodes, ino)
                };
            }
            let ino = nodes.keys().last().map_or(1, |last| last + 1);
            nodes.insert(ino, Node::new(what, &listed));
            folder(nodes, parent)?.insert(key, (listed, ino));
            attributes(nodes, ino)
        })
    }

    fn take(&self, parent: INodeNo, at: &OsStr) -> Result<(), Errno> {
        self.with(|nodes| {
            let (key, _) = name(at)?;
            let (_, ino) = folder(nodes, parent)?.get(&key).cloned().ok_or(Errno::ENOENT)?;
            if matches!(&nodes[&ino].what, What::Folder(entries) if !entries.is_empty()) {
                return Err(Errno::ENOTEMPTY);
            }
            folder(nodes, parent)?.remove(&key);
            nodes.get_mut(&ino).unwrap().ctime = SystemTime::now();
            Ok(())
        })
    }
}

fn entry(made: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match made {
        Ok(attributes) => reply.entry(&ONCE, &attributes, Generation(0)),
        Err(errno) => reply.error(errno),
    }
}

fn empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, parent: INodeNo, at: &OsStr, reply: ReplyEntry) {
        let found = self.with(|nodes| {
            let (key, _) = name(at)?;
            let (_, ino) = folder(nodes, parent)?.get(&key).cloned().ok_or(Errno::ENOENT)?;
            attributes(nodes, ino)
        });
        entry(found, reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.with(|nodes| attributes(nodes, ino.0)) {
            Ok(attributes) => reply.attr(&ONCE, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let done = self.with(|nodes| {
            let node = nodes.get_mut(&ino.0).ok_or(Errno::ENOENT)?;
            node.ctime = SystemTime::now();
            if let Some(mode) = mode {
                node.perm = (mode & 0o777) as u16;
            }
            if let (Some(size), What::File(bytes)) = (size, &mut node.what) {
                bytes.resize(size as usize, 0);
                node.mtime = SystemTime::now();
            }
            match mtime {
                Some(TimeOrNow::SpecificTime(time)) => node.mtime = time,
                Some(TimeOrNow::Now) => node.mtime = SystemTime::now(),
                None => {}
            }
            attributes(nodes, ino.0)
        });
        match done {
            Ok(attributes) => reply.attr(&ONCE, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.nodes.lock().unwrap().get(&ino.0).map(|node| &node.what) {
            Some(What::Link(text)) => reply.data(text),
            _ => reply.error(Errno::EINVAL),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, at: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        entry(self.make(parent, at, What::Folder(BTreeMap::new()), true), reply);
    }

    fn symlink(&self, _: &Request, parent: INodeNo, at: &OsStr, target: &Path, reply: ReplyEntry) {
        let text = target.as_os_str().as_bytes().to_vec();
        entry(self.make(parent, at, What::Link(text), true), reply);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        at: &OsStr,
        _: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let flags = rustix::fs::OFlags::from_bits_retain(flags as u32);
        let is_exclusive = flags.contains(rustix::fs::OFlags::EXCL);
        match self.make(parent, at, What::File(Vec::new()), is_exclusive) {
            Ok(attributes) => reply.created(
                &ONCE,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_DIRECT_IO,
            ),
            Err(errno) => reply.error(errno),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, at: &OsStr, reply: ReplyEmpty) {
        empty(self.take(parent, at), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, at: &OsStr, reply: ReplyEmpty) {
        empty(self.take(parent, at), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        at: &OsStr,
        to: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let done = self.with(|nodes| {
            if flags.contains(RenameFlags::RENAME_EXCHANGE) {
                return Err(Errno::EINVAL);
            }
            let ((from, _), (key, listed)) = (name(at)?, name(new)?);
            let (_, ino) = folder(nodes, parent)?.get(&from).cloned().ok_or(Errno::ENOENT)?;
            let there = folder(nodes, to)?.get(&key).map(|(_, ino)| *ino);
            // As with Windows' shares: to another name that is the same nothing happens.
            if there == Some(ino) {
                return if flags.is_empty() {
                    Ok(())
                } else {
                    Err(Errno::EEXIST)
                };
            }
            if there.is_some() && !flags.is_empty() {
                return Err(Errno::EEXIST);
            }
            folder(nodes, parent)?.remove(&from);
            let node = nodes.get_mut(&ino).unwrap();
            (node.name, node.ctime) = (listed.clone(), SystemTime::now());
            folder(nodes, to)?.insert(key, (listed, ino));
            Ok(())
        });
        empty(done, reply);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.nodes.lock().unwrap().get(&ino.0).map(|node| &node.what) {
            Some(What::File(bytes)) => {
                let begin = bytes.len().min(offset as usize);
                reply.data(&bytes[begin..bytes.len().min(begin + size as usize)]);
            }
            _ => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.with(|nodes| {
            let node = nodes.get_mut(&ino.0).ok_or(Errno::ENOENT)?;
            let What::File(bytes) = &mut node.what else {
                return Err(Errno::EISDIR);
            };
            let end = offset as usize + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset as usize..end].copy_from_slice(data);
            (node.mtime, node.ctime) = (SystemTime::now(), SystemTime::now());
            Ok(data.len() as u32)
        });
        match written {
            Ok(count) => reply.written(count),
            Err(errno) => reply.error(errno),
        }
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let is_closed = self.nodes.lock().unwrap()[&ino.0].name == "closed";
        match is_closed && self.fails.load(Ordering::Relaxed) {
            true => reply.error(Errno::EACCES),
            false => reply.opened(FileHandle(0), FopenFlags::empty()),
        }
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let nodes = self.nodes.lock().unwrap();
        let is_half = nodes[&ino.0].name == "half" && self.fails.load(Ordering::Relaxed);
        if is_half && offset > 0 {
            return reply.error(Errno::EIO);
        }
        let What::Folder(entries) = &nodes[&ino.0].what else {
            return reply.error(Errno::ENOTDIR);
        };
        let only = if is_half { 1 } else { usize::MAX };
        for (at, (listed, ino)) in entries.values().enumerate().skip(offset as usize).take(only) {
            let kind = attributes(&nodes, *ino).unwrap().kind;
            if reply.add(INodeNo(*ino), at as u64 + 1, kind, listed) {
                break;
            }
        }
        reply.ok();
    }
}
