//! A store in memory that counts, and can be told to fail.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
};

use gobag_format::{
    crypto::{Key, Random},
    digest::Digest,
    ids::WorkspaceId,
    workspace::BlobName,
};
use gobag_reconcile::{Content, File, RelPath};
use gobag_workspace::{
    NewHead, NoCache, Options, PageCache, Store, StoreError, StoredHead, StoredPoint, Workspace,
    WorkspaceError,
};

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) packs: Mutex<HashMap<Digest, Vec<u8>>>,
    pub(crate) heads: Mutex<Vec<NewHead>>,
    /// Bytes that came.
    pub(crate) came: AtomicU64,
    /// Bytes that went.
    pub(crate) went: AtomicU64,
    /// Calls.
    pub(crate) calls: AtomicUsize,
    /// So many calls work, then none; 0: all.
    pub(crate) works: AtomicUsize,
    /// Whether it drops packs.
    pub(crate) lets_go: AtomicBool,
    /// Whether it refuses points that drop some.
    pub(crate) refuses_drops: AtomicBool,
}

impl Memory {
    fn call(&self) -> Result<(), StoreError> {
        let calls = self.calls.fetch_add(1, SeqCst);
        let works = self.works.load(SeqCst);
        match works > 0 && calls >= works {
            true => Err(StoreError::Offline("it was told to".into())),
            false => Ok(()),
        }
    }
}

impl Store for Memory {
    fn newest(&self) -> Result<Option<StoredHead>, StoreError> {
        self.call()?;
        let heads = self.heads.lock().unwrap();
        Ok(heads.last().map(|head| StoredHead {
            generation: head.generation,
            head: head.head.clone(),
        }))
    }

    fn head(&self, generation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.call()?;
        let heads = self.heads.lock().unwrap();
        let found = heads.iter().find(|head| head.generation == generation);
        Ok(found.map(|head| head.head.clone()))
    }

    fn points(&self, before: Option<u64>) -> Result<Vec<StoredPoint>, StoreError> {
        self.call()?;
        let heads = self.heads.lock().unwrap();
        let told = heads.iter().rev().map(|head| StoredPoint {
            generation: head.generation,
            made_s: Some(1000 * head.generation),
        });
        let told = told.filter(|point| before.is_none_or(|before| point.generation < before));
        Ok(told.take(2).collect())
    }

    fn get(&self, pack: Digest, range: Option<Range<u32>>) -> Result<Vec<u8>, StoreError> {
        self.call()?;
        let packs = self.packs.lock().unwrap();
        let bytes = packs.get(&pack).ok_or(StoreError::Missing)?;
        let bytes = match range {
            Some(range) => bytes
                .get(range.start as usize..range.end as usize)
                .unwrap_or_default(),
            None => bytes,
        };
        self.went.fetch_add(bytes.len() as u64, SeqCst);
        Ok(bytes.to_vec())
    }

    fn put(&self, pack: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.call()?;
        assert!(Digest::of(bytes) == pack && bytes.len() <= 4 << 20);
        self.came.fetch_add(bytes.len() as u64, SeqCst);
        self.packs.lock().unwrap().insert(pack, bytes.to_vec());
        Ok(())
    }

    fn lets_go(&self) -> bool {
        self.lets_go.load(SeqCst)
    }

    fn publish(&self, new: &NewHead) -> Result<(), StoreError> {
        self.call()?;
        assert!(new.head.len() <= 64 << 10, "{}", new.head.len());
        self.came.fetch_add(new.head.len() as u64, SeqCst);
        if !new.drops.is_empty() && self.refuses_drops.load(SeqCst) {
            return Err(StoreError::Refused("these are not here".into()));
        }
        let mut heads = self.heads.lock().unwrap();
        let last = heads.last().map(|head| (head.generation, head.point));
        if last.map(|(_, point)| point) != new.after || last.map_or(0, |(last, _)| last) + 1 != new.generation
        {
            return Err(StoreError::Raced);
        }
        let mut packs = self.packs.lock().unwrap();
        assert!(new.adds.iter().all(|pack| packs.contains_key(pack)));
        // At once: as if nobody kept what was before.
        let gone = new.drops.iter().filter(|pack| packs.remove(pack).is_some());
        assert_eq!(gone.count(), new.drops.len());
        heads.push(new.clone());
        Ok(())
    }
}

pub(crate) const ID: WorkspaceId = WorkspaceId([1; 16]);

/// Draws what nobody drew before it in this process.
struct Counted;

impl Random for Counted {
    fn fill(&self, out: &mut [u8]) {
        static DRAWN: AtomicU64 = AtomicU64::new(0);
        let bytes = noise(DRAWN.fetch_add(1, SeqCst), out.len());
        out.copy_from_slice(&bytes);
    }
}

/// Pages in memory.
#[derive(Default)]
pub(crate) struct Pages(Mutex<HashMap<BlobName, Vec<u8>>>);

impl PageCache for Pages {
    fn get(&self, name: &BlobName) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(name).cloned()
    }

    fn put(&self, name: &BlobName, sealed: &[u8]) {
        self.0.lock().unwrap().insert(*name, sealed.to_vec());
    }
}

pub(crate) fn member(store: &Arc<Memory>) -> Workspace {
    member_with(store, Arc::new(NoCache))
}

pub(crate) fn member_with(store: &Arc<Memory>, cache: Arc<dyn PageCache>) -> Workspace {
    open(Arc::clone(store) as Arc<dyn Store>, cache)
}

pub(crate) fn member_at(store: Arc<dyn Store>) -> Workspace {
    open(store, Arc::new(NoCache))
}

fn open(store: Arc<dyn Store>, cache: Arc<dyn PageCache>) -> Workspace {
    Workspace::new(Options {
        id: ID,
        key: &Key::from_bytes([5; 32]),
        store,
        cache,
        name: "sales".to_owned(),
        by: "Ada".to_owned(),
        random: Arc::new(Counted),
        sweep_after: |needed| needed as u64 / 4,
    })
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

pub(crate) fn file(bytes: &[u8]) -> File {
    File {
        content: Content(Digest::of(bytes).0),
        len: bytes.len() as u64,
        executable: false,
    }
}

pub(crate) fn put(workspace: &mut Workspace, at: &str, mut bytes: &[u8]) -> Result<(), WorkspaceError> {
    let file = file(bytes);
    workspace.put_file(&path(at), None, &file, (-5, 7), 0o640, &mut bytes)
}

/// Bytes that nothing shortens.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
