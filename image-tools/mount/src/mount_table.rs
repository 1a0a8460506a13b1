//! The kernel's list of mounts, and its switch to end a FUSE connection.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// The type under which the kernel lists our mounts.
const FILE_SYSTEM_TYPE: &str = "fuse.gobag";

/// The number of the FUSE connection behind a mount of ours at exactly this folder; `None` if there is no such mount.
pub(crate) fn connection(mountpoint: &Path) -> Option<u32> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The last one is on top.
    table.lines().rev().find_map(|line| find(line, mountpoint))
}

fn find(line: &str, mountpoint: &Path) -> Option<u32> {
    let (fields, tail) = line.split_once(" - ")?;
    let mut fields = fields.split(' ').skip(2);
    let (device, _root, place) = (fields.next()?, fields.next()?, fields.next()?);
    let is_ours = tail.split(' ').next() == Some(FILE_SYSTEM_TYPE) && unescape(place) == mountpoint;
    // The minor device number is the connection's number.
    is_ours.then(|| device.split_once(':')?.1.parse().ok()).flatten()
}

/// Ends a connection: every request on it fails from now on, in every namespace. Only works where the kernel's control
/// file system is mounted (it is on all desktop systems), and only for the user who mounted.
pub(crate) fn abort(connection: Option<u32>) {
    let Some(number) = connection else { return };
    let switch = format!("/sys/fs/fuse/connections/{number}/abort");
    let result = fs::OpenOptions::new()
        .write(true)
        .open(&switch)
        .and_then(|mut file| file.write_all(b"1"));
    if let Err(error) = result {
        tracing::debug!(switch, %error, "the connection stays open for another namespace");
    }
}

/// The kernel writes space, tab, newline and backslash of a path as three octal digits.
fn unescape(place: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let (mut bytes, mut rest) = (Vec::new(), place.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mount_of_ours_at_this_very_folder_counts() {
        let line = r"41 25 0:37 / /run/a\040b rw,nosuid - fuse.gobag gobag rw,user_id=0";
        assert_eq!(find(line, Path::new("/run/a b")), Some(37));
        assert_eq!(find(line, Path::new("/run/a")), None);
        assert_eq!(
            find(&line.replace("fuse.gobag", "fuse.sshfs"), Path::new("/run/a b")),
            None
        );
        assert_eq!(find("rubbish", Path::new("/")), None);
    }

    #[test]
    fn octal_escapes_of_the_mount_table_are_undone() {
        assert_eq!(unescape(r"/media/my\040stick"), Path::new("/media/my stick"));
        assert_eq!(unescape(r"/a\134b\"), Path::new(r"/a\b\"));
    }
}
