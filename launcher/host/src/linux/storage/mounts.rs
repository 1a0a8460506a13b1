//! The kernel's lists of mounts and swap areas.

/// Kinds of file systems whose folders can be encrypted one by one.
pub(super) const KNOWS_FSCRYPT: [&str; 3] = ["ext4", "f2fs", "ubifs"];
/// Kinds whose data rests on this computer, though their source is no device.
const RESTS_HERE: [&str; 5] = ["zfs", "btrfs", "bcachefs", "overlay", "ecryptfs"];
/// Read-only images of a system: snaps, live systems. What people made is not in them.
const SYSTEM_IMAGES: [&str; 4] = ["squashfs", "erofs", "iso9660", "udf"];

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::linux) struct Mount {
    /// `8:1`; `0:35` for what has no device of its own.
    pub(in crate::linux) device: String,
    /// Where.
    pub(in crate::linux) place: String,
    /// What kind of file system.
    pub(in crate::linux) kind: String,
    /// What is mounted, as whoever mounted it named it.
    pub(in crate::linux) source: String,
}

impl Mount {
    /// Does it lie on a medium of this computer? What is in memory, elsewhere in a network, or a mere view does not.
    pub(super) fn rests_here(&self) -> bool {
        if SYSTEM_IMAGES.contains(&self.kind.as_str()) {
            return false;
        }
        // Only as the root file system: elsewhere it is a container's, whose layers are on another mount.
        if self.kind == "overlay" {
            return self.place == "/";
        }
        if self.place == "/" {
            return !["rootfs", "ramfs"].contains(&self.kind.as_str());
        }
        let is_view =
            self.kind.starts_with("fuse.") || ["devtmpfs", "tmpfs", "ramfs"].contains(&self.kind.as_str());
        let of_device = self.source.starts_with("/dev/") || !self.device.starts_with("0:");
        !is_view && (of_device || RESTS_HERE.contains(&self.kind.as_str()))
    }
}

/// One swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    pub(super) path: String,
    pub(super) is_file: bool,
}

/// Reads `mountinfo`. Of what is mounted over each other at one place, the last is what is seen.
pub(in crate::linux) fn parse(text: &str) -> Result<Vec<Mount>, String> {
    let mut mounts = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mount = mount(line).ok_or_else(|| "a strange line in /proc/self/mountinfo".to_owned())?;
        mounts.push(mount);
    }
    let hidden = |at: usize, mount: &Mount| mounts[at + 1..].iter().any(|later| later.place == mount.place);
    let seen: Vec<Mount> = mounts
        .iter()
        .enumerate()
        .filter(|(at, mount)| !hidden(*at, mount))
        .map(|(_, mount)| mount.clone())
        .collect();
    match seen.is_empty() {
        true => Err("/proc/self/mountinfo is empty".to_owned()),
        false => Ok(seen),
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn mount(line: &str) -> Option<Mount> {
    let (head, tail) = line.split_once(" - ")?;
    let head: Vec<&str> = head.split(' ').collect();
    let mut tail = tail.split(' ');
    let device = (*head.get(2)?).to_owned();
    let (major, minor) = device.split_once(':')?;
    major.parse::<u32>().ok()?;
    minor.parse::<u32>().ok()?;
    Some(Mount {
        device,
        place: unescaped(head.get(4)?),
        kind: tail.next()?.to_owned(),
        source: unescaped(tail.next()?),
    })
}

/// Reads `/proc/swaps`.
pub(super) fn parse_swaps(text: &str) -> Result<Vec<Swap>, String> {
    let strange = || "a strange line in /proc/swaps".to_owned();
    let mut lines = text.lines();
    if !lines.next().is_some_and(|head| head.starts_with("Filename")) {
        return Err(strange());
    }
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [path, kind, ..] = words[..] else {
                return Err(strange());
            };
            let is_file = match kind {
                "file" => true,
                "partition" => false,
                _ => return Err(strange()),
            };
            Ok(Swap {
                path: unescaped(path),
                is_file,
            })
        })
        .collect()
}

/// The kernel writes white space and `\` in these lists as three octal digits.
fn unescaped(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        match (first, digits) {
            (b'\\', Some(digits)) => {
                let number = digits
                    .iter()
                    .fold(0_u32, |number, digit| number * 8 + u32::from(digit - b'0'));
                bytes.push(u8::try_from(number).unwrap_or(b'?'));
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mount_is_read_with_its_optional_fields() {
        let text = "22 1 254:1 / / rw,relatime shared:1 master:2 - ext4 /dev/mapper/a-root rw\n\
                    40 22 8:17 / /media/user1/my\\040stick rw shared:3 - vfat /dev/sdb1 rw\n";
        let mounts = parse(text).expect("read");
        assert_eq!(mounts[0].source, "/dev/mapper/a-root");
        assert_eq!(mounts[1].place, "/media/user1/my stick");
        assert_eq!(mounts[1].device, "8:17");
    }

    #[test]
    fn of_two_mounts_at_one_place_the_later_is_seen() {
        let text = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 1 8:2 / / rw - ext4 /dev/sda2 rw\n";
        let mounts = parse(text).expect("read");
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].source, "/dev/sda2");
    }

    #[test]
    fn only_what_lies_on_a_medium_counts() {
        for (line, expected) in [
            ("1 0 8:1 / /home rw - ext4 /dev/sda1 rw", true),
            ("1 0 0:35 /@home /home rw - btrfs /dev/sda1 rw", true),
            ("1 0 0:36 / /tank rw - zfs tank rw", true),
            ("1 0 0:37 / / rw - overlay overlay rw", true),
            ("1 0 0:37 / /var/lib/docker/x rw - overlay overlay rw", false),
            ("1 0 0:21 / /proc rw - proc proc rw", false),
            ("1 0 0:5 / /dev rw - devtmpfs /dev/x rw", false),
            ("1 0 0:40 / /mnt rw - nfs4 server:/x rw", false),
            (
                "1 0 0:41 / /run/user/1000/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw",
                false,
            ),
            ("1 0 8:17 / /media/x rw - fuseblk /dev/sdb1 rw", true),
            ("1 0 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro", false),
        ] {
            assert_eq!(mount(line).expect("read").rests_here(), expected, "{line}");
        }
    }

    #[test]
    fn swap_areas_are_partitions_and_files() {
        let text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-1 partition\t976892\t\t0\t\t-2\n\
                    /swap\\040file file 2097148 0 -3\n";
        let swaps = parse_swaps(text).expect("read");
        assert_eq!((swaps[0].path.as_str(), swaps[0].is_file), ("/dev/dm-1", false));
        assert_eq!((swaps[1].path.as_str(), swaps[1].is_file), ("/swap file", true));
        assert_eq!(parse_swaps("Filename Type\n"), Ok(Vec::new()));
        for strange in ["", "garbage", "Filename\n/dev/x magic\n", "Filename\nx\n"] {
            assert!(parse_swaps(strange).is_err(), "{strange:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "[ -~\\n\\\\]{0,200}") {
            let _ = parse(&text);
            let _ = parse_swaps(&text);
            let _ = unescaped(&text);
        }

        #[test]
        fn no_bytes_make_them_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = parse(&text);
            let _ = parse_swaps(&text);
        }
    }
}
