//! What scans tell.

use std::{
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt, symlink},
    },
    time::{Duration, SystemTime},
};

use gobag_files::{FilesError, Filter, Root, RootId, Scope};

use crate::lab::{Lab, may_mount, path};

#[test]
fn what_differs_is_told_and_nothing_else() {
    let mut lab = Lab::new();
    lab.write("a", "1");
    lab.write("d/b", "22");
    lab.write("d/e/c", "333");
    symlink("/nowhere", lab.at("l")).unwrap();
    fs::create_dir(lab.at("empty")).unwrap();
    assert_eq!(lab.told(), "a:1 d/ d/b:2 d/e/ d/e/c:3 empty/ l->/nowhere");
    let scan = lab.note();
    assert_eq!((scan.files, scan.bytes, scan.read), (3, 6, 3));
    let scan = lab.scan();
    assert!(scan.found.is_empty(), "{:?}", scan.found);
    assert_eq!((scan.files, scan.read), (3, 0));
    lab.write("d/b", "new");
    fs::remove_dir_all(lab.at("d/e")).unwrap();
    fs::remove_file(lab.at("l")).unwrap();
    symlink("elsewhere", lab.at("l")).unwrap();
    assert_eq!(lab.told(), "d/b:3 -d/e -d/e/c l->elsewhere");
}

#[test]
fn a_folder_in_place_of_a_file_and_the_reverse() {
    let mut lab = Lab::new();
    lab.write("f", "1");
    lab.write("d/a/b", "22");
    lab.note();
    fs::remove_file(lab.at("f")).unwrap();
    lab.write("f/new", "4444");
    fs::remove_dir_all(lab.at("d")).unwrap();
    lab.write("d", "55555");
    assert_eq!(lab.told(), "d:5 -d/a -d/a/b f/ f/new:4");
}

#[test]
fn s17_s18_s19_an_edit_behind_the_same_size_and_time_is_seen_and_a_touch_is_none() {
    let mut lab = Lab::new();
    lab.write("f", "old");
    lab.note();
    let stamp = lab.of("f").stamp.unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(stamp.mtime.0 as u64, stamp.mtime.1);
    let set = |at: SystemTime| {
        fs::File::options()
            .write(true)
            .open(lab.at("f"))
            .unwrap()
            .set_modified(at)
            .unwrap()
    };
    lab.write("f", "new");
    set(time);
    assert_eq!(fs::metadata(lab.at("f")).unwrap().mtime(), stamp.mtime.0);
    assert_eq!(lab.told(), "f:3");
    lab.note();
    for odd in [
        SystemTime::UNIX_EPOCH - Duration::from_secs(5),
        SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_000),
    ] {
        fs::File::options()
            .write(true)
            .open(lab.at("f"))
            .unwrap()
            .set_modified(odd)
            .unwrap();
        assert_eq!(lab.told(), "=f");
    }
    // Its stamp is so young that a change right after the scan could have it, too.
    lab.write("young", "1");
    let scan = lab.note();
    assert_eq!(scan.lasting(&lab.of("young").stamp.unwrap()), None);
}

#[test]
fn s16_s21_s23_names_of_any_bytes_what_may_be_run_and_what_is_no_file() {
    let mut lab = Lab::new();
    let odd = std::ffi::OsStr::from_bytes(b"new\nline\xff");
    fs::write(lab.path().join(odd), "1").unwrap();
    lab.write("run", "1");
    lab.note();
    fs::set_permissions(lab.at("run"), PermissionsExt::from_mode(0o755)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        lab.at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert_eq!(lab.told(), "?pipe:Special run:1");
    assert!(lab.known.0.keys().any(|path| path.as_bytes() == b"new\nline\xff"));
    fs::remove_file(lab.at("run")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        lab.at("run"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert_eq!(lab.told(), "?pipe:Special ?run:Special");
}

#[test]
fn s29_s51_what_cannot_be_listed_or_is_mounted_is_unknown() {
    if !may_mount() {
        return;
    }
    let mut lab = Lab::new();
    lab.write("d/f", "1");
    lab.note();
    let mut deep = path("deep");
    for _ in 0..300 {
        deep = deep.join(&gobag_reconcile::Name::new(b"d").unwrap());
    }
    fs::create_dir_all(
        lab.path()
            .join(String::from_utf8(deep.as_bytes().to_vec()).unwrap()),
    )
    .unwrap();
    let told = lab.told();
    assert!(
        told.contains(":Unreadable") && told.matches('?').count() == 1,
        "{told}"
    );
    fs::remove_dir_all(lab.at("deep")).unwrap();
    let (target, none): (_, Option<&std::ffi::CStr>) = (lab.at("d"), None);
    rustix::mount::mount("none", &target, "tmpfs", rustix::mount::MountFlags::empty(), none).unwrap();
    let told = lab.told();
    rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert_eq!(told, "?d:Special");
    assert_eq!(lab.told(), "");
}

#[test]
fn s31_a_root_that_is_missing_or_another_is_an_error() {
    let lab = Lab::new();
    let open =
        |path: &std::path::Path, expect| Root::open(path, RootId([9; 16]), expect).map(|root| root.id());
    assert_eq!(open(lab.path(), None).unwrap(), RootId([7; 16]));
    assert_eq!(open(lab.path(), Some(RootId([7; 16]))).unwrap(), RootId([7; 16]));
    assert!(matches!(
        open(lab.path(), Some(RootId([8; 16]))),
        Err(FilesError::OtherRoot { .. })
    ));
    assert!(matches!(
        open(&lab.at("gone"), None),
        Err(FilesError::Root { .. })
    ));
    // A drive that is not mounted: the folder is there and empty.
    fs::create_dir(lab.at("empty")).unwrap();
    assert!(matches!(
        open(&lab.at("empty"), Some(RootId([7; 16]))),
        Err(FilesError::OtherRoot { .. })
    ));
    assert!(!lab.at("empty/.gobag-sync").exists());
}

#[test]
fn what_is_mounted_from_the_same_file_system_is_not_entered() {
    if !may_mount() {
        return;
    }
    let mut lab = Lab::new();
    lab.write("d/f", "1");
    lab.write("e/g", "2");
    lab.note();
    rustix::mount::mount_bind(lab.at("e"), lab.at("d")).unwrap();
    let told = lab.told();
    rustix::mount::unmount(lab.at("d"), rustix::mount::UnmountFlags::DETACH).unwrap();
    assert_eq!(told, "?d:Special");
}

#[test]
fn what_somebody_planted_in_our_folder_is_not_written_to() {
    let lab = Lab::new();
    lab.write("victim", "precious");
    for name in ["clock", "modes", "root.new"] {
        let planted = lab.at(".gobag-sync").join(name);
        let _ = fs::remove_file(&planted);
        fs::hard_link(lab.at("victim"), planted).unwrap();
    }
    let root = Root::open(lab.path(), RootId([9; 16]), None).unwrap();
    let scope = Scope {
        slice: None,
        filter: &Filter::nothing(),
        is_refused: &|_| false,
        is_ended: &|| false,
    };
    gobag_files::scan(&root, &mut crate::lab::Memory::default(), &scope, &|_| true).unwrap();
    root.set_counter(RootId([1; 16]), 7).unwrap();
    assert_eq!(
        (lab.read("victim"), root.counter(RootId([1; 16])).unwrap()),
        ("precious".into(), 7)
    );
    fs::remove_file(lab.at(".gobag-sync/root")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        lab.at(".gobag-sync/root"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert_eq!(
        Root::open_known(lab.path()).unwrap_err().code(),
        "files.other-root"
    );
}
