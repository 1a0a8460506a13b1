//! The kernel's list of mounts, and its switch to end a FUSE connection.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// What our mounts name as their source.
pub(crate) const SOURCE: &str = "gobag";

/// One line of the kernel's list of mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Where it is mounted.
    pub path: PathBuf,
    /// Type of its file system: `exfat`, `fuse.sshfs`, …
    pub kind: String,
    /// What it names as its source: a device, usually.
    source: String,
    /// Minor device number; for FUSE this is the connection's number.
    minor: u32,
}

impl MountPoint {
    /// Whether this crate mounted it, in this process or in another. (Root's mounts have the type `fuse`, those made by
    /// `fusermount3` the type `fuse.gobag`.)
    pub fn is_ours(&self) -> bool {
        self.source == SOURCE && ["fuse", "fuse.gobag"].contains(&self.kind.as_str())
    }
}

/// Everything mounted that this process can see, oldest first; empty where `/proc` is not mounted.
pub fn mount_points() -> Vec<MountPoint> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<MountPoint> {
    let (fields, tail) = line.split_once(" - ")?;
    let mut fields = fields.split(' ').skip(2);
    let (device, _root, place) = (fields.next()?, fields.next()?, fields.next()?);
    let (kind, tail) = tail.split_once(' ')?;
    Some(MountPoint {
        path: unescape(place),
        kind: kind.to_owned(),
        source: tail.split(' ').next()?.to_owned(),
        minor: device.split_once(':')?.1.parse().ok()?,
    })
}

/// The number of the FUSE connection behind a mount of ours at exactly this folder; `None` if there is no such mount.
pub(crate) fn connection(mountpoint: &Path) -> Option<u32> {
    // The last one is on top.
    let mut newest_first = mount_points().into_iter().rev();
    let ours = newest_first.find(|mount| mount.path == mountpoint && mount.is_ours())?;
    Some(ours.minor)
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
    fn a_line_of_the_list_is_understood_and_rubbish_is_passed_over() {
        let line = r"41 25 0:37 / /run/a\040b rw,nosuid shared:7 - fuse.gobag gobag rw,user_id=0";
        let expected = MountPoint {
            path: PathBuf::from("/run/a b"),
            kind: "fuse.gobag".to_owned(),
            source: "gobag".to_owned(),
            minor: 37,
        };
        assert_eq!(parse(line), Some(expected));
        for (tail, is_ours) in [
            ("fuse.gobag gobag rw", true),
            ("fuse gobag rw", true),
            ("fuse /dev/fuse rw", false),
            ("ext4 gobag rw", false),
        ] {
            let mount = parse(&format!("41 25 0:37 / /x rw - {tail}")).unwrap();
            assert_eq!(mount.is_ours(), is_ours, "{tail}");
        }
        for rubbish in ["", "rubbish", "1 2 3 - x", "1 2 a:b / /x rw - ext4"] {
            assert_eq!(parse(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn octal_escapes_of_the_mount_table_are_undone() {
        assert_eq!(unescape(r"/media/my\040stick"), Path::new("/media/my stick"));
        assert_eq!(unescape(r"/a\134b\"), Path::new(r"/a\b\"));
    }
}
