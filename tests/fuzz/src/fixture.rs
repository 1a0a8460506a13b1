//! Fixed keys, and small good objects that inputs begin from.

use std::{fs::File, sync::Mutex};

use gobag_format::{
    crypto::{Key, Random},
    ids::{BundleId, ImageId},
};

pub(crate) const BUNDLE: BundleId = BundleId([0xb0; 16]);
pub(crate) const IMAGE: ImageId = ImageId([0x1a; 16]);

/// A key of its own for each `number`.
pub(crate) fn key(number: u8) -> Key {
    Key::from_bytes([number; 32])
}

/// Bytes that repeat from run to run, and never inside one: counted up.
pub(crate) struct Counting(Mutex<u8>);

impl Counting {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(0))
    }
}

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        let mut last = self.0.lock().expect("nobody panics while counting");
        *last = last.wrapping_add(1);
        out.fill(*last);
    }
}

/// The first `N` bytes as an array and the rest; zeros stand for what is not there.
pub(crate) fn split<const N: usize>(input: &[u8]) -> ([u8; N], &[u8]) {
    let mut head = [0; N];
    let len = input.len().min(N);
    head[..len].copy_from_slice(&input[..len]);
    (head, &input[len..])
}

/// An empty file that never reaches a disk, where the system has a place for that.
pub(crate) fn file() -> File {
    tempfile::tempfile_in("/dev/shm")
        .or_else(|_| tempfile::tempfile())
        .expect("there is a place for temporary files")
}
