//! What is written at the top of a store: which workspace is kept there, and in which of two ways it is written. Made once and never changed.

use gobag_format::ids::WorkspaceId;
use serde::{Deserialize, Serialize};

use crate::{
    ElsewhereError,
    calls::{Calls, Created},
    limits,
};

const MARKER: &str = "gobag-workspace";
/// The version of the store's layout.
const FORMAT: u32 = 1;

/// How a store is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By all members: the store makes a head only if it is not there. That was proved.
    Conditional,
    /// By one member; the others read.
    SingleWriter,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    format: u32,
    workspace: WorkspaceId,
    mode: Mode,
}

/// Writes it. Fails where there is one already.
pub(crate) fn make(calls: &Calls, workspace: WorkspaceId, mode: Mode) -> Result<(), ElsewhereError> {
    let taken = || ElsewhereError::Other { place: calls.place() };
    if calls.len(MARKER)?.is_some() {
        return Err(taken());
    }
    let marker = Marker {
        format: FORMAT,
        workspace,
        mode,
    };
    let text = serde_json::to_vec(&marker).expect("texts always serialise");
    match mode {
        Mode::Conditional => {
            if calls.create(MARKER, &text)? == Created::Already
                && calls.read(MARKER, limits::NOTE)?.as_deref() != Some(&text[..])
            {
                return Err(taken());
            }
        }
        Mode::SingleWriter => calls.write(MARKER, &text)?,
    }
    match calls.read(MARKER, limits::NOTE)? {
        Some(read) if read == text => Ok(()),
        _ => Err(ElsewhereError::Altered),
    }
}

/// Reads it: how this workspace is written there.
pub(crate) fn read(calls: &Calls, workspace: WorkspaceId) -> Result<Mode, ElsewhereError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let place = calls.place();
    let Some(text) = calls.read(MARKER, limits::NOTE)? else {
        return Err(ElsewhereError::NotThere { place });
    };
    let damaged = || ElsewhereError::Damaged { place: place.clone() };
    let version: Version = serde_json::from_slice(&text).map_err(|_| damaged())?;
    if version.format > FORMAT {
        return Err(ElsewhereError::Newer { place });
    }
    let marker: Marker = serde_json::from_slice(&text).map_err(|_| damaged())?;
    match marker.workspace == workspace {
        true => Ok(marker.mode),
        false => Err(ElsewhereError::Other { place }),
    }
}
