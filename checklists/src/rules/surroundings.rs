//! Rules about the place: the person's habits, the stick's port, power and network.

use super::{Judged, Outcome, cannot_tell, judged, known, missed};
use crate::fact::Fact;
use crate::host::HostFacts;
use crate::requirements::{Mode, Requirements};
use crate::safety::{Reach, Tristate};
use crate::words;

/// Slowest port that does not hold a usual stick back, in Mbit/s.
const FAST_PORT_MBIT_PER_S: u32 = 5000;

pub(super) fn screen_lock(facts: &HostFacts) -> Judged {
    let needed = "locks itself";
    let lock = match known(&facts.screen_lock, needed) {
        Ok(lock) => lock,
        Err(judged) => return judged,
    };
    let found = match (lock.locks, lock.after_s) {
        (false, _) => "does not lock".to_owned(),
        (true, None) => "locks".to_owned(),
        (true, Some(after_s)) => format!("locks after {}", words::count(after_s.div_ceil(60), "minute")),
    };
    let outcome = match lock.locks {
        true => Outcome::Met,
        false => missed("lock the screen by hand when you leave (Windows key + L, or Control + Command + Q)"),
    };
    judged(needed, found, outcome)
}

pub(super) fn clock(facts: &HostFacts) -> Judged {
    let needed = "right";
    let clock = match known(&facts.clock, needed) {
        Ok(clock) => clock,
        Err(judged) => return judged,
    };
    let advice = "set the computer's date and time; secure connections fail while they are wrong";
    if clock.before_release {
        return judged(needed, "years behind", missed(advice));
    }
    match &clock.synchronized {
        Tristate::Yes => judged(needed, "kept right by a time server", Outcome::Met),
        Tristate::No => judged(
            needed,
            "kept right by nobody",
            Outcome::MetPoorly {
                what_to_do: "look whether date and time are right".to_owned(),
            },
        ),
        Tristate::Unknown { reason } => judged(
            needed,
            format!("unknown: {reason}"),
            cannot_tell("look whether date and time are right"),
        ),
    }
}

pub(super) fn ordinary_user(facts: &HostFacts) -> Judged {
    let needed = "not an administrator";
    match known(&facts.administrator, needed) {
        Err(judged) => judged,
        Ok(false) => judged(needed, "an ordinary user", Outcome::Met),
        Ok(true) => judged(
            needed,
            "administrator",
            missed("nothing; work as an ordinary user where you can choose"),
        ),
    }
}

pub(super) fn real_computer(facts: &HostFacts) -> Judged {
    let needed = "a real computer";
    match known(&facts.cpu, needed) {
        Err(judged) => judged,
        Ok(cpu) if cpu.inside_hypervisor => judged(
            needed,
            "a virtual machine",
            missed("whoever runs this virtual machine can see everything in it; use it only if it is yours"),
        ),
        Ok(_) => judged(needed, "a real computer", Outcome::Met),
    }
}

pub(super) fn stick_port(facts: &HostFacts) -> Judged {
    let needed = "USB 3";
    let stick = match known(&facts.stick, needed) {
        Ok(stick) => stick,
        Err(judged) => return judged,
    };
    match stick.usb_mbit_per_s {
        None => judged(needed, "not on USB", Outcome::Met),
        Some(speed) if speed < FAST_PORT_MBIT_PER_S => judged(
            needed,
            format!("a port of {speed} Mbit/s"),
            missed(
                "end the workstation, and try the other USB ports; the fast ones are often blue or marked SS",
            ),
        ),
        Some(speed) => judged(needed, format!("a port of {speed} Mbit/s"), Outcome::Met),
    }
}

pub(super) fn stick_speed(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let policy = &requirements.policy;
    let speed = |bytes: u64| format!("{:.1} MB/s", bytes as f64 / 1e6);
    let needed = format!(
        "reads {}, writes {}",
        speed(policy.min_stick_read_bytes_per_s),
        speed(policy.min_stick_write_bytes_per_s)
    );
    let stick = match known(&facts.stick, &needed) {
        Ok(stick) => stick,
        Err(judged) => return judged,
    };
    let said = |measured: Option<u64>| measured.map_or("not measured".to_owned(), speed);
    let (read, write) = (stick.read_bytes_per_s, stick.write_bytes_per_s);
    let found = format!("reads {}, writes {}", said(read), said(write));
    let below = |measured: Option<u64>, least| measured.is_some_and(|measured| measured < least);
    if below(read, policy.min_stick_read_bytes_per_s) || below(write, policy.min_stick_write_bytes_per_s) {
        let advice =
            "try another USB port; if it stays slow, the stick is worn or a poor one: ask IT for another";
        return judged(needed, found, missed(advice));
    }
    match (read, write) {
        (Some(_), Some(_)) => judged(needed, found, Outcome::Met),
        _ => judged(
            needed,
            found,
            cannot_tell("nothing; you will notice if it is slow"),
        ),
    }
}

/// Errors that were counted are a fact, and tell more than a capacity that nobody tested.
pub(super) fn stick_honest(facts: &HostFacts) -> Judged {
    let needed = "no errors, as large as it says";
    let stick = match known(&facts.stick, needed) {
        Ok(stick) => stick,
        Err(judged) => return judged,
    };
    let advice = "bring what you did into safety, and ask IT for another stick";
    match (stick.io_errors, &stick.honest_capacity) {
        (Some(errors), _) if errors > 0 => judged(
            needed,
            format!("{errors} errors since it was plugged in"),
            missed(advice),
        ),
        (_, Tristate::No) => judged(needed, "smaller than it says", missed(advice)),
        (Some(_), Tristate::Yes) => judged(needed, "no errors, as large as it says", Outcome::Met),
        (None, Tristate::Yes) => judged(needed, "as large as it says", Outcome::Met),
        (errors, Tristate::Unknown { reason }) => judged(
            needed,
            match errors {
                Some(_) => format!("no errors seen; its size is unknown: {reason}"),
                None => format!("nobody counted errors; its size is unknown: {reason}"),
            },
            cannot_tell("nothing; IT tests sticks before they are handed out"),
        ),
    }
}

/// A computer without a battery has nothing to run down: here "not applicable" is the good answer.
pub(super) fn power(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let least = requirements.policy.min_battery_percent;
    let needed = format!("mains, or a battery of {least} %");
    if let Fact::NotApplicable { reason } = &facts.power {
        return judged(needed, reason, Outcome::Met);
    }
    let power = match known(&facts.power, &needed) {
        Ok(power) => power,
        Err(judged) => return judged,
    };
    match (power.on_mains, power.battery_percent) {
        (true, _) => judged(needed, "mains", Outcome::Met),
        (false, None) => judged(
            needed,
            "a battery of unknown charge",
            cannot_tell("plug the computer in"),
        ),
        (false, Some(percent)) if percent < least => judged(
            needed,
            format!("a battery of {percent} %"),
            missed("plug the computer in"),
        ),
        (false, Some(percent)) => judged(needed, format!("a battery of {percent} %"), Outcome::Met),
    }
}

pub(super) fn network(facts: &HostFacts, mode: Mode) -> Judged {
    let needed = match mode {
        Mode::RemoteOnly => "a way to the company",
        _ => "a way to the company, to keep your data in step",
    };
    let reach = match known(&facts.network, needed) {
        Ok(reach) => *reach,
        Err(judged) => return judged,
    };
    let (found, outcome) = match reach {
        Reach::Company => ("the company answers", Outcome::Met),
        Reach::Internet => ("the internet", Outcome::Met),
        Reach::Captive => (
            "a network that wants you to log in",
            missed("open a browser and log in to the network, then check again"),
        ),
        Reach::Offline => (
            "none",
            missed(
                "connect this computer to a network; without one, work stays on the stick until there is one",
            ),
        ),
    };
    judged(needed, found, outcome)
}
