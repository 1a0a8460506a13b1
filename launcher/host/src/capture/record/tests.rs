//! What is recorded comes back, without the persons in it.

use proptest::prelude::*;

use super::*;

/// A computer of which the test knows everything.
struct Made(BTreeMap<&'static str, Capture>);

impl Made {
    fn get(&self, key: &str) -> Capture {
        let missing = || Capture::failed(Obstacle::Missing, format!("cannot read {key}"));
        self.0.get(key).cloned().unwrap_or_else(missing)
    }
}

impl Host for Made {
    fn file(&self, path: &str) -> Capture {
        self.get(path)
    }
    fn list(&self, path: &str) -> Capture {
        self.get(path)
    }
    fn link(&self, path: &str) -> Capture {
        self.get(path)
    }
    fn program(&self, path: &str, _args: &[&str]) -> Capture {
        self.get(path)
    }
    fn query(&self, name: &str) -> Capture {
        self.get(name)
    }
}

fn about() -> About {
    About {
        system: System::Linux,
        comment: None,
        now_s: 1_800_000_000,
        released_s: 0,
        administrator: false,
        desktop: Some("GNOME".to_owned()),
        stick: Some("/media/anna/Annas Stick".to_owned()),
    }
}

fn scrub() -> Scrub {
    Scrub::new([
        ("anna".to_owned(), Scrub::USER),
        ("annas-laptop".to_owned(), Scrub::COMPUTER),
    ])
}

#[test]
fn a_recording_replays_what_was_seen() {
    let made = Made(BTreeMap::from([
        ("/etc/x", Capture::of("a=1\nb=2\n")),
        ("/etc/empty", Capture::of("")),
        (VARIABLE, Capture::Bytes(vec![6, 0, 0, 0, 1])),
        ("unit clamav", Capture::of("{\"active\":\"active\",\"pid\":7}")),
        ("/bin/tool", Capture::of("Status: On")),
    ]));
    let recorder = Recorder::new(made);
    let looks = |host: &dyn Host| {
        [
            host.file("/etc/x"),
            host.file("/etc/empty"),
            host.file(VARIABLE),
            host.query("unit clamav"),
            host.program("/bin/tool", &["--status"]),
        ]
    };
    let seen = looks(&recorder);
    let missing = recorder.list("/nowhere");
    let recording = recorder.finish(&about(), &mut scrub());
    let recorded = Recorded::read(&recording.text).expect("reads");
    assert_eq!(looks(&recorded), seen);
    assert_eq!(recorded.list("/nowhere"), missing);
    assert!(recorded.file("/never/asked").is_missing());
    assert_eq!(recording.kept.len(), 6, "{:?}", recording.kept);
}

/// A capture of everything that must not leave the computer.
#[test]
fn nobody_can_tell_from_a_recording_whose_computer_it_was() {
    let mounts = "\
36 1 254:0 / / rw - ext4 /dev/mapper/annas--laptop--vg-root rw,errors=remount-ro
90 36 8:17 / /media/anna/Annas\\040Stick rw - vfat /dev/sdb1 rw,uid=1000
91 36 0:60 / /home/anna/firm rw - cifs //files.example.com/anna rw,username=anna,domain=EXAMPLE,addr=198.51.100.7
92 36 0:61 / /home/bob/x rw - fuse.sshfs bob@203.0.113.9:/srv rw,user_id=1001
";
    let unit = "{\"exec\":\"/home/anna/bin/clamd\",\"serial\":\"WX12A3456789\",\"host\":\"annas-laptop\"}";
    let network = "\
eth0 52:54:00:ab:cd:ef fe80::5054:ff:feab:cdef 198.51.100.7
fs_uuid 3c0d2f4a-9a6b-4a1c-8f2e-0123456789ab
Serial Number (system): C02XG1YZJG5H
dm CRYPT-LUKS2-3c0d2f4a9a6b4a1c8f2e0123456789ab-luks-3c0d2f4a-9a6b-4a1c-8f2e-0123456789ab
";
    let recorder = Recorder::new(Made(BTreeMap::from([
        ("/proc/self/mountinfo", Capture::of(mounts)),
        ("unit x", Capture::of(unit)),
        ("/net", Capture::of(network)),
        (
            "/media/anna/Annas Stick/x",
            Capture::failed(Obstacle::NoPermission, "cannot read /home/anna/x"),
        ),
    ])));
    let _ = recorder.file("/proc/self/mountinfo");
    let _ = recorder.query("unit x");
    let _ = recorder.file("/net");
    let _ = recorder.file("/media/anna/Annas Stick/x");
    let recording = recorder.finish(&about(), &mut scrub());
    for personal in [
        "anna",
        "annas",
        "bob",
        "Stick",
        "GOBAG",
        "files.example",
        "EXAMPLE",
        "198.51",
        "203.0.113",
        "52:54:00",
        "fe80",
        "3c0d2f4a",
        "0123456789ab",
        "WX12A",
        "C02XG",
        "laptop",
    ] {
        assert!(
            !recording.text.contains(personal),
            "{personal} in\n{}",
            recording.text
        );
    }
    // What belongs together still does.
    let recorded = Recorded::read(&recording.text).expect("reads");
    let network = recorded.file("/net").text().expect("text");
    let uuid = network
        .split("fs_uuid ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("a line");
    assert!(network.contains(&format!("-luks-{uuid}")), "{network}");
    assert!(
        network.contains(&format!("CRYPT-LUKS2-{}", uuid.replace('-', ""))),
        "{network}"
    );
    let stick = recorded.about.stick.clone().expect("a stick");
    assert!(
        recorded
            .file(&format!("{stick}/x"))
            .text()
            .is_err_and(|reason| reason.contains("/home/user"))
    );
    for kind in [
        "user names",
        "computer names",
        "UUIDs",
        "serial numbers",
        "IP addresses",
        "names of media",
    ] {
        assert!(
            recording.removed.get(kind).is_some_and(|count| *count > 0),
            "{kind}: {:?}",
            recording.removed
        );
    }
}

#[test]
fn what_is_no_recording_is_refused_with_its_code() {
    for (text, code) in [
        ("", "host.recording-malformed"),
        ("{\"format\":1}", "host.recording-malformed"),
        (
            "{\"format\":2,\"system\":\"linux\",\"now_s\":1,\"captures\":{}}",
            "host.recording-format",
        ),
    ] {
        let error = Recorded::read(text).expect_err("refused");
        assert_eq!(error.code(), code, "{text}");
    }
    let long = " ".repeat(MAX_RECORDING_BYTES + 1);
    assert_eq!(
        Recorded::read(&long).expect_err("refused").code(),
        "host.recording-too-long"
    );
}

/// Bytes and no text.
const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot";

proptest! {
    #[test]
    fn any_text_without_names_comes_back(text in "[g-m=\\n ]{0,80}") {
        let recorder = Recorder::new(Made(BTreeMap::from([("/x", Capture::of(text.clone()))])));
        let _ = recorder.file("/x");
        let recording = recorder.finish(&about(), &mut Scrub::default());
        let again = Recorded::read(&recording.text).expect("reads").file("/x");
        prop_assert_eq!(again, Capture::of(text));
    }

    #[test]
    fn any_bytes_of_the_firmware_come_back(bytes in proptest::collection::vec(128_u8..=255, 1..40)) {
        let recorder = Recorder::new(Made(BTreeMap::from([(VARIABLE, Capture::Bytes(bytes.clone()))])));
        let _ = recorder.file(VARIABLE);
        let recording = recorder.finish(&about(), &mut Scrub::default());
        let again = Recorded::read(&recording.text).expect("reads").file(VARIABLE);
        if std::str::from_utf8(&bytes).is_err() {
            prop_assert_eq!(again, Capture::Bytes(bytes));
        }
    }

    #[test]
    fn no_recording_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Recorded::read(&text);
    }
}

#[test]
fn of_settings_only_what_is_looked_at_is_kept_and_strange_letters_hide_no_name() {
    let mut scrub = Scrub::new([("anna".to_owned(), Scrub::USER)]);
    let mut lines = |key: &str, bytes: &[u8]| match kept(key, &Capture::Bytes(bytes.to_vec()), &mut scrub) {
        Kept::Lines(lines) => lines.join("\n"),
        _ => panic!("no lines"),
    };
    let mail = b"Unattended-Upgrade::Mail \"boss@firm.example\";\nAPT::Periodic::Unattended-Upgrade \"1\";";
    let apt = lines("file /etc/apt/apt.conf.d/50unattended-upgrades", mail);
    assert_eq!(apt, "\nAPT::Periodic::Unattended-Upgrade \"1\";");
    let scanner = b"VirusEvent mail boss@firm.example\nDatabaseDirectory /srv/clamav\n";
    let scanner = lines("file /etc/clamav/clamd.conf", scanner);
    assert_eq!(scanner, "\nDatabaseDirectory /srv/clamav\n");
    let unit = b"[Service]\nEnvironment=TOKEN=secret\nExecStart=/usr/sbin/clamd\n";
    let unit = lines("file /lib/systemd/system/clamav-daemon.service", unit);
    assert_eq!(unit, "\n\nExecStart=/usr/sbin/clamd\n");
    // An answer about units is no unit's file.
    let units = lines("query units a.service", b"asked");
    assert_eq!(units, "asked");
    let picture = b"[Daemon]\nTimeout=5\n[Greeter]\nImage=/home/anna/wedding.jpg";
    let desktop = lines("file ~/.config/kscreenlockerrc", picture);
    assert!(
        desktop.contains("Timeout=5") && !desktop.contains("wedding"),
        "{desktop}"
    );
    let latin = lines("file /proc/swaps", b"/home/anna/M\xfcll partition");
    assert!(!latin.contains("anna"), "{latin}");
}
