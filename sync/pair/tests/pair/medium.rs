//! A medium with a cache, as one file by way of FUSE, for a loop device: it is pulled out after so many writes, and then of what no flush had covered some is there and
//! some is not, in no order.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::{dice::Dice, lab::may_mount};

const NAME: &str = "medium";
/// What is written whole or not at all.
const SECTOR: usize = 512;

#[derive(Default)]
struct State {
    durable: Vec<u8>,
    /// What is read: with all that is in the cache.
    live: Vec<u8>,
    cache: Vec<(usize, Vec<u8>)>,
    /// Writes until it is pulled out; none: it stays.
    works: Option<u64>,
    writes: u64,
    is_out: bool,
}

impl State {
    fn request(&self) -> Result<(), Errno> {
        match self.is_out {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }

    fn write(&mut self, offset: usize, data: &[u8]) -> Result<u32, Errno> {
        self.writes += 1;
        match &mut self.works {
            Some(0) => self.is_out = true,
            Some(works) => *works -= 1,
            None => {}
        }
        self.request()?;
        let place = self
            .live
            .get_mut(offset..offset + data.len())
            .ok_or(Errno::ENOSPC)?;
        place.copy_from_slice(data);
        self.cache.push((offset, data.to_vec()));
        Ok(data.len() as u32)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        self.request()?;
        for (offset, data) in self.cache.drain(..) {
            self.durable[offset..offset + data.len()].copy_from_slice(&data);
        }
        Ok(())
    }

    /// Out and in again: of each write that is in the cache all is there, or none, or some sectors; nothing of any, if not `in_part`.
    fn lose(&mut self, dice: &mut Dice, in_part: bool) -> usize {
        let lost = self.cache.len();
        let most = if in_part { dice.below(101) } else { 0 };
        for (offset, data) in self.cache.drain(..) {
            let is_torn = dice.one_in(8);
            let is_kept = dice.below(100) < most;
            for (at, sector) in data.chunks(SECTOR).enumerate() {
                if is_kept && !(is_torn && dice.one_in(2)) {
                    let begin = offset + at * SECTOR;
                    self.durable[begin..begin + sector.len()].copy_from_slice(sector);
                }
            }
        }
        self.live.clone_from(&self.durable);
        (self.is_out, self.works) = (false, None);
        lost
    }
}

/// It, with a file system on it, mounted at a folder.
pub(crate) struct Medium {
    state: Arc<Mutex<State>>,
    file: PathBuf,
    folder: PathBuf,
    kind: Kind,
    device: Option<String>,
    _session: fuser::BackgroundSession,
}

/// Which file system, and whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Ext4,
    /// By `exfat-fuse`.
    Exfat,
}

fn run(program: &str, words: &[&OsStr]) -> (bool, String) {
    let done = Command::new(program).args(words).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    let is_done = done.status.success() || (program.contains("fsck") && done.status.code() == Some(1));
    assert!(
        is_done || program == "umount" || program == "losetup",
        "{program}: {done:?}"
    );
    (is_done, text)
}

impl Medium {
    /// None where nothing can be mounted.
    pub(crate) fn make(port: &Path, folder: &Path, kind: Kind) -> Option<Self> {
        if !may_mount() {
            return None;
        }
        let bytes = vec![0; 24 << 20];
        let state = Arc::new(Mutex::new(State {
            durable: bytes.clone(),
            live: bytes,
            ..State::default()
        }));
        let _session = fuser::spawn_mount(Served(Arc::clone(&state)), port, &Config::default()).unwrap();
        let mut medium = Self {
            state,
            file: port.join(NAME),
            folder: folder.to_owned(),
            kind,
            device: None,
            _session,
        };
        let file = medium.file.as_os_str();
        match kind {
            Kind::Ext4 => drop(run(
                "mke2fs",
                &["-q".as_ref(), "-t".as_ref(), "ext4".as_ref(), file],
            )),
            Kind::Exfat => drop(run("mkfs.exfat", &[file])),
        }
        medium.with(State::flush).unwrap();
        medium.plug_in();
        Some(medium)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    /// As a system does that finds it: checked, and mounted.
    fn plug_in(&mut self) {
        let (_, device) = run(
            "losetup",
            &["--find".as_ref(), "--show".as_ref(), self.file.as_ref()],
        );
        let (at, folder) = (device.as_ref(), self.folder.as_os_str());
        match self.kind {
            Kind::Ext4 => {
                run("e2fsck", &["-p".as_ref(), at]);
                run("mount", &["-t".as_ref(), "ext4".as_ref(), at, folder]);
            }
            Kind::Exfat => {
                run("fsck.exfat", &["-y".as_ref(), at]);
                run("mount.exfat-fuse", &[at, folder]);
            }
        }
        self.device = Some(device);
    }

    fn take_out(&mut self) {
        if let Some(device) = self.device.take() {
            run("umount", &[self.folder.as_ref()]);
            run("losetup", &["--detach".as_ref(), device.as_ref()]);
        }
    }

    /// How much was written since it was asked.
    pub(crate) fn writes(&self) -> u64 {
        self.with(|state| std::mem::take(&mut state.writes))
    }

    /// It is pulled out after so many writes.
    pub(crate) fn pull_after(&self, works: u64) {
        self.with(|state| state.works = Some(works));
    }

    /// It is pulled out if it was not, and plugged in again; says how many writes were in the cache.
    pub(crate) fn come_back(&mut self, dice: &mut Dice) -> usize {
        self.with(|state| state.is_out = true);
        self.take_out();
        // Without a journal a file system is whole only as it was flushed.
        let in_part = self.kind == Kind::Ext4;
        let lost = self.with(|state| state.lose(dice, in_part));
        self.plug_in();
        lost
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        self.take_out();
    }
}

struct Served(Arc<Mutex<State>>);

impl Served {
    fn attributes(&self, ino: u64) -> FileAttr {
        let time = SystemTime::UNIX_EPOCH;
        FileAttr {
            ino: INodeNo(ino),
            size: self.0.lock().unwrap().live.len() as u64,
            blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if ino == 1 {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name == NAME {
            true => reply.entry(&Duration::MAX, &self.attributes(2), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&Duration::MAX, &self.attributes(ino.0));
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
        let state = self.0.lock().unwrap();
        let begin = state.live.len().min(offset as usize);
        match state.request() {
            Ok(()) => reply.data(&state.live[begin..state.live.len().min(begin + size as usize)]),
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
        match self.0.lock().unwrap().write(offset as usize, data) {
            Ok(count) => reply.written(count),
            Err(errno) => reply.error(errno),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.0.lock().unwrap().flush() {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }
}
