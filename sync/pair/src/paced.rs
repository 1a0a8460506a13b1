//! A file that is read no faster than it may be, and no further once somebody has ended the pass.

use std::io::{self, Read};

use gobag_files::{Attribute, Source};
use gobag_format::Monitor;

use crate::Pace;

/// Bytes that wait together: a limit of a few of them a second is still an even one.
const TURN: usize = 16 << 10;

/// What is being read.
pub(crate) struct Paced<'a, R> {
    from: &'a mut R,
    pace: &'a Pace,
    monitor: &'a dyn Monitor,
    read: u64,
}

impl<'a, R: Read> Paced<'a, R> {
    pub(crate) fn new(from: &'a mut R, pace: &'a Pace, monitor: &'a dyn Monitor) -> Self {
        Self {
            from,
            pace,
            monitor,
            read: 0,
        }
    }

    fn goes_on(&self) -> io::Result<()> {
        match self.monitor.is_cancelled() {
            true => Err(io::Error::from(rustix::io::Errno::CANCELED)),
            false => Ok(()),
        }
    }

    /// Bytes so far; the monitor has been told.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read
    }
}

impl<R: Source> Source for Paced<'_, R> {
    fn skip_hole(&mut self) -> io::Result<u64> {
        let hole = self.from.skip_hole()?;
        if hole > 0 {
            self.goes_on()?;
        }
        Ok(hole)
    }

    fn attributes(&self) -> Vec<Attribute> {
        self.from.attributes()
    }
}

impl<R: Read> Read for Paced<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(TURN);
        let read = self.from.read(&mut buffer[..most])?;
        (self.pace)(read);
        self.goes_on()?;
        self.monitor.advance(read as u64);
        self.read += read as u64;
        Ok(read)
    }
}
