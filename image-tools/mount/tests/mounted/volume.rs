//! Volumes for tests: one in memory that counts and can be told to fail, and a gate that makes it slow.

use std::{
    io,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gobag_bundle::{Volume, VolumeError};

/// What the next calls of a volume shall do.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Good,
    Full,
    Gone,
    Damaged,
    Panics,
}

/// A disk in memory.
pub(crate) struct Memory {
    bytes: Mutex<Vec<u8>>,
    pub(crate) mood: Mutex<Mood>,
    pub(crate) read_only: bool,
    pub(crate) flushes: AtomicU64,
    pub(crate) trims: AtomicU64,
    gate: Gate,
}

/// Closed, it holds everybody who comes; `waiting` are they.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Memory {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            bytes: Mutex::new(vec![0; size]),
            mood: Mutex::new(Mood::Good),
            read_only: false,
            flushes: AtomicU64::new(0),
            trims: AtomicU64::new(0),
            gate: Gate::default(),
        }
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().expect("lock") = mood;
    }

    pub(crate) fn contents(&self) -> Vec<u8> {
        self.bytes.lock().expect("lock").clone()
    }

    pub(crate) fn close_gate(&self) {
        self.gate.state.lock().expect("lock").0 = true;
    }

    pub(crate) fn open_gate(&self) {
        self.gate.state.lock().expect("lock").0 = false;
        self.gate.changed.notify_all();
    }

    /// Waits until `count` calls are held by the gate.
    pub(crate) fn wait_for_held(&self, count: usize) {
        let state = self.gate.state.lock().expect("lock");
        let deadline = Duration::from_secs(20);
        let few = |state: &mut (bool, usize)| state.1 < count;
        let (state, timeout) = self
            .gate
            .changed
            .wait_timeout_while(state, deadline, few)
            .expect("lock");
        assert!(!timeout.timed_out(), "only {} of {count} calls arrived", state.1);
    }

    fn pass(&self) -> Result<(), VolumeError> {
        let mut state = self.gate.state.lock().expect("lock");
        state.1 += 1;
        self.gate.changed.notify_all();
        let mut state = self
            .gate
            .changed
            .wait_while(state, |state| state.0)
            .expect("lock");
        state.1 -= 1;
        drop(state);
        let mood = *self.mood.lock().expect("lock");
        match mood {
            Mood::Good => Ok(()),
            Mood::Full => Err(VolumeError::Full),
            Mood::Gone => Err(VolumeError::Medium(io::Error::other("unplugged"))),
            Mood::Damaged => Err(VolumeError::Damaged {
                what: "chunk 41".to_owned(),
            }),
            Mood::Panics => panic!("expected in this test"),
        }
    }

    fn range(&self, offset: u64, len: usize) -> Result<std::ops::Range<usize>, VolumeError> {
        let size = self.size_bytes();
        match offset.checked_add(len as u64) {
            Some(end) if end <= size => Ok(offset as usize..end as usize),
            _ => Err(VolumeError::OutOfRange {
                offset,
                len: len as u64,
                size,
            }),
        }
    }
}

impl Volume for Memory {
    fn size_bytes(&self) -> u64 {
        self.bytes.lock().expect("lock").len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VolumeError> {
        self.pass()?;
        let range = self.range(offset, buffer.len())?;
        buffer.copy_from_slice(&self.bytes.lock().expect("lock")[range]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VolumeError> {
        self.pass()?;
        let range = self.range(offset, data.len())?;
        self.bytes.lock().expect("lock")[range].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.pass()?;
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn trim(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        self.pass()?;
        self.trims.fetch_add(1, Ordering::SeqCst);
        let range = self.range(offset, len as usize)?;
        self.bytes.lock().expect("lock")[range].fill(0);
        Ok(())
    }
}
