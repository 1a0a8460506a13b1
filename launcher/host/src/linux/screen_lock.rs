//! Does the screen lock itself? A setting of the person at the desktop, so it is asked as that person.

use gobag_checklists::safety::ScreenLock;
use gobag_checklists::{Fact, Forger};

use crate::capture::Host;
use crate::probe::Scene;

const GSETTINGS: &str = "/usr/bin/gsettings";
const KDE: [&str; 2] = ["~/.config/kscreenlockerrc", "/etc/xdg/kscreenlockerrc"];
/// Where desktops that are installed have themselves listed.
const DESKTOPS: [&str; 2] = ["/usr/share/xsessions", "/usr/share/wayland-sessions"];
/// Plasma's own, where nobody chose: minutes until it locks, seconds of grace.
const PLASMA: (u32, u32) = (5, 5);

pub(super) fn probe(scene: &Scene) -> Fact<ScreenLock> {
    let host = scene.host.as_ref();
    let Some(desktop) = &scene.about.desktop else {
        let none = DESKTOPS.iter().all(|folder| host.list(folder).is_missing());
        return match none {
            true => Fact::not_applicable("no desktop is installed"),
            false => Fact::unknown("this was not started from a desktop"),
        };
    };
    if scene.about.administrator {
        return Fact::unknown("the settings of the person at the desktop were not read: this runs as root");
    }
    let is = |name: &str| desktop.split(':').any(|word| word.eq_ignore_ascii_case(name));
    let outcome = match () {
        () if is("GNOME") || is("Unity") => gnome(host).map(|lock| (lock, GSETTINGS)),
        () if is("KDE") => kde(host).map(|lock| (lock, "kscreenlockerrc")),
        () => Err(format!("how {desktop} locks is not known here")),
    };
    match outcome {
        Ok((lock, source)) => scene.known(lock, source, Forger::User),
        Err(reason) => Fact::unknown(reason),
    }
}

fn gnome(host: &dyn Host) -> Result<ScreenLock, String> {
    let get = |schema: &str, key: &str| host.program(GSETTINGS, &["get", schema, key]).word();
    let truth = |schema: &str, key: &str| match get(schema, key)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{schema} {key} is {other}")),
    };
    let seconds = |schema: &str, key: &str| {
        let word = get(schema, key)?;
        let number = word.strip_prefix("uint32 ").unwrap_or(&word);
        number
            .parse::<u32>()
            .map_err(|_| format!("{schema} {key} is {word}"))
    };
    let saver = "org.gnome.desktop.screensaver";
    let idle = seconds("org.gnome.desktop.session", "idle-delay")?;
    let forbidden = truth("org.gnome.desktop.lockdown", "disable-lock-screen")?;
    // Without an idle time the screen never goes dark, and what never begins never locks.
    let locks = truth(saver, "lock-enabled")? && !forbidden && idle > 0;
    let delay = seconds(saver, "lock-delay")?;
    Ok(ScreenLock {
        locks,
        after_s: locks.then(|| idle.saturating_add(delay)),
    })
}

fn kde(host: &dyn Host) -> Result<ScreenLock, String> {
    let mut texts = Vec::new();
    for path in KDE {
        texts.extend(host.file(path).text_if_there()?);
    }
    let get = |key: &str| texts.iter().find_map(|text| daemon(text, key));
    let number = |key: &str, usual: u32| match get(key) {
        None => Ok(usual),
        Some(value) => value
            .parse()
            .map_err(|_| format!("kscreenlockerrc: {key} is {value}")),
    };
    let minutes = number("Timeout", PLASMA.0)?;
    let grace = number("LockGrace", PLASMA.1)?;
    let auto = match get("Autolock").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(format!("kscreenlockerrc: Autolock is {other}")),
    };
    let locks = auto && minutes > 0;
    Ok(ScreenLock {
        locks,
        after_s: locks.then(|| minutes.saturating_mul(60).saturating_add(grace)),
    })
}

/// A value of the group `[Daemon]`. Where the administrator forbids another choice, the key has a mark (`Timeout[$i]`).
fn daemon(text: &str, key: &str) -> Option<String> {
    let mut inside = false;
    text.lines().find_map(|line| {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == "[Daemon]" || line == "[Daemon][$i]";
        }
        let (name, value) = line.split_once('=')?;
        let name = name.trim();
        (inside && name.split('[').next() == Some(key)).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linux::testing::{Bare, bare};

    fn on(desktop: &str) -> Bare {
        let desktop = desktop.to_owned();
        bare().about(|about| about.desktop = Some(desktop))
    }

    fn gnome(enabled: &str, idle: &str, delay: &str, forbidden: &str) -> Bare {
        let key = |schema: &str, key: &str| {
            format!("program /usr/bin/gsettings get org.gnome.desktop.{schema} {key}")
        };
        on("ubuntu:GNOME")
            .text(&key("screensaver", "lock-enabled"), enabled)
            .text(&key("session", "idle-delay"), idle)
            .text(&key("screensaver", "lock-delay"), delay)
            .text(&key("lockdown", "disable-lock-screen"), forbidden)
    }

    fn lock(bare: Bare) -> Option<(bool, Option<u32>)> {
        probe(&bare.scene())
            .value()
            .map(|lock| (lock.locks, lock.after_s))
    }

    #[test]
    fn gnome_locks_after_idling_and_a_delay() {
        for (settings, expected) in [
            (
                ["true\n", "uint32 300\n", "uint32 0\n", "false\n"],
                Some((true, Some(300))),
            ),
            (
                ["true\n", "uint32 600\n", "uint32 30\n", "false\n"],
                Some((true, Some(630))),
            ),
            (
                ["false\n", "uint32 300\n", "uint32 0\n", "false\n"],
                Some((false, None)),
            ),
            (
                ["true\n", "uint32 0\n", "uint32 0\n", "false\n"],
                Some((false, None)),
            ),
            (
                ["true\n", "uint32 300\n", "uint32 0\n", "true\n"],
                Some((false, None)),
            ),
            (["wahr\n", "uint32 300\n", "uint32 0\n", "false\n"], None),
            (["true\n", "viel\n", "uint32 0\n", "false\n"], None),
        ] {
            let [enabled, idle, delay, forbidden] = settings;
            assert_eq!(
                lock(gnome(enabled, idle, delay, forbidden)),
                expected,
                "{settings:?}"
            );
        }
        assert_eq!(lock(on("GNOME")), None);
    }

    #[test]
    fn plasma_locks_unless_somebody_chose_otherwise() {
        let kde = |text: &str| lock(on("KDE").text("file ~/.config/kscreenlockerrc", text));
        assert_eq!(lock(on("KDE")), Some((true, Some(305))));
        assert_eq!(
            kde("[Daemon]\nTimeout=10\nLockGrace=0\n"),
            Some((true, Some(600)))
        );
        assert_eq!(kde("[Daemon]\nAutolock=false\n"), Some((false, None)));
        assert_eq!(
            kde("[Greeter]\nAutolock=false\n[Daemon]\nTimeout=1\n"),
            Some((true, Some(65)))
        );
        assert_eq!(kde("[Daemon]\nTimeout=soon\n"), None);
    }

    #[test]
    fn without_a_desktop_it_does_not_apply_or_is_unknown() {
        assert!(matches!(probe(&bare().scene()), Fact::NotApplicable { .. }));
        let elsewhere = bare().text("list /usr/share/xsessions", "gnome.desktop\n");
        assert!(matches!(probe(&elsewhere.scene()), Fact::Unknown { .. }));
        assert!(matches!(probe(&on("XFCE").scene()), Fact::Unknown { .. }));
        let root = on("KDE").about(|about| about.administrator = true);
        assert!(matches!(probe(&root.scene()), Fact::Unknown { .. }));
    }

    proptest! {
        #[test]
        fn no_settings_make_it_panic(text in "(\\PC{0,20}\\n){0,8}") {
            let _ = lock(on("KDE").text("file ~/.config/kscreenlockerrc", &text));
            let _ = lock(gnome(&text, &text, &text, &text));
        }
    }
}
