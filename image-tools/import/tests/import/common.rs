//! What the tests of this crate share: programs of the host, and when a missing one is an error.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Output},
};

use gobag_import::{ImageChoice, ImportOptions};

/// Whether the test can run: `what` is there. Where it must be, as `GOBAG_REQUIRE` says, its absence fails the test.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is a program: it reads its environment"
)]
pub(crate) fn have(what: &str, there: bool) -> bool {
    if !there {
        let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == what), "{what} is missing");
        println!("skipped: {what} is missing");
    }
    there
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program is in one of the usual folders.
pub(crate) fn program(name: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(name).exists())
}

/// Runs a program to a good end.
#[expect(
    clippy::disallowed_methods,
    reason = "tests call the programs of the host to compare with"
)]
pub(crate) fn run<S: AsRef<OsStr>>(
    folder: &Path,
    program: &str,
    args: impl IntoIterator<Item = S>,
) -> Output {
    let output = Command::new(program)
        .current_dir(folder)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Makes a file with its folders.
#[expect(clippy::disallowed_methods, reason = "the test makes its own files")]
pub(crate) fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn options() -> ImportOptions {
    ImportOptions {
        image: ImageChoice::default(),
        system_size_bytes: Some(64 << 20),
        home_size_bytes: Some(32 << 20),
        split_home: true,
        system_uuid: [0x51; 16],
        home_uuid: [0x52; 16],
        epoch_seconds: 1_700_000_000,
    }
}
