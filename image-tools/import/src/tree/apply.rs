//! Putting a layer on top of the tree.

use gobag_format::Monitor;

use super::{
    Folder, Found, Inode, InodeId, InodeKind, Node, Source, Tree,
    resolve::{Names, ResolveError},
};
use crate::{
    entry::{Entry, EntryStream, Kind, Layer, ReadError},
    limits::{MAX_CONTENT_BYTES, MAX_ENTRIES, MAX_KEPT_BYTES},
    path::{ImagePath, printable},
};

/// How many first bytes of the file at a path are worth keeping; nothing for nearly all of them.
pub(crate) type Keep = fn(&ImagePath, size_bytes: u64) -> Option<u64>;

/// The first bytes of a file, when they are kept.
type Head = Option<Box<[u8]>>;

const WHITEOUT: &[u8] = b".wh.";
/// Everything that starts with this is for the builder of the image, except one.
const WHITEOUT_META: &[u8] = b".wh..wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";

/// Reads `layers`, the lowest first, and puts each on top of the ones before. `whiteouts` says whether names like
/// `.wh.x` hide what is below (in container images) or are just names (in the archive of a root file system).
pub(crate) fn build(
    layers: &[Box<dyn Layer>],
    whiteouts: bool,
    keep: Keep,
    monitor: &dyn Monitor,
) -> Result<Tree, ReadError> {
    let mut applier = Applier {
        tree: Tree::new(),
        keep,
        entries: 0,
        content_bytes: 0,
        kept_bytes: 0,
    };
    for (number, layer) in layers.iter().enumerate() {
        let mut stream = layer.open(monitor)?;
        let mut batch = Batch::default();
        for index in 0.. {
            let Some(entry) = stream.next_entry()? else {
                break;
            };
            applier.count(&layer.name(), &entry)?;
            let source = Source {
                layer: number,
                entry: index,
            };
            match whiteouts.then(|| whiteout(&entry.path)).flatten() {
                Some(whiteout) => batch.whiteouts.push(whiteout),
                // Nothing is below the lowest layer, so nothing has to wait there.
                None if number == 0 || !whiteouts => {
                    let head = applier.head(&entry, stream.as_mut())?;
                    applier.put(&layer.name(), source, entry, head)?;
                }
                None => {
                    let head = applier.head(&entry, stream.as_mut())?;
                    batch.entries.push((source, entry, head));
                }
            }
        }
        stream.finish()?;
        applier.batch(&layer.name(), batch, number)?;
    }
    Ok(applier.tree)
}

/// A layer whose whiteouts must be known before its entries count.
#[derive(Default)]
struct Batch {
    whiteouts: Vec<Whiteout>,
    entries: Vec<(Source, Entry, Head)>,
}

/// What a name that starts with `.wh.` says.
#[derive(Debug, PartialEq, Eq)]
enum Whiteout {
    /// This path is gone.
    Hide { folder: ImagePath, name: Vec<u8> },
    /// Everything in this folder is gone.
    Clear { folder: ImagePath },
    /// Nothing for us.
    Ignored,
}

fn whiteout(path: &ImagePath) -> Option<Whiteout> {
    let (folder, name) = path.split_last()?;
    if name == WHITEOUT_OPAQUE {
        return Some(Whiteout::Clear { folder });
    }
    if name.starts_with(WHITEOUT_META) {
        return Some(Whiteout::Ignored);
    }
    match name.strip_prefix(WHITEOUT)? {
        // These would name the folder itself or its parent: no builder writes them, and a careless reader climbs.
        b"" | b"." | b".." => Some(Whiteout::Ignored),
        name => Some(Whiteout::Hide {
            folder,
            name: name.to_vec(),
        }),
    }
}

struct Applier {
    tree: Tree,
    keep: Keep,
    entries: u64,
    content_bytes: u64,
    kept_bytes: u64,
}

impl Applier {
    fn count(&mut self, layer: &str, entry: &Entry) -> Result<(), ReadError> {
        let limit = |what, limit| ReadError::Limit {
            name: layer.to_owned(),
            what,
            limit,
        };
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(limit("the number of entries", MAX_ENTRIES));
        }
        if let Kind::File { size_bytes, .. } = entry.kind {
            self.content_bytes += size_bytes;
            if self.content_bytes > MAX_CONTENT_BYTES {
                return Err(limit("the size of the content", MAX_CONTENT_BYTES));
            }
        }
        Ok(())
    }

    /// The first bytes of a file that somebody wants to look into later.
    fn head(&mut self, entry: &Entry, stream: &mut dyn EntryStream) -> Result<Head, ReadError> {
        let Kind::File { size_bytes, .. } = entry.kind else {
            return Ok(None);
        };
        let Some(wanted) = (self.keep)(&entry.path, size_bytes) else {
            return Ok(None);
        };
        let wanted = wanted.min(size_bytes) as usize;
        self.kept_bytes += wanted as u64;
        if self.kept_bytes > MAX_KEPT_BYTES {
            return Ok(None);
        }
        let mut head = vec![0; wanted];
        let mut filled = 0;
        while filled < wanted {
            match stream.read_content(&mut head[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        head.truncate(filled);
        Ok(Some(head.into()))
    }

    fn batch(&mut self, layer: &str, batch: Batch, number: usize) -> Result<(), ReadError> {
        if number > 0 {
            for whiteout in batch.whiteouts {
                self.whiteout(layer, whiteout)?;
            }
        }
        for (source, entry, head) in batch.entries {
            self.put(layer, source, entry, head)?;
        }
        Ok(())
    }

    fn whiteout(&mut self, layer: &str, whiteout: Whiteout) -> Result<(), ReadError> {
        let (folder, name) = match whiteout {
            Whiteout::Hide { folder, name } => (folder, Some(name)),
            Whiteout::Clear { folder } => (folder, None),
            Whiteout::Ignored => return Ok(()),
        };
        let names = self.resolve(layer, &folder)?;
        if let Some(folder) = self.existing_folder(&names) {
            match name {
                Some(name) => drop(folder.children.remove(name.as_slice())),
                None => folder.children.clear(),
            }
        }
        Ok(())
    }

    fn put(&mut self, layer: &str, source: Source, entry: Entry, head: Head) -> Result<(), ReadError> {
        let Some((parent, name)) = entry.path.split_last() else {
            // The root can only be a folder.
            if entry.kind == Kind::Folder {
                self.tree.root.meta = entry.meta;
            }
            return Ok(());
        };
        let kind = match entry.kind {
            Kind::Folder => {
                let parent = self.folder(layer, &parent)?;
                match parent.children.get_mut(name) {
                    Some(Node::Folder(folder)) => folder.meta = entry.meta,
                    _ => {
                        let folder = Node::Folder(Folder::new(entry.meta));
                        parent.children.insert(name.into(), folder);
                    }
                }
                return Ok(());
            }
            Kind::HardLink { target } => {
                let id = self.link_target(layer, &entry.path, &target)?;
                let parent = self.folder(layer, &parent)?;
                parent.children.insert(name.into(), Node::Inode(id));
                return Ok(());
            }
            Kind::File {
                size_bytes,
                stored_bytes,
            } => InodeKind::File {
                size_bytes,
                stored_bytes,
            },
            Kind::Symlink { target } => InodeKind::Symlink {
                target: target.into(),
            },
            Kind::Device { .. } | Kind::Fifo => InodeKind::Special,
        };
        let id = InodeId(self.tree.inodes.len());
        self.tree.inodes.push(Inode { source, kind, head });
        let parent = self.folder(layer, &parent)?;
        parent.children.insert(name.into(), Node::Inode(id));
        Ok(())
    }

    /// The inode that a hard link leads to. The target's folder part may go through symbolic links, like any path.
    fn link_target(&self, layer: &str, path: &ImagePath, target: &ImagePath) -> Result<InodeId, ReadError> {
        let broken = || ReadError::BrokenHardLink {
            name: layer.to_owned(),
            path: path.to_string(),
            target: target.to_string(),
        };
        let (folder, name) = target.split_last().ok_or_else(broken)?;
        let folder = self.resolve(layer, &folder)?;
        let names = folder.iter().map(|name| &**name).chain([name]);
        match self.tree.node(names) {
            Some(Found::Inode(id)) => Ok(id),
            _ => Err(broken()),
        }
    }

    /// The folder at `path`, made if need be: a later entry wins over a file that is in its way.
    fn folder(&mut self, layer: &str, path: &ImagePath) -> Result<&mut Folder, ReadError> {
        let names = self.resolve(layer, path)?;
        let mut folder = &mut self.tree.root;
        for name in names {
            let node = folder
                .children
                .entry(name)
                .or_insert_with(|| Node::Folder(Folder::implied()));
            if let Node::Inode(_) = node {
                *node = Node::Folder(Folder::implied());
            }
            folder = match node {
                Node::Folder(folder) => folder,
                Node::Inode(_) => unreachable!("replaced by a folder just above"),
            };
        }
        Ok(folder)
    }

    fn existing_folder(&mut self, names: &Names) -> Option<&mut Folder> {
        let mut folder = &mut self.tree.root;
        for name in names {
            match folder.children.get_mut(name)? {
                Node::Folder(next) => folder = next,
                Node::Inode(_) => return None,
            }
        }
        Some(folder)
    }

    fn resolve(&self, layer: &str, path: &ImagePath) -> Result<Names, ReadError> {
        let shown = || printable(path.as_bytes());
        self.tree.resolve(path.components()).map_err(|error| match error {
            ResolveError::Loop => ReadError::SymlinkLoop {
                name: layer.to_owned(),
                path: shown(),
            },
            ResolveError::Path(source) => ReadError::BadPath {
                name: layer.to_owned(),
                path: shown(),
                source,
            },
        })
    }
}
