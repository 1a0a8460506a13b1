//! Imports a source and says what it found: `cargo run -p gobag-import --example import -- SOURCE WORK-FOLDER [KIND]`.
//! With a further argument `keep` the volumes stay in the work folder.

use std::{error::Error, path::PathBuf, time::Instant};

use gobag_format::Monitor;
use gobag_import::{ImageChoice, ImportOptions, SourceKind, open};

struct Phases;

impl Monitor for Phases {
    fn phase(&self, name: &str, total_bytes: Option<u64>) {
        eprintln!("{name} ({total_bytes:?} bytes)");
    }

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [source, work, rest @ ..] = args.as_slice() else {
        return Err("two arguments are needed".into());
    };
    let kind: Option<SourceKind> = rest
        .first()
        .filter(|kind| *kind != "auto")
        .map(|kind| kind.parse())
        .transpose()?;
    let options = ImportOptions {
        image: ImageChoice::default(),
        system_size_bytes: None,
        home_size_bytes: None,
        split_home: true,
        system_uuid: [0x51; 16],
        home_uuid: [0x52; 16],
        epoch_seconds: 1_700_000_000,
    };
    let start = Instant::now();
    let imported = open(
        &PathBuf::from(source),
        kind,
        &PathBuf::from(work),
        &options,
        &Phases,
    )?;
    println!("{imported:#?}");
    println!("in {:.1} s", start.elapsed().as_secs_f64());
    if rest.get(1).is_some_and(|word| word == "keep") {
        // Without the clean-up of its drop.
        std::mem::forget(imported);
    }
    Ok(())
}
