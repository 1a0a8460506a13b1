//! The files of a company share as its members keep them: a tree of sealed pages and pieces in packs, published as one point after another.
//!
//! ```text
//! Store ◀─ packs ◀─ Packer ◀─ pieces of files, lists of them, pages of the tree ◀─ Edit ─▶ publish: compare-and-swap of the head
//!   └─────▶ Fetcher ─▶ pages ─▶ Tree: entries in the order of their keys ─▶ what differs; pieces ─▶ a file's bytes
//! ```
//!
//! Who keeps the packs sees when they come, how long they are and which parts are asked for; the format is `docs/format/workspace.md`. Nothing that
//! comes from there is believed before it opened under its name.

mod ahead;
mod body;
mod cut;
mod edit;
mod error;
mod fetch;
mod former;
mod history;
mod item;
mod key;
mod limits;
mod packer;
mod past;
mod publish;
mod store;
mod sweep;
mod tree;
mod workspace;

pub use ahead::Ahead;
pub use body::FileReader;
pub use error::WorkspaceError;
pub use fetch::{NoCache, PageCache};
pub use former::Former;
pub use item::item_of;
pub use key::path_of;
pub use limits::WHOLE;
pub use past::Was;
pub use store::{NewHead, Store, StoreError, StoredHead, StoredPoint};
pub use sweep::sweep_after;
pub use tree::Tree;
pub use workspace::{Options, Workspace};
