//! A folder of the user's that is kept the same as another: what differs in it from what was known, and changes that lose nothing.
//!
//! ```text
//! Root ──▶ scan ──▶ what differs, with the stamp of each
//!   └────▶ Changes: stage ─▶ flush ─▶ put in place, what was there into the version store ─▶ flush
//! ```
//!
//! Nothing here follows a symbolic link or leaves the root, also where somebody swaps a folder for a link meanwhile: paths are opened with
//! `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`. Nothing of the user's is ever deleted here: what is replaced or removed is moved to the version store
//! at the top of the root ([`OURS`]).
#![cfg(target_os = "linux")]

mod below;
mod changes;
mod error;
mod filter;
mod found;
mod hash;
mod keep;
mod limits;
mod names;
mod root;
mod run;
mod scan;
mod stage;
mod stamp;
mod store;
mod versions;
mod walked;

pub use below::Below;
pub use changes::{Changes, Ready, Staged};
pub use error::FilesError;
pub use filter::{BadPattern, FILTER, Filter};
pub use found::{Found, Scan, Slice};
pub use hash::{Attribute, Reading, Source, content_of, content_while};
pub use keep::{KeepRules, Step, keep};
pub use limits::{MAX_DEPTH, MAX_FILTER_LEN};
pub use names::is_ours;
pub use root::{OURS, Root, RootId};
pub use run::{run_name, run_time};
pub use scan::{Base, Known, ScanError, Scope, files_known, scan, walk};
pub use stage::once;
pub use stamp::Stamp;
pub use store::{Kept, Pruned, all_versions, is_gone, is_there, prune};
pub use versions::{Version, known, put_back, replace, restore, versions};
pub use walked::Walked;
