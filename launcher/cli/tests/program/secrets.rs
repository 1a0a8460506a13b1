//! What others can see of a program that has a stick open: nothing of the passphrase and the keys, in its arguments, its
//! environment, its log at the finest level, or any file on the stick or the host; and no core dump.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{
    mounts::mount_with,
    program::{Desk, Running},
    require,
    stick::{Contents, PASSPHRASE, Stick},
};

/// Written by the guest's user.
const WRITTEN: &[u8] = b"a sentence that only its writer may read";

/// An open mount that writes its log, as much as it can.
fn mounted(desk: &Desk, stick: &Stick) -> Option<(Running, PathBuf)> {
    mount_with(desk, stick, &[&"-vvvv", &"--log-file", &desk.path("log")])
}

/// Every file below `folder` that has `secret` in it.
fn holders(folder: &Path, secret: &[u8], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            holders(&entry.path(), secret, found);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            if bytes.windows(secret.len()).any(|part| part == secret) {
                found.push(entry.path());
            }
        }
    }
}

#[test]
fn nobody_who_looks_sees_a_secret() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    let Some((mut running, home)) = mounted(&desk, &stick) else {
        return;
    };
    let file = File::options().write(true).open(&home).unwrap();
    file.write_all_at(WRITTEN, 8192).unwrap();
    file.sync_data().unwrap();
    drop(file);
    let proc = PathBuf::from(format!("/proc/{}", running.id()));
    for name in ["cmdline", "environ"] {
        let text = fs::read(proc.join(name)).unwrap();
        let secret = PASSPHRASE.as_bytes();
        assert!(!text.windows(secret.len()).any(|part| part == secret), "{name}");
    }
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    assert_eq!(desk.run(&[&"stop"]).exit, 0);
    assert_eq!(running.finish(), Some(0));

    let log = fs::read_to_string(desk.path("log")).unwrap();
    assert!(log.contains("gobag::session"), "the log says nothing: {log}");
    // The search works: the person's own file with the passphrase is found, and no other.
    let mut found = Vec::new();
    holders(&desk.path(""), PASSPHRASE.as_bytes(), &mut found);
    assert_eq!(found, [desk.path("right")]);
    found.clear();
    holders(stick.path(), PASSPHRASE.as_bytes(), &mut found);
    holders(stick.path(), WRITTEN, &mut found);
    holders(&desk.path(""), WRITTEN, &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_program_that_may_lock_its_memory_does() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    if !require::have(
        "root",
        (!rustix::process::geteuid().is_root()).then(|| "not root".to_owned()),
    ) {
        return;
    }
    let Some((running, _)) = mounted(&desk, &stick) else {
        return;
    };
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
    let kib: u64 = locked.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib > 1024, "{locked}");
}
