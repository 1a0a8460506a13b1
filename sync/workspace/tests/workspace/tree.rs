//! Whatever is changed, the tree is what the model is, for whoever opens it.

use std::{
    collections::BTreeMap,
    io::Read as _,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use gobag_format::{Silent, workspace::EntryKind};
use gobag_workspace::{Workspace, WorkspaceError, path_of};
use proptest::{collection::vec, prelude::*};

use crate::lab::{Memory, member, noise, path, put};

/// What is where: a folder, or a file's bytes and whether it may be run.
type Model = BTreeMap<String, Option<(Vec<u8>, bool)>>;

fn all(workspace: &Workspace) -> Model {
    let mut found = BTreeMap::new();
    let each = &mut |entry: gobag_format::workspace::Entry| -> Result<(), WorkspaceError> {
        let bytes = match &entry.kind {
            EntryKind::File {
                mtime,
                mode,
                executable,
                ..
            } => {
                let expected = if *executable { 0o750 } else { 0o640 };
                assert_eq!((*mtime, *mode), ((-5, 7), expected));
                let mut bytes = Vec::new();
                workspace.read(&entry.kind).read_to_end(&mut bytes).unwrap();
                Some((bytes, *executable))
            }
            _ => None,
        };
        found.insert(path_of(&entry.key)?.to_string(), bytes);
        Ok(())
    };
    workspace.tree().unwrap().for_each(each).unwrap();
    found
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u64, usize),
    Folder(u16),
    Remove(u16),
    RemoveMany(u16, u16),
    Move(u16, u16),
    /// A folder, of which there are few, with all that is in it.
    MoveFolder(u16, u16),
    Run(u16, bool),
    Publish,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u16..600, 0_u64..50, prop_oneof![Just(0_usize), 1_usize..200, 30_000_usize..150_000])
            .prop_map(|(at, seed, len)| Step::Put(at, seed, len)),
        2 => (0_u16..600).prop_map(Step::Folder),
        2 => (0_u16..600).prop_map(Step::Remove),
        1 => (0_u16..600, 0_u16..600).prop_map(|(from, to)| Step::RemoveMany(from, to)),
        1 => (0_u16..600, 0_u16..600).prop_map(|(from, to)| Step::Move(from, to)),
        1 => (0_u16..9, 0_u16..9).prop_map(|(from, to)| Step::MoveFolder(from, to)),
        1 => (0_u16..600, prop::bool::ANY).prop_map(|(at, is)| Step::Run(at, is)),
        2 => Just(Step::Publish),
    ]
}

fn name(at: u16) -> String {
    format!("d{}/f{at}", at % 7)
}

/// Whether all that can be asked of a workspace says what the model does; `shown` is what was published last.
fn is_as(workspace: &Workspace, step: &Step, model: &Model, shown: &Model) {
    let places: &[u16] = match step {
        Step::Put(at, ..) | Step::Folder(at) | Step::Remove(at) | Step::Run(at, _) => &[*at],
        Step::RemoveMany(from, to) | Step::Move(from, to) | Step::MoveFolder(from, to) => &[*from, *to],
        Step::Publish => &[],
    };
    for at in places {
        let kind = workspace.kind(&path(&name(*at))).unwrap();
        match (model.get(&name(*at)), kind) {
            (None, None) | (Some(None), Some(EntryKind::Folder)) => {}
            (
                Some(Some((bytes, executable))),
                Some(EntryKind::File {
                    executable: is, len, ..
                }),
            ) => {
                assert_eq!((*executable, bytes.len() as u64), (is, len), "{step:?}");
            }
            (expected, found) => panic!("{step:?}: {expected:?} {found:?}"),
        }
    }
    for number in 0..9 {
        let (folder, within) = (path(&format!("d{number}")), format!("d{number}/"));
        let mut there = model.keys().filter(|path| path.starts_with(&within));
        assert_eq!(
            workspace.is_empty(&folder).unwrap(),
            there.next().is_none(),
            "{step:?}"
        );
        // By the newest point.
        let even = |name: &str| name.ends_with('4');
        let found = workspace.find_in(&folder, &|name, _| {
            even(std::str::from_utf8(name.as_bytes()).unwrap())
        });
        let mut shown = shown.keys().filter_map(|path| path.strip_prefix(&within[..]));
        let first = shown.find(|name| even(name));
        assert_eq!(
            found.unwrap().map(|name| name.to_string()),
            first.map(str::to_owned),
            "{step:?}"
        );
    }
}

fn run(steps: &[Step]) {
    let store = Arc::new(Memory::default());
    store.lets_go.store(true, SeqCst);
    let mut workspace = member(&store);
    // Enough that there are pages of pages.
    let mut model = Model::new();
    for at in (0..600).step_by(2) {
        let bytes = noise(at.into(), 20);
        put(&mut workspace, &name(at), &bytes).unwrap();
        model.insert(name(at), Some((bytes, false)));
    }
    workspace.publish().unwrap();
    let mut shown = model.clone();
    for step in steps {
        match step {
            Step::Put(at, seed, len) => {
                let bytes = noise(*seed, *len);
                put(&mut workspace, &name(*at), &bytes).unwrap();
                model.insert(name(*at), Some((bytes, false)));
            }
            Step::Folder(at) => {
                workspace.put_entry(&path(&name(*at)), EntryKind::Folder).unwrap();
                model.insert(name(*at), None);
            }
            Step::Remove(at) => {
                workspace.remove(&path(&name(*at))).unwrap();
                model.remove(&name(*at));
            }
            Step::RemoveMany(from, to) => {
                for at in *from..*to {
                    workspace.remove(&path(&name(at))).unwrap();
                    model.remove(&name(at));
                }
            }
            Step::Move(from, to) if from != to => {
                let (from, to) = (name(*from), name(*to));
                workspace.rename(&path(&from), &path(&to)).unwrap();
                if let Some(moved) = model.remove(&from) {
                    model.insert(to, moved);
                }
            }
            Step::MoveFolder(from, to) if from != to => {
                let (from, to) = (format!("d{from}/"), format!("d{to}/"));
                // As the pair asks before it does it.
                let is_free = !model.keys().any(|path| path.starts_with(&to));
                let folder = |folder: &str| path(folder.trim_end_matches('/'));
                assert_eq!(workspace.is_empty(&folder(&to)).unwrap(), is_free);
                if is_free {
                    workspace.rename(&folder(&from), &folder(&to)).unwrap();
                    let (moved, rest): (Model, Model) =
                        model.into_iter().partition(|(path, _)| path.starts_with(&from));
                    let named = |path: &str| format!("{to}{}", &path[from.len()..]);
                    model = rest;
                    model.extend(moved.into_iter().map(|(path, it)| (named(&path), it)));
                }
            }
            Step::Run(at, is) => {
                workspace.set_executable(&path(&name(*at)), *is).unwrap();
                if let Some(Some((_, executable))) = model.get_mut(&name(*at)) {
                    *executable = *is;
                }
            }
            Step::Move(..) | Step::MoveFolder(..) => {}
            Step::Publish => {
                workspace.publish().unwrap();
                shown.clone_from(&model);
            }
        }
        is_as(&workspace, step, &model, &shown);
    }
    workspace.publish().unwrap();
    assert_eq!(all(&workspace), model);
    let mut other = member(&store);
    other.refresh(None).unwrap();
    assert_eq!(all(&other), model);
    for at in model.keys().take(20) {
        assert!(other.readable(&path(at)).unwrap().is_some());
        assert!(other.find(&path(at)).unwrap().is_some());
    }
    assert!(other.find(&path("d0/none")).unwrap().is_none());
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
        cases: long.unwrap_or(24),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_tree_is_what_the_model_is(steps in vec(step(), 1..40)) {
        run(&steps);
    }
}

#[test]
fn ten_thousand_entries_have_pages_of_pages_and_go_again() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    let names: Vec<String> = (0..10_000)
        .map(|at| format!("d{}/a rather long name {at}", at % 30))
        .collect();
    for name in &names {
        workspace.put_entry(&path(name), EntryKind::Folder).unwrap();
    }
    workspace.publish().unwrap();
    let mut other = member(&store);
    other.refresh(None).unwrap();
    assert_eq!(all(&other).len(), names.len());
    for name in &names {
        other.remove(&path(name)).unwrap();
    }
    other.publish().unwrap();
    assert_eq!(all(&other).len(), 0);
    workspace.refresh(workspace.point()).unwrap();
    assert_eq!(all(&workspace).len(), 0);
}

#[test]
fn more_packs_than_a_head_names_are_named_elsewhere() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    for number in 0..200 {
        put(&mut workspace, &format!("f{number}"), &noise(number, 100)).unwrap();
        workspace.publish().unwrap();
    }
    assert!(
        store
            .heads
            .lock()
            .unwrap()
            .iter()
            .all(|head| head.head.len() < 8 << 10)
    );
    let mut other = member(&store);
    other.refresh(None).unwrap();
    assert_eq!(all(&other).len(), 200);
    // Each pack is named once.
    let mut named = other.packs().unwrap();
    named.sort();
    let mut kept: Vec<_> = store.packs.lock().unwrap().keys().copied().collect();
    kept.sort();
    assert_eq!(named, kept);
}

#[test]
fn what_was_at_a_path_in_earlier_points_is_told_and_read() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    for text in ["", "one", "one", "two", "", "three"] {
        match text {
            "" => workspace.remove(&path("d/a")).unwrap(),
            text => put(&mut workspace, "d/a", text.as_bytes()).unwrap(),
        }
        // So that there is a point also where that changes nothing.
        put(
            &mut workspace,
            "other",
            &noise(store.heads.lock().unwrap().len() as u64, 40),
        )
        .unwrap();
        workspace.publish().unwrap();
    }
    let told = |most: usize| {
        let mut told = Vec::new();
        workspace
            .past(&path("d/a"), &Silent, &mut |was| {
                let mut text = String::new();
                if let Some(kind) = &was.kind {
                    workspace.read(kind).read_to_string(&mut text).unwrap();
                }
                told.push((
                    text,
                    was.generation,
                    was.since_s,
                    was.until_s,
                    was.last_s,
                    was.is_next_kept,
                ));
                told.len() < most
            })
            .unwrap();
        told
    };
    let all = [
        ("three", 6, Some(6000), None, Some(6000), true),
        ("", 5, Some(5000), Some(6000), Some(5000), true),
        ("two", 4, Some(4000), Some(5000), Some(4000), true),
        ("one", 3, Some(2000), Some(4000), Some(3000), true),
        ("", 1, Some(1000), Some(2000), Some(1000), true),
    ];
    let all = all.map(|(text, generation, since_s, until_s, last_s, is_next_kept)| {
        (
            text.to_owned(),
            generation,
            since_s,
            until_s,
            last_s,
            is_next_kept,
        )
    });
    assert_eq!(told(9), all);
    assert_eq!(told(2), all[..2]);
    // Where points were let go, nobody knows how long it was so; one that is damaged is passed over.
    store.heads.lock().unwrap().remove(4);
    let two = ("two".to_owned(), 4, Some(4000), Some(6000), Some(4000), false);
    assert_eq!(told(9)[1], two);
    store.heads.lock().unwrap()[2].head[20] ^= 1;
    let one = ("one".to_owned(), 2, Some(2000), Some(4000), Some(2000), false);
    assert_eq!(told(9)[2], one);
}
