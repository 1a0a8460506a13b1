//! A guest's writing, at an even rate.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Bytes of one write.
const PIECE: usize = 64 << 10;
/// Bytes of the corpus that are written, past its file system's own; more than goes out between two passes.
const CORPUS: usize = 640 << 20;
const CORPUS_FROM: u64 = 128 << 20;
/// A step that is no divisor of any number of pieces or places visits them all, far from each other.
const STEP: usize = 7_919;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A Debian's programs and libraries.
    Programs,
    /// What no compression makes smaller.
    Noise,
}

/// A piece of work.
pub(super) struct Load {
    pub(super) content: Content,
    /// In a second, thousands of bytes.
    pub(super) rate_kb: u64,
    pub(super) seconds: u64,
}

impl Load {
    /// Writes to `disk`, programs from the disk `corpus`, makes it durable each second, and calls `each` then; returns how many bytes were written.
    pub(super) fn run(
        &self,
        corpus: &Path,
        disk: &Path,
        mut each: impl FnMut() -> Result<()>,
    ) -> Result<u64> {
        let content = self.content(corpus)?;
        let broken = |cause| Error::because(format!("cannot write {}", disk.display()), cause);
        let file = File::options().write(true).open(disk).map_err(broken)?;
        let places = file.metadata().map_err(broken)?.len() / PIECE as u64;
        let pieces = content.len() / PIECE;
        let began = Instant::now();
        let (mut written, mut piece, mut place) = (0, 0, 0);
        for second in 1..=self.seconds {
            while written < self.rate_kb * 1000 * second {
                (piece, place) = ((piece + STEP) % pieces, (place + STEP as u64) % places);
                let bytes = &content[piece * PIECE..][..PIECE];
                file.write_all_at(bytes, place * PIECE as u64).map_err(broken)?;
                written += PIECE as u64;
            }
            file.sync_data().map_err(broken)?;
            each()?;
            let next = began + Duration::from_secs(second);
            while Instant::now() < next {
                std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            }
        }
        Ok(written)
    }

    fn content(&self, corpus: &Path) -> Result<Vec<u8>> {
        let from = match self.content {
            Content::Programs => corpus,
            Content::Noise => Path::new("/dev/urandom"),
        };
        let broken = |cause| Error::because(format!("cannot read {}", from.display()), cause);
        let mut content = vec![0; CORPUS];
        File::open(from)
            .and_then(|mut file| {
                if self.content == Content::Programs {
                    file.seek(SeekFrom::Start(CORPUS_FROM))?;
                }
                file.read_exact(&mut content)
            })
            .map_err(broken)?;
        Ok(content)
    }
}
