//! Every door of a volume is held to the same: FUSE, and the block socket at a Unix socket and on the loopback network.
//!
//! - [`story`]: random operations against a plain buffer, with crashes; what was flushed through the door is there
//!   afterwards, and what is there is a single moment of the past;
//! - [`clients`]: programs that nobody here wrote agree with each other and with us.
//!
//! A launcher that is killed for real, and a stick pulled while a guest writes, are tests of the launcher's own
//! (`launcher/cli/tests/program`).

mod clients;
mod files;
mod nbd;
mod story;

use std::{fs::File, io, time::Duration};

use gobag_mount::Export;
use gobag_tests::ask;

/// What leaving in good order may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kinds of doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Files,
    Socket,
    Loopback,
}

impl Kind {
    fn is_here(self) -> bool {
        self != Self::Files || ask::has("fuse", File::options().write(true).open("/dev/fuse").is_ok())
    }

    fn open(self, exports: Vec<Export>) -> Box<dyn Door> {
        match self {
            Self::Files => Box::new(files::Door::open(exports)),
            Self::Socket => Box::new(nbd::Door::open(exports, false)),
            Self::Loopback => Box::new(nbd::Door::open(exports, true)),
        }
    }
}

/// An open door. Dropped, it goes as it goes in a crash.
trait Door {
    /// What a program is told to find the export `name`.
    fn target(&self, name: &str) -> String;
    /// A client of the exports with these names.
    fn client(&self, names: &[&str]) -> Box<dyn Client>;
    /// Leaves in good order; clients must have gone.
    fn close(&mut self);
}

/// A program that uses volumes, named by their position.
trait Client {
    fn read(&mut self, volume: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    fn write(&mut self, volume: usize, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Write, and be told when it is durable.
    fn write_durably(&mut self, volume: usize, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Let a range read as zero: by trim, or by writing zeroes.
    fn clear(&mut self, volume: usize, offset: u64, len: u64, trim: bool) -> io::Result<()>;
    fn flush(&mut self, volume: usize) -> io::Result<()>;
    /// Writes that do not touch each other, all under way at once.
    fn write_together(&mut self, volume: usize, writes: &[(u64, Vec<u8>)]) -> io::Result<()>;
}
