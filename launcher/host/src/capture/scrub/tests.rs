//! Forms of what is personal, and what only looks like it.

use proptest::prelude::*;

use super::*;

fn scrubbed(text: &str) -> String {
    Scrub::new([
        ("anna".to_owned(), Scrub::USER),
        ("ed".to_owned(), Scrub::USER),
        ("host7".to_owned(), Scrub::COMPUTER),
    ])
    .text(text)
}

#[test]
fn what_is_personal_is_replaced() {
    for (text, expected) in [
        ("owner anna", "owner user1"),
        ("/home/anna/.config", "/home/user1/.config"),
        ("/home/zoe/x", "/home/user1/x"),
        ("C:\\Users\\zoe\\x", "C:\\Users\\user1\\x"),
        ("/media/anna/BLUE/x", "/media/user1/medium1/x"),
        ("/dev/mapper/host7--vg-root", "/dev/mapper/computer1--vg-root"),
        ("ether 52:54:00:ab:cd:ef", "ether 02:00:00:00:00:01"),
        ("inet 10.1.2.3/24", "inet 192.0.2.1/24"),
        ("Serial: ABC123", "Serial: SERIAL1"),
        (
            "serial=A1 model=x Serial Number: B2, serial: A1",
            "serial=SERIAL1 model=x Serial Number: SERIAL2, serial: SERIAL1",
        ),
        ("C:\\Users\\Zoe Ann\\App Data\\x", "C:\\Users\\user1\\App Data\\x"),
        (
            r#"{"path": "C:\\Users\\Zoe O'Neill", "b": 1}"#,
            r#"{"path": "C:\\Users\\user1", "b": 1}"#,
        ),
        (
            "uuid 3C0D2F4A-9A6B-4A1C-8F2E-0123456789AB",
            "uuid 00000000-0000-0000-0000-000000000001",
        ),
    ] {
        assert_eq!(scrubbed(text), expected);
    }
}

#[test]
fn what_is_not_personal_stays() {
    for text in [
        // `ed` is a user, and part of many words.
        "enabled: loaded",
        "8:16 /sys/dev/block/254:0",
        "127.0.0.1 ::1",
        "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz",
        "10.0.19045.4651",
        "6.1.0-18-amd64",
        "/home/user1/x",
        "ClamAV-VDB:14 Mar 2025 09-24 +0000:27576:2074341",
    ] {
        assert_eq!(scrubbed(text), text);
    }
}

/// A mount bears a name wherever people put it.
#[test]
fn names_of_mounts_are_hidden_wherever_they_are() {
    let mut scrub = Scrub::default();
    let mounts: String = [
        "/",
        "/boot/efi",
        "/home",
        "/home/zoe",
        "/home/zoe/Zoes\\040Disk",
        "/media/zoe/BLUE",
        "/mnt/zoe-usb",
        "/mnt",
        "/zoe/photos",
        "/srv/zoe",
        "/var/lib/x",
        "/run/user/1000",
    ]
    .iter()
    .map(|place| format!("36 35 8:1 / {place} rw - ext4 /dev/sda1 rw\n"))
    .collect();
    scrub.learn_media(&mounts);
    for (text, expected) in [
        ("/home/zoe/Zoes Disk/x", "/home/user1/medium1/x"),
        ("/home/zoe/Zoes\\040Disk rw", "/home/user1/medium1 rw"),
        ("/media/zoe/BLUE/x", "/media/user1/medium2/x"),
        ("at /mnt/zoe-usb", "at /mnt/medium3"),
        ("/mnt/zoe-usb-other", "/mnt/zoe-usb-other"),
        ("/zoe/photos", "/medium4"),
        ("/srv/zoe", "/srv/medium5"),
        (
            "/ /boot/efi /home /mnt /var/lib/x /run/user/1000",
            "/ /boot/efi /home /mnt /var/lib/x /run/user/1000",
        ),
    ] {
        assert_eq!(scrub.text(text), expected);
        assert_eq!(scrub.text(expected), expected);
    }
}

proptest! {
    #[test]
    fn scrubbing_twice_changes_nothing(text in "[a-f0-9:/\\-. =]{0,80}") {
        let mut scrub = Scrub::new([("anna".to_owned(), Scrub::USER)]);
        let once = scrub.text(&text);
        prop_assert_eq!(scrub.text(&once), once.clone(), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let mut scrub = Scrub::new([("anna".to_owned(), Scrub::USER)]);
        let _ = scrub.text(&text);
        let _ = scrub.capture("file /proc/self/mountinfo", &text);
    }
}
