//! What nothing needs any more goes, and nothing else.

use std::{
    io::Read as _,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use gobag_format::digest::Digest;
use gobag_workspace::Workspace;

use crate::lab::{Memory, Pages, member, member_with, noise, path, put};

/// A store that lets go.
fn store() -> Arc<Memory> {
    let store = Memory::default();
    store.lets_go.store(true, SeqCst);
    Arc::new(store)
}

fn kept(store: &Memory) -> Vec<Digest> {
    let mut kept: Vec<Digest> = store.packs.lock().unwrap().keys().copied().collect();
    kept.sort();
    kept
}

fn named(workspace: &Workspace) -> Vec<Digest> {
    let mut named = workspace.packs().unwrap();
    named.sort();
    named
}

fn dropped(store: &Memory) -> usize {
    store
        .heads
        .lock()
        .unwrap()
        .iter()
        .map(|head| head.drops.len())
        .sum()
}

fn read(workspace: &Workspace, at: &str) -> Vec<u8> {
    let entry = workspace.find(&path(at)).unwrap().expect("it is there");
    let mut bytes = Vec::new();
    workspace.read(&entry.kind).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_replaced_again_and_again_takes_no_more_and_more_room() {
    let rounds = 40;
    let run = |store: &Arc<Memory>| {
        let mut workspace = member(store);
        put(&mut workspace, "stays", &noise(1, 300_000)).unwrap();
        for round in 0..rounds {
            put(&mut workspace, "goes", &noise(100 + round, 900_000)).unwrap();
            // In a pack of its own: it would keep the other one's.
            workspace.publish().unwrap();
            put(&mut workspace, &format!("d/{round}"), &noise(200 + round, 70)).unwrap();
            workspace.publish().unwrap();
        }
        let room = store.packs.lock().unwrap().values().map(Vec::len).sum::<usize>();
        let mut other = member(store);
        other.refresh(None).unwrap();
        assert_eq!(read(&other, "stays"), noise(1, 300_000));
        assert_eq!(read(&other, "goes"), noise(99 + rounds, 900_000));
        for round in 0..rounds {
            assert_eq!(read(&other, &format!("d/{round}")), noise(200 + round, 70));
        }
        assert_eq!(named(&other), kept(store));
        room
    };
    let (lets_go, keeps) = (store(), Arc::new(Memory::default()));
    let (room, all) = (run(&lets_go), run(&keeps));
    assert!(dropped(&lets_go) > 20 && dropped(&keeps) == 0);
    assert!(all > 36_000_000 && room < all / 4, "{room} of {all}");
}

#[test]
fn who_saw_an_earlier_point_knows_it_still() {
    let store = store();
    let mut workspace = member(&store);
    let mut seen = Vec::new();
    for number in 0..400 {
        put(&mut workspace, "a", &noise(number, 50)).unwrap();
        workspace.publish().unwrap();
        seen.push(workspace.point());
    }
    assert!(dropped(&store) > 300);
    for known in seen {
        member(&store).refresh(known).unwrap();
    }
}

#[test]
fn where_something_is_lost_nothing_goes_and_the_point_is_made() {
    let store = store();
    let mut workspace = member(&store);
    put(&mut workspace, "lost", &noise(1, 200_000)).unwrap();
    workspace.publish().unwrap();
    let lost = kept(&store);
    put(&mut workspace, "a", &noise(2, 200_000)).unwrap();
    workspace.publish().unwrap();
    for pack in &lost {
        store.packs.lock().unwrap().get_mut(pack).unwrap().clear();
    }
    let before = dropped(&store);
    for number in 0..20 {
        put(&mut workspace, "a", &noise(10 + number, 200_000)).unwrap();
        workspace.publish().unwrap();
    }
    assert_eq!(dropped(&store), before);
    // Once that file is gone, the rest goes, too.
    workspace.remove(&path("lost")).unwrap();
    workspace.publish().unwrap();
    for number in 0..300 {
        put(&mut workspace, "a", &noise(100 + number, 50)).unwrap();
        workspace.publish().unwrap();
    }
    assert!(dropped(&store) > before + 200, "{}", dropped(&store));
    let mut other = member(&store);
    other.refresh(None).unwrap();
    assert_eq!(read(&other, "a"), noise(399, 50));
}

#[test]
fn many_lists_that_are_not_here_are_asked_for_bit_by_bit() {
    let store = store();
    let mut maker = member(&store);
    for number in 0..600 {
        put(&mut maker, &format!("f{number}"), &noise(number, 40_000)).unwrap();
    }
    maker.publish().unwrap();
    for number in 0..3 {
        put(&mut maker, "f0", &noise(1000 + number, 40_000)).unwrap();
        maker.publish().unwrap();
    }
    let before = dropped(&store);
    let mut other = member_with(&store, Arc::new(Pages::default()));
    other.refresh(None).unwrap();
    let mut calls = Vec::new();
    for number in 0..400 {
        put(&mut other, "f1", &noise(2000 + number, 50)).unwrap();
        let begun = store.calls.load(SeqCst);
        other.publish().unwrap();
        calls.push(store.calls.load(SeqCst) - begun);
    }
    assert!(calls.iter().all(|calls| *calls < 300), "{calls:?}");
    assert!(dropped(&store) > before + 100, "{}", dropped(&store));
    assert_eq!(named(&other), kept(&store));
    let mut last = member(&store);
    last.refresh(None).unwrap();
    assert_eq!(read(&last, "f599"), noise(599, 40_000));
    assert_eq!(read(&last, "f0"), noise(1002, 40_000));
}

#[test]
fn a_store_that_refuses_what_is_dropped_gets_the_point_without() {
    let store = store();
    store.refuses_drops.store(true, SeqCst);
    let mut workspace = member(&store);
    for number in 0..20 {
        put(&mut workspace, "a", &noise(number, 200_000)).unwrap();
        workspace.publish().unwrap();
    }
    let points = store.heads.lock().unwrap().len();
    assert_eq!((points, dropped(&store)), (20, 0));
    let mut other = member(&store);
    other.refresh(workspace.point()).unwrap();
    assert_eq!(read(&other, "a"), noise(19, 200_000));
    // All are named still, and go once the store takes it.
    store.refuses_drops.store(false, SeqCst);
    put(&mut other, "a", &noise(20, 200_000)).unwrap();
    other.publish().unwrap();
    assert!(dropped(&store) >= 19, "{}", dropped(&store));
    assert_eq!(named(&other), kept(&store));
}
