//! A workspace as one member has it open.

use std::{collections::BTreeSet, io::Read, sync::Arc};

use gobag_format::{
    crypto::{Key, Random},
    digest::Digest,
    ids::{PointId, WorkspaceId},
    limits::MAX_KEY_LEN,
    workspace::{BlobError, Body, Entry, EntryKind, WorkspaceHead, WorkspaceKeys},
};
use gobag_reconcile::{File, Name, RelPath};

use crate::{
    FileReader, PageCache, Store, StoreError, WorkspaceError,
    body::{self, Before},
    edit::{Changes, Coming},
    fetch::Fetcher,
    history::Earlier,
    key::tree_key,
    limits,
    packer::Packer,
    tree::Tree,
};

/// What it takes to open a workspace.
pub struct Options<'a> {
    /// Which it is.
    pub id: WorkspaceId,
    /// Its key, which its members have.
    pub key: &'a Key,
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// What keeps its pages here.
    pub cache: Arc<dyn PageCache>,
    /// By what name it goes here.
    pub name: String,
    /// By what name this member goes.
    pub by: String,
    /// For names of attempts.
    pub random: Arc<dyn Random>,
    /// How many packs may be added until it is looked which ones nothing needs any more, by how many were needed the last time: [`crate::sweep_after`].
    pub sweep_after: fn(usize) -> u64,
}

/// An open workspace: its newest point, and what is changed on the way to the next.
pub struct Workspace {
    pub(crate) id: WorkspaceId,
    name: String,
    /// By what name this member goes.
    pub(crate) by: String,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) head: Option<WorkspaceHead>,
    pub(crate) changes: Changes,
    pub(crate) packer: Packer,
    /// Packs that the store has not lost, as far as it was asked since the newest point.
    present: BTreeSet<Digest>,
    /// The last attempt at a point.
    pub(crate) sent: Option<PointId>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) sweep_after: fn(usize) -> u64,
}

impl Workspace {
    /// Opens it; [`Workspace::refresh`] asks for its newest point.
    pub fn new(options: Options<'_>) -> Self {
        let keys = Arc::new(WorkspaceKeys::of(options.key));
        let fetcher = Arc::new(Fetcher::new(options.store, keys, options.cache));
        Self {
            id: options.id,
            name: options.name,
            by: options.by,
            packer: Packer::new(Arc::clone(&fetcher), Arc::clone(&options.random)),
            random: options.random,
            sweep_after: options.sweep_after,
            fetcher,
            head: None,
            sent: None,
            changes: Changes::new(),
            present: BTreeSet::new(),
        }
    }

    /// Which it is.
    pub fn id(&self) -> WorkspaceId {
        self.id
    }

    /// By what name it goes here.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest point that it knows: its generation and the attempt that made it.
    pub fn point(&self) -> Option<(u64, PointId)> {
        self.head.as_ref().map(|head| (head.generation, head.point))
    }

    /// Asks for the newest point, and forgets what was changed since the last. `known` is the newest that was ever seen: one that is older, or of another
    /// history, is an error.
    pub fn refresh(&mut self, known: Option<(u64, PointId)>) -> Result<(), WorkspaceError> {
        self.changes.clear();
        self.present.clear();
        let newest = self.fetcher.store.newest()?;
        let found = newest.as_ref().map_or(0, |newest| newest.generation);
        let head = match newest {
            Some(newest) => Some(self.open(newest.generation, &newest.head)?),
            None => None,
        };
        if let Some((generation, point)) = known {
            let put_back = WorkspaceError::PutBack {
                found,
                known: generation,
            };
            let is_known = match &head {
                Some(head) if head.generation == generation => head.point == point,
                Some(head) if head.generation > generation => match self.earlier(head, generation)? {
                    Earlier::Made(made) => made == point,
                    // Whoever withholds it may have put back anything.
                    Earlier::Lost => false,
                    Earlier::Unsaid => match self.fetcher.store.head(generation)? {
                        Some(head) => self.open(generation, &head)?.point == point,
                        // One that is not kept any more says nothing.
                        None => true,
                    },
                },
                _ => false,
            };
            if !is_known {
                return Err(put_back);
            }
        }
        let is_made = |head: &WorkspaceHead| {
            let mut made = head.points.iter().chain([&head.point]);
            made.any(|point| Some(*point) == self.sent)
        };
        if head.as_ref().is_some_and(is_made) {
            // The answer got lost.
            self.forget_packs();
        }
        self.head = head;
        Ok(())
    }

    pub(crate) fn open(&self, generation: u64, sealed: &[u8]) -> Result<WorkspaceHead, WorkspaceError> {
        let head = WorkspaceHead::open(&self.fetcher.keys, self.id, sealed)?;
        match head.generation == generation {
            true => Ok(head),
            // An older one in the place of this.
            false => Err(BlobError::Damaged.into()),
        }
    }

    /// The tree of the newest point.
    pub fn tree(&self) -> Result<Tree, WorkspaceError> {
        let root = match &self.head {
            Some(head) => match &head.tree {
                Some(root) => Some((head.tree_level, root.blob()?)),
                None => None,
            },
            None => None,
        };
        Ok(Tree {
            fetcher: Arc::clone(&self.fetcher),
            root,
        })
    }

    /// What is at a path in the newest point.
    pub fn find(&self, path: &RelPath) -> Result<Option<Entry>, WorkspaceError> {
        self.tree()?.find(&tree_key(path)?)
    }

    /// What is at a path by what was changed since.
    pub fn kind(&self, path: &RelPath) -> Result<Option<EntryKind>, WorkspaceError> {
        match self.changes.get(&tree_key(path)?) {
            Some(change) => Ok(change.as_ref().map(|coming| coming.kind.clone())),
            None => Ok(self.find(path)?.map(|entry| entry.kind)),
        }
    }

    /// Whether nothing is in the folder at `path`.
    pub fn is_empty(&self, path: &RelPath) -> Result<bool, WorkspaceError> {
        let within = [path.as_bytes(), &[0]].concat();
        let mut changed = self
            .changes
            .range(within.clone()..)
            .take_while(|(key, _)| key.starts_with(&within));
        if changed.any(|(_, change)| change.is_some()) {
            return Ok(false);
        }
        let mut is_empty = true;
        self.tree()?.each_with(&within, &mut |entry| {
            is_empty = matches!(self.changes.get(&entry.key), Some(None));
            is_empty
        })?;
        Ok(is_empty)
    }

    /// The first name in the folder at `path` of which `is` holds, by the newest point; `is` hears whether it is a folder.
    pub fn find_in(
        &self,
        path: &RelPath,
        is: &dyn Fn(&Name, bool) -> bool,
    ) -> Result<Option<Name>, WorkspaceError> {
        let within = [path.as_bytes(), &[0]].concat();
        let mut found = None;
        self.tree()?.each_with(&within, &mut |entry| {
            let name = Name::new(&entry.key[within.len()..]).ok();
            found = name.filter(|name| is(name, entry.kind == EntryKind::Folder));
            found.is_none()
        })?;
        Ok(found)
    }

    /// Reads a file of a point.
    pub fn read(&self, file: &EntryKind) -> FileReader {
        let (body, len) = match file {
            EntryKind::File { body, len, .. } => (*body, *len),
            _ => (Body::Empty, 0),
        };
        FileReader::new(Arc::clone(&self.fetcher), &body, len)
    }

    /// What is at a path by what was changed since, to be read; none also if its bytes are in no point yet.
    pub fn readable(&self, path: &RelPath) -> Result<Option<EntryKind>, WorkspaceError> {
        Ok(self.coming(&tree_key(path)?)?.and_then(Coming::published))
    }

    /// Whether what is at a path is in no point yet.
    pub fn is_pending(&self, path: &RelPath) -> bool {
        tree_key(path).is_ok_and(|key| self.changes.contains_key(&key))
    }

    /// Whether there is something to publish.
    pub fn is_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Forgets what was changed since the newest point.
    pub fn forget_changes(&mut self) {
        self.changes.clear();
    }

    /// Sends a file's bytes, and puts it at `path`; they have to be `file`. Pieces of what is there, or else at `like`, are not sent again.
    pub fn put_file(
        &mut self,
        path: &RelPath,
        like: Option<&RelPath>,
        file: &File,
        mtime: (i64, u32),
        mode: u32,
        from: &mut dyn Read,
    ) -> Result<(), WorkspaceError> {
        let key = tree_key(path)?;
        let there = match (self.find(path)?, like) {
            (None, Some(like)) => self.find(like)?,
            (there, _) => there,
        };
        let mut before = match there.map(|entry| entry.kind) {
            // A short one is no piece of a long one.
            Some(EntryKind::File { len, .. }) if file.len <= limits::WHOLE && len > limits::WHOLE => {
                Before::default()
            }
            Some(EntryKind::File { body, len, .. }) => match Before::of(&self.fetcher, &body, len) {
                // It only saves sending what is there; whatever is wrong with that goes with it.
                Err(WorkspaceError::Format(_) | WorkspaceError::Store(StoreError::Missing)) => {
                    Before::default()
                }
                before => before?,
            },
            _ => Before::default(),
        };
        self.forget_missing(&mut before)?;
        let seed = self.fetcher.keys.cutting_seed();
        let body = body::send(&mut self.packer, seed, file, &before, from)?;
        let kind = EntryKind::File {
            executable: file.executable,
            len: file.len,
            content: file.content.0,
            mtime,
            mode: mode & 0o777,
            body: Body::Empty,
        };
        self.changes.insert(key, Some(Coming { kind, body }));
        Ok(())
    }

    /// What the store has lost is sent again. Each pack is asked for once.
    fn forget_missing(&mut self, before: &mut Before) -> Result<(), WorkspaceError> {
        let packs = before.packs();
        let asked: Vec<Digest> = packs.difference(&self.present).copied().collect();
        if !asked.is_empty() {
            let missing = self.fetcher.store.missing(&asked)?;
            before.forget(&missing);
            self.present
                .extend(asked.into_iter().filter(|pack| !missing.contains(pack)));
        }
        Ok(())
    }

    /// Puts an entry that has no bytes of its own, or those of the entry that it was, at `path`.
    pub fn put_entry(&mut self, path: &RelPath, entry: EntryKind) -> Result<(), WorkspaceError> {
        self.changes.insert(tree_key(path)?, Some(entry.into()));
        Ok(())
    }

    /// Gives what is at `from` the path `to`, with all that is in it.
    pub fn rename(&mut self, from: &RelPath, to: &RelPath) -> Result<(), WorkspaceError> {
        let mut moved = vec![(tree_key(from)?, tree_key(to)?)];
        // What is in a folder, and in folders in it.
        for end in [&[0_u8][..], b"/"] {
            let (old, new) = ([from.as_bytes(), end].concat(), [to.as_bytes(), end].concat());
            let mut add = |key: &[u8]| {
                moved.push((key.to_vec(), [&new[..], &key[old.len()..]].concat()));
                true
            };
            self.tree()?.each_with(&old, &mut |entry| add(&entry.key))?;
            let changed = self.changes.range(old.clone()..).map(|(key, _)| key);
            changed.take_while(|key| key.starts_with(&old)).for_each(|key| {
                add(key);
            });
        }
        if moved.iter().any(|(_, to)| to.len() > MAX_KEY_LEN) {
            return Err(WorkspaceError::LongPath);
        }
        moved.sort();
        moved.dedup();
        for (from, to) in moved {
            if let Some(coming) = self.coming(&from)? {
                self.changes.insert(to, Some(coming));
                self.changes.insert(from, None);
            }
        }
        Ok(())
    }

    /// Says whether its owner may run the file at `path`.
    pub fn set_executable(&mut self, path: &RelPath, is: bool) -> Result<(), WorkspaceError> {
        let key = tree_key(path)?;
        if let Some(mut coming) = self.coming(&key)? {
            if let EntryKind::File { executable, mode, .. } = &mut coming.kind {
                *executable = is;
                // Who may read it may run it, or nobody may.
                *mode = if is {
                    *mode | (*mode & 0o444) >> 2
                } else {
                    *mode & !0o111
                };
            }
            self.changes.insert(key, Some(coming));
        }
        Ok(())
    }

    fn coming(&self, key: &[u8]) -> Result<Option<Coming>, WorkspaceError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => Ok(self.tree()?.find(key)?.map(|entry| entry.kind.into())),
        }
    }

    /// Takes what is at `path` away.
    pub fn remove(&mut self, path: &RelPath) -> Result<(), WorkspaceError> {
        self.changes.insert(tree_key(path)?, None);
        Ok(())
    }
}
