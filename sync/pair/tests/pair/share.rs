//! What is special where the other side is a workspace.

use std::{
    fs,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use gobag_format::{Silent, digest::Digest, workspace::EntryKind};
use gobag_pair::PairError;
use gobag_protocol::workspaces::MemberRole;
use gobag_reconcile::{RelPath, Side};
use gobag_workspace::{NewHead, Store, StoreError, StoredHead, StoredPoint, WorkspaceError};

use crate::lab::Lab;

type Act = Box<dyn FnOnce() + Send>;

/// Does something in the middle of a pass, or breaks off.
pub(crate) struct Between<S> {
    store: S,
    /// Before the call after so many, once.
    before_call: Mutex<Option<(usize, Act)>>,
    /// Before this point is published, once.
    before_publish: Mutex<Option<Act>>,
    /// So many calls work.
    works: AtomicUsize,
    /// Whether the answer to a point that was made gets lost, once.
    loses_answer: Mutex<bool>,
}

impl<S: Store> Between<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store,
            before_call: Mutex::new(None),
            before_publish: Mutex::new(None),
            works: AtomicUsize::new(usize::MAX),
            loses_answer: Mutex::new(false),
        }
    }

    /// After so many calls something happens, before the next.
    pub(crate) fn after(&self, calls: usize, act: Act) {
        *self.before_call.lock().unwrap() = Some((calls, act));
    }

    /// Whether it is still to happen.
    pub(crate) fn is_waiting(&self) -> bool {
        self.before_call.lock().unwrap().is_some()
    }

    /// Does this before the next point is published.
    pub(crate) fn before_publish(&self, act: impl FnOnce() + Send + 'static) {
        *self.before_publish.lock().unwrap() = Some(Box::new(act));
    }

    /// The next point is made, and nobody hears of it.
    pub(crate) fn lose_answer(&self) {
        *self.loses_answer.lock().unwrap() = true;
    }

    fn call(&self) -> Result<(), StoreError> {
        let mut before = self.before_call.lock().unwrap();
        match before.take() {
            Some((0, act)) => act(),
            Some((calls, act)) => *before = Some((calls - 1, act)),
            None => {}
        }
        drop(before);
        let left = self
            .works
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        left.map(drop)
            .map_err(|_| StoreError::Offline("the line is cut".into()))
    }
}

impl<S: Store> Store for Between<S> {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        self.call()?;
        self.store.newest()
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.call()?;
        self.store.head(generation)
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        self.call()?;
        self.store.points(before)
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        self.call()?;
        self.store.get(pack, range)
    }

    fn missing(&self, packs: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        self.call()?;
        self.store.missing(packs)
    }

    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.call()?;
        self.store.put(pack, bytes)
    }

    fn lets_go(&self) -> bool {
        self.store.lets_go()
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        self.call()?;
        let before = self.before_publish.lock().unwrap().take();
        if let Some(before) = before {
            before();
        }
        self.store.publish(new)?;
        match std::mem::take(&mut *self.loses_answer.lock().unwrap()) {
            true => Err(StoreError::Offline("the answer got lost".into())),
            false => Ok(()),
        }
    }
}

#[test]
fn s39_two_members_at_the_same_moment_lose_nothing() {
    let mut lab = Lab::shared(&[("a", "1")]);
    lab.write("left", "mine", "m");
    lab.write("left", "a", "of the left");
    let between = Arc::new(Between::new(lab.store("left")));
    // The other member publishes between the left's look and its point.
    lab.write("right", "theirs", "t");
    lab.write("right", "a", "of the right");
    let mut right = lab.pair_of("right").unwrap();
    let options = lab.options();
    between.before_publish(move || {
        assert!(right.pass(&options, &Silent).unwrap().is_in_step());
    });
    let options = lab.options();
    let report = lab
        .pair_by("left", between)
        .unwrap()
        .pass(&options, &Silent)
        .unwrap();
    assert!(report.is_in_step() && report.notices.len() == 1, "{report:?}");
    lab.pass();
    let tree = lab.tree("left");
    for part in ["mine=m", "theirs=t", "a=of the right", "=of the left"] {
        assert!(tree.contains(part), "{tree}");
    }
}

#[test]
fn s41_a_lost_answer_is_no_second_point_and_no_conflict() {
    let mut lab = Lab::shared(&[("a", "1")]);
    lab.write("left", "a", "2");
    lab.remove("left", "a");
    lab.write("left", "b", "3");
    let between = Arc::new(Between::new(lab.store("left")));
    between.lose_answer();
    let options = lab.options();
    let ended = lab.pair_by("left", between).unwrap().pass(&options, &Silent);
    assert!(is_offline(&ended), "{ended:?}");
    let report = lab.pass();
    assert!(report.notices.is_empty() && report.right.put == 0, "{report:?}");
    assert_eq!(lab.tree("right"), "b=3");
}

fn is_offline<T>(ended: &Result<T, PairError>) -> bool {
    matches!(
        ended,
        Err(PairError::Workspace(WorkspaceError::Store(StoreError::Offline(
            _
        ))))
    )
}

#[test]
fn cut_off_after_any_call_nothing_is_lost_and_the_next_pass_goes_on() {
    for works in 0.. {
        let mut lab = Lab::shared(&[("a", "1"), ("d/b", "2"), ("c", "3")]);
        lab.write("left", "a", "changed on the left");
        lab.write("left", "new/f", "4");
        lab.remove("left", "c");
        lab.write("right", "d/b", "changed on the right");
        lab.write("right", "a", "changed on the right, too");
        lab.write("right", "e", "5");
        let options = lab.options();
        lab.pair_of("right").unwrap().pass(&options, &Silent).unwrap();
        let between = Arc::new(Between::new(lab.store("left")));
        between.works.store(works, SeqCst);
        let options = lab.options();
        let passed = lab.pair_by("left", between).unwrap().pass(&options, &Silent);
        let is_over = passed.is_ok();
        assert!(is_over || is_offline(&passed), "{passed:?}");
        lab.pass();
        let tree = lab.tree("left");
        let files = [
            "d/b=changed on the right",
            "a=changed on the right, too",
            "=changed on the left",
            "new/f=4",
            "e=5",
        ];
        assert!(files.iter().all(|file| tree.contains(file)), "{tree}");
        assert!(tree.matches('=').count() == files.len(), "{tree}");
        if is_over {
            assert!(works > 4);
            return;
        }
    }
}

#[test]
fn s38_s44_a_server_that_was_put_back_deletes_nothing() {
    let mut lab = Lab::shared(&[("a", "1"), ("b", "2")]);
    let before = lab.save_server();
    lab.write("left", "a", "changed since");
    lab.write("left", "new", "3");
    lab.remove("left", "b");
    lab.pass();
    lab.restore_server(before);
    let report = lab.pass_with(|_| {}).unwrap();
    assert!(report.base_lost && report.is_in_step(), "{report:?}");
    let tree = lab.tree("left");
    for file in ["=1", "=changed since", "b=2", "new=3"] {
        assert!(tree.contains(file), "{tree}");
    }
    // The other member was later, too.
    lab.pass();
}

#[test]
fn s35_without_a_base_what_is_the_same_is_not_sent() {
    let mut lab = Lab::shared(&[("a", "1"), ("d/b", "2")]);
    for base in ["base.db", "base.db-wal", "base.db-shm"] {
        let _ = fs::remove_file(lab.at("left/.gobag-sync").join(base));
    }
    lab.write("left", "d/b", "other");
    let report = lab.pass();
    assert_eq!(
        (report.right.put, report.right.removed, report.notices.len()),
        (1, 0, 1),
        "{report:?}"
    );
    assert_eq!(lab.tree("left").matches('=').count(), 3);
}

#[test]
fn a_folder_is_paired_with_one_workspace() {
    let lab = Lab::shared(&[("a", "1")]);
    let other = Lab::shared(&[]);
    let store = Arc::new(other.store("left"));
    let refused = other.pair_with(&lab.at("left"), store);
    assert!(
        matches!(refused, Err(PairError::OtherWorkspace)),
        "{:?}",
        refused.err()
    );
}

#[test]
fn of_a_server_that_has_nothing_new_little_is_asked() {
    let mut lab = Lab::shared(&[("a", "1"), ("d/b", "2")]);
    lab.pass();
    let between = Arc::new(Between::new(lab.store("left")));
    // Which is the newest point; the pages are kept.
    between.works.store(1, SeqCst);
    let options = lab.options();
    let report = lab
        .pair_by("left", between)
        .unwrap()
        .pass(&options, &Silent)
        .unwrap();
    assert!(report.is_in_step());
}

#[test]
fn s3_what_was_got_is_noted_also_where_nothing_may_be_put() {
    let mut lab = Lab::shared(&[("a", "1"), ("b", "2")]);
    lab.write("left", "mine", "not for all");
    lab.be("left", MemberRole::Reader);
    for text in ["first of the right", "second of the right"] {
        lab.write("right", "a", text);
        let options = lab.options();
        lab.pair_of("right").unwrap().pass(&options, &Silent).unwrap();
        let options = lab.options();
        let refused = lab.pair_of("left").unwrap().pass(&options, &Silent);
        assert!(
            matches!(
                refused,
                Err(PairError::Workspace(WorkspaceError::Store(StoreError::Refused(
                    _
                ))))
            ),
            "{refused:?}"
        );
        assert_eq!(lab.tree("left"), format!("a={text} b=2 mine=not for all"));
    }
    lab.remove("right", "b");
    let options = lab.options();
    lab.pair_of("right").unwrap().pass(&options, &Silent).unwrap();
    lab.be("left", MemberRole::Writer);
    let report = lab.pass();
    assert!(report.notices.is_empty(), "{report:?}");
    assert_eq!(lab.tree("left"), "a=second of the right mine=not for all");
}

#[test]
fn what_was_left_alone_once_is_not_forgotten() {
    let mut lab = Lab::shared(&[("d/a", "1"), ("b", "2")]);
    lab.write("right", "d/a", "changed");
    let hidden = lab.at("left/d");
    // In its place something that nobody knows what to do with.
    fs::rename(&hidden, lab.at("aside")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &hidden, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    lab.pass_with(|_| {}).unwrap();
    fs::remove_file(&hidden).unwrap();
    fs::rename(lab.at("aside"), &hidden).unwrap();
    lab.pass();
    assert_eq!(lab.tree("left"), "b=2 d/ d/a=changed");
}

#[test]
fn s8_a_folder_in_the_place_of_a_file_that_was_changed_there() {
    let mut lab = Lab::shared(&[("x", "1"), ("b", "2")]);
    lab.remove("left", "x");
    lab.write("left", "x/in", "3");
    lab.write("right", "x", "changed");
    let report = lab.pass();
    assert_eq!(report.notices.len(), 1, "{report:?}");
    let tree = lab.tree("right");
    assert!(tree.contains("x/in=3") && tree.contains("=changed"), "{tree}");
}

#[test]
fn nobody_puts_anything_into_our_own_folder() {
    let mut lab = Lab::shared(&[("a", "1")]);
    let mut workspace = lab.workspace("right");
    workspace.refresh(None).unwrap();
    for path in [".gobag-sync", ".gobag-sync/versions", "d", "d/.Gobag-Sync"] {
        let path = RelPath::new(path.as_bytes()).unwrap();
        workspace.put_entry(&path, EntryKind::Folder).unwrap();
    }
    let evil = RelPath::new(b".gobag-sync/versions/evil").unwrap();
    workspace
        .put_entry(&evil, EntryKind::Link(b"x".to_vec()))
        .unwrap();
    workspace.publish().unwrap();
    let options = lab.options();
    let report = lab.pair_of("left").unwrap().pass(&options, &Silent).unwrap();
    assert_eq!(report.notices.len(), 2, "{report:?}");
    assert!(!lab.at("left/.gobag-sync/versions/evil").is_symlink() && !lab.at("left/d/.Gobag-Sync").exists());
}

#[test]
fn a_pack_that_is_gone_keeps_nobody_from_a_new_version() {
    let mut lab = Lab::shared(&[("b", "2")]);
    // Long enough for a list of pieces.
    let long: String = (0..40_000).map(|number| format!("{number} ")).collect();
    lab.write("left", "long", &long);
    lab.pass();
    lab.lose_packs();
    lab.write("left", "long", &long.replace("39999", "40000"));
    lab.write("left", "c", "3");
    let options = lab.options();
    // Its pages are kept where they were made; the right one's are gone.
    let report = lab.pair_of("left").unwrap().pass(&options, &Silent);
    assert!(report.is_ok_and(|report| report.is_in_step()));
}

#[test]
fn what_the_server_lost_of_a_file_that_changes_is_sent_again() {
    let mut lab = Lab::shared(&[("b", "2"), ("d/unchanged", "1")]);
    let long: String = (0..40_000).map(|number| format!("{number} ")).collect();
    lab.write("left", "long", &long);
    lab.pass();
    lab.lose_packs();
    assert!(lab.office().site.forget_lost() > 0);
    let changed = long.replace("39999", "40000");
    lab.write("left", "long", &changed);
    let options = lab.options();
    let report = lab.pair_of("left").unwrap().pass(&options, &Silent).unwrap();
    assert!(report.is_in_step(), "{report:?}");
    // Somebody who has nothing of it gets all of it.
    lab.forget_all("right");
    lab.right_pass().unwrap();
    assert!(lab.tree("right").contains(&changed));
}

#[test]
fn an_enrolment_that_fails_leaves_who_one_was() {
    let lab = Lab::shared(&[("a", "1")]);
    lab.enrol_in_vain("left");
    assert!(lab.pair_of("left").is_ok());
}

#[test]
fn what_gives_way_on_the_other_side_comes_when_it_is_published_there() {
    let mut lab = Lab::shared(&[("x", "1"), ("b", "2")]);
    lab.remove("left", "x");
    lab.write("left", "x/in", "3");
    lab.write("right", "x", "changed");
    let options = lab.options();
    lab.pair_of("right").unwrap().pass(&options, &Silent).unwrap();
    lab.be("left", MemberRole::Reader);
    for _ in 0..2 {
        let options = lab.options();
        lab.pair_of("left").unwrap().pass(&options, &Silent).unwrap_err();
        let shown = lab.tree("left");
        assert!(!shown.contains("=changed") && shown.contains("x/in=3"), "{shown}");
    }
    lab.be("left", MemberRole::Writer);
    lab.pass();
    let tree = lab.tree("right");
    assert!(tree.contains("=changed") && tree.contains("x/in=3"), "{tree}");
}

#[test]
fn what_gives_way_is_there_once_however_often_the_line_is_cut() {
    for works in 0.. {
        let mut lab = Lab::shared(&[("a", "1")]);
        lab.pair_of("right").unwrap().keep_names_of(Side::Left).unwrap();
        lab.write("left", "a", "of the stick");
        let options = lab.options();
        lab.pair_of("left").unwrap().pass(&options, &Silent).unwrap();
        lab.write("right", "a", "of the share");
        let mut is_over = true;
        for _ in 0..3 {
            let between = Arc::new(Between::new(lab.store("right")));
            between.works.store(works, SeqCst);
            let options = lab.options();
            let passed = lab.pair_by("right", between).unwrap().pass(&options, &Silent);
            is_over &= passed.is_ok();
            assert!(passed.is_ok() || is_offline(&passed), "{passed:?}");
        }
        lab.pass();
        let tree = lab.tree("right");
        assert!(tree.contains("a=of the share"), "{works}: {tree}");
        assert_eq!(tree.matches("=of the stick").count(), 1, "{works}: {tree}");
        if is_over {
            assert!(works > 3);
            return;
        }
    }
}

#[test]
fn who_may_not_write_gets_what_others_put_however_much_there_is_of_its_own() {
    let mut lab = Lab::shared(&[("a", "1"), ("gone", "2"), ("z", "3")]);
    lab.be("right", MemberRole::Reader);
    // More than a pack, and before what is to come.
    let noise: String = (0..300_000_u32)
        .map(|number| format!("{:x} ", number.wrapping_mul(2_654_435_761)))
        .collect();
    lab.write("right", "b/own", &noise.repeat(3));
    lab.write("right", "a", "changed by who may not");
    lab.write("left", "c", "new");
    lab.write("left", "z", "changed");
    lab.remove("left", "gone");
    let options = lab.options();
    lab.pair_of("left").unwrap().pass(&options, &Silent).unwrap();
    for _ in 0..2 {
        let options = lab.options();
        let passed = lab.pair_of("right").unwrap().pass(&options, &Silent);
        assert_eq!(passed.unwrap_err().code(), "workspace.refused");
        let tree = lab.tree("right");
        for part in ["a=changed by who may not", "c=new", "z=changed"] {
            assert!(tree.contains(part), "{part}");
        }
        assert!(!tree.contains("gone=") && tree.matches("changed by who").count() == 1);
    }
    lab.be("right", MemberRole::Writer);
    lab.pass();
    assert!(lab.tree("left").contains("a=changed by who may not"));
}

#[test]
fn who_may_not_write_gets_all_of_a_first_copy() {
    let mut lab = Lab::shared(&[("z", "of all")]);
    lab.forget_all("left");
    for number in 0..6 {
        lab.write("left", &format!("a{number}"), "own");
    }
    lab.be("left", MemberRole::Reader);
    let mut options = lab.options();
    options.slice = 2;
    let refused = lab.pair_of("left").unwrap().pass(&options, &Silent);
    assert_eq!(refused.unwrap_err().code(), "workspace.refused");
    assert!(lab.tree("left").contains("z=of all"), "{}", lab.tree("left"));
}

#[test]
fn what_was_done_before_others_came_first_is_told() {
    let mut lab = Lab::shared(&[("a", "of all")]);
    lab.forget_all("left");
    lab.write("left", "a", "mine");
    lab.write("left", "b", "new");
    lab.write("right", "c", "of the right");
    let between = Arc::new(Between::new(lab.store("left")));
    let mut right = lab.pair_of("right").unwrap();
    let [of_right, mut options] = [lab.options(), lab.options()];
    // Not the first slice's point, but that of the second.
    let again = Arc::clone(&between);
    between.before_publish(move || {
        again.before_publish(move || {
            assert!(right.pass(&of_right, &Silent).unwrap().is_in_step());
        });
    });
    options.slice = 1;
    let report = lab
        .pair_by("left", between)
        .unwrap()
        .pass(&options, &Silent)
        .unwrap();
    assert!(report.is_in_step() && report.notices.len() == 1, "{report:?}");
    assert!(
        lab.tree("left").contains("c=of the right"),
        "{}",
        lab.tree("left")
    );
}

#[test]
fn packs_that_nothing_needs_are_let_go_at_the_server_and_all_is_there() {
    let mut lab = Lab::shared(&[("a", "1"), ("d/b", "2")]);
    for round in 0..30 {
        lab.write("left", "a", &format!("round {round}"));
        lab.write("right", "d/b", &format!("round {round} of the right"));
        lab.pass();
    }
    // What is not kept for earlier points goes.
    let gone = lab.office().site.keep_newest_alone("acme");
    assert!(gone.points > 50 && gone.objects > 50, "{gone:?}");
    lab.forget_all("left");
    lab.pass();
    assert_eq!(lab.tree("left"), "a=round 29 d/ d/b=round 29 of the right");
    // Who was there goes on.
    lab.write("right", "a", "goes on");
    lab.pass();
    assert_eq!(lab.tree("left"), "a=goes on d/ d/b=round 29 of the right");
}

/// The tree's keys are in the order of bytes, and paths in that of their names.
#[test]
fn folders_whose_names_begin_alike_are_not_taken_for_gone() {
    let files = [
        ("a/b/y", "1"),
        ("a b/x", "2"),
        ("a/c/z", "3"),
        ("a.b/v", "4"),
        ("b/k", "5"),
    ];
    for (gone, new) in [
        ("a b", "a/b/new"),
        ("a/b", "a b/new"),
        ("a.b", "a/c/new"),
        ("a/c", "a.b/new"),
    ] {
        let mut lab = Lab::shared(&files);
        lab.remove("right", gone);
        lab.write("right", new, "new");
        lab.right_pass().unwrap();
        let options = lab.options();
        let report = lab.pair_of("left").unwrap().pass(&options, &Silent).unwrap();
        let done = (report.left.put, report.left.removed, report.right);
        assert_eq!(done, (1, 1, Default::default()), "{gone} {new}: {report:?}");
        assert_eq!(lab.tree("left"), lab.tree("right"), "{gone} {new}");
    }
}
