//! How fast an image is read, without FUSE: `cargo run --release -p gobag-bundle --example base_throughput -- ORG
//! PASSPHRASE-FILE IMAGE [sequential | random] [threads]`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use gobag_bundle::base::{BaseImage, BaseOptions, BaseVolume};
use gobag_bundle::org::OrgFolder;
use gobag_bundle::repository::{Access, Repository, RepositoryMedium};

const READ_LEN: usize = 1 << 20;
const RANDOM_READS: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [org, passphrase_file, image, how @ ..] = args.as_slice() else {
        return Err("three arguments are needed".into());
    };
    let folder = OrgFolder::open(Path::new(org))?;
    let passphrase = std::fs::read_to_string(passphrase_file)?;
    let secrets = folder.unlock(passphrase.trim_end())?;
    let repository = Repository::open(&Path::new(org).join("repository"), secrets.org, Access::Shared)?;
    let image = repository.open_image(&repository.find(image)?, &secrets)?;
    let medium = Arc::new(RepositoryMedium::new(&repository, &image));
    let manifest = Arc::new(image.manifest.clone());
    let base = BaseImage::from_manifest(medium, manifest, &image.key, &BaseOptions::default());
    let volume = base.volume(0)?;
    let threads: u64 = how.get(1).map_or(Ok(1), |threads| threads.parse())?;
    let random = how.first().is_some_and(|how| how == "random");
    let start = Instant::now();
    thread::scope(|scope| {
        for number in 0..threads {
            let volume = &volume;
            scope.spawn(move || match random {
                true => read_random(volume, number),
                false => read_part(volume, number, threads),
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    match random {
        true => println!(
            "{:.0} random 4 KiB reads/s",
            (RANDOM_READS * threads) as f64 / seconds
        ),
        false => println!("{:.0} MB/s", volume.size_bytes() as f64 / seconds / 1e6),
    }
    Ok(())
}

fn read_part(volume: &BaseVolume, number: u64, of: u64) {
    let mut buffer = vec![0; READ_LEN];
    let pieces = volume.size_bytes() / READ_LEN as u64;
    for piece in pieces * number / of..pieces * (number + 1) / of {
        volume
            .read_at(piece * READ_LEN as u64, &mut buffer)
            .expect("the volume is sound");
    }
}

fn read_random(volume: &BaseVolume, seed: u64) {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut buffer = [0; 4096];
    for _ in 0..RANDOM_READS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let block = state % (volume.size_bytes() / 4096);
        volume
            .read_at(block * 4096, &mut buffer)
            .expect("the volume is sound");
    }
}
