//! Files and folders that are not like most.

use std::{fs, path::Path};

use gobag_pair::Told;

use crate::{lab::Lab, odd::Odd};

#[test]
fn s50_a_hundred_thousand_files_in_one_folder() {
    many(Lab::paired(&[]));
}

#[test]
fn s50_a_hundred_thousand_files_in_one_folder_of_a_workspace() {
    many(Lab::shared(&[]));
}

fn many(mut lab: Lab) {
    const COUNT: u64 = 100_000;
    fs::create_dir(lab.at("left/many")).unwrap();
    for number in 0..COUNT {
        fs::File::create(lab.at("left/many").join(number.to_string())).unwrap();
    }
    // As programs have it.
    let report = lab.pass_with(|options| options.slice = 25_000).unwrap();
    assert!(report.is_in_step(), "{:?}", report.failures.first());
    assert_eq!(report.right.put, COUNT);
    assert_eq!(fs::read_dir(lab.at("right/many")).unwrap().count() as u64, COUNT);
}

#[test]
fn s50_folders_two_hundred_deep_and_paths_longer_than_the_system_takes() {
    let mut lab = Lab::paired(&[]);
    let long = "n".repeat(100);
    let folder = nested(&lab, 200, &long);
    rustix::fs::openat(&folder, "deep", MAKE, rustix::fs::Mode::RWXU).unwrap();
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

/// There paths have an end.
#[test]
fn s50_in_a_workspace_paths_are_as_long_as_its_keys_and_longer_ones_are_said() {
    let mut lab = Lab::shared(&[("z", "1")]);
    lab.write("left", &format!("{}/deep", ["d"; 200].join("/")), "2");
    let folder = nested(&lab, 40, &"n".repeat(100));
    for name in ["there", &"m".repeat(200)] {
        rustix::fs::openat(&folder, name, MAKE, rustix::fs::Mode::RWXU).unwrap();
    }
    let mut put = Vec::new();
    for _ in 0..2 {
        let report = lab.pass_with(|_| {}).unwrap();
        let codes: Vec<&str> = report.failures.iter().map(|failure| &failure.code[..]).collect();
        assert_eq!(codes, ["workspace.long-path"], "{report:#?}");
        put.push((report.right.put, report.right.folders));
    }
    assert_eq!(put, [(2, 240), (0, 0)]);
    assert!(lab.tree("right").contains("/deep=2"));
    rustix::fs::openat(
        &folder,
        "m".repeat(200),
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
}

const MAKE: rustix::fs::OFlags = rustix::fs::OFlags::CREATE.union(rustix::fs::OFlags::WRONLY);

/// Folders of this name in each other, on the left side: by steps, for nobody can name the last at once.
fn nested(lab: &Lab, depth: usize, name: &str) -> rustix::fd::OwnedFd {
    let open = |within: &dyn std::os::fd::AsFd, name: &Path| {
        let flags = rustix::fs::OFlags::DIRECTORY;
        rustix::fs::openat(within, name, flags, rustix::fs::Mode::empty()).unwrap()
    };
    let mut folder = open(&rustix::fs::CWD, &lab.at("left"));
    for _ in 0..depth {
        rustix::fs::mkdirat(&folder, name, rustix::fs::Mode::RWXU).unwrap();
        folder = open(&folder, Path::new(name));
    }
    folder
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
