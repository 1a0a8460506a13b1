//! What is changed, on the way to the next point.

use std::collections::{BTreeMap, BTreeSet, HashSet, btree_map::Range};

use gobag_format::{
    digest::Digest,
    workspace::{BlobKind, BlobRef, Entry, EntryKind, Leaf, Node, NodeChild, WorkspaceKeys},
};

use crate::{
    StoreError, WorkspaceError,
    body::PackedBody,
    cut::Cut,
    limits,
    packer::{Packed, Packer},
    tree::{Pages, Tree},
};

/// What an entry becomes; its packs may not be whole yet.
#[derive(Clone, Debug)]
pub(crate) struct Coming {
    /// With another body, if it is a file.
    pub(crate) kind: EntryKind,
    pub(crate) body: PackedBody,
}

impl From<EntryKind> for Coming {
    fn from(kind: EntryKind) -> Self {
        let body = match &kind {
            EntryKind::File { body, .. } => (*body).into(),
            _ => PackedBody::Empty,
        };
        Self { kind, body }
    }
}

impl Coming {
    /// The same as an entry, if its bytes are in a point.
    pub(crate) fn published(self) -> Option<EntryKind> {
        let mut kind = self.kind;
        if let EntryKind::File { body, .. } = &mut kind {
            let blob = match self.body.at() {
                Some(packed) => Some(packed.published()?),
                None => None,
            };
            *body = self.body.body(blob);
        }
        Some(kind)
    }
}

/// Changes by key; none: it goes.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Coming>>;

/// A page that may be of the point before, or in a pack that is not whole yet.
#[derive(Clone)]
struct Page {
    first: Vec<u8>,
    entries: u64,
    at: Packed,
}

impl From<&NodeChild> for Page {
    fn from(child: &NodeChild) -> Self {
        Self {
            first: child.first.clone(),
            entries: child.entries,
            at: child.blob.into(),
        }
    }
}

/// An entry of the new tree.
#[derive(Clone)]
struct Next {
    key: Vec<u8>,
    coming: Coming,
}

impl From<Entry> for Next {
    fn from(Entry { key, kind }: Entry) -> Self {
        let coming = Coming::from(kind);
        Self { key, coming }
    }
}

/// The root of the tree that `tree` becomes by these changes, with its level. Pages in which nothing changed stay where they are.
pub(crate) fn rebuild(
    tree: &Tree,
    changes: &Changes,
    packer: &mut Packer,
) -> Result<Option<(u8, Packed)>, WorkspaceError> {
    let old = tree.pages()?;
    let lost = lost(tree, &old)?;
    let keys = &tree.fetcher.keys;
    let mut pages = leaves(tree, &old, &lost, changes, packer, keys)?;
    let mut level = 0;
    while pages.len() > 1 {
        level += 1;
        pages = nodes(&old, &lost, level, &pages, packer, keys)?;
    }
    Ok(pages.first().map(|page| (level, page.at)))
}

/// Packs with pages that the store has no more: what is kept of them here is put into others.
fn lost(tree: &Tree, old: &Pages) -> Result<HashSet<Digest>, WorkspaceError> {
    let leaves = old.leaves.iter().map(|child| child.blob.pack);
    let nodes = old.nodes.values().map(|(_, blob)| blob.pack);
    let packs: BTreeSet<Digest> = leaves.chain(nodes).collect();
    let packs: Vec<Digest> = packs.into_iter().collect();
    match packs.is_empty() {
        true => Ok(HashSet::new()),
        false => Ok(tree.fetcher.store.missing(&packs)?.into_iter().collect()),
    }
}

fn leaves(
    tree: &Tree,
    old: &Pages,
    lost: &HashSet<Digest>,
    changes: &Changes,
    packer: &mut Packer,
    keys: &WorkspaceKeys,
) -> Result<Vec<Page>, WorkspaceError> {
    let cut = Cut {
        most: limits::PAGE,
        is_end: &|entry: &Next| keys.is_end(&entry.key, limits::PAGE_END),
        weight: &|entry: &Next| entry.key.len() + weight(&entry.coming.kind),
    };
    let mut made = Vec::new();
    // Entries that do not end a leaf yet.
    let mut open: Vec<Next> = Vec::new();
    for (at, child) in old.leaves.iter().enumerate() {
        let is_first = at == 0;
        let next = old.leaves.get(at + 1).map(|next| &next.first[..]);
        let mut within = within(changes, (!is_first).then_some(&child.first[..]), next);
        let is_as_it_was = open.is_empty() && within.next().is_none();
        if is_as_it_was && !lost.contains(&child.blob.pack) {
            made.push(Page::from(child));
            continue;
        }
        let entries = match tree.leaf(&child.blob) {
            // Nobody here has it either: it stays lost, and what is beside it does not.
            Err(WorkspaceError::Store(StoreError::Missing)) if is_as_it_was => {
                made.push(Page::from(child));
                continue;
            }
            leaf => leaf?.entries,
        };
        let within = self::within(changes, (!is_first).then_some(&child.first[..]), next);
        open.extend(merge(entries, within));
        if next.is_some() {
            open = end_leaves(&cut, open, packer, &mut made)?;
        }
    }
    if old.leaves.is_empty() {
        open.extend(merge(Vec::new(), within(changes, None, None)));
    }
    for (group, _) in cut.groups(&open) {
        made.push(leaf(group, packer)?);
    }
    Ok(made)
}

/// Makes the leaves that end; what is left begins the next.
fn end_leaves(
    cut: &Cut<'_, Next>,
    open: Vec<Next>,
    packer: &mut Packer,
    made: &mut Vec<Page>,
) -> Result<Vec<Next>, WorkspaceError> {
    for (group, ends) in cut.groups(&open) {
        match ends {
            true => made.push(leaf(group, packer)?),
            false => return Ok(group.to_vec()),
        }
    }
    Ok(Vec::new())
}

/// Changes from this key on and before that one.
fn within<'a>(
    changes: &'a Changes,
    from: Option<&[u8]>,
    to: Option<&[u8]>,
) -> Range<'a, Vec<u8>, Option<Coming>> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let from = from.map_or(Unbounded, Included);
    let to = to.map_or(Unbounded, Excluded);
    changes.range::<[u8], _>((from, to))
}

fn merge(entries: Vec<Entry>, changes: Range<'_, Vec<u8>, Option<Coming>>) -> Vec<Next> {
    let mut merged: BTreeMap<Vec<u8>, Next> = entries
        .into_iter()
        .map(|entry| (entry.key.clone(), entry.into()))
        .collect();
    for (key, change) in changes {
        match change {
            Some(coming) => {
                let (key, coming) = (key.clone(), coming.clone());
                merged.insert(key.clone(), Next { key, coming });
            }
            None => drop(merged.remove(key)),
        }
    }
    merged.into_values().collect()
}

fn weight(kind: &EntryKind) -> usize {
    match kind {
        EntryKind::Folder => 4,
        EntryKind::Link(text) => text.len() + 4,
        EntryKind::File { .. } => 80,
    }
}

fn leaf(entries: &[Next], packer: &mut Packer) -> Result<Page, WorkspaceError> {
    let refs: Vec<Packed> = entries
        .iter()
        .filter_map(|entry| entry.coming.body.at())
        .collect();
    let at = packer.add_page(BlobKind::Leaf, &refs, &|blobs| {
        let mut blobs = blobs.iter().copied();
        let entries = entries.iter().map(|entry| {
            let mut kind = entry.coming.kind.clone();
            if let EntryKind::File { body, .. } = &mut kind {
                let blob: Option<BlobRef> = entry.coming.body.at().and_then(|_| blobs.next());
                *body = entry.coming.body.body(blob);
            }
            let key = entry.key.clone();
            Entry { key, kind }
        });
        let entries = entries.collect();
        Leaf { entries }.encode()
    })?;
    Ok(Page {
        first: entries.first().map(|entry| entry.key.clone()).unwrap_or_default(),
        entries: entries.len() as u64,
        at,
    })
}

fn nodes(
    old: &Pages,
    lost: &HashSet<Digest>,
    level: u8,
    pages: &[Page],
    packer: &mut Packer,
    keys: &WorkspaceKeys,
) -> Result<Vec<Page>, WorkspaceError> {
    // A leaf's last key is not known here; its first one is as good, with the level, for else a page that ends one level ends them all.
    let is_end = |page: &Page| keys.is_end(&[&[0, level], &page.first[..]].concat(), limits::PAGE_END);
    let cut = Cut {
        most: limits::PAGE,
        is_end: &is_end,
        weight: &|page: &Page| page.first.len() + 60,
    };
    let mut made = Vec::new();
    for (group, _) in cut.groups(pages) {
        let first = group.first().map(|page| page.first.clone()).unwrap_or_default();
        let entries = group.iter().map(|page| page.entries).sum();
        let same = old.nodes.get(&(level, first.clone())).filter(|(children, blob)| {
            !lost.contains(&blob.pack)
                && children.len() == group.len()
                && children
                    .iter()
                    .zip(group)
                    .all(|(child, page)| is_same(child, page))
        });
        let at = match same {
            Some((_, blob)) => (*blob).into(),
            None => node(level, group, packer)?,
        };
        made.push(Page { first, entries, at });
    }
    Ok(made)
}

fn is_same(child: &NodeChild, page: &Page) -> bool {
    child.first == page.first && Packed::from(child.blob) == page.at
}

fn node(level: u8, pages: &[Page], packer: &mut Packer) -> Result<Packed, WorkspaceError> {
    let refs: Vec<Packed> = pages.iter().map(|page| page.at).collect();
    packer.add_page(BlobKind::Node, &refs, &|blobs| {
        let children = blobs.iter().zip(pages).map(|(blob, page)| NodeChild {
            first: page.first.clone(),
            entries: page.entries,
            blob: *blob,
        });
        let children = children.collect();
        Node { children }.encode(level)
    })
}
