//! How much is sent for a change.

use std::{
    io,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use crate::lab::{Memory, Pages, member, member_with, noise, path, put};

/// Bytes that came and went for a change of a file, in all; who makes it has what was read before, or not.
fn moved(before: &[u8], after: &[u8], has_read: bool) -> u64 {
    let store = Arc::new(Memory::default());
    let mut first = member(&store);
    put(&mut first, "d/big", before).unwrap();
    for at in 0..500 {
        put(&mut first, &format!("d/{at}"), &noise(at, 50)).unwrap();
    }
    first.publish().unwrap();
    // Another member, which got the file; later it is another run of its program.
    let pages = Arc::new(Pages::default());
    if has_read {
        let mut reader = member_with(&store, pages.clone());
        reader.refresh(None).unwrap();
        let kind = reader.find(&path("d/big")).unwrap().unwrap().kind;
        assert_eq!(
            io::copy(&mut reader.read(&kind), &mut io::sink()).unwrap(),
            before.len() as u64
        );
    }
    let count = || store.came.load(SeqCst) + store.went.load(SeqCst);
    let moved = count();
    let mut workspace = member_with(&store, pages);
    workspace.refresh(None).unwrap();
    put(&mut workspace, "d/big", after).unwrap();
    workspace.publish().unwrap();
    count() - moved
}

fn sent(before: &[u8], after: &[u8]) -> u64 {
    moved(before, after, true)
}

#[test]
fn a_small_change_of_a_long_file_sends_little() {
    const LEN: usize = 48 << 20;
    let before = noise(1, LEN);
    let mut after = before.clone();
    after[LEN / 2..LEN / 2 + 4096].copy_from_slice(&noise(2, 4096));
    let (middle, front) = (
        sent(&before, &after),
        sent(&before, &[&[7], &before[..]].concat()),
    );
    // A piece or two, its lists, a leaf and what is above it.
    assert!(middle < 60 << 10, "{middle}");
    assert!(front < 60 << 10, "{front}");
    let mut scattered = before.clone();
    for at in 0..100 {
        let at = at * (LEN / 100) + 1000;
        scattered[at..at + 4096].copy_from_slice(&noise(at as u64, 4096));
    }
    let scattered = sent(&before, &scattered);
    assert!(scattered < 2600 << 10, "{scattered}");
    println!("4 KiB in the middle: {middle}, a byte in front: {front}, 100 times 4 KiB: {scattered}");
}

#[test]
fn what_is_there_is_not_sent_again() {
    let bytes = noise(3, 1 << 20);
    assert!(sent(&bytes, &bytes) < 20 << 10);
    // Who has no lists any more gets them, perhaps with what is beside them.
    assert!(moved(&bytes, &bytes, false) < 2 << 20);
}

#[test]
fn many_small_files_take_few_calls() {
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    for at in 0..1000 {
        put(&mut workspace, &format!("d/{at}"), &noise(at, 300)).unwrap();
    }
    workspace.publish().unwrap();
    assert!(store.calls.load(SeqCst) <= 3, "{:?}", store.calls);
    let calls = store.calls.load(SeqCst);
    let mut other = member(&store);
    other.refresh(None).unwrap();
    let mut read = 0;
    let tree = other.tree().unwrap();
    tree.for_each(&mut |entry| -> Result<(), gobag_workspace::WorkspaceError> {
        read += std::io::copy(&mut other.read(&entry.kind), &mut std::io::sink()).unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!(read, 300_000);
    assert!(store.calls.load(SeqCst) - calls <= 5);
}
