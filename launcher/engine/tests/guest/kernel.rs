//! A Debian kernel to boot, fetched once from Debian's own archive into `target/test-kernel`.

#![expect(clippy::disallowed_methods, reason = "prepares files for tests")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use gobag_engine::{
    run::{Output, Run, RunError},
    tools,
};

/// A kernel and the modules that belong to it.
pub(crate) struct Kernel {
    pub(crate) image: PathBuf,
    pub(crate) modules: PathBuf,
}

const META_PACKAGE: &str = "linux-image-cloud-amd64";
const DEADLINE: Duration = Duration::from_secs(300);
/// A mirror that stumbles once is asked again.
const RETRIES: &str = "Acquire::Retries=5";

/// The kernel, fetched if it is not there yet. Several test processes may ask at the same time.
pub(crate) fn kernel() -> Result<Kernel, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-kernel");
    let unpacked = folder.join("unpacked");
    // It is renamed into place whole, so what is there is complete; and somebody else may not write here.
    if let Some(kernel) = find(&unpacked) {
        return Ok(kernel);
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if let Some(kernel) = find(&unpacked) {
        return Ok(kernel);
    }
    let fetched = fetch(&folder, &unpacked).map_err(|error| format!("no kernel to boot: {error}"));
    fetched.and_then(|()| find(&unpacked).ok_or_else(|| "no kernel in its package".to_owned()))
}

fn find(unpacked: &Path) -> Option<Kernel> {
    let names = fs::read_dir(unpacked.join("boot")).ok()?;
    let mut names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.find(|name| name.starts_with("vmlinuz-"))?;
    let version = name.strip_prefix("vmlinuz-")?;
    Some(Kernel {
        image: unpacked.join("boot").join(&name),
        modules: unpacked.join("lib/modules").join(version),
    })
}

fn fetch(folder: &Path, unpacked: &Path) -> Result<(), String> {
    let run = |name: &str, args: &[&str]| -> Result<Output, String> {
        let program = tools::find(name, None).map_err(|error| error.to_string())?;
        let run = Run::new(&program).args(args).folder(folder).deadline(DEADLINE);
        run.success().map_err(|error: RunError| error.to_string())
    };
    let depends = run("apt-cache", &["depends", META_PACKAGE])?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let package = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: linux-image"))
        .ok_or("apt does not know the kernel")?;
    let package = format!("linux-image{package}");
    run("apt-get", &["-o", RETRIES, "download", &package])?;
    let archive = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with(&package) && name.ends_with(".deb"))
        .ok_or("apt downloaded nothing")?;
    let partial = folder.join("partial");
    let _ = fs::remove_dir_all(&partial);
    run("dpkg-deb", &["-x", &archive, "partial"])?;
    fs::rename(&partial, unpacked).map_err(|error| error.to_string())
}
