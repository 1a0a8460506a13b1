//! The states, in the order in which they are made: each begins where the one before it ended.

use Rule::{Antivirus, Disks, Firewall};
use User::{Person, Root};

use super::guest::{Inside, User};
use super::seen::Rule;

/// One state of the guest.
pub(super) struct State {
    pub(super) name: &'static str,
    /// Commands that make it of the one before; each must go well.
    pub(super) made_by: &'static [&'static str],
    pub(super) rule: Rule,
    pub(super) inside: Inside,
    /// Fact and verdict, for each who looks.
    pub(super) seen_by: &'static [(User, (&'static str, &'static str))],
    /// The name of a recording of it, and as whom.
    pub(super) recorded: Option<(&'static str, User)>,
}

/// One of the system as it is, not recorded.
const fn state(
    rule: Rule,
    name: &'static str,
    made_by: &'static [&'static str],
    seen_by: &'static [(User, (&'static str, &'static str))],
) -> State {
    State {
        name,
        made_by,
        rule,
        inside: Inside::System,
        seen_by,
        recorded: None,
    }
}

pub(super) const STATES: &[State] = &[
    state(
        Disks,
        "a plain disk",
        &[],
        &[(Root, ("/ no", "warn")), (Person, ("/ no", "warn"))],
    ),
    state(
        Disks,
        "a file with a plain file system",
        &[
            "truncate -s 24M /srv/plain.img",
            "mkfs.ext4 -q /srv/plain.img",
            "mount -o loop /srv/plain.img /mnt/plain",
        ],
        &[
            (Root, ("/ no, /mnt/plain no", "warn")),
            (Person, ("/ no, /mnt/plain no", "warn")),
        ],
    ),
    state(
        Disks,
        "a file with LUKS, and a file system in it",
        &[
            "truncate -s 80M /srv/secret.img",
            "echo -n word | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /srv/secret.img -",
            "echo -n word | cryptsetup open --key-file - /srv/secret.img secret",
            "mkfs.ext4 -q /dev/mapper/secret",
            "mount /dev/mapper/secret /mnt/secret",
        ],
        &[
            (Root, ("/ no, /mnt/plain no, /mnt/secret yes (LUKS)", "warn")),
            (Person, ("/ no, /mnt/plain no, /mnt/secret yes (LUKS)", "warn")),
        ],
    ),
    State {
        name: "a system that is all on LUKS (a folder of it as root)",
        made_by: &[
            "cp /usr/local/bin/gobag /mnt/secret",
            "cp --parents -L $(ldd /usr/local/bin/gobag | grep -o '/[^ ]*') /mnt/secret",
            "mkdir /mnt/secret/proc /mnt/secret/sys /mnt/secret/tmp",
            "mount -t proc proc /mnt/secret/proc && mount -t sysfs sysfs /mnt/secret/sys",
        ],
        rule: Disks,
        inside: Inside::Encrypted,
        seen_by: &[(Root, ("/ yes (LUKS)", "pass"))],
        recorded: None,
    },
    state(
        Antivirus,
        "ClamAV as Debian installs it, without a network",
        &["umount /mnt/secret/proc /mnt/secret/sys"],
        &[
            (Root, ("ClamAV: runs no, genuine yes, signatures missing", "fail")),
            (
                Person,
                ("ClamAV: runs no, genuine yes, signatures missing", "fail"),
            ),
        ],
    ),
    state(
        Antivirus,
        "ClamAV: the scanner with a signature of ours, no updater",
        &[
            // `GOBAG-TEST-PATTERN` in a file of any kind.
            "echo 'Gobag.Test:0:*:474f4241472d544553542d5041545445524e' > /var/lib/clamav/firm.ndb",
            // Debian's unit waits for the makers' databases; whoever has only their own tells it not to.
            "mkdir -p /etc/systemd/system/clamav-daemon.service.d; printf '[Unit]\\nConditionPathExistsGlob=\\n' > /etc/systemd/system/clamav-daemon.service.d/own.conf",
            "systemctl daemon-reload",
            "systemctl start clamav-daemon.socket clamav-daemon.service",
            "clamdscan --ping 240",
            "echo 'xx GOBAG-TEST-PATTERN xx' > /tmp/sample; clamdscan --fdpass --no-summary /tmp/sample | grep 'Gobag.Test.UNOFFICIAL FOUND'",
        ],
        &[(
            Root,
            ("ClamAV: runs no, genuine yes, signatures 0 days old", "fail"),
        )],
    ),
    state(
        Antivirus,
        "ClamAV: scanner and updater run",
        &[
            "systemctl start clamav-freshclam",
            "systemctl is-active clamav-freshclam clamav-daemon",
        ],
        &[
            (
                Root,
                ("ClamAV: runs yes, genuine yes, signatures 0 days old", "pass"),
            ),
            (
                Person,
                ("ClamAV: runs yes, genuine yes, signatures 0 days old", "pass"),
            ),
        ],
    ),
    state(
        Firewall,
        "no firewall",
        &[],
        &[
            (Root, ("none: set up no, in force no", "warn")),
            (Person, ("none: set up no, in force unknown", "warn")),
        ],
    ),
    state(
        Firewall,
        "nftables on, with Debian's own rules, which let all in",
        &["systemctl enable --now nftables"],
        &[
            (Root, ("nftables: set up yes, in force no", "warn")),
            (Person, ("nftables: set up yes, in force unknown", "unknown")),
        ],
    ),
    state(
        Firewall,
        "nftables on, with rules that keep strangers out",
        &[
            "sed -i 's/type filter hook input priority filter;/& policy drop; ct state established accept/' /etc/nftables.conf",
            "systemctl reload nftables",
        ],
        &[
            (Root, ("nftables: set up yes, in force yes", "pass")),
            (Person, ("nftables: set up yes, in force unknown", "unknown")),
        ],
    ),
    state(
        Firewall,
        "nftables on, its rules flushed by somebody",
        &["nft flush ruleset"],
        &[(Root, ("nftables: set up yes, in force no", "warn"))],
    ),
    state(
        Firewall,
        "nftables off, rules for IPv6 alone",
        &[
            "systemctl disable --now nftables",
            "nft add table ip6 six && nft add chain ip6 six in '{ type filter hook input priority 0 ; policy drop ; }'",
        ],
        &[(Root, ("none: set up no, in force no", "warn"))],
    ),
    state(
        Firewall,
        "nftables off, no rules",
        &["nft flush ruleset"],
        &[(Root, ("none: set up no, in force no", "warn"))],
    ),
    State {
        name: "ufw on",
        made_by: &["ufw --force enable"],
        rule: Firewall,
        inside: Inside::System,
        seen_by: &[
            (Root, ("ufw: set up yes, in force yes", "pass")),
            (Person, ("ufw: set up yes, in force unknown", "unknown")),
        ],
        recorded: Some(("debian-12-protected", Root)),
    },
    state(
        Firewall,
        "ufw on by hand, its unit stopped before",
        &["systemctl stop ufw", "ufw --force enable"],
        &[
            (Root, ("ufw: set up yes, in force yes", "pass")),
            (Person, ("ufw: set up yes, in force unknown", "unknown")),
        ],
    ),
    state(
        Firewall,
        "ufw off",
        &["ufw disable"],
        &[
            (Root, ("none: set up no, in force no", "warn")),
            (Person, ("none: set up no, in force unknown", "warn")),
        ],
    ),
    state(
        Antivirus,
        "ClamAV: signatures of ours 40 days old",
        &["touch -d '40 days ago' /var/lib/clamav/firm.ndb"],
        &[
            (
                Root,
                ("ClamAV: runs yes, genuine yes, signatures 40 days old", "fail"),
            ),
            (
                Person,
                ("ClamAV: runs yes, genuine yes, signatures 40 days old", "fail"),
            ),
        ],
    ),
    state(
        Antivirus,
        "ClamAV: beside them a daily database of today",
        &[
            "LC_ALL=C date -u '+ClamAV-VDB:%d %b %Y %H-%M +0000:27000:1:90:0:0:gobag:0' > /var/lib/clamav/daily.cld",
        ],
        &[(
            Root,
            ("ClamAV: runs yes, genuine yes, signatures 0 days old", "pass"),
        )],
    ),
    State {
        name: "ClamAV: the daily database 40 days old, ours of today",
        made_by: &[
            "LC_ALL=C date -u -d '40 days ago' '+ClamAV-VDB:%d %b %Y %H-%M +0000:27000:1:90:0:0:gobag:0' > /var/lib/clamav/daily.cld",
            "touch /var/lib/clamav/firm.ndb",
        ],
        rule: Antivirus,
        inside: Inside::System,
        seen_by: &[
            (
                Root,
                ("ClamAV: runs yes, genuine yes, signatures 40 days old", "fail"),
            ),
            (
                Person,
                ("ClamAV: runs yes, genuine yes, signatures 40 days old", "fail"),
            ),
        ],
        recorded: Some(("debian-12-neglected", Person)),
    },
    state(
        Antivirus,
        "ClamAV: fresh signatures, the scanner stopped",
        &[
            "rm /var/lib/clamav/daily.cld",
            "systemctl stop clamav-daemon.socket clamav-daemon.service",
        ],
        &[
            (
                Root,
                ("ClamAV: runs no, genuine yes, signatures 0 days old", "fail"),
            ),
            (
                Person,
                ("ClamAV: runs no, genuine yes, signatures 0 days old", "fail"),
            ),
        ],
    ),
    state(
        Antivirus,
        "ClamAV: its unit masked",
        &["systemctl mask clamav-daemon.service"],
        // Its program lies there, and its updater runs; that counts for nothing.
        &[(
            Root,
            ("ClamAV: runs no, genuine yes, signatures 0 days old", "fail"),
        )],
    ),
    state(
        Antivirus,
        "ClamAV removed",
        &[
            "systemctl unmask clamav-daemon.service",
            "DEBIAN_FRONTEND=noninteractive dpkg --remove clamdscan clamav-daemon clamav-freshclam < /dev/null",
        ],
        &[(Root, ("none", "fail")), (Person, ("none", "fail"))],
    ),
];
