//! Stores that lie, fail, or are shared.

use std::{
    io::Read as _,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use gobag_workspace::{StoreError, WorkspaceError};

use crate::lab::{Memory, file, member, noise, path, put};

#[test]
fn of_two_who_publish_at_once_one_does_and_the_other_sends_no_bytes_twice() {
    let store = Arc::new(Memory::default());
    let (mut one, mut other) = (member(&store), member(&store));
    one.refresh(None).unwrap();
    other.refresh(None).unwrap();
    let big = noise(1, 5 << 20);
    put(&mut one, "a", b"1").unwrap();
    put(&mut other, "b", &big).unwrap();
    one.publish().unwrap();
    let raced = other.publish();
    assert!(
        matches!(raced, Err(WorkspaceError::Store(StoreError::Raced))),
        "{raced:?}"
    );
    let came = store.came.load(SeqCst);
    other.refresh(None).unwrap();
    put(&mut other, "b", &big).unwrap();
    other.publish().unwrap();
    assert!(store.came.load(SeqCst) - came < 20 << 10);
    one.refresh(one.point()).unwrap();
    assert!(one.find(&path("a")).unwrap().is_some() && one.find(&path("b")).unwrap().is_some());
}

#[test]
fn a_store_that_was_put_back_is_noticed() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    for number in 1..=3 {
        put(&mut workspace, "a", &noise(number, 50)).unwrap();
        workspace.publish().unwrap();
    }
    let seen = workspace.point();
    assert_eq!(seen.map(|(generation, _)| generation), Some(3));
    workspace.refresh(seen).unwrap();
    let put_back = |found: Result<(), WorkspaceError>| {
        assert!(
            matches!(found, Err(WorkspaceError::PutBack { known: 3, .. })),
            "{found:?}"
        );
    };
    let heads = store.heads.lock().unwrap().clone();
    store.heads.lock().unwrap().truncate(2);
    put_back(workspace.refresh(seen));
    // And went on since: the same number is another point, and so is what is built on it.
    let mut other = member(&store);
    other.refresh(None).unwrap();
    for number in [13, 14] {
        put(&mut other, "b", &noise(number, 50)).unwrap();
        other.publish().unwrap();
        put_back(workspace.refresh(seen));
    }
    // An old head in the place of a new one.
    let mut lie = heads[0].clone();
    lie.generation = 3;
    *store.heads.lock().unwrap() = vec![heads[0].clone(), heads[1].clone(), lie];
    assert!(matches!(workspace.refresh(seen), Err(WorkspaceError::Format(_))));
    store.heads.lock().unwrap().clear();
    put_back(workspace.refresh(seen));
}

#[test]
fn what_was_put_back_is_noticed_where_the_points_of_then_are_kept_no_more() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    let mut seen = Vec::new();
    let mut publish = |number: u64| {
        put(&mut workspace, "a", &noise(number, 50)).unwrap();
        workspace.publish().unwrap();
        seen.push(workspace.point());
    };
    (1..=40).for_each(&mut publish);
    // The store is put back to the 39th point, and others go on from there. The first 200 are let go.
    store.heads.lock().unwrap().pop();
    let mut other = member(&store);
    other.refresh(None).unwrap();
    for number in 40..=300 {
        put(&mut other, "b", &noise(number, 50)).unwrap();
        other.publish().unwrap();
    }
    store.heads.lock().unwrap().drain(..200);
    for known in [seen[0], seen[7], seen[38]] {
        member(&store).refresh(known).unwrap();
    }
    let noticed = member(&store).refresh(seen[39]);
    assert!(
        matches!(
            noticed,
            Err(WorkspaceError::PutBack {
                known: 40,
                found: 300
            })
        ),
        "{noticed:?}"
    );
}

#[test]
fn other_bytes_than_were_said_are_not_published() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    for (said, sent) in [
        (noise(1, 60_000), noise(2, 60_000)),
        (noise(1, 50), noise(1, 51)),
        (noise(1, 60_000), noise(1, 59_999)),
        (vec![], vec![1]),
    ] {
        let put = workspace.put_file(&path("a"), None, &file(&said), (0, 0), 0, &mut &sent[..]);
        assert!(matches!(put, Err(WorkspaceError::OtherContent)), "{put:?}");
    }
    assert!(!workspace.is_changed());
    workspace.publish().unwrap();
    assert!(store.heads.lock().unwrap().is_empty());
}

#[test]
fn whatever_is_altered_no_wrong_byte_is_read() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    let bytes = noise(1, 200_000);
    put(&mut workspace, "d/a", &bytes).unwrap();
    put(&mut workspace, "d/b", b"b").unwrap();
    workspace.publish().unwrap();
    let packs = store.packs.lock().unwrap().clone();
    let (mut right, mut refused) = (0, 0);
    for (id, pack) in &packs {
        for at in (0..pack.len()).step_by(501) {
            store.packs.lock().unwrap().get_mut(id).unwrap()[at] ^= 1;
            let mut reader = member(&store);
            let read = reader.refresh(None).and_then(|()| {
                let entry = reader.find(&path("d/a"))?.expect("it is there");
                let mut read = Vec::new();
                let result = reader.read(&entry.kind).read_to_end(&mut read);
                Ok(result.map(|_| read))
            });
            match read {
                Ok(Ok(read)) if read == bytes => right += 1,
                Ok(Ok(_)) => panic!("wrong bytes at {at}"),
                Ok(Err(_)) | Err(_) => refused += 1,
            }
            store.packs.lock().unwrap().insert(*id, pack.clone());
        }
    }
    // What is not of this file does not matter to it.
    assert!(refused > 300 && right < 10, "{refused} {right}");
}

#[test]
fn cut_off_at_any_call_the_point_before_is_there_and_the_next_try_works() {
    for works in 1.. {
        let store = Arc::new(Memory::default());
        let mut workspace = member(&store);
        put(&mut workspace, "a", &noise(1, 100)).unwrap();
        workspace.publish().unwrap();
        let first = workspace.point();
        store.works.store(store.calls.load(SeqCst) + works, SeqCst);
        let tried = workspace
            .refresh(first)
            .and_then(|()| put(&mut workspace, "b", &noise(2, 9 << 20)))
            .and_then(|()| workspace.remove(&path("a")))
            .and_then(|()| workspace.publish());
        store.works.store(0, SeqCst);
        let mut other = member(&store);
        other.refresh(None).unwrap();
        let is_done = tried.is_ok();
        assert_eq!(other.find(&path("b")).unwrap().is_some(), is_done);
        assert_eq!(other.find(&path("a")).unwrap().is_none(), is_done);
        if is_done {
            assert!(works > 4);
            return;
        }
        workspace.refresh(first).unwrap();
        put(&mut workspace, "b", &noise(2, 9 << 20)).unwrap();
        workspace.publish().unwrap();
    }
}
