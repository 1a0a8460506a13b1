//! Keys of the tree: the folder's path, a zero byte, the name. So the entries of a folder stand together, in the order of their names.

use gobag_format::{limits::MAX_KEY_LEN, workspace::BlobError};
use gobag_reconcile::{Name, RelPath};

use crate::WorkspaceError;

/// The key of a path; none of one that is too long.
pub(crate) fn tree_key(path: &RelPath) -> Result<Vec<u8>, WorkspaceError> {
    let folder = path.parent().unwrap_or_default();
    let mut key = folder.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(path.name().unwrap_or_default());
    match key.len() <= MAX_KEY_LEN {
        true => Ok(key),
        false => Err(WorkspaceError::LongPath),
    }
}

/// The path of a key. Whoever wrote it, it leads nowhere but down.
pub fn path_of(key: &[u8]) -> Result<RelPath, WorkspaceError> {
    let damaged = || WorkspaceError::Format(BlobError::Damaged);
    let at = key.iter().position(|byte| *byte == 0).ok_or_else(damaged)?;
    let folder = RelPath::new(&key[..at]).map_err(|_| damaged())?;
    let name = Name::new(&key[at + 1..]).map_err(|_| damaged())?;
    Ok(folder.join(&name))
}
