//! The bytes of a file in shared pages: copying a whole medium costs a few thousand pointers.

use std::sync::Arc;

use crate::rng::Rng;

const PAGE: usize = 4096;

#[derive(Clone)]
pub(super) struct Pages {
    pages: Vec<Arc<[u8; PAGE]>>,
    len: u64,
}

impl Pages {
    /// `len` bytes of noise. One page of it is enough: nobody finds meaning in it.
    pub(super) fn noise(len: u64, rng: &mut Rng) -> Self {
        let mut page = [0; PAGE];
        rng.fill(&mut page);
        Self {
            pages: std::iter::repeat_n(Arc::new(page), len.div_ceil(PAGE as u64) as usize).collect(),
            len,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn shorten(&mut self, len: u64) {
        self.len = self.len.min(len);
    }

    /// Fills `out`; the range must lie inside.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let (page, at) = split(offset + done as u64);
            let len = (PAGE - at).min(out.len() - done);
            out[done..done + len].copy_from_slice(&self.pages[page][at..at + len]);
            done += len;
        }
    }

    /// Overwrites; the range must lie inside.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let (page, at) = split(offset + done as u64);
            let len = (PAGE - at).min(data.len() - done);
            Arc::make_mut(&mut self.pages[page])[at..at + len].copy_from_slice(&data[done..done + len]);
            done += len;
        }
    }
}

fn split(offset: u64) -> (usize, usize) {
    ((offset / PAGE as u64) as usize, (offset % PAGE as u64) as usize)
}
