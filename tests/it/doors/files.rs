//! Volumes as files, by FUSE.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    thread,
};

use gobag_mount::{Export, MountOptions, Mounted, mount};
use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;

use super::{Client, PATIENCE};

pub(super) struct Door {
    // Unmounted before its folder goes.
    mounted: Mounted,
    _folder: TempDir,
}

impl Door {
    pub(super) fn open(exports: Vec<Export>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = mount(exports, folder.path(), &MountOptions::default()).unwrap();
        Self {
            mounted,
            _folder: folder,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.mounted.file(name)
    }
}

impl super::Door for Door {
    fn target(&self, name: &str) -> String {
        self.file(name).into_os_string().into_string().unwrap()
    }

    fn client(&self, names: &[&str]) -> Box<dyn Client> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        let open = |name: &&str| options.open(self.file(name)).unwrap();
        Box::new(Files(names.iter().map(open).collect()))
    }

    fn close(&mut self) {
        self.mounted.unmount(PATIENCE).unwrap();
    }
}

struct Files(Vec<File>);

impl Client for Files {
    fn read(&mut self, volume: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0[volume].read_exact_at(buffer, offset)
    }

    fn write(&mut self, volume: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0[volume].write_all_at(data, offset)
    }

    fn write_durably(&mut self, volume: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write(volume, offset, data)?;
        self.flush(volume)
    }

    fn clear(&mut self, volume: usize, offset: u64, len: u64, trim: bool) -> io::Result<()> {
        let how = match trim {
            true => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            false => FallocateFlags::ZERO_RANGE,
        };
        Ok(fallocate(&self.0[volume], how, offset, len)?)
    }

    fn flush(&mut self, volume: usize) -> io::Result<()> {
        self.0[volume].sync_data()
    }

    fn write_together(&mut self, volume: usize, writes: &[(u64, Vec<u8>)]) -> io::Result<()> {
        let file = &self.0[volume];
        thread::scope(|scope| {
            let write = |(offset, data): &(u64, Vec<u8>)| file.write_all_at(data, *offset);
            let running: Vec<_> = writes.iter().map(|one| scope.spawn(move || write(one))).collect();
            running.into_iter().try_for_each(|one| one.join().unwrap())
        })
    }
}
