//! Bytes the medium is given for each byte the guest writes, when the space for changes is 80 % full:
//!
//! ```text
//! cargo run --release -p gobag-bundle --example steady_state -- [QUOTA-MIB [SEGMENT-MIB]]
//! ```
//!
//! A volume as large as four fifths of the quota is filled in order, then overwritten in random blocks, with a flush
//! every 32: three times the quota, counted for each quota's worth. Blocks are noise, so compression gives nothing away.
//! `uniform`: all blocks alike. `skewed`: four of five writes go to a fifth of the blocks, which lie scattered. The
//! medium is memory that counts; what is read does not count.

mod measure;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use gobag_bundle::{Volume as _, store::StoreVolume};
use gobag_format::limits::BLOCK_LEN;

use measure::{VOLUME, fill_with_noise, new_store, peak_memory_mib, spread};

const BLOCK: u64 = BLOCK_LEN as u64;
const MIB: u64 = 1 << 20;
const FLUSH_EVERY: u64 = 32;
/// Times the quota that is overwritten.
const ROUNDS: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<u64> = std::env::args()
        .skip(1)
        .map(|arg| arg.parse())
        .collect::<Result<_, _>>()?;
    let quota = args.first().copied().unwrap_or(1024) * MIB / BLOCK;
    let segment_len = args.get(1).copied().unwrap_or(64) * MIB;
    for (name, skewed) in [("uniform", false), ("skewed", true)] {
        measure(name, skewed, quota, segment_len)?;
    }
    eprintln!("peak memory {} MiB, the medium included", peak_memory_mib()?);
    Ok(())
}

fn measure(name: &str, skewed: bool, quota: u64, segment_len: u64) -> Result<(), Box<dyn Error>> {
    let blocks = quota * 4 / 5;
    let (medium, store) = new_store(blocks, quota, segment_len)?;
    let volume = StoreVolume::new(Arc::clone(&store), VOLUME, None);
    let mut data = vec![0; 1 << 20];
    for first in (0..blocks).step_by(data.len() / BLOCK_LEN) {
        let len = data.len().min(((blocks - first) * BLOCK) as usize);
        fill_with_noise(first, &mut data[..len]);
        volume.write_at(first * BLOCK, &data[..len])?;
    }
    store.flush()?;
    let mut data = vec![0; BLOCK_LEN];
    for round in 1..=ROUNDS {
        let (log, checkpoints) = (medium.log.load(Relaxed), medium.checkpoints.load(Relaxed));
        for nth in round * quota..(round + 1) * quota {
            let block = match (skewed, spread(nth)) {
                (false, random) => random % blocks,
                (true, random) if random % 5 < 4 => (random / 5) % (blocks / 5) * 5,
                (true, random) => {
                    let cold = (random / 5) % (blocks - blocks / 5);
                    cold / 4 * 5 + cold % 4 + 1
                }
            };
            fill_with_noise(nth << 32 | block, &mut data);
            volume.write_at(block.min(blocks - 1) * BLOCK, &data)?;
            if nth % FLUSH_EVERY == 0 {
                volume.flush()?;
            }
        }
        let per_byte =
            |counter: &AtomicU64, before| (counter.load(Relaxed) - before) as f64 / (quota * BLOCK) as f64;
        let (log, checkpoints) = (
            per_byte(&medium.log, log),
            per_byte(&medium.checkpoints, checkpoints),
        );
        println!(
            "{name} {round} {:.3} log {log:.3} checkpoints {checkpoints:.3}",
            log + checkpoints
        );
    }
    eprintln!("{:?}", store.status());
    Ok(store.close()?)
}
