//! Files and folders that are not like most.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use gobag_pair::Told;

use crate::{lab::Lab, odd::Odd};

#[test]
fn s25_a_file_of_holes_stays_one() {
    const SIZE: u64 = 4 << 30;
    let mut lab = Lab::paired(&[]);
    let mut disk = fs::File::create(lab.at("left/disk")).unwrap();
    disk.set_len(SIZE).unwrap();
    for at in [1 << 30, (3 << 30) + 12345] {
        disk.seek(SeekFrom::Start(at)).unwrap();
        disk.write_all(&vec![7; 512 << 10]).unwrap();
    }
    drop(disk);
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step(), "{report:#?}");
    let came = fs::metadata(lab.at("right/disk")).unwrap();
    assert_eq!(came.len(), SIZE);
    assert!(came.blocks() * 512 <= 2 << 20, "{}", came.blocks());
    // The digest is that of all bytes: the same file without holes is the same content. Compared where there are any.
    let part = |side: &str| {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = vec![0; 2 << 20];
        let file = fs::File::open(lab.at(side).join("disk")).unwrap();
        file.read_exact_at(&mut bytes, 3 << 30).unwrap();
        blake3::hash(&bytes)
    };
    assert_eq!(part("left"), part("right"));
}

#[test]
fn s27_a_file_that_grows_while_it_is_read_comes_whole_or_not_at_all() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let mut lab = Lab::paired(&[]);
    let (path, stop) = (lab.at("left/log"), AtomicBool::new(false));
    fs::write(&path, vec![b'0'; 32 << 20]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = fs::File::options().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                log.write_all(b"1").unwrap();
            }
        });
        let report = lab.pass_with(|_| {}).unwrap();
        stop.store(true, Ordering::Relaxed);
        assert!(!lab.at("right/log").exists(), "{report:#?}");
        assert!(
            !report.notices.is_empty() || !report.failures.is_empty(),
            "{report:#?}"
        );
    });
    lab.pass();
    assert_eq!(
        fs::read(lab.at("left/log")).unwrap(),
        fs::read(lab.at("right/log")).unwrap()
    );
}

#[test]
fn s50_a_hundred_thousand_files_in_one_folder() {
    const COUNT: u64 = 100_000;
    let mut lab = Lab::paired(&[]);
    fs::create_dir(lab.at("left/many")).unwrap();
    for number in 0..COUNT {
        fs::File::create(lab.at("left/many").join(number.to_string())).unwrap();
    }
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step(), "{:?}", report.failures.first());
    assert_eq!(report.right.put, COUNT);
    assert_eq!(fs::read_dir(lab.at("right/many")).unwrap().count() as u64, COUNT);
}

#[test]
fn s50_folders_two_hundred_deep_and_paths_longer_than_the_system_takes() {
    let mut lab = Lab::paired(&[]);
    let long = "n".repeat(100);
    // By steps, for nobody can name it at once.
    let top = rustix::fs::open(
        lab.at("left"),
        rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let mut folder = top;
    for _ in 0..200 {
        rustix::fs::mkdirat(&folder, &long, rustix::fs::Mode::RWXU).unwrap();
        folder = rustix::fs::openat(
            &folder,
            &long,
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::fs::openat(&folder, "deep", flags, rustix::fs::Mode::RWXU).unwrap();
    drop(folder);
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.is_in_step() && report.notices.is_empty(), "{report:#?}");
    assert_eq!((report.right.folders, report.right.put), (200, 1));
    let again = lab.pass_with(|_| {}).unwrap();
    assert_eq!(
        (again.left, again.right, again.notices.len()),
        (Default::default(), Default::default(), 0)
    );
    // And back: it goes from the other side, too.
    fs::remove_dir_all(lab.at("right").join(&long)).unwrap();
    let report = lab.pass_with(|options| options.confirmed = true).unwrap();
    assert_eq!(
        (report.left.removed, report.left.folders),
        (1, 200),
        "{report:#?}"
    );
    assert!(!Path::new(&lab.at("left")).join(long).exists());
}

#[test]
fn s26_where_there_is_no_room_for_attributes_the_content_comes_and_it_is_said() {
    let mut lab = Lab::new();
    let Some(_odd) = Odd::mount(&lab.at("right")) else {
        return;
    };
    lab.pair().unwrap();
    lab.write("left", "f", "1");
    let none = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(lab.at("left/f"), "user.note", b"mine", none).is_err() {
        println!("skipped: the file system of temporary files has no attributes");
        return;
    }
    let report = lab.pass();
    assert_eq!(report.notices, [Told::Attributes { path: "f".to_owned() }]);
}
