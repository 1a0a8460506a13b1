//! Where the power comes from.

use gobag_checklists::safety::Power;
use gobag_checklists::{Fact, Forger};

use crate::capture::Host;
use crate::probe::Scene;

const SUPPLIES: &str = "/sys/class/power_supply";

pub(super) fn probe(scene: &Scene) -> Fact<Power> {
    match look(scene.host.as_ref()) {
        Ok(Some(power)) => scene.known(power, SUPPLIES, Forger::Kernel),
        Ok(None) => Fact::not_applicable("no battery"),
        Err(reason) => Fact::unknown(reason),
    }
}

fn look(host: &dyn Host) -> Result<Option<Power>, String> {
    // A kernel without any knowledge of power has no such folder: a server, a virtual machine.
    let Some(names) = host.list(SUPPLIES).text_if_there()? else {
        return Ok(None);
    };
    let (mut mains, mut states, mut levels): (Vec<bool>, Vec<String>, Vec<u8>) = Default::default();
    for name in names.lines() {
        let read = |field: &str| host.file(&format!("{SUPPLIES}/{name}/{field}")).word();
        // A mouse has a battery too.
        if read("scope").is_ok_and(|scope| scope == "Device") {
            continue;
        }
        match read("type")?.as_str() {
            "Battery" => {
                if read("present").is_ok_and(|present| present == "0") {
                    continue;
                }
                states.push(read("status")?);
                let level = read("capacity").ok().and_then(|level| level.parse::<u8>().ok());
                levels.extend(level.filter(|level| *level <= 100));
            }
            "Mains" | "USB" => mains.extend(match read("online")?.as_str() {
                "1" | "2" => Some(true),
                "0" => Some(false),
                _ => None,
            }),
            _ => {}
        }
    }
    if states.is_empty() {
        return Ok(None);
    }
    let is = |words: &[&str]| states.iter().any(|state| words.contains(&state.as_str()));
    let on_mains = match (mains.is_empty(), mains.contains(&true)) {
        (false, on) => on,
        // Without a word about the plug, the battery's.
        (true, _) if is(&["Discharging"]) => false,
        (true, _) if is(&["Charging", "Full", "Not charging"]) => true,
        (true, _) => return Err("the battery does not tell whether it is charged".to_owned()),
    };
    let sum: u32 = levels.iter().map(|level| u32::from(*level)).sum();
    let average = sum.checked_div(u32::try_from(levels.len()).unwrap_or(u32::MAX));
    Ok(Some(Power {
        on_mains,
        battery_percent: average.and_then(|level| u8::try_from(level).ok()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::testing::{Bare, bare};

    fn supplies(all: &[(&str, &[(&str, &str)])]) -> Bare {
        let names: String = all.iter().map(|(name, _)| format!("{name}\n")).collect();
        let bare = bare().text("list /sys/class/power_supply", &names);
        all.iter().fold(bare, |bare, (name, fields)| {
            fields.iter().fold(bare, |bare, (field, value)| {
                bare.text(
                    &format!("file /sys/class/power_supply/{name}/{field}"),
                    &format!("{value}\n"),
                )
            })
        })
    }

    #[test]
    fn laptops_desktops_and_mice() {
        let battery: &[_] = &[("type", "Battery"), ("status", "Discharging"), ("capacity", "57")];
        let charging: &[_] = &[("type", "Battery"), ("status", "Charging"), ("capacity", "101")];
        let mouse: &[_] = &[
            ("type", "Battery"),
            ("scope", "Device"),
            ("status", "Discharging"),
        ];
        let (on, off): (&[_], &[_]) = (
            &[("type", "Mains"), ("online", "1")],
            &[("type", "Mains"), ("online", "0")],
        );
        for (all, expected) in [
            (vec![("AC", on), ("BAT0", battery)], Some((true, Some(57)))),
            (vec![("AC", off), ("BAT0", battery)], Some((false, Some(57)))),
            (vec![("BAT0", battery)], Some((false, Some(57)))),
            (vec![("BAT0", charging)], Some((true, None))),
            (vec![("AC", on), ("mouse", mouse)], None),
            (vec![("AC", on)], None),
        ] {
            let fact = probe(&supplies(&all).scene());
            let found = fact.value().map(|power| (power.on_mains, power.battery_percent));
            assert_eq!(found, expected, "{all:?}");
            assert_eq!(
                matches!(fact, Fact::NotApplicable { .. }),
                expected.is_none(),
                "{all:?}"
            );
        }
        assert!(matches!(probe(&bare().scene()), Fact::NotApplicable { .. }));
        let strange = supplies(&[("BAT0", &[("type", "Battery"), ("status", "Unknown")])]);
        assert!(matches!(probe(&strange.scene()), Fact::Unknown { .. }));
    }
}
