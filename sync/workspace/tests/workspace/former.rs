//! How much is got for a change by somebody who has the file as it was before.

use std::{
    io::{self, Read as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use gobag_workspace::Former;

use crate::lab::{Memory, Pages, member, member_with, noise, path, put};

const LEN: usize = 12 << 20;

/// Fails after so many reads.
struct Here(Vec<u8>, AtomicUsize);

impl Former for Here {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let left = |reads: usize| reads.checked_sub(1);
        if self.1.fetch_update(SeqCst, SeqCst, left).is_err() {
            return Err(io::Error::other("it was told to"));
        }
        let rest = self.0.get(at as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        bytes[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}

/// Bytes that come for a change to somebody who got the file as it was before, and has `here` now; what is read is what was put.
fn got_beside(before: &[u8], after: &[u8], here: &[u8], reads: usize) -> u64 {
    let store = Arc::new(Memory::default());
    let mut first = member(&store);
    put(&mut first, "d/big", before).unwrap();
    first.publish().unwrap();
    let mut second = member_with(&store, Arc::new(Pages::default()));
    second.refresh(None).unwrap();
    let kind = second.find(&path("d/big")).unwrap().unwrap().kind;
    io::copy(&mut second.read(&kind), &mut io::sink()).unwrap();
    put(&mut first, "d/big", after).unwrap();
    first.publish().unwrap();
    let went = store.went.load(SeqCst);
    second.refresh(second.point()).unwrap();
    let kind = second.find(&path("d/big")).unwrap().unwrap().kind;
    let mut reader = second.read(&kind);
    reader.beside(|| Some(Box::new(Here(here.to_vec(), AtomicUsize::new(reads)))));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == after);
    store.went.load(SeqCst) - went
}

fn got(before: &[u8], after: &[u8]) -> u64 {
    got_beside(before, after, before, usize::MAX)
}

#[test]
fn a_small_change_of_a_long_file_gets_little() {
    let before = noise(1, LEN);
    let mut after = before.clone();
    after[LEN / 2..LEN / 2 + 4096].copy_from_slice(&noise(2, 4096));
    let (middle, front) = (got(&before, &after), got(&before, &[&[7], &before[..]].concat()));
    assert!(middle < 60 << 10, "{middle}");
    assert!(front < 60 << 10, "{front}");
    let mut scattered = before.clone();
    for at in 0..100 {
        let at = at * (LEN / 100) + 1000;
        scattered[at..at + 4096].copy_from_slice(&noise(at as u64, 4096));
    }
    let scattered = got(&before, &scattered);
    assert!(scattered < 2600 << 10, "{scattered}");
    // What is taken out, and what changes its place.
    let (out, turned) = (
        got(&before, &before[LEN / 3..]),
        got(&before, &[&before[LEN / 2..], &before[..LEN / 2]].concat()),
    );
    assert!(out < 60 << 10, "{out}");
    assert!(turned < 120 << 10, "{turned}");
    println!(
        "4 KiB in the middle: {middle}, a byte in front: {front}, 100 times 4 KiB: {scattered}, a third out: {out}, halves turned: {turned}"
    );
}

/// It is only looked at to get less.
#[test]
fn whatever_is_here_the_file_is_the_one_that_was_put() {
    let before = noise(1, LEN);
    let after = [&before[..LEN / 2], &noise(2, 100_000), &before[LEN / 2..]].concat();
    let all = got_beside(&before, &after, &[], usize::MAX);
    assert!(all as usize > LEN, "{all}");
    let half = got_beside(&before, &after, &before[..LEN / 2], usize::MAX);
    // A pack of which several pieces are wanted comes as a whole.
    assert!(half < all * 3 / 4, "{half} {all}");
    got_beside(&before, &after, &noise(3, LEN), usize::MAX);
    got_beside(&before, &after, &vec![0; LEN], usize::MAX);
    for reads in [0, 1, 2, 7] {
        got_beside(&before, &after, &before, reads);
    }
}

#[test]
fn a_disk_that_fails_is_not_asked_again() {
    /// Counts how often it is asked.
    struct Failing(Arc<AtomicUsize>);

    impl Former for Failing {
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            self.0.fetch_add(1, SeqCst);
            Err(io::Error::other("it was told to"))
        }
    }

    let bytes = noise(1, 1 << 20);
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    put(&mut workspace, "f", &bytes).unwrap();
    workspace.publish().unwrap();
    let kind = workspace.find(&path("f")).unwrap().unwrap().kind;
    let mut reader = workspace.read(&kind);
    let asked = Arc::new(AtomicUsize::new(0));
    reader.beside(|| Some(Box::new(Failing(Arc::clone(&asked)))));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == bytes);
    assert_eq!(asked.load(SeqCst), 1);
}

/// Somebody writes to it while it is read.
#[test]
fn what_was_written_over_meanwhile_is_got() {
    /// Something else from the second time on that a place is read.
    struct Twice(Vec<u8>, AtomicUsize);

    impl Former for Twice {
        fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
            let seen = self.1.fetch_max(at as usize + bytes.len(), SeqCst);
            let rest = self.0.get(at as usize..).unwrap_or_default();
            let read = rest.len().min(bytes.len());
            bytes[..read].copy_from_slice(&rest[..read]);
            if (at as usize) < seen {
                bytes.fill(7);
            }
            Ok(read)
        }
    }

    let before = noise(1, 2 << 20);
    // The second half is read past the first, and then the first again.
    let after = [&before[1 << 20..], &before[..1 << 20]].concat();
    let store = Arc::new(Memory::default());
    let mut workspace = member(&store);
    put(&mut workspace, "f", &after).unwrap();
    workspace.publish().unwrap();
    let kind = workspace.find(&path("f")).unwrap().unwrap().kind;
    let mut reader = workspace.read(&kind);
    reader.beside(|| Some(Box::new(Twice(before, AtomicUsize::new(0)))));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == after);
}
