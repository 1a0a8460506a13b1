//! Packs that are on the way while the next are filled.

use std::{
    io::Read as _,
    ops::Range,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use gobag_format::digest::Digest;
use gobag_workspace::{Ahead, NewHead, Store, StoreError, StoredHead, StoredPoint, WorkspaceError};

use crate::lab::{Memory, member, member_at, noise, path, put};

/// Of the first packs each waits for another one, and some do not get there.
struct Line {
    memory: Arc<Memory>,
    puts: AtomicUsize,
    /// So many wait for each other, two by two.
    in_pairs: usize,
    two: Barrier,
    /// The one of this number fails.
    fails: Option<usize>,
}

impl Line {
    fn new(memory: &Arc<Memory>, in_pairs: usize, fails: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            memory: Arc::clone(memory),
            puts: AtomicUsize::new(0),
            in_pairs,
            two: Barrier::new(2),
            fails,
        })
    }
}

impl Store for Line {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        self.memory.newest()
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.head(generation)
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        self.memory.points(before)
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        self.memory.get(pack, range)
    }

    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let number = self.puts.fetch_add(1, SeqCst);
        if number < self.in_pairs {
            self.two.wait();
        }
        match self.fails == Some(number) {
            true => Err(StoreError::Offline("it was told to".into())),
            false => self.memory.put(pack, bytes),
        }
    }

    fn lets_go(&self) -> bool {
        false
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        self.memory.publish(new)
    }
}

fn has(memory: &Arc<Memory>, at: &str, bytes: &[u8]) {
    let mut other = member(memory);
    other.refresh(None).unwrap();
    let entry = other.find(&path(at)).unwrap().unwrap();
    let mut read = Vec::new();
    other.read(&entry.kind).read_to_end(&mut read).unwrap();
    assert!(read == bytes);
}

#[test]
fn two_are_on_the_way_at_once_and_all_are_there_when_the_point_is() {
    let memory = Arc::new(Memory::default());
    let line = Line::new(&memory, 4, None);
    let mut workspace = member_at(Arc::new(Ahead::new(line)));
    let bytes = noise(1, 20 << 20);
    put(&mut workspace, "a", &bytes).unwrap();
    workspace.publish().unwrap();
    has(&memory, "a", &bytes);
}

#[test]
fn one_that_does_not_get_there_is_told_and_sent_again() {
    let bytes = noise(1, 20 << 20);
    for fails in 0..6 {
        let memory = Arc::new(Memory::default());
        let line = Line::new(&memory, 0, Some(fails));
        let mut workspace = member_at(Arc::new(Ahead::new(Arc::clone(&line) as Arc<dyn Store>)));
        let tried = put(&mut workspace, "a", &bytes).and_then(|()| workspace.publish());
        assert!(
            matches!(tried, Err(WorkspaceError::Store(StoreError::Offline(_)))),
            "{fails}: {tried:?}"
        );
        assert!(memory.heads.lock().unwrap().is_empty());
        put(&mut workspace, "a", &bytes).unwrap();
        workspace.publish().unwrap();
        has(&memory, "a", &bytes);
        // One was sent twice, or two where it was told while the next one waited.
        let (sent, kept) = (line.puts.load(SeqCst), memory.packs.lock().unwrap().len());
        assert!((kept + 1..=kept + 2).contains(&sent), "{fails}: {sent} {kept}");
    }
}

#[test]
fn what_is_on_the_way_can_be_read() {
    let memory = Arc::new(Memory::default());
    let store = Ahead::new(memory);
    let bytes = noise(1, 1000);
    let id = Digest::of(&bytes);
    store.put(id, &bytes).unwrap();
    assert_eq!(store.get(id, Some(5..20)).unwrap(), bytes[5..20]);
}
