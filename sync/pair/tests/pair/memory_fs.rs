//! A file system in memory, by way of FUSE, whose rules a test makes: which names it takes for one, and what becomes of each request.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

const ONCE: Duration = Duration::ZERO;

/// What one file system does otherwise than another.
pub(crate) trait Rules: Send + Sync + 'static {
    /// By what a name is found, and as what it is listed.
    fn name(&self, name: &OsStr) -> Result<(String, String), Errno>;
    /// Whether two files can be exchanged, and a file have two names.
    fn is_rich(&self) -> bool;
    /// Before a request about something of this name, which changes something or not.
    fn before(&self, _nodes: &mut Nodes, _name: &OsStr, _changes: bool) -> Result<(), Errno> {
        Ok(())
    }
    /// How much of a folder of this name can be listed.
    fn lists(&self, _name: &str) -> Lists {
        Lists::All
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    All,
    Half,
    /// All but the first.
    Patchy,
    Nothing,
}

/// Everything by its number; the top is 1.
pub(crate) type Nodes = BTreeMap<u64, Node>;
/// By what names are the same: as what it is listed, and which it is.
pub(crate) type Entries = BTreeMap<String, (String, u64)>;

pub(crate) enum What {
    Folder(Entries),
    File(Vec<u8>),
    Link(Vec<u8>),
}

pub(crate) struct Node {
    pub(crate) what: What,
    name: String,
    pub(crate) mtime: SystemTime,
    pub(crate) ctime: SystemTime,
    perm: u16,
}

impl Node {
    pub(crate) fn new(what: What, name: &str) -> Self {
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

/// Puts something new in a folder, in the place of what is there.
pub(crate) fn put(nodes: &mut Nodes, within: u64, key: &str, listed: &str, what: What) -> Result<u64, Errno> {
    let ino = nodes.keys().last().map_or(1, |last| last + 1);
    nodes.insert(ino, Node::new(what, listed));
    entries(nodes, within)?.insert(key.to_owned(), (listed.to_owned(), ino));
    Ok(ino)
}

pub(crate) fn entries(nodes: &mut Nodes, ino: u64) -> Result<&mut Entries, Errno> {
    match nodes.get_mut(&ino).map(|node| &mut node.what) {
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

struct Files<R> {
    nodes: Mutex<Nodes>,
    rules: R,
}

/// Mounts an empty one. None where FUSE is missing, which `GOBAG_REQUIRE=fuse` makes a failure.
pub(crate) fn mount(rules: impl Rules, at: &Path) -> Option<fuser::BackgroundSession> {
    let top = Node::new(What::Folder(BTreeMap::new()), "");
    let nodes = Mutex::new(BTreeMap::from([(1, top)]));
    match fuser::spawn_mount(Files { nodes, rules }, at, &Config::default()) {
        Ok(session) => Some(session),
        Err(error) => {
            let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name == "fuse"), "{error}");
            println!("skipped: FUSE is missing: {error}");
            None
        }
    }
}

impl<R: Rules> Files<R> {
    fn changes<T>(&self, name: &OsStr, act: impl FnOnce(&mut Nodes) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut nodes = self.nodes.lock().unwrap();
        self.rules.before(&mut nodes, name, true)?;
        act(&mut nodes)
    }

    fn looks<T>(&self, name: &OsStr, act: impl FnOnce(&mut Nodes) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut nodes = self.nodes.lock().unwrap();
        self.rules.before(&mut nodes, name, false)?;
        act(&mut nodes)
    }

    fn name(&self, ino: INodeNo) -> String {
        let nodes = self.nodes.lock().unwrap();
        nodes
            .get(&ino.0)
            .map(|node| node.name.clone())
            .unwrap_or_default()
    }

    fn make(&self, parent: INodeNo, at: &OsStr, what: What, is_exclusive: bool) -> Result<FileAttr, Errno> {
        self.changes(at, |nodes| {
            let (key, listed) = self.rules.name(at)?;
            match entries(nodes, parent.0)?.get(&key).map(|(_, ino)| *ino) {
                Some(_) if is_exclusive => Err(Errno::EEXIST),
                Some(ino) => attributes(nodes, ino),
                None => {
                    let ino = put(nodes, parent.0, &key, &listed, what)?;
                    attributes(nodes, ino)
                }
            }
        })
    }

    fn take(&self, parent: INodeNo, at: &OsStr) -> Result<(), Errno> {
        self.changes(at, |nodes| {
            let (key, _) = self.rules.name(at)?;
            let (_, ino) = entries(nodes, parent.0)?
                .get(&key)
                .cloned()
                .ok_or(Errno::ENOENT)?;
            if matches!(&nodes[&ino].what, What::Folder(entries) if !entries.is_empty()) {
                return Err(Errno::ENOTEMPTY);
            }
            entries(nodes, parent.0)?.remove(&key);
            nodes.get_mut(&ino).unwrap().ctime = SystemTime::now();
            Ok(())
        })
    }

    fn shift(
        &self,
        nodes: &mut Nodes,
        (parent, at): (INodeNo, &OsStr),
        (to, new): (INodeNo, &OsStr),
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        let ((from, _), (key, listed)) = (self.rules.name(at)?, self.rules.name(new)?);
        let (was, ino) = entries(nodes, parent.0)?
            .get(&from)
            .cloned()
            .ok_or(Errno::ENOENT)?;
        let there = entries(nodes, to.0)?.get(&key).cloned();
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            if !self.rules.is_rich() {
                return Err(Errno::EINVAL);
            }
            let (other, its) = there.ok_or(Errno::ENOENT)?;
            entries(nodes, parent.0)?.insert(from, (was, its));
            entries(nodes, to.0)?.insert(key, (other, ino));
            nodes.get_mut(&its).unwrap().ctime = SystemTime::now();
        } else {
            let there = there.map(|(_, ino)| ino);
            // As with Windows' shares: to another name that is the same nothing happens.
            if there == Some(ino) && flags.is_empty() {
                return Ok(());
            }
            if there.is_some() && !flags.is_empty() {
                return Err(Errno::EEXIST);
            }
            let is_folder = matches!(nodes[&ino].what, What::Folder(_));
            match there.map(|there| &nodes[&there].what) {
                Some(What::Folder(entries)) if is_folder && !entries.is_empty() => {
                    return Err(Errno::ENOTEMPTY);
                }
                Some(What::Folder(_)) if !is_folder => return Err(Errno::EISDIR),
                Some(What::File(_) | What::Link(_)) if is_folder => return Err(Errno::ENOTDIR),
                _ => {}
            }
            entries(nodes, parent.0)?.remove(&from);
            entries(nodes, to.0)?.insert(key, (listed.clone(), ino));
            nodes.get_mut(&ino).unwrap().name = listed;
        }
        nodes.get_mut(&ino).unwrap().ctime = SystemTime::now();
        Ok(())
    }
}

/// What SQLite's connections share in memory; the system writes it when it likes.
fn is_shared(name: &str) -> bool {
    name.ends_with("-shm")
}

fn how(name: &str) -> FopenFlags {
    match is_shared(name) {
        true => FopenFlags::empty(),
        false => FopenFlags::FOPEN_DIRECT_IO,
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

impl<R: Rules> Filesystem for Files<R> {
    fn lookup(&self, _: &Request, parent: INodeNo, at: &OsStr, reply: ReplyEntry) {
        let found = self.looks(at, |nodes| {
            let (key, _) = self.rules.name(at)?;
            let (_, ino) = entries(nodes, parent.0)?
                .get(&key)
                .cloned()
                .ok_or(Errno::ENOENT)?;
            attributes(nodes, ino)
        });
        entry(found, reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let name = self.name(ino);
        match self.looks(name.as_ref(), |nodes| attributes(nodes, ino.0)) {
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
        let name = self.name(ino);
        let done = self.changes(name.as_ref(), |nodes| {
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

    fn link(&self, _: &Request, ino: INodeNo, to: INodeNo, new: &OsStr, reply: ReplyEntry) {
        let made = self.changes(new, |nodes| {
            if !self.rules.is_rich() {
                return Err(Errno::EPERM);
            }
            let (key, listed) = self.rules.name(new)?;
            let entries = entries(nodes, to.0)?;
            if entries.contains_key(&key) {
                return Err(Errno::EEXIST);
            }
            entries.insert(key, (listed, ino.0));
            nodes.get_mut(&ino.0).ok_or(Errno::ENOENT)?.ctime = SystemTime::now();
            attributes(nodes, ino.0)
        });
        entry(made, reply);
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
        let name = at.to_string_lossy();
        match self.make(parent, at, What::File(Vec::new()), is_exclusive) {
            Ok(attributes) => {
                reply.created(&ONCE, &attributes, Generation(0), FileHandle(0), how(&name));
            }
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
        let done = self.changes(new, |nodes| self.shift(nodes, (parent, at), (to, new), flags));
        empty(done, reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), how(&self.name(ino)));
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
        let name = self.name(ino);
        let read = self.looks(name.as_ref(), |nodes| {
            match nodes.get(&ino.0).map(|node| &node.what) {
                Some(What::File(bytes)) => {
                    let begin = bytes.len().min(offset as usize);
                    Ok(bytes[begin..bytes.len().min(begin + size as usize)].to_vec())
                }
                _ => Err(Errno::EISDIR),
            }
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
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
        let name = self.name(ino);
        let written = self.changes(name.as_ref(), |nodes| {
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
        match self.rules.lists(&self.name(ino)) {
            Lists::Nothing => reply.error(Errno::EACCES),
            _ => reply.opened(FileHandle(0), FopenFlags::empty()),
        }
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let lists = self.rules.lists(&self.name(ino));
        let is_half = lists == Lists::Half;
        if is_half && offset > 0 {
            return reply.error(Errno::EIO);
        }
        let nodes = self.nodes.lock().unwrap();
        let What::Folder(entries) = &nodes[&ino.0].what else {
            return reply.error(Errno::ENOTDIR);
        };
        let only = if is_half { 1 } else { usize::MAX };
        let first = offset.max(u64::from(lists == Lists::Patchy)) as usize;
        for (at, (listed, ino)) in entries.values().enumerate().skip(first).take(only) {
            let kind = attributes(&nodes, *ino).unwrap().kind;
            if reply.add(INodeNo(*ino), at as u64 + 1, kind, listed) {
                break;
            }
        }
        reply.ok();
    }
}
