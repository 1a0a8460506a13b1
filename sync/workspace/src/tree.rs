//! The tree as one point has it.

use std::{collections::HashMap, sync::Arc};

use gobag_format::workspace::{BlobError, BlobKind, BlobRef, Entry, Leaf, Node, NodeChild};

use crate::{WorkspaceError, fetch::Fetcher};

/// The tree of one point.
#[derive(Clone)]
pub struct Tree {
    pub(crate) fetcher: Arc<Fetcher>,
    /// Its root, and how many levels of nodes there are.
    pub(crate) root: Option<(u8, BlobRef)>,
}

/// All pages, but for what is in the leaves.
#[derive(Default)]
pub(crate) struct Pages {
    /// In the order of their keys.
    pub(crate) leaves: Vec<NodeChild>,
    /// Nodes by level and first key.
    pub(crate) nodes: HashMap<(u8, Vec<u8>), (Vec<NodeChild>, BlobRef)>,
}

impl Tree {
    /// Goes through all entries in the order of their keys, until one is an error.
    pub fn for_each<E: From<WorkspaceError>>(
        &self,
        each: &mut dyn FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        for child in self.pages()?.leaves {
            for entry in self.leaf(&child.blob)?.entries {
                each(entry)?;
            }
        }
        Ok(())
    }

    /// The entry of this key.
    pub fn find(&self, key: &[u8]) -> Result<Option<Entry>, WorkspaceError> {
        let Some((mut level, mut blob)) = self.root else {
            return Ok(None);
        };
        while level > 0 {
            let node = self.node(&blob, level)?;
            let after = node.children.partition_point(|child| child.first[..] <= *key);
            let Some(child) = after.checked_sub(1).map(|at| &node.children[at]) else {
                return Ok(None);
            };
            blob = child.blob;
            level -= 1;
        }
        let mut entries = self.leaf(&blob)?.entries;
        let found = entries.binary_search_by(|entry| entry.key[..].cmp(key));
        Ok(found.ok().map(|at| entries.swap_remove(at)))
    }

    /// The entries whose keys begin with `start`, in order, as long as `each` wants more.
    pub(crate) fn each_with(
        &self,
        start: &[u8],
        each: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<(), WorkspaceError> {
        let leaves = self.pages()?.leaves;
        let first = leaves
            .partition_point(|child| child.first[..] <= *start)
            .saturating_sub(1);
        for child in &leaves[first.min(leaves.len())..] {
            if child.first[..] > *start && !child.first.starts_with(start) {
                break;
            }
            for entry in self.leaf(&child.blob)?.entries {
                if entry.key.starts_with(start) && !each(entry) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub(crate) fn leaf(&self, blob: &BlobRef) -> Result<Leaf, WorkspaceError> {
        let plain = self.fetcher.page(BlobKind::Leaf, blob)?;
        Ok(Leaf::decode(&plain, blob.pack)?)
    }

    fn node(&self, blob: &BlobRef, level: u8) -> Result<Node, WorkspaceError> {
        let plain = self.fetcher.page(BlobKind::Node, blob)?;
        Ok(Node::decode(&plain, blob.pack, level)?)
    }

    pub(crate) fn pages(&self) -> Result<Pages, WorkspaceError> {
        let mut pages = Pages::default();
        match self.root {
            None => {}
            Some((0, blob)) => {
                let leaf = self.leaf(&blob)?;
                let first = leaf.entries.first().map(|entry| entry.key.clone());
                pages.leaves.push(NodeChild {
                    first: first.unwrap_or_default(),
                    entries: leaf.entries.len() as u64,
                    blob,
                });
            }
            Some((level, blob)) => self.pages_below(level, blob, &mut pages)?,
        }
        Ok(pages)
    }

    fn pages_below(&self, level: u8, blob: BlobRef, pages: &mut Pages) -> Result<(), WorkspaceError> {
        let node = self.node(&blob, level)?;
        for child in &node.children {
            match level {
                // In order as a whole, too: a page of another place would have entries come twice, or any number of times.
                1 if pages.leaves.last().is_some_and(|last| last.first >= child.first) => {
                    return Err(BlobError::Damaged.into());
                }
                1 => pages.leaves.push(child.clone()),
                _ => self.pages_below(level - 1, child.blob, pages)?,
            }
        }
        if let Some(first) = node.children.first() {
            let key = (level, first.first.clone());
            pages.nodes.insert(key, (node.children, blob));
        }
        Ok(())
    }
}
