//! What an entry of the tree is to the planner.

use gobag_format::workspace::EntryKind;
use gobag_reconcile::{Content, File, Item};

/// The same as an item, wherever its bytes are.
pub fn item_of(kind: &EntryKind) -> Item {
    match kind {
        EntryKind::Folder => Item::Folder,
        EntryKind::Link(text) => Item::Link(text[..].into()),
        EntryKind::File {
            executable,
            len,
            content,
            ..
        } => Item::File(File {
            content: Content(*content),
            len: *len,
            executable: *executable,
        }),
    }
}
