//! What a program said, for its tests: two buffers in place of the two streams.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What a [`crate::Ui::captured`] said.
#[derive(Clone, Default)]
pub struct Captured {
    pub(crate) out: Buffer,
    pub(crate) err: Buffer,
}

impl Captured {
    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.out.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
