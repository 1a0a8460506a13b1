//! A stick seen through several ports, pulled out and plugged in by lines on standard input.
//!
//! `stick-port BACKING PLACE…` shows the folder BACKING at the first PLACE; at the others nothing is plugged in. Then each
//! line is a command, answered by one line: `pull eio`, `pull enodev` or `pull gone` takes the stick out, with that as the
//! kernel's word for it, and tells how many writes no flush had covered; `plug N` plugs it in at PLACE number N, counted
//! from 0. The end of the input unmounts all.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use fuser::Errno;
use gobag_stick_model::port::{Medium, Port};

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [backing, places @ ..] = &folders[..] else {
        return usage();
    };
    if places.is_empty() {
        return usage();
    }
    match serve(backing, places) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: stick-port BACKING PLACE…");
    ExitCode::from(2)
}

fn serve(backing: &Path, places: &[PathBuf]) -> io::Result<()> {
    let medium = Medium::new(&backing.canonicalize()?);
    let mount = |place: &PathBuf| Port::mount(&medium, place);
    let ports = places.iter().map(mount).collect::<io::Result<Vec<Port>>>()?;
    for port in ports.iter().skip(1) {
        port.pull(Errno::ENOENT)?;
    }
    println!("ready");
    for line in io::stdin().lines() {
        println!("{}", obey(&line?, &ports)?);
    }
    Ok(())
}

fn obey(line: &str, ports: &[Port]) -> io::Result<String> {
    let unknown = || io::Error::other(format!("`{line}` is not understood"));
    match line.split_once(' ').ok_or_else(unknown)? {
        ("pull", word) => {
            let trouble = match word {
                "eio" => Errno::EIO,
                "enodev" => Errno::ENODEV,
                "gone" => Errno::ENOENT,
                _ => return Err(unknown()),
            };
            let mut lost = 0;
            for port in ports {
                lost += port.pull(trouble)?;
            }
            Ok(format!("pulled {lost}"))
        }
        ("plug", number) => {
            let port = number.parse().ok().and_then(|number: usize| ports.get(number));
            port.ok_or_else(unknown)?.plug_in();
            Ok(format!("plugged {number}"))
        }
        _ => Err(unknown()),
    }
}
