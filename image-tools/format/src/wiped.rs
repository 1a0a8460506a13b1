//! Buffers for what users write, emptied of it when they are given back.
//!
//! Keys are in [`zeroize`] types, which store every single byte by a write of its own that no compiler may leave out.
//! For the stream of a volume's content that costs as much as compressing it. These buffers are overwritten as fast
//! as memory goes; that the compiler leaves it out is made as unlikely as safe code can.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};

/// A buffer that is overwritten with zeros, all it ever allocated, before its memory is given back. Growing gives
/// memory back, too, and does not overwrite it: reserve what is needed first.
#[derive(Default)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// Takes over a buffer.
    pub fn new(buffer: Vec<u8>) -> Self {
        Self(buffer)
    }

    fn wipe(&mut self) {
        // Within its capacity, so it is not moved.
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        black_box(&mut self.0);
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_reaches_everything_that_was_allocated() {
        let mut buffer = Wiped::new(Vec::with_capacity(100));
        buffer.extend_from_slice(&[7; 90]);
        let (place, capacity) = (buffer.as_ptr(), buffer.capacity());
        buffer.truncate(3);
        buffer.wipe();
        assert_eq!((buffer.as_ptr(), buffer.len()), (place, capacity));
        assert!(buffer.iter().all(|byte| *byte == 0));
    }
}
