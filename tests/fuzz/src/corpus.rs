//! A target's inputs in one small file: `corpus/<target>.zst`, a zstd frame of inputs, each behind its length (u32).
//!
//! One file and not a folder of hundreds, so that a changed corpus is one line in the history.

use std::{fs, io, path::PathBuf};

use crate::Target;

/// Where the stored corpora are.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The file of a target.
pub fn file(target: &Target) -> PathBuf {
    folder().join(format!("{}.zst", target.name))
}

/// The stored inputs of a target; none where there is no file.
pub fn load(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let packed = match fs::read(file(target)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        packed => packed?,
    };
    let bytes = zstd::stream::decode_all(&packed[..])?;
    let mut rest = &bytes[..];
    let mut inputs = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk() {
        let len = u32::from_le_bytes(*len) as usize;
        let (input, after) = after.split_at_checked(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        inputs.push(input.to_vec());
        rest = after;
    }
    Ok(inputs)
}

/// The bytes of a target's file with these inputs, in an order that does not depend on how they were found.
pub fn pack(mut inputs: Vec<Vec<u8>>) -> io::Result<Vec<u8>> {
    inputs.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let mut bytes = Vec::new();
    for input in inputs {
        bytes.extend_from_slice(&(input.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&input);
    }
    zstd::stream::encode_all(&bytes[..], 19)
}
