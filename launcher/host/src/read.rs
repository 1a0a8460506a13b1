//! Reading the system's small text files, with a limit.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use gobag_checklists::Obstacle;

use crate::limits::MAX_TEXT_BYTES;

/// The text of a system file, or a sentence about why there is none.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(format!("{shown} is longer than {MAX_TEXT_BYTES} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Tries to open a device as whoever uses it would; nothing is sent to it.
pub(crate) fn open_device(path: &Path) -> Result<(), (Obstacle, String)> {
    match File::options().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err((
            obstacle(&error),
            format!("cannot open {}: {error}", path.display()),
        )),
    }
}

/// What kind of obstacle an error of `open` is.
pub(crate) fn obstacle(error: &io::Error) -> Obstacle {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR) => Obstacle::Missing,
        Some(Errno::ACCESS | Errno::PERM) => Obstacle::NoPermission,
        // The node is there, but no driver or no hardware behind it.
        Some(Errno::NODEV | Errno::NXIO) => Obstacle::SwitchedOff,
        _ => Obstacle::NotWorking,
    }
}

/// An error with its causes in one line. A cause whose text was said already is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !said.is_empty() && !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let reason = text(Path::new("/proc/nothing-here")).expect_err("not there");
        assert!(
            reason.starts_with("cannot read /proc/nothing-here: No such file"),
            "{reason}"
        );
    }

    #[test]
    fn an_endless_file_is_refused() {
        let reason = text(Path::new("/dev/zero")).expect_err("endless");
        assert_eq!(reason, "/dev/zero is longer than 4194304 bytes");
    }

    #[test]
    fn obstacles_of_devices() {
        for (number, expected) in [
            (2, Obstacle::Missing),
            (13, Obstacle::NoPermission),
            (1, Obstacle::NoPermission),
            (19, Obstacle::SwitchedOff),
            (6, Obstacle::SwitchedOff),
            (16, Obstacle::NotWorking),
        ] {
            assert_eq!(
                obstacle(&io::Error::from_raw_os_error(number)),
                expected,
                "{number}"
            );
        }
    }
}
