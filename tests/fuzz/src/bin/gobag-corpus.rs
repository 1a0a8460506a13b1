//! Between the stored corpora and the folders that libFuzzer works in; `cargo xtask fuzz` is its caller.
//!
//! `list` names the targets and their longest inputs, `unpack TARGET FOLDER` writes the stored inputs and the seeds,
//! `pack TARGET FOLDER` stores what is there, `run TARGET FILE…` gives files to the target.

#![expect(clippy::disallowed_methods, reason = "writes the files of a development tool")]

use std::{fs, io, path::Path, process::ExitCode};

use gobag_fuzz::{TARGETS, Target, corpus};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let target = words.get(1).and_then(|name| Target::named(name));
    let done = match (&words[..], target) {
        (["list"], _) => list(),
        (["unpack", _, folder], Some(target)) => unpack(target, Path::new(folder)),
        (["pack", _, folder], Some(target)) => pack(target, Path::new(folder)),
        (["run", _, files @ ..], Some(target)) => run(target, files),
        _ => {
            eprintln!(
                "usage: gobag-corpus list | unpack TARGET FOLDER | pack TARGET FOLDER | run TARGET FILE…"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> io::Result<()> {
    for target in TARGETS {
        println!("{} {}", target.name, target.max_len);
    }
    Ok(())
}

fn unpack(target: &Target, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let inputs = target.seeds().into_iter().chain(corpus::load(target)?);
    for (nth, input) in inputs.enumerate() {
        fs::write(folder.join(format!("stored-{nth:05}")), input)?;
    }
    Ok(())
}

fn pack(target: &Target, folder: &Path) -> io::Result<()> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        inputs.push(fs::read(entry?.path())?);
    }
    fs::create_dir_all(corpus::folder())?;
    fs::write(corpus::file(target), corpus::pack(inputs)?)
}

fn run(target: &Target, files: &[&str]) -> io::Result<()> {
    for file in files {
        println!("{file}");
        target.check(&fs::read(file)?);
    }
    Ok(())
}
