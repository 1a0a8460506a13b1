//! Layers put on top of each other: what is where in the end, and in which layer its content lies.
//!
//! The tree knows every path but no content, so an image of any size is flattened in memory for its names alone. It is
//! filled in a first reading of the layers; [`crate::flatten`] then reads them a second time and passes on what the tree
//! still refers to.
//!
//! What must stay true:
//!
//! 1. A path in the tree never goes through a symbolic link: links in the folder part of an entry's path are followed
//!    inside the tree when the entry is put in (as container engines do; images made on a merged `/usr` rely on it).
//!    So nothing that unpacks the result can be led out of its folder.
//! 2. A file is an *inode*, named by the entry that has its content; hard links are names of the same inode. So content
//!    survives as long as any of its names, whichever layer deleted the one it came with.
//! 3. The whiteouts of a layer are applied before its entries, wherever they stand in it: they hide what is below the
//!    layer and never what is in it, as the OCI image specification says.

mod apply;
mod resolve;

use std::collections::BTreeMap;

use crate::{
    entry::{Meta, Timestamp},
    path::ImagePath,
};

pub(crate) use apply::build;

/// An entry by the number of its layer, from the bottom, and its number in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source {
    pub(crate) layer: usize,
    pub(crate) entry: u64,
}

/// Which inode, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InodeId(usize);

/// Everything that is not a folder, once for all its names.
#[derive(Debug)]
pub(crate) struct Inode {
    /// The entry with the content.
    pub(crate) source: Source,
    pub(crate) kind: InodeKind,
    /// The first bytes, for the few files that `Keep` asked for.
    pub(crate) head: Option<Box<[u8]>>,
}

/// What the tree has to know of an inode.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InodeKind {
    File { size_bytes: u64, stored_bytes: u64 },
    Symlink { target: Box<[u8]> },
    Special,
}

#[derive(Debug)]
pub(crate) enum Node {
    Folder(Folder),
    Inode(InodeId),
}

#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) meta: Meta,
    children: BTreeMap<Box<[u8]>, Node>,
}

impl Folder {
    /// A folder that no entry describes, because only things in it are named.
    fn implied() -> Self {
        Self::new(Meta {
            mode: 0o755,
            uid: 0,
            gid: 0,
            modified: Timestamp::default(),
            records: Vec::new(),
        })
    }

    fn new(meta: Meta) -> Self {
        Self {
            meta,
            children: BTreeMap::new(),
        }
    }

    /// Names and nodes in byte order.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.children.iter().map(|(name, node)| (&**name, node))
    }
}

/// The flattened image.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Folder,
    inodes: Vec<Inode>,
}

impl Tree {
    fn new() -> Self {
        Self {
            root: Folder::implied(),
            inodes: Vec::new(),
        }
    }

    pub(crate) fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.0]
    }

    /// The node at exactly this path, without following anything.
    pub(crate) fn node<'a>(&self, components: impl IntoIterator<Item = &'a [u8]>) -> Option<Found<'_>> {
        let mut found = Found::Folder(&self.root);
        for name in components {
            let Found::Folder(folder) = found else {
                return None;
            };
            found = match folder.children.get(name)? {
                Node::Folder(folder) => Found::Folder(folder),
                Node::Inode(id) => Found::Inode(*id),
            };
        }
        Some(found)
    }

    /// What `path` means to a program running in the image: symbolic links are followed, the last one too.
    pub(crate) fn lookup(&self, path: &str) -> Option<Found<'_>> {
        let resolved = self.resolve_all(path.as_bytes())?;
        self.node(resolved.components())
    }

    /// The path that `path` leads to; nothing when it leads nowhere.
    pub(crate) fn resolve_all(&self, path: &[u8]) -> Option<ImagePath> {
        let components = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
        let resolved = self.resolve(components).ok()?;
        let resolved = ImagePath::from_components(resolved.iter().map(|name| &**name)).ok()?;
        self.node(resolved.components()).map(|_| resolved)
    }

    /// Calls `visit` for every node, folders before what is in them, in byte order of the names.
    pub(crate) fn walk<'t>(&'t self, visit: &mut dyn FnMut(&[&'t [u8]], Found<'t>)) {
        let mut path: Vec<&'t [u8]> = Vec::new();
        visit(&path, Found::Folder(&self.root));
        let mut open = vec![self.root.children.iter()];
        while let Some(children) = open.last_mut() {
            let Some((name, node)) = children.next() else {
                open.pop();
                path.pop();
                continue;
            };
            path.push(name);
            match node {
                Node::Folder(folder) => {
                    visit(&path, Found::Folder(folder));
                    open.push(folder.children.iter());
                }
                Node::Inode(id) => {
                    visit(&path, Found::Inode(*id));
                    path.pop();
                }
            }
        }
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'t> {
    Folder(&'t Folder),
    Inode(InodeId),
}

#[cfg(test)]
mod tests;
