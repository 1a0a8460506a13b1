//! The mount as programs see it: every test goes through the kernel.

#![cfg(target_os = "linux")]

mod errors;
mod leaving;
mod model;
mod rules;
mod slow;
mod volume;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gobag_bundle::Volume;
use gobag_mount::{Export, MountOptions, Mounted, mount};

/// One mount at a time in a process: an ordinary user's mount forks (`fusermount3`), and the child's copies of another
/// test's open files would be closed, that is flushed, once more.
static ALONE: Mutex<()> = Mutex::new(());

/// A mount in a temporary folder. The fields are dropped in this order.
struct Fixture {
    mounted: Mounted,
    _folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Fixture {
    fn new(exports: Vec<Export>, options: &MountOptions) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mounted = mount(exports, folder.path(), options).expect("mounted");
        Self {
            mounted,
            _folder: folder,
            _alone: alone,
        }
    }

    fn with_volume(volume: Arc<dyn Volume>) -> Self {
        Self::new(vec![Export::volume("disk.img", volume)], &MountOptions::default())
    }

    fn disk(&self) -> std::path::PathBuf {
        self.mounted.file("disk.img")
    }
}

/// Whether this machine has FUSE for us. Prints why not; panics instead if `GOBAG_REQUIRE` names `fuse`.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment says what must not be skipped"
)]
fn has_fuse() -> bool {
    let device = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse");
    let is_root = rustix::process::geteuid().is_root();
    let helper = ["/usr/bin/fusermount3", "/bin/fusermount3"]
        .iter()
        .any(|path| Path::new(path).exists());
    if device.is_ok() && (is_root || helper) {
        return true;
    }
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name == "fuse"),
        "FUSE is required but missing"
    );
    println!("skipped: no /dev/fuse, or no fusermount3 for an ordinary user");
    false
}
