//! The command line: mounts, says so on stdout, and counts until somebody unmounts.

use std::{
    error::Error,
    io::{self, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, builder::PossibleValuesParser};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    fs::{Mounted, Options, mount},
    model::Stalls,
    preset::{POOR, Preset, SSD, USUAL},
    stats::Report,
};

/// Ahead of everything that is not urgent.
const DEVICE_NICENESS: i32 = -15;

/// Shows a folder as a USB stick: the same files, as slow as the real thing.
///
/// Prints one line when it is mounted and serves until SIGINT, SIGTERM or `umount`.
#[derive(Parser)]
#[command(name = "stick-model", version)]
struct Args {
    /// Which stick.
    #[arg(long, value_parser = PossibleValuesParser::new([POOR.name, USUAL.name, SSD.name]))]
    preset: String,
    /// Divide all waiting by this.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    scale: f64,
    /// Write the counters to this file at the end, as JSON.
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Answer each connection to this Unix socket with the counters, as JSON.
    #[arg(long, value_name = "PATH")]
    stats_socket: Option<PathBuf>,
    /// Stand still after every so many MiB that the flash has programmed.
    #[arg(long, value_name = "MIB", requires = "stall_ms", value_parser = clap::value_parser!(u64).range(1..))]
    stall_every_mib: Option<u64>,
    /// How long to stand still.
    #[arg(long, value_name = "MS", requires = "stall_every_mib")]
    stall_ms: Option<u64>,
    /// Folder that holds the files.
    backing: PathBuf,
    /// Empty folder where the stick appears.
    mountpoint: PathBuf,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err("must be greater than 0".to_owned())
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    match serve(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                eprintln!("caused by: {source}");
                cause = source.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let preset = Preset::named(&args.preset).ok_or("no such preset")?;
    let stalls = args.stall_every_mib.zip(args.stall_ms);
    let options = Options {
        preset: preset.clone(),
        scale: args.scale,
        stalls: stalls.map(|(mib, duration_ms)| Stalls {
            every_bytes: mib << 20,
            duration_ms,
        }),
    };
    let listener = args.stats_socket.as_deref().map(UnixListener::bind).transpose()?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // A stick has a processor of its own and does not answer late because the host is busy. Threads inherit it; an
    // ordinary user may not.
    let _ = rustix::process::setpriority_process(None, DEVICE_NICENESS);
    let mounted = mount(&args.backing, &args.mountpoint, &options)?;
    if let Some(listener) = listener {
        answer_with_counters(listener, &mounted)?;
    }
    let unmount = mounted.unmounter();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in &mut signals {
                if let Err(error) = unmount() {
                    eprintln!("cannot unmount: {error}");
                }
            }
        })?;
    println!(
        "{} at {} as a stick, preset {}",
        args.backing.display(),
        args.mountpoint.display(),
        preset.name
    );
    io::stdout().flush()?;
    let report = mounted.wait()?;
    if let Some(socket) = &args.stats_socket {
        rustix::fs::unlink(socket)?;
    }
    match &args.stats {
        Some(file) => save(file, &report)?,
        None => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

fn answer_with_counters(listener: UnixListener, mounted: &Mounted) -> io::Result<()> {
    let report = mounted.reporter();
    let answer = move || {
        for stream in listener.incoming() {
            // Who hung up before the answer does not want it.
            let _ = stream.and_then(|mut stream| {
                serde_json::to_writer(&mut stream, &report())?;
                stream.write_all(b"\n")
            });
        }
    };
    std::thread::Builder::new()
        .name("counters".to_owned())
        .spawn(answer)?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a report of this tool, not a file on a user's stick"
)]
fn save(file: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    let text = serde_json::to_string_pretty(report)?;
    std::fs::write(file, text + "\n")
        .map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let parsed = Args::try_parse_from(["stick-model", "--preset", "poor", "--scale", "0", "a", "b"]);
        assert!(parsed.is_err(), "a scale of nothing");
        let parsed = Args::try_parse_from(["stick-model", "--preset", "poor", "--stall-ms", "5", "a", "b"]);
        assert!(parsed.is_err(), "stalls need both numbers");
    }
}
