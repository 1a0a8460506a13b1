//! The table of the crate's page, and the cases of `research/sync-posture.md` §8.1 that the planner decides.

use gobag_reconcile::{
    Hold, HoldLimits, Lately, Merged, Notice, Operation, Seen, Side, Totals, Unknown, holds,
};

use crate::world::{Tree, World, file, names, path, tree};

/// What both sides are in the end.
fn ends(base: &str, left: &str, right: &str) -> Tree {
    tree(&World::new(base, left, right).settle().0)
}

/// The same whichever side it is that did it.
fn either(base: &str, one: &str, other: &str, end: &str) {
    assert_eq!(ends(base, one, other), tree(end));
    assert_eq!(ends(base, other, one), tree(end));
}

#[test]
fn what_one_side_did_is_done_on_the_other() {
    either("a:1", "a:1", "a:1", "a:1");
    either("a:1", "a:2", "a:1", "a:2");
    either("a:1", "", "a:1", "");
    either("", "a:1 d/ d/e/ d/e/f:2", "", "a:1 d/ d/e/ d/e/f:2");
    either("d/ d/a:1 d/e/ d/e/b:2", "", "d/ d/a:1 d/e/ d/e/b:2", "");
    either("a:1", "a*1", "a:1", "a*1");
    either("a->x", "a->y", "a->x", "a->y");
    either("a:1", "a->x", "a:1", "a->x");
}

#[test]
fn s1_s5_s49_where_both_changed_the_company_keeps_the_name_and_nothing_is_lost() {
    let (end, plan) = World::new("f.odt:1", "f.odt:2", "f.odt:3").settle();
    assert_eq!(tree(&end), tree("f_(conflict_s_t_0202).odt:2 f.odt:3"));
    let copy = path("f_(conflict_s_t_0202).odt");
    assert_eq!(
        plan.notices,
        [Notice::Conflict {
            path: path("f.odt"),
            copy,
            whose: Side::Left
        }]
    );
    assert_eq!(ends("", "f:2", "f:3"), tree("f_(conflict_s_t_0202):2 f:3"));
    // Its name is taken already.
    let taken = "f_(conflict_s_t_0202):9";
    let end = ends(taken, &format!("{taken} f:2"), &format!("{taken} f:3"));
    assert_eq!(end, tree("f_(conflict_s_t_0202_2):2 f_(conflict_s_t_0202):9 f:3"));
}

#[test]
fn s2_s4_s6_the_same_on_both_is_noted_and_nothing_is_sent() {
    for (base, both) in [
        ("f:1", "f:2"),
        ("f:1", ""),
        ("", "f:1"),
        ("d/ d/f:1", ""),
        ("f:1", "f/ f/g:2"),
        ("d/ d/f:1", "d:7"),
    ] {
        let (end, plan) = World::new(base, both, both).settle();
        assert_eq!(end, both);
        let is_note =
            |operation: &Operation| matches!(operation, Operation::Agree { .. } | Operation::Forget { .. });
        assert!(plan.operations.iter().all(is_note), "{plan:?}");
    }
}

#[test]
fn s3_a_change_outlives_a_deletion() {
    either("f:1", "", "f:2", "f:2");
    let (_, plan) = World::new("f:1", "", "f:2").settle();
    let (path, deleted_on) = (path("f"), Side::Left);
    assert_eq!(plan.notices, [Notice::Restored { path, deleted_on }]);
}

#[test]
fn s7_of_a_deleted_folder_what_changed_stays() {
    either("d/ d/a:1 d/b:2", "", "d/ d/a:1 d/b:2 d/new:3", "d/ d/new:3");
    either("d/ d/a:1 d/b:2", "", "d/ d/a:9 d/b:2", "d/ d/a:9");
    either(
        "d/ d/e/ d/e/a:1",
        "",
        "d/ d/e/ d/e/a:1 d/e/n:4",
        "d/ d/e/ d/e/n:4",
    );
}

#[test]
fn s8_a_folder_in_place_of_a_changed_file_keeps_the_name() {
    either("f:1", "f/ f/g:2", "f:3", "f_(conflict_s_t_0303):3 f/ f/g:2");
    either("f:1", "f/ f/g:2", "f:1", "f/ f/g:2");
    either("", "f/", "f:3", "f_(conflict_s_t_0303):3 f/");
    // Whose it is that is beside it is said.
    for (left, right, whose) in [("f/", "f:3", Side::Right), ("f:3", "f/", Side::Left)] {
        let (_, plan) = World::new("f:1", left, right).settle();
        let copy = path("f_(conflict_s_t_0303)");
        let path = path("f");
        assert_eq!(plan.notices, [Notice::Conflict { path, copy, whose }]);
    }
}

#[test]
fn s9_a_file_or_link_in_place_of_a_folder() {
    either("d/ d/a:1", "d->x", "d/ d/a:1", "d->x");
    either("d/ d/a:1 d/e/ d/e/b:2", "d:7", "d/ d/a:1 d/e/ d/e/b:2", "d:7");
    either(
        "d/ d/a:1 d/b:2",
        "d:7",
        "d/ d/a:9 d/b:2",
        "d_(conflict_s_t_0707):7 d/ d/a:9",
    );
    either("d/ d/a:1", "d:7", "", "d:7");
}

#[test]
fn s10_folders_moved_into_each_other_make_no_circle() {
    let base = "A/ A/f:1 B/ B/g:2";
    either(
        base,
        "B/ B/A/ B/A/f:1 B/g:2",
        "A/ A/B/ A/B/g:2 A/f:1",
        "A/ A/B/ A/B/g:2 B/ B/A/ B/A/f:1",
    );
}

#[test]
fn s11_a_renamed_folder_is_moved_and_counts_as_nothing() {
    let files = |folder: &str| {
        (1..=200)
            .map(|n| format!("{folder}/{n}:{n}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (base, left) = (
        format!("a/ {} z:250", files("a")),
        format!("b/ {} z:250", files("b")),
    );
    let (_, plan) = World::new(&base, &left, &base).settle();
    let moves = plan
        .operations
        .iter()
        .filter(|operation| matches!(operation, Operation::Move { .. }));
    assert_eq!((moves.count(), plan.operations.len()), (200, 202));
    let totals = Totals {
        files: 201,
        bytes: 20_350,
        at_top: 2,
    };
    assert_eq!(
        holds(&plan, &totals, &Lately::default(), &HoldLimits::default()),
        []
    );
}

#[test]
fn files_with_the_same_content_are_moved_by_their_names_or_not_at_all() {
    let (end, plan) = World::new("a/ a/x:5 a/y:5", "b/ b/x:5 b/y:5", "a/ a/x:5 a/y:5").settle();
    assert_eq!(end, "b/ b/x:5 b/y:5");
    assert_eq!(
        plan.operations
            .iter()
            .filter(|operation| matches!(operation, Operation::Move { .. }))
            .count(),
        2
    );
    let (_, plan) = World::new("x:5 y:5", "p:5 q:5", "x:5 y:5").settle();
    assert!(
        !plan
            .operations
            .iter()
            .any(|operation| matches!(operation, Operation::Move { .. }))
    );
    // Moved, and who may run it changed with it.
    either("a:5", "b*5", "a:5", "b*5");
}

#[test]
fn a_file_moved_on_one_side_and_changed_on_the_other_is_there_twice() {
    either("a:1", "b:1", "a:2", "a:2 b:1");
    either("a:1", "b:1", "c:1", "b:1 c:1");
}

#[test]
fn s29_s34_where_something_is_unknown_nothing_is_done_or_deleted() {
    let item = Some(gobag_reconcile::Item::Folder);
    let unknown = Seen::Unknown(Unknown::Unreadable);
    let mut merged = Merged::default();
    merged.add(&path("d"), item.clone(), unknown.clone(), Seen::Gone);
    merged.add(&path("d/a"), Some(file(1)), Seen::AsBase, Seen::Gone);
    merged.add(&path("e"), item.clone(), Seen::AsBase, Seen::Gone);
    merged.add(
        &path("e/pipe"),
        None,
        Seen::Unknown(Unknown::Special),
        Seen::AsBase,
    );
    merged.add(&path("e/f"), Some(file(2)), Seen::AsBase, Seen::Gone);
    let plan = gobag_reconcile::plan(&merged, &names(), &|_| false);
    let (on, path, item) = (Side::Left, path("e/f"), file(2));
    assert_eq!(plan.operations, [Operation::Remove { on, path, item }]);
    assert_eq!(plan.notices.len(), 2);
}

#[test]
fn s35_without_a_base_nothing_is_deleted() {
    let end = ends("", "a:1 b:2 d/ d/x:1", "b:2 c:3 d/ d/y:9");
    assert_eq!(end, tree("a:1 b:2 c:3 d/ d/x:1 d/y:9"));
}

#[test]
fn s32_s33_what_takes_much_away_waits() {
    let files = |from: u8, to: u8| {
        (from..=to)
            .map(|n| format!("{n}:{n}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let held = |base: &str, left: &str| {
        let world = World::new(base, left, base);
        let (files, bytes) = (
            world.base.len() as u64,
            world.base.values().map(|item| item.len()).sum(),
        );
        holds(
            &world.plan(),
            &Totals {
                files,
                bytes,
                at_top: files,
            },
            &Lately::default(),
            &HoldLimits::default(),
        )
    };
    let all = files(1, 250);
    assert!(matches!(
        held(&all, "")[..],
        [
            Hold::Emptied { side: Side::Left, .. },
            Hold::Deleted { files: 250, .. }
        ]
    ));
    assert!(matches!(held("1:1 2:2", "")[..], [Hold::Emptied { .. }]));
    assert_eq!(held("1:1", ""), []);
    assert!(matches!(
        held(&all, &files(52, 250))[..],
        [Hold::Deleted {
            files: 51,
            side: Side::Right,
            ..
        }]
    ));
    assert_eq!(held(&all, &files(51, 250)), []);
    let changed = |count: u8| {
        (1..=250_u8)
            .map(|n| format!("{n}:{}", if n <= count { 255 } else { n }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(held(&all, &changed(125)), []);
    assert!(matches!(
        held(&all, &changed(126))[..],
        [Hold::Changed { files: 126, .. }]
    ));
}

#[test]
fn s32_a_side_is_empty_whatever_is_new_on_the_other_and_not_where_all_is_renamed() {
    let base = "a/ a/1:1 a/2:2 b/ b/3:3";
    let held = |left: &str, right: &str, lately: &Lately| {
        let totals = Totals {
            files: 3,
            bytes: 6,
            at_top: 2,
        };
        let plan = World::new(base, left, right).plan();
        holds(&plan, &totals, lately, &HoldLimits::default())
    };
    let none = Lately::default();
    // Something new in it, something changed in it: the folder stays for that.
    for right in ["a/ a/1:1 a/2:2 a/new:9 b/ b/3:3", "a/ a/1:9 a/2:2 b/ b/3:3"] {
        let held = held("", right, &none);
        assert!(
            matches!(held[..], [Hold::Emptied { side: Side::Left, .. }]),
            "{held:?}"
        );
    }
    assert_eq!(held("c/ c/1:1 c/2:2 d/ d/3:3", base, &none), []);
    assert_eq!(held("b/ b/3:3", base, &none), []);
    // The last thing, a moment after the others.
    let totals = Totals {
        files: 1,
        bytes: 3,
        at_top: 1,
    };
    let plan = World::new("b/ b/3:3", "", "b/ b/3:3").plan();
    let held = |lately: &Lately| holds(&plan, &totals, lately, &HoldLimits::default());
    assert_eq!(held(&none), []);
    let lately = Lately {
        removed: [((Side::Right, path("a/1")), 1)].into(),
        gone_at_top: [0, 1],
        ..Lately::default()
    };
    assert!(matches!(
        held(&lately)[..],
        [Hold::Emptied { side: Side::Left, .. }]
    ));
    // What is only replaced, again and again, is not emptied.
    let plan = World::new("b:3", "c:4", "b:3").plan();
    assert_eq!(holds(&plan, &totals, &lately, &HoldLimits::default()), []);
}

#[test]
fn little_by_little_is_much_in_the_end() {
    let (base, left) = ("1:1 2:2 3:3 4:4", "2:2 3:9 4:4");
    let plan = World::new(base, left, base).plan();
    let totals = Totals {
        files: 200,
        bytes: 1000,
        at_top: 200,
    };
    let paths = |count: usize| (0..count).map(|n| (Side::Right, path(&format!("gone-{n}"))));
    let held = |lately: &Lately| holds(&plan, &totals, lately, &HoldLimits::default());
    let removed = |count| Lately {
        removed: paths(count).map(|path| (path, 1)).collect(),
        ..Lately::default()
    };
    assert_eq!(held(&removed(49)), []);
    let hold = Hold::Deleted {
        side: Side::Right,
        files: 1,
        bytes: 1,
        earlier: 50,
    };
    assert_eq!(held(&removed(50)), [hold]);
    let replaced = |count| Lately {
        replaced: paths(count).collect(),
        ..Lately::default()
    };
    assert_eq!(held(&replaced(99)), []);
    let hold = Hold::Changed {
        side: Side::Right,
        files: 1,
        earlier: 100,
    };
    assert_eq!(held(&replaced(100)), [hold]);
    // The same file again and again is one; the other side is another; and who does nothing of the kind is not held for what was.
    let again = Lately {
        replaced: [(Side::Right, path("3"))].into(),
        removed: paths(100).map(|(side, path)| ((side.other(), path), 1)).collect(),
        ..Lately::default()
    };
    assert_eq!(held(&again), []);
    let nothing = World::new(base, base, base).plan();
    assert_eq!(
        holds(&nothing, &totals, &removed(100), &HoldLimits::default()),
        []
    );
}
