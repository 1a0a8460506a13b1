//! Opening files by a name that somebody gave: regular files alone, at once, whatever stands at that name.
//!
//! A named pipe, a device or a socket can stand where a file is expected: by a slip of the hand, or on a stick that was out
//! of its owner's hands. Opening a pipe to read waits until somebody opens it to write, which may be never. So it is opened
//! without waiting, and what was opened (not what stood there a moment before) is looked at. Links are followed: the person named
//! the path.
//!
//! The one way for all crates above; passphrases alone are read otherwise, since people hand them over by pipes on purpose.

use std::{
    error::Error,
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
};

/// What was opened is no regular file.
#[derive(Debug)]
struct NotRegular(&'static str);

impl fmt::Display for NotRegular {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it is not a regular file, but {}", self.0)
    }
}

impl Error for NotRegular {}

/// Opens a regular file to be read; anything else is refused, and never waited for.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Close-on-exec is set by the standard library.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let opened = options.open(path);
    let found = match &opened {
        Ok(file) => file.metadata()?,
        // A socket, or a device that nobody drives, cannot even be opened.
        Err(_) => match path.metadata() {
            Ok(found) if !found.is_file() => found,
            _ => return opened,
        },
    };
    match found.is_file() {
        true => opened,
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            NotRegular(kind(&found)),
        )),
    }
}

/// Reads a regular file whole; one with more than `limit_bytes` is an error.
pub fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit_bytes {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {limit_bytes} bytes"),
        )),
        false => Ok(bytes),
    }
}

/// Whether this error, or a cause of it, is that what stands there is no regular file.
#[must_use]
pub fn is_not_regular(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<NotRegular>()) {
            return true;
        }
        next = error.source();
    }
    false
}

fn kind(found: &Metadata) -> &'static str {
    if found.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "something else"
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "puts files in place")]

    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn pipes_folders_sockets_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, kind) in [
            (at("pipe"), "a named pipe"),
            (at("link"), "a named pipe"),
            (at("socket"), "a socket"),
            (folder.path().to_owned(), "a folder"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = read(&path, 10).unwrap_err();
            assert_eq!(error.to_string(), format!("it is not a regular file, but {kind}"));
            assert!(is_not_regular(&error), "{path:?}");
        }
    }

    #[test]
    fn files_and_links_to_them_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "four").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        assert_eq!(read(&at("link"), 4).unwrap(), b"four");
        let long = read(&at("file"), 3).unwrap_err();
        assert_eq!(long.to_string(), "it has more than 3 bytes");
        let missing = read(&at("nothing"), 3).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(!is_not_regular(&long) && !is_not_regular(&missing));
        // The system's own files count as files, whatever length they tell.
        #[cfg(target_os = "linux")]
        assert!(!read(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
    }
}
