//! Bundles and repositories: the only crate that writes to a stick.

mod ambient;
pub mod base;
pub mod build;
mod bundle;
pub mod card;
mod erase;
mod files;
mod headers;
pub mod ledger;
pub mod medium;
pub mod memory;
pub mod org;
mod parallel;
mod pool;
pub mod probe;
pub mod provision;
mod replica;
pub mod repository;
mod session;
pub mod stick;
pub mod store;
pub mod update;
pub mod verify;
mod volume;

pub use ambient::{Ambient, SystemRandom};
pub use bundle::{Bundle, ChangeError, OpenError};
pub use files::FileError;
pub use headers::{NewPassphrase, ReplaceError, Secret, ShareProof, UnlockError, share_proof};
pub use replica::{EscrowFile, NoteError, ReplicaSource};
pub use session::{Session, SessionError, SessionOptions, SessionVolume, VolumePurpose};
pub use volume::{Volume, VolumeError};
