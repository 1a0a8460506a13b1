//! Reading every changed block once.

use gobag_format::{Monitor, limits::BLOCK_LEN};

use super::Store;

/// Damaged blocks reported one by one; further ones are only counted.
const MAX_REPORTED: usize = 100;

impl Store {
    /// Reads and opens every block that the index finds in the log. Returns how many were read and what is
    /// damaged; `None` when the person asked to stop.
    pub fn verify(&self, monitor: &dyn Monitor) -> Option<(u64, Vec<String>)> {
        let (mut checked, mut damaged, mut more) = (0, Vec::new(), 0);
        let mut out = vec![0; BLOCK_LEN];
        let volumes: Vec<_> = self
            .log
            .read_state()
            .volumes
            .iter()
            .map(|index| index.volume)
            .collect();
        for volume in volumes {
            let mut next = Some(0);
            while let Some(leaf) = next {
                if monitor.is_cancelled() {
                    return None;
                }
                let words = {
                    let state = self.log.read_state();
                    let index = state.volume(volume)?;
                    next = (leaf + 1 < index.leaf_count()).then_some(leaf + 1);
                    index.unit_words_of(leaf)
                };
                for (block, word) in &words {
                    if let Err(error) = self.log.read_block(volume, *block, *word, &mut out) {
                        if damaged.len() < MAX_REPORTED {
                            damaged.push(error.to_string());
                        } else {
                            more += 1;
                        }
                    }
                }
                checked += words.len() as u64;
                monitor.advance(words.len() as u64 * BLOCK_LEN as u64);
            }
        }
        if more > 0 {
            damaged.push(format!("and {more} more blocks"));
        }
        Some((checked, damaged))
    }
}
