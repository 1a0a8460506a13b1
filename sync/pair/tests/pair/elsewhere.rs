//! What becomes of what people do where the workspace is not at a server; and what is special there.
#![expect(clippy::duplicate_mod, reason = "the same is to come of the same")]

#[path = "cases.rs"]
mod cases;

use std::{fs, sync::Arc};

use gobag_format::Silent;
use gobag_pair::PairError;
use gobag_reconcile::{Content, File, RelPath};
use gobag_stores::{ElsewhereError, Mode};
use gobag_workspace::{NoCache, Store as _, StoreError, Workspace, WorkspaceError};

use crate::{
    away::Away,
    lab::{Lab, copy_all},
    share::Between,
};

fn lab(files: &[(&str, &str)]) -> Lab {
    Lab::away(files)
}

fn is_other_writer<T>(ended: &Result<T, PairError>) -> bool {
    match ended {
        Err(PairError::Workspace(WorkspaceError::Store(StoreError::Refused(cause)))) => {
            matches!(cause.downcast_ref(), Some(ElsewhereError::OtherWriter { .. }))
        }
        _ => false,
    }
}

fn put(workspace: &mut Workspace, name: &str) -> Result<(), WorkspaceError> {
    let text = name.as_bytes();
    let file = File {
        len: text.len() as u64,
        content: Content(*blake3::hash(text).as_bytes()),
        executable: false,
    };
    let path = RelPath::new(text).unwrap();
    workspace.put_file(&path, None, &file, (0, 0), 0o644, &mut &text[..])?;
    workspace.publish()
}

/// Two members put a file each as often as they can.
#[test]
fn s39_of_two_who_race_all_is_there_in_the_end_or_one_is_told_that_it_may_not() {
    const EACH: usize = 8;
    let away = Away::new();
    let race = |number: u8| {
        let mut workspace = away.workspace(Arc::new(away.store(number)), Arc::new(NoCache));
        let mut raced = 0;
        for file in 0..EACH {
            loop {
                // What it saw the other one may have taken back, because it was not its turn any more.
                if workspace.refresh(workspace.point()).is_err() {
                    workspace.refresh(None).unwrap();
                }
                match put(&mut workspace, &format!("{number}-{file}")) {
                    Ok(()) => break,
                    Err(WorkspaceError::Store(StoreError::Raced)) => raced += 1,
                    Err(WorkspaceError::Store(StoreError::Refused(cause))) => {
                        let cause = cause.downcast_ref();
                        assert!(
                            matches!(cause, Some(ElsewhereError::OtherWriter { .. })),
                            "{cause:?}"
                        );
                        return None;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        Some(raced)
    };
    let raced = std::thread::scope(|scope| {
        let members = [1, 2].map(|number| scope.spawn(move || race(number)));
        members.map(|member| member.join().unwrap())
    });
    println!("raced: {raced:?}");
    let mut workspace = away.workspace(Arc::new(away.store(3)), Arc::new(NoCache));
    workspace.refresh(None).unwrap();
    let (points, _) = workspace.point().unwrap();
    let done = raced.iter().flatten().count();
    // Who is told that it may not has perhaps done something before.
    assert!(points >= (done * EACH) as u64);
    match away.mode {
        Mode::Conditional => assert_eq!(done, 2),
        // Who saw nobody and claimed late, when the other one had done all of it.
        Mode::SingleWriter if done == 2 => {
            assert_eq!(away.store(3).writer().unwrap().unwrap().name, "member 1")
        }
        Mode::SingleWriter => assert_eq!(done, 1),
    }
    for (number, _) in [1, 2].iter().zip(raced).filter(|(_, raced)| raced.is_some()) {
        for file in 0..EACH {
            let path = RelPath::new(format!("{number}-{file}").as_bytes()).unwrap();
            assert!(workspace.find(&path).unwrap().is_some());
        }
    }
}

#[test]
fn s39_what_is_published_in_the_middle_of_a_pass_is_not_lost() {
    let mut lab = lab(&[("a", "1")]);
    lab.write("left", "mine", "m");
    lab.write("left", "a", "of the left");
    lab.write("right", "theirs", "t");
    lab.write("right", "a", "of the right");
    let between = Arc::new(Between::new(lab.turn("left")));
    let mut right = lab.pair_by("right", Arc::new(lab.store_away("right"))).unwrap();
    let take = (lab.mode() == Mode::SingleWriter).then(|| lab.store_away("right"));
    let options = lab.options();
    between.before_publish(move || {
        // Where only one writes, somebody takes over in the very worst moment.
        take.iter().for_each(|store| store.take_over().unwrap());
        assert!(right.pass(&options, &Silent).unwrap().is_in_step());
    });
    let options = lab.options();
    let passed = lab.pair_by("left", between).unwrap().pass(&options, &Silent);
    match lab.mode() {
        Mode::Conditional => assert!(passed.unwrap().is_in_step()),
        Mode::SingleWriter => assert!(is_other_writer(&passed), "{passed:?}"),
    }
    lab.pass();
    let tree = lab.tree("left");
    for part in ["mine=m", "theirs=t", "a=of the right", "=of the left"] {
        assert!(tree.contains(part), "{tree}");
    }
}

#[test]
fn s41_a_lost_answer_is_no_second_point_and_no_conflict() {
    let mut lab = lab(&[("a", "1")]);
    lab.remove("left", "a");
    lab.write("left", "b", "3");
    let between = Arc::new(Between::new(lab.turn("left")));
    between.lose_answer();
    let options = lab.options();
    lab.pair_by("left", between)
        .unwrap()
        .pass(&options, &Silent)
        .unwrap_err();
    let report = lab.pass();
    assert!(report.notices.is_empty() && report.right.put == 0, "{report:?}");
    assert_eq!(lab.tree("right"), "b=3");
}

#[test]
fn s35_without_a_base_what_is_the_same_is_not_sent() {
    let mut lab = lab(&[("a", "1"), ("d/b", "2")]);
    for base in ["base.db", "base.db-wal", "base.db-shm"] {
        let _ = fs::remove_file(lab.at("left/.gobag-sync").join(base));
    }
    lab.write("left", "d/b", "other");
    let report = lab.pass();
    assert_eq!((report.right.put, report.notices.len()), (1, 1), "{report:?}");
}

#[test]
fn of_two_members_one_writes_and_the_other_gets() {
    let mut lab = lab(&[("a", "1"), ("b", "2")]);
    if lab.mode() == Mode::Conditional {
        return;
    }
    // The right one was the last to take over; the left one does not.
    lab.write("left", "mine", "not for all");
    for text in ["first", "second"] {
        lab.write("right", "a", text);
        let options = lab.options();
        lab.pair_of("right").unwrap().pass(&options, &Silent).unwrap();
        let options = lab.options();
        let store = Arc::new(lab.store_away("left"));
        let refused = lab.pair_by("left", store).unwrap().pass(&options, &Silent);
        assert!(is_other_writer(&refused), "{refused:?}");
        assert_eq!(lab.tree("left"), format!("a={text} b=2 mine=not for all"));
    }
    let report = lab.pass();
    assert!(report.notices.is_empty(), "{report:?}");
    assert_eq!(lab.tree("right"), "a=second b=2 mine=not for all");
}

/// What is in the store is here a folder: it is put back to what it was, also by half.
#[test]
fn s38_s44_a_folder_that_was_put_back_deletes_nothing() {
    let mut lab = lab(&[("a", "1"), ("b", "2")]);
    let Some(store) = lab.away_folder() else {
        return;
    };
    let copy = tempfile::tempdir().unwrap();
    copy_all(&store, copy.path());
    lab.write("left", "a", "changed since");
    lab.write("left", "new", "3");
    lab.remove("left", "b");
    lab.pass();
    fs::remove_dir_all(&store).unwrap();
    fs::create_dir(&store).unwrap();
    copy_all(copy.path(), &store);
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.base_lost && report.is_in_step(), "{report:?}");
    let tree = lab.tree("left");
    for file in ["=1", "=changed since", "b=2", "new=3"] {
        assert!(tree.contains(file), "{tree}");
    }
    lab.pass();
}

#[test]
fn s42_a_head_that_was_cut_short_is_none() {
    let away = Away::new();
    let Some(folder) = &away.folder else {
        return;
    };
    let mut workspace = away.workspace(Arc::new(away.turn(1)), Arc::new(NoCache));
    workspace.refresh(None).unwrap();
    put(&mut workspace, "one").unwrap();
    let first = workspace.point();
    put(&mut workspace, "two").unwrap();
    let group = folder.path().join("heads/00000000000000");
    let mut heads: Vec<_> = fs::read_dir(group)
        .unwrap()
        .map(|head| head.unwrap().path())
        .collect();
    heads.sort();
    assert_eq!(heads.len(), 2);
    let whole = fs::read(&heads[1]).unwrap();
    fs::write(&heads[1], &whole[..whole.len() / 2]).unwrap();
    let mut other = away.workspace(Arc::new(away.turn(2)), Arc::new(NoCache));
    other.refresh(None).unwrap();
    assert_eq!(other.point(), first);
    // What was cut short is in nobody's way.
    put(&mut other, "three").unwrap();
    other.refresh(other.point()).unwrap();
    assert_eq!(other.point().unwrap().0, 2);
}

#[test]
fn s45_without_room_nothing_is_published_and_what_was_there_stays() {
    let away = Away::new();
    let Some(folder) = away.folder.as_ref().filter(|_| crate::lab::may_mount()) else {
        return;
    };
    let store = away.turn(1);
    let newest = store.newest().unwrap();
    let target = folder.path().join("packs");
    fs::create_dir_all(&target).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    let size = std::ffi::CString::new("size=64k").unwrap();
    rustix::mount::mount("small", &target, "tmpfs", flags, size.as_c_str()).unwrap();
    let mut workspace = away.workspace(Arc::new(store), Arc::new(NoCache));
    workspace.refresh(None).unwrap();
    let bytes: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let file = File {
        len: bytes.len() as u64,
        content: Content(*blake3::hash(&bytes).as_bytes()),
        executable: false,
    };
    let path = RelPath::new(b"big").unwrap();
    let put = workspace
        .put_file(&path, None, &file, (0, 0), 0o644, &mut &bytes[..])
        .and_then(|()| workspace.publish());
    rustix::mount::unmount(&target, rustix::mount::UnmountFlags::empty()).unwrap();
    assert!(
        matches!(put, Err(WorkspaceError::Store(StoreError::Full(_)))),
        "{put:?}"
    );
    assert_eq!(away.store(2).newest().unwrap(), newest);
}
