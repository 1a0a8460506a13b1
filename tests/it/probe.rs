//! A stick that claims more than it holds: a block device (FUSE and loop) that takes every write and keeps only those in its first
//! part, with a real file system on it. `gobag-image probe` has to find it out.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, SystemTime},
};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use gobag_bundle::{
    Ambient,
    probe::{ProbeOptions, probe},
};
use gobag_engine::{run::Run, tools};
use gobag_format::Silent;
use gobag_tests::ask;
use tempfile::TempDir;

const CLAIMS: u64 = 64 << 20;
const HOLDS: u64 = 24 << 20;
const DISK: &str = "disk";
const TTL: Duration = Duration::from_secs(60);

/// One file, the device.
struct Fake {
    kept: File,
    holds: u64,
}

impl Fake {
    fn attributes(ino: INodeNo) -> FileAttr {
        let is_root = ino == INodeNo::ROOT;
        FileAttr {
            ino,
            size: if is_root { 0 } else { CLAIMS },
            blocks: CLAIMS / 512,
            atime: SystemTime::UNIX_EPOCH,
            mtime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind: if is_root {
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

impl Filesystem for Fake {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name == DISK {
            true => reply.entry(&TTL, &Self::attributes(INodeNo(2)), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &Self::attributes(ino));
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
        let mut bytes = vec![0; (CLAIMS.saturating_sub(offset)).min(size.into()) as usize];
        match self.kept.read_exact_at(&mut bytes, offset) {
            Ok(()) => reply.data(&bytes),
            Err(_) => reply.error(Errno::EIO),
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
        // All is well, it says.
        let keeps = self.holds.saturating_sub(offset).min(data.len() as u64) as usize;
        match self.kept.write_all_at(&data[..keeps], offset) {
            Ok(()) => reply.written(data.len() as u32),
            Err(_) => reply.error(Errno::EIO),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }
}

/// Runs one of the system's programs; its output without the line's end.
fn run(program: &str, args: &[&OsStr]) -> String {
    let found = tools::find(program, None).unwrap();
    let output = Run::new(&found).args(args).success().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A mounted stick; put away when dropped, innermost first.
struct Stick {
    folder: TempDir,
    device: String,
    _medium: fuser::BackgroundSession,
}

impl Stick {
    fn plug_in(holds: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, mounted) = (folder.path().join("port"), folder.path().join("stick"));
        let kept = tempfile::tempfile().unwrap();
        kept.set_len(CLAIMS).unwrap();
        for place in [&port, &mounted] {
            std::fs::create_dir(place).unwrap();
        }
        let medium = fuser::spawn_mount(Fake { kept, holds }, &port, &Config::default()).unwrap();
        let disk = port.join(DISK);
        let device = run("losetup", &["--find".as_ref(), "--show".as_ref(), disk.as_ref()]);
        let path: &OsStr = device.as_ref();
        run(
            "mkfs.ext4",
            &["-q".as_ref(), "-O".as_ref(), "^has_journal".as_ref(), path],
        );
        run("mount", &[path, mounted.as_ref()]);
        Self {
            folder,
            device,
            _medium: medium,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("stick")
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let run = |program: &str, args: &[&OsStr]| {
            if let Ok(found) = tools::find(program, None) {
                let _ = Run::new(&found).args(args).run();
            }
        };
        run("umount", &[self.path().as_ref()]);
        run("losetup", &["--detach".as_ref(), self.device.as_ref()]);
    }
}

fn can_run() -> bool {
    ask::has("fuse", Path::new("/dev/fuse").exists())
        && ask::has("root", rustix::process::geteuid().is_root())
}

#[test]
fn a_stick_that_claims_too_much_is_found_out() {
    if !can_run() {
        return;
    }
    let random = Ambient::system().random;
    let options = ProbeOptions::default();
    let honest = Stick::plug_in(CLAIMS);
    let report = probe(&honest.path(), &options, &*random, &Silent).unwrap();
    assert!(report.is_good(), "{report:?}");
    assert!(report.tested_bytes > CLAIMS / 2, "{report:?}");

    let fake = Stick::plug_in(HOLDS);
    let report = probe(&fake.path(), &options, &*random, &Silent).unwrap();
    assert!(!report.is_good());
    assert!(report.good_bytes <= HOLDS, "{report:?}");
    assert!(report.first_damage_at.is_some(), "{report:?}");
}
