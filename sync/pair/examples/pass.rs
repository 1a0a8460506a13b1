//! One pass over two folders, paired if they were not, and what it came to; for measuring.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "an example reads the clock and its arguments"
)]

use std::{
    path::PathBuf,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use gobag_pair::{Options, Pair, RootId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(left), Some(right)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pass LEFT RIGHT".into());
    };
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let fresh = [RootId(seconds.to_le_bytes()), RootId((seconds + 1).to_le_bytes())];
    let begun = Instant::now();
    let mut pair = Pair::make(&left, &right, fresh)?;
    let report = pair.pass(
        &Options {
            label: "example".to_owned(),
            run: seconds.to_string(),
            confirmed: true,
            dry_run: false,
            limits: Default::default(),
            patterns: Vec::new(),
            slice: gobag_pair::SLICE,
        },
        &gobag_format::Silent,
    )?;
    println!("{:?} {report:?}", begun.elapsed());
    Ok(())
}
