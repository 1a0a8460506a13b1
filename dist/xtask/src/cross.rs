//! `cargo xtask cross`: the probes for protection, built for Windows and run under wine, as far as wine goes.
//!
//! Optional: no other task needs it, and it downloads about 400 MB. There is no Rust library for Windows in Debian or beside the
//! installed toolchain, so it is built from source (`-Z build-std`) with Debian's compiler of the same sources, unpacked into the
//! target folder; nothing of the toolchain is installed. `RUSTC_BOOTSTRAP` lets a stable compiler do that.
//!
//! What wine answers says that the code runs and that its calls are right; it says nothing about a real Windows. Wine 8 lacks one
//! library that Rust's needs (`bcryptprimitives.dll`): a substitute is built for the run, and never shipped.

use std::path::{Path, PathBuf};

use crate::cargo::cargo;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::sh::Cmd;
use crate::steps::Steps;

const TARGET: &str = "x86_64-pc-windows-gnu";
const LINKER: &str = "x86_64-w64-mingw32-gcc";
const WINE: &str = "/usr/lib/wine/wine64";
/// Unpacked beside the build, because installed they would stand in the way of other compilers.
const COMPILER: [&str; 5] = [
    "rustc-web",
    "rust-web-src",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "libllvm22",
];

/// Random bytes by the older function that wine has.
const SUBSTITUTE: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
    return SystemFunction036(data, (ULONG)length);
}
";

pub(crate) fn run(args: &[&str]) -> Result<()> {
    if !args.is_empty() {
        return Err(Error::usage("`cross` takes no arguments"));
    }
    let work = disk::target().join("cross");
    disk::make_dir(&work)?;
    let mut steps = Steps::new();
    let mut program = None;
    let good = steps.step("packages", || {
        packages::ensure_cross().map(|installed| format!("{} installed", installed.len()))
    }) && steps.step("compiler", || compiler(&work))
        && steps.step("build", || {
            let built = build(&work)?;
            let shown = built.display().to_string();
            program = Some(built);
            Ok(shown)
        });
    if let Some(program) = program.filter(|_| good) {
        steps.step("wine", || wine(&work, &program));
    }
    steps.finish("cross")
}

fn prefix(work: &Path) -> PathBuf {
    work.join("rust/usr")
}

fn compiler(work: &Path) -> Result<String> {
    let rustc = prefix(work).join("bin/rustc");
    if !rustc.is_file() {
        let debs = work.join("debs");
        disk::make_dir(&debs)?;
        Cmd::new("apt-get")
            .arg("download")
            .args(COMPILER)
            .dir(&debs)
            .run()?;
        for deb in disk::files_below(&debs, &[])? {
            Cmd::new("dpkg-deb")
                .arg("-x")
                .arg(deb)
                .arg(work.join("rust"))
                .run()?;
        }
    }
    let version = with_compiler(Cmd::new(&rustc), work).arg("-V").text()?;
    Ok(version.trim().to_owned())
}

fn with_compiler(cmd: Cmd, work: &Path) -> Cmd {
    let prefix = prefix(work);
    cmd.env("RUSTC", prefix.join("bin/rustc"))
        .env("LD_LIBRARY_PATH", prefix.join("lib/x86_64-linux-gnu"))
}

/// Nothing is optimised: it is run once.
fn build(work: &Path) -> Result<PathBuf> {
    let target = work.join("target");
    let cargo = cargo(&["build", "-p", "gobag-host", "--example", "protection", "--locked"])
        .args(["--target", TARGET, "-Zbuild-std=std,panic_unwind"])
        .args(["--config", "profile.dev.package.\"*\".opt-level=0"])
        .args(["--config", "profile.dev.debug=false"])
        .args(["--config", "profile.dev.opt-level=0"]);
    with_compiler(cargo, work)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", LINKER)
        .run()?;
    Ok(target.join(TARGET).join("debug/examples/protection.exe"))
}

/// Prints the facts and the captures, as JSON.
fn wine(work: &Path, program: &Path) -> Result<String> {
    let home = work.join("wine");
    let wine = |args: &[&str]| {
        Cmd::new(WINE)
            .args(args)
            .env("WINEPREFIX", &home)
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
    };
    let system = home.join("drive_c/windows/system32");
    if !system.is_dir() {
        wine(&["wineboot", "-i"]).run()?;
    }
    // Out of the box it says that it is Windows 7.
    wine(&["winecfg", "-v", "win10"]).run()?;
    let source = work.join("bcryptprimitives.c");
    disk::write(&source, SUBSTITUTE)?;
    Cmd::new(LINKER)
        .args(["-O2", "-shared", "-o"])
        .arg(system.join("bcryptprimitives.dll"))
        .arg(&source)
        .arg("-ladvapi32")
        .run()?;
    let said = wine(&[]).arg(program).text()?;
    println!("{said}");
    let known = said.matches("\"status\": \"known\"").count();
    let captured = said.matches("\"json\": ").count();
    if captured == 0 {
        return Err(Error::new("no query was answered under wine"));
    }
    Ok(format!("{captured} queries answered, {known} facts known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_no_arguments() {
        assert!(run(&["now"]).is_err());
    }
}
