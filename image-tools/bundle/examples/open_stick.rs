//! The time from an unlocked stick to volumes that can be read:
//!
//! ```text
//! cargo run --release -p gobag-bundle --example open_stick -- STICK PASSPHRASE-FILE [TIMES]
//! ```
//!
//! Prints, for each time, milliseconds of opening a session and reading the first block of every volume, and apart from
//! it the milliseconds of unlocking. Caches are the caller's business. The session is for reading, so nothing is changed.

use std::{error::Error, fs, path::Path, sync::Arc, time::Instant};

use gobag_bundle::{Ambient, Bundle, Secret, Session, SessionOptions, store::StoreMode};
use gobag_format::limits::BLOCK_LEN;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [stick, passphrase, times @ ..] = args.as_slice() else {
        return Err("STICK and PASSPHRASE-FILE are needed".into());
    };
    let passphrase = fs::read_to_string(passphrase)?;
    let times = times.first().map_or(Ok(1), |times| times.parse())?;
    for _ in 0..times {
        let start = Instant::now();
        let secret = Secret::Passphrase(passphrase.trim_end().as_bytes());
        let bundle = Bundle::open(Path::new(stick), &secret, false, Ambient::system())?;
        let unlocked = Instant::now();
        let options = SessionOptions {
            mode: StoreMode::ReadOnly,
            ..SessionOptions::default()
        };
        let mut session = Session::open(Arc::new(bundle), &options)?;
        let mut block = [0; BLOCK_LEN];
        let mut bytes = 0;
        for volume in session.volumes() {
            volume.volume.read_at(0, &mut block)?;
            bytes += volume.volume.size_bytes();
        }
        println!(
            "opened {:.1} ms, {bytes} bytes of volumes, unlocking {:.1} ms",
            unlocked.elapsed().as_secs_f64() * 1e3,
            (unlocked - start).as_secs_f64() * 1e3
        );
        session.close()?;
    }
    Ok(())
}
