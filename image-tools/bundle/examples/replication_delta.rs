//! What a replica has to be given after scattered small writes:
//!
//! ```text
//! cargo run --release -p gobag-bundle --example replication_delta
//! ```
//!
//! A volume of 1 GiB is written from end to end and received by a replica; then 256 of its blocks change, at random
//! places. Printed are the bytes of data in the snapshot that is taken then; that all changed blocks are in it is checked.

mod measure;

use std::{collections::HashSet, error::Error};

use gobag_bundle::Volume as _;
use gobag_bundle::store::{SnapshotRun, StoreVolume};
use gobag_format::limits::BLOCK_LEN;

use measure::{VOLUME, fill_with_noise, new_store, peak_memory_mib, spread};

const BLOCKS: u64 = (1 << 30) / BLOCK_LEN as u64;
const WRITES: u64 = 256;
const REPLICA: u8 = 0;
const SEGMENT_LEN: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let (_, store) = new_store(BLOCKS, BLOCKS, SEGMENT_LEN)?;
    let volume = StoreVolume::new(store.clone(), VOLUME, None);
    let mut data = vec![0; 1 << 20];
    for first in (0..BLOCKS).step_by(data.len() / BLOCK_LEN) {
        fill_with_noise(first, &mut data);
        volume.write_at(first * BLOCK_LEN as u64, &data)?;
    }
    store.flush()?;
    store.track(REPLICA, VOLUME)?;
    store.snapshot(REPLICA, u64::MAX)?.sent(&[]);
    store.confirm(REPLICA);
    if !store.snapshot(REPLICA, u64::MAX)?.runs().is_empty() {
        return Err("what was received is sent again".into());
    }
    let mut changed = HashSet::new();
    for nth in 0..WRITES {
        let block = spread(nth) % BLOCKS;
        fill_with_noise(!block, &mut data[..BLOCK_LEN]);
        volume.write_at(block * BLOCK_LEN as u64, &data[..BLOCK_LEN])?;
        changed.insert(block);
    }
    store.flush()?;
    let snapshot = store.snapshot(REPLICA, u64::MAX)?;
    let blocks = |run: &SnapshotRun| run.first_block..run.first_block + run.blocks;
    let sent: HashSet<u64> = snapshot.runs().iter().flat_map(blocks).collect();
    println!("delta {} of {WRITES} writes", snapshot.data_bytes());
    if !changed.is_subset(&sent) {
        return Err("a changed block is not sent".into());
    }
    eprintln!("peak memory {} MiB, the medium included", peak_memory_mib()?);
    Ok(store.close()?)
}
