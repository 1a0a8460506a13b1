//! What a replica has to be given after scattered small writes:
//!
//! ```text
//! cargo run --release -p gobag-bundle --example replication_delta
//! ```
//!
//! A volume of 1 GiB is written from end to end and received by a replica; then 256 of its blocks change, at random
//! places. Printed are the bytes of the blocks that [`Store::dirty`] tells then, and how many of the changed ones are
//! among them: it must be all.

mod measure;

use std::{collections::HashSet, error::Error};

use gobag_bundle::Volume as _;
use gobag_bundle::store::{Store, StoreVolume};
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
    let all = told(&store)?;
    store.received(REPLICA, VOLUME, &all);
    if !blocks(&told(&store)?).is_empty() {
        return Err("what was received is told again".into());
    }
    let mut changed = HashSet::new();
    for nth in 0..WRITES {
        let block = spread(nth) % BLOCKS;
        fill_with_noise(!block, &mut data[..BLOCK_LEN]);
        volume.write_at(block * BLOCK_LEN as u64, &data[..BLOCK_LEN])?;
        changed.insert(block);
    }
    store.flush()?;
    let bits = told(&store)?;
    let told = blocks(&bits);
    let bytes = told.len() * BLOCK_LEN;
    println!("delta {bytes} of {WRITES} writes, map {} bytes", bits.len());
    if !changed.is_subset(&told) {
        return Err("a changed block is not told".into());
    }
    eprintln!("peak memory {} MiB, the medium included", peak_memory_mib()?);
    Ok(store.close()?)
}

fn told(store: &Store) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(store.dirty(REPLICA, VOLUME).ok_or("the replica is not known")?)
}

fn blocks(bits: &[u8]) -> HashSet<u64> {
    (0..bits.len() as u64 * 8)
        .filter(|block| bits[(block / 8) as usize] >> (block % 8) & 1 == 1)
        .collect()
}
