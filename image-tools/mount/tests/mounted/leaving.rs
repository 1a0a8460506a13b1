//! Unmounting: who is in the way is named, and what was written is flushed.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    process::{Child, ChildStdout, Stdio},
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use gobag_mount::{Export, MountError, MountOptions, UnmountError, mount, mount_points};
use rustix::fs::OFlags;

use crate::{Fixture, has_fuse, volume::Memory};

#[test]
fn a_busy_mount_names_its_holder_and_stays() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let mut fixture = Fixture::with_volume(volume.clone());
    let file = File::open(fixture.disk()).unwrap();
    let is_listed = |fixture: &Fixture| {
        mount_points()
            .iter()
            .any(|mount| mount.path == fixture.mounted.mountpoint() && mount.is_ours())
    };
    assert!(is_listed(&fixture));

    let error = fixture.mounted.unmount(Duration::from_millis(50)).unwrap_err();
    let UnmountError::Busy { holders, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].pid, Some(std::process::id()));
    assert_eq!(holders[0].path, fixture.disk());
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    file.read_exact_at(&mut [0; 16], 0).expect("still served");

    drop(file);
    fixture.mounted.unmount(Duration::from_secs(10)).unwrap();
    assert!(!fixture.disk().exists());
    fixture
        .mounted
        .unmount(Duration::ZERO)
        .expect("a second time is no error");
}

#[test]
fn flushes_happen_when_they_are_promised() {
    if !has_fuse() {
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let mut fixture = Fixture::with_volume(volume.clone());
    let flushes = || volume.flushes.load(Ordering::SeqCst);

    let reader = File::open(fixture.disk()).unwrap();
    reader.read_exact_at(&mut [0; 16], 0).unwrap();
    drop(reader);
    assert_eq!(flushes(), 0, "closing after reading is free");

    let writer = OpenOptions::new().write(true).open(fixture.disk()).unwrap();
    writer.write_all_at(b"x", 5).unwrap();
    assert_eq!(flushes(), 0, "a plain write is not flushed");
    writer.sync_data().unwrap();
    assert_eq!(flushes(), 1);
    drop(writer);
    assert_eq!(flushes(), 2, "closing after writing flushes");

    let flags = OFlags::DSYNC.bits() as i32;
    let durable = OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(fixture.disk())
        .unwrap();
    durable.write_all_at(b"y", 6).unwrap();
    assert_eq!(flushes(), 3, "O_DSYNC");
    drop(durable);

    fixture.mounted.unmount(Duration::from_secs(10)).unwrap();
    assert!(flushes() > 4, "leaving flushes");
}

#[test]
fn a_dropped_mount_is_gone_and_flushed() {
    if !has_fuse() {
        return;
    }
    let _alone = crate::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let volume = Arc::new(Memory::new(1 << 20));
    let folder = tempfile::tempdir().unwrap();
    let exports = vec![Export::volume("disk.img", volume.clone())];
    let mounted = mount(exports.clone(), folder.path(), &MountOptions::default()).unwrap();
    let disk = mounted.file("disk.img");
    let file = OpenOptions::new().write(true).open(&disk).unwrap();
    file.write_all_at(b"kept", 0).unwrap();
    drop(mounted);
    assert!(!disk.exists());
    assert!(volume.flushes.load(Ordering::SeqCst) > 0);
    drop(file);
    // The threads of the dropped mount end when its last file is closed, and fuser's last act is then to unmount by path: a
    // mount that is made in that moment meets it. `unmount` waits for them, a drop cannot.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = mount(exports.clone(), folder.path(), &MountOptions::default()) {
        assert!(
            Instant::now() < deadline,
            "the folder cannot be used again: {error}"
        );
        std::thread::yield_now();
    }
}

/// A sandbox that somebody starts while we are mounted gets a copy of the mount, and with it a reference to the
/// connection that outlives our own unmount.
#[test]
fn a_copy_of_the_mount_in_another_namespace_does_not_keep_the_volume() {
    if !has_fuse() || !rustix::process::geteuid().is_root() {
        println!("skipped: needs root for a mount namespace");
        return;
    }
    let volume = Arc::new(Memory::new(1 << 20));
    let mut fixture = Fixture::with_volume(volume.clone());
    let mut sandbox = Sandbox::enter();
    fixture.mounted.unmount(Duration::from_secs(10)).unwrap();
    assert_eq!(
        Arc::strong_count(&volume),
        1,
        "nobody but this test can reach the volume"
    );
    assert_ne!(sandbox.read(&fixture.disk()), "readable");
}

struct Sandbox {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Sandbox {
    #[expect(
        clippy::disallowed_methods,
        reason = "another namespace needs another process"
    )]
    fn enter() -> Self {
        let script =
            "echo in; while read path; do head -c1 \"$path\" >/dev/null && echo readable || echo gone; done";
        let mut child = std::process::Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut sandbox = Self { child, output };
        assert_eq!(sandbox.line(), "in");
        sandbox
    }

    fn read(&mut self, path: &std::path::Path) -> String {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{}", path.display()).expect("the sandbox listens");
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself at the end of its input.
        let _ = self.child.wait();
    }
}

#[test]
fn what_cannot_be_a_mount_is_said_before_the_kernel_is_asked() {
    let options = MountOptions::default();
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str| Export::bytes(name, Vec::new());
    let code =
        |exports, path: &std::path::Path| mount(exports, path, &options).err().map(|error| error.code());

    for name in ["", ".", "..", "a/b", "nul\0", &"x".repeat(256)] {
        assert_eq!(
            code(vec![export(name)], folder.path()),
            Some("mount.bad-name"),
            "{name:?}"
        );
    }
    assert_eq!(
        code(vec![export("a"), export("a")], folder.path()),
        Some("mount.bad-name")
    );
    assert_eq!(code(vec![export("a"); 65], folder.path()), Some("mount.too-many"));
    assert_eq!(
        code(vec![], &folder.path().join("missing")),
        Some("mount.mountpoint")
    );
    File::create_new(folder.path().join("something")).unwrap();
    assert_eq!(code(vec![], folder.path()), Some("mount.not-empty"));
    assert!(matches!(
        mount(vec![], &folder.path().join("something"), &options),
        Err(MountError::Mountpoint { .. })
    ));
}
