//! `/etc/fstab` for volumes made here: the lines for `/` and `/home` are ours, every other line stays as it is.
//!
//! A line that is replaced becomes a comment. Doing it twice changes nothing.

use crate::{
    path::printable,
    volume::{HOME_LABEL, SYSTEM_LABEL},
};

const REPLACED: &str = "# replaced by gobag: ";
/// `nofail`: the system must come up without its home volume too, for IT to look at it as root. `before` and `required-by`: nobody else
/// may log in and work in an empty `/home`, where their files seem gone and what they write is lost with the next update. An emulated PC
/// that is busy was seen to need more than 30 s to find the disk. A stick that has no such disk is not waited for:
/// the launcher masks the mount ([`crate::volume::HOME_WORD`]).
const HOME_OPTIONS: &str = "defaults,nofail,x-systemd.device-timeout=10min,x-systemd.wanted-by=local-fs.target,\
                            x-systemd.required-by=systemd-user-sessions.service,x-systemd.before=systemd-user-sessions.service";

/// The new text, and what IT should know about the rest of it.
pub(super) struct Adapted {
    pub(super) text: Vec<u8>,
    pub(super) notes: Vec<String>,
}

/// Adapts `old`; `home_volume` says whether `/home` comes from a volume of its own.
pub(super) fn adapt(old: &[u8], home_volume: bool) -> Adapted {
    let root_line = format!("LABEL={SYSTEM_LABEL} / ext4 defaults,errors=remount-ro 0 1");
    let home_line = format!("LABEL={HOME_LABEL} /home ext4 {HOME_OPTIONS} 0 2");
    let mut ours = vec![(&b"/"[..], root_line)];
    if home_volume {
        ours.push((b"/home", home_line));
    }
    let mut text = Vec::new();
    let mut notes = Vec::new();
    let mut present = Vec::new();
    for line in old.split_inclusive(|&byte| byte == b'\n') {
        let bare = line.trim_ascii_end();
        let Some(fields) = Fields::of(line) else {
            text.extend_from_slice(line);
            continue;
        };
        match ours.iter().find(|(point, _)| *point == fields.mount_point()) {
            Some((point, new)) if bare == new.as_bytes() && !present.contains(point) => {
                present.push(*point);
                text.extend_from_slice(line);
            }
            Some(_) => {
                text.extend_from_slice(REPLACED.as_bytes());
                text.extend_from_slice(line);
            }
            None => {
                if fields.needs_a_foreign_disk() {
                    notes.push(format!(
                        "/etc/fstab mounts {} on {}, which the new volumes do not have; the guest may wait for it",
                        printable(fields.device),
                        printable(fields.point)
                    ));
                }
                text.extend_from_slice(line);
            }
        }
    }
    for (_, line) in ours.iter().filter(|(point, _)| !present.contains(point)) {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    Adapted { text, notes }
}

/// A line that mounts something.
struct Fields<'a> {
    device: &'a [u8],
    point: &'a [u8],
    options: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let mut fields = line
            .split(u8::is_ascii_whitespace)
            .filter(|field| !field.is_empty());
        let device = fields.next().filter(|device| !device.starts_with(b"#"))?;
        let point = fields.next()?;
        Some(Self {
            device,
            point,
            options: fields.nth(1).unwrap_or_default(),
        })
    }

    /// Without slashes at the end.
    fn mount_point(&self) -> &'a [u8] {
        let mut point = self.point;
        while let [rest @ .., b'/'] = point {
            if rest.is_empty() {
                break;
            }
            point = rest;
        }
        point
    }

    /// Whether the guest would look for a partition that stayed behind.
    fn needs_a_foreign_disk(&self) -> bool {
        let by_disk = [
            &b"UUID="[..],
            b"LABEL=",
            b"PARTUUID=",
            b"PARTLABEL=",
            b"ID=",
            b"/dev/",
        ];
        let optional = self
            .options
            .split(|&byte| byte == b',')
            .any(|option| matches!(option, b"nofail" | b"noauto"));
        !optional && by_disk.iter().any(|start| self.device.starts_with(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "LABEL=gobag-system / ext4 defaults,errors=remount-ro 0 1\n\
        LABEL=gobag-home /home ext4 defaults,nofail,x-systemd.device-timeout=10min,x-systemd.wanted-by=local-fs.target,\
        x-systemd.required-by=systemd-user-sessions.service,x-systemd.before=systemd-user-sessions.service 0 2\n";

    fn adapted(old: &str) -> (String, Vec<String>) {
        let adapted = adapt(old.as_bytes(), true);
        (String::from_utf8(adapted.text).unwrap(), adapted.notes)
    }

    #[test]
    fn an_empty_one_gets_our_lines() {
        assert_eq!(adapted("").0, OURS);
        assert_eq!(
            adapted("# UNCONFIGURED FSTAB").0,
            format!("# UNCONFIGURED FSTAB\n{OURS}")
        );
    }

    #[test]
    fn only_root_and_home_are_replaced() {
        let old = "# <file system> <mount point>\n\
            UUID=aaaa / ext4 errors=remount-ro 0 1\n\
            UUID=bbbb\t/home/  xfs\tdefaults 0 2\n\
            tmpfs /tmp tmpfs nosuid 0 0\n\
            server:/export /srv nfs _netdev 0 0\n";
        let (text, notes) = adapted(old);
        let expected = "# <file system> <mount point>\n\
            # replaced by gobag: UUID=aaaa / ext4 errors=remount-ro 0 1\n\
            # replaced by gobag: UUID=bbbb\t/home/  xfs\tdefaults 0 2\n\
            tmpfs /tmp tmpfs nosuid 0 0\n\
            server:/export /srv nfs _netdev 0 0\n";
        assert_eq!(text, format!("{expected}{OURS}"));
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(adapted(&text).0, text, "twice is once");
    }

    #[test]
    fn partitions_that_stay_behind_are_told() {
        let (_, notes) = adapted(
            "UUID=1 /boot/efi vfat umask=0077 0 1\n\
             /dev/sdb1 /data ext4 nofail 0 2\n\
             UUID=2 none swap sw 0 0\n",
        );
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("UUID=1 on /boot/efi"), "{notes:?}");
    }

    #[test]
    fn without_a_home_volume_its_line_stays() {
        let adapted = adapt(b"UUID=b /home xfs defaults 0 2\n", false);
        let text = String::from_utf8(adapted.text).unwrap();
        assert!(text.starts_with("UUID=b /home"));
        assert!(!text.contains("gobag-home"));
    }
}
