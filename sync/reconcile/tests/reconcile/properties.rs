//! One random tree, changed twice (independent trees never meet in moves and edits), under every plan: both become the same, nothing new is lost,
//! nothing is deleted that is not as it was, and it can be stopped anywhere.

use std::collections::BTreeSet;

use gobag_reconcile::{Item, Name, Notice, Operation, RelPath, Side, Unknown};
use proptest::{collection::vec, prelude::*};

use crate::world::{Tree, World, file, is_alike};

/// A change of a tree; numbers choose among what is there.
#[derive(Clone, Debug)]
enum Change {
    Write(usize, u8),
    Make(usize, u8, u8),
    Folder(usize, u8),
    Delete(usize),
    Move(usize, usize, u8),
    Link(usize, u8),
    Run(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let (any, fill, name) = (0..64_usize, 0..6_u8, 0..5_u8);
    prop_oneof![
        (any.clone(), fill.clone()).prop_map(|(at, fill)| Change::Write(at, fill)),
        (any.clone(), name.clone(), fill).prop_map(|(at, name, fill)| Change::Make(at, name, fill)),
        (any.clone(), name.clone()).prop_map(|(at, name)| Change::Folder(at, name)),
        any.clone().prop_map(Change::Delete),
        (any.clone(), any.clone(), name.clone()).prop_map(|(from, to, name)| Change::Move(from, to, name)),
        (any.clone(), name).prop_map(|(at, name)| Change::Link(at, name)),
        any.prop_map(Change::Run),
    ]
}

fn below(tree: &Tree, path: &RelPath) -> Vec<RelPath> {
    let prefix = [path.as_bytes(), b"/"].concat();
    let is_below = |other: &&RelPath| *other == path || other.as_bytes().starts_with(&prefix);
    tree.keys().filter(is_below).cloned().collect()
}

fn make(tree: &mut Tree, change: &Change) {
    let at = |tree: &Tree, number: usize| {
        (!tree.is_empty()).then(|| tree.keys().nth(number % tree.len()).unwrap().clone())
    };
    let folder = |tree: &Tree, number: usize| {
        let folders: Vec<_> = tree
            .iter()
            .filter(|(_, item)| item.is_folder())
            .map(|(path, _)| path.clone())
            .collect();
        match number % (folders.len() + 1) {
            0 => RelPath::root(),
            other => folders[other - 1].clone(),
        }
    };
    // Two of them are one to some file systems.
    let place = |tree: &Tree, number: usize, name: u8| {
        folder(tree, number).join(&Name::new(&[b"abcAB"[usize::from(name)]]).unwrap())
    };
    let replace = |tree: &mut Tree, path: RelPath, item: Item| {
        for gone in below(tree, &path) {
            tree.remove(&gone);
        }
        tree.insert(path, item);
    };
    match *change {
        Change::Write(number, fill) => {
            if let Some(path) = at(tree, number) {
                replace(tree, path, file(fill));
            }
        }
        Change::Make(number, name, fill) => replace(tree, place(tree, number, name), file(fill)),
        Change::Folder(number, name) => replace(tree, place(tree, number, name), Item::Folder),
        Change::Delete(number) => {
            for gone in at(tree, number)
                .map(|path| below(tree, &path))
                .unwrap_or_default()
            {
                tree.remove(&gone);
            }
        }
        Change::Move(number, to, name) => {
            let Some(from) = at(tree, number) else { return };
            let to = place(tree, to, name);
            let moved = below(tree, &from);
            if moved.contains(&to)
                || to == from
                || moved.iter().any(|path| Some(path) == to.parent().as_ref())
            {
                return;
            }
            let items: Vec<_> = moved
                .iter()
                .map(|path| (path.clone(), tree.remove(path).unwrap()))
                .collect();
            for gone in below(tree, &to) {
                tree.remove(&gone);
            }
            for (path, item) in items {
                let rest = &path.as_bytes()[from.as_bytes().len()..];
                tree.insert(RelPath::new(&[to.as_bytes(), rest].concat()).unwrap(), item);
            }
            // It may have been in what was replaced.
            let orphans: Vec<_> = tree
                .keys()
                .filter(|path| is_orphan(tree, path))
                .cloned()
                .collect();
            for path in orphans {
                tree.remove(&path);
            }
        }
        Change::Link(number, name) => replace(tree, place(tree, number, name), Item::Link([name].into())),
        Change::Run(number) => {
            if let Some(Item::File(file)) = at(tree, number).and_then(|path| tree.get_mut(&path)) {
                file.executable = !file.executable;
            }
        }
    }
}

fn is_orphan(tree: &Tree, path: &RelPath) -> bool {
    let mut parent = path.parent().unwrap();
    while !parent.is_root() {
        if tree.get(&parent) != Some(&Item::Folder) {
            return true;
        }
        parent = parent.parent().unwrap();
    }
    false
}

fn changed(from: &Tree, changes: &[Change]) -> Tree {
    let mut tree = from.clone();
    for change in changes {
        make(&mut tree, change);
    }
    tree
}

/// A world whose sides come from one tree; without the base now and then.
fn world() -> impl Strategy<Value = World> {
    (
        vec(change(), 0..40),
        vec(change(), 0..8),
        vec(change(), 0..8),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(first, left, right, has_base)| {
            let base = changed(&Tree::new(), &first);
            World {
                left: changed(&base, &left),
                right: changed(&base, &right),
                base: if has_base { base } else { Tree::new() },
                folds: None,
            }
        })
}

/// Content, whoever may run it.
fn contents(tree: &Tree) -> BTreeSet<Item> {
    let plain = |item: &Item| match item {
        Item::File(file) => Some(Item::File(gobag_reconcile::File {
            executable: false,
            ..*file
        })),
        Item::Link(_) => Some(item.clone()),
        Item::Folder => None,
    };
    tree.values().filter_map(plain).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long to search is for whoever runs it to say"
)]
fn cases() -> ProptestConfig {
    let long = std::env::var("GOBAG_LONG")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: long.unwrap_or(4000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Without what a file system that folds names cannot have beside what comes before it.
fn folded(mut tree: Tree) -> Tree {
    let all: Vec<RelPath> = tree.keys().cloned().collect();
    for (at, path) in all.iter().enumerate() {
        let is_one = |other: &RelPath| other.parent() == path.parent() && is_alike(other, path);
        if all[..at]
            .iter()
            .any(|other| tree.contains_key(other) && is_one(other))
        {
            for gone in below(&tree, path) {
                tree.remove(&gone);
            }
        }
    }
    tree
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn both_become_the_same_and_nothing_new_is_lost(world in world()) {
        let plan = world.plan();
        let mut after = world.clone();
        after.apply_all(&plan);
        prop_assert_eq!(&after.left, &after.right);
        prop_assert_eq!(&after.left, &after.base);
        prop_assert!(after.plan().operations.is_empty());
        let there = contents(&after.left);
        let base = contents(&world.base);
        for side in [&world.left, &world.right] {
            for new in contents(side).difference(&base) {
                prop_assert!(there.contains(new), "{:?} is lost by {:#?}", new, plan);
            }
        }
        if world.base.is_empty() {
            let deletes = |operation: &Operation| matches!(operation, Operation::Remove { .. } | Operation::RemoveFolder { .. });
            prop_assert!(!plan.operations.iter().any(deletes));
        }
    }

    #[test]
    fn a_side_that_did_nothing_gets_what_the_other_did(world in world()) {
        for idle in [Side::Left, Side::Right] {
            let mut world = world.clone();
            let base = world.base.clone();
            *world.of(idle) = base;
            let other = world.of(idle.other()).clone();
            let plan = world.plan();
            prop_assert!(plan.notices.is_empty(), "{:?}", plan.notices);
            world.apply_all(&plan);
            prop_assert_eq!(world.of(idle), &other);
        }
    }

    #[test]
    fn whoever_stops_anywhere_ends_at_the_same(world in world(), stop in 0..100_usize) {
        let plan = world.plan();
        let mut whole = world.clone();
        whole.apply_all(&plan);
        // Done on the side, and not yet noted in the base.
        for is_noted in [true, false] {
            let mut cut = world.clone();
            let at = stop % (plan.operations.len() + 1);
            for operation in &plan.operations[..at] {
                cut.apply(operation).unwrap();
            }
            if let (false, Some(next)) = (is_noted, plan.operations.get(at)) {
                let base = cut.base.clone();
                cut.apply(next).unwrap();
                cut.base = base;
            }
            let rest = cut.plan();
            cut.apply_all(&rest);
            prop_assert_eq!(&cut.left, &cut.right);
            prop_assert_eq!(&cut.left, &cut.base);
            let (lost, all) = (contents(&whole.left), contents(&cut.left));
            prop_assert!(lost.is_subset(&all), "{:?} {:?} after {:#?} then {:#?}", lost, all, plan, rest);
        }
    }

    #[test]
    fn it_is_the_same_from_the_other_side_but_for_names(world in world()) {
        let mirrored = World { left: world.right.clone(), right: world.left.clone(), ..world.clone() };
        let end = |mut world: World| {
            let plan = world.plan();
            world.apply_all(&plan);
            (contents(&world.left), world.left.len())
        };
        prop_assert_eq!(end(world), end(mirrored));
    }

    #[test]
    fn s12_s13_s14_where_a_side_folds_names_nothing_is_covered_or_lost(world in world(), folds in prop::bool::ANY) {
        let folds = if folds { Side::Left } else { Side::Right };
        let mut world = World { base: folded(world.base), folds: Some(folds), ..world };
        let tree = folded(world.of(folds).clone());
        *world.of(folds) = tree;
        let plan = world.plan();
        let mut after = world.clone();
        after.apply_all(&plan);
        let is_clash = |notice: &Notice| matches!(notice, Notice::Left { why: Unknown::NameClash, .. });
        let mut rounds = 0;
        // Where one of two is deleted, the other has room the next time.
        while plan.notices.iter().any(is_clash) && !after.plan().operations.is_empty() && rounds < 8 {
            let rest = after.plan();
            after.apply_all(&rest);
            rounds += 1;
        }
        prop_assert!(after.plan().operations.is_empty(), "{:#?} after {:#?}", after.plan(), plan);
        if !after.plan().notices.iter().any(is_clash) {
            prop_assert_eq!(&after.left, &after.right);
            prop_assert_eq!(&after.left, &after.base);
        }
        let mut there = contents(&after.left);
        there.extend(contents(&after.right));
        let base = contents(&world.base);
        for side in [&world.left, &world.right] {
            for new in contents(side).difference(&base) {
                prop_assert!(there.contains(new), "{:?} is lost by {:#?}", new, plan);
            }
        }
    }
}
