//! Rules about what the computer can do: FUSE, the hypervisor, namespaces, mounting.

use super::{Judged, Outcome, ability, cannot_tell, known, missed, no};
use crate::host::{Ability, BlockMount, HostFacts, Obstacle, Tool, UserMap};
use crate::requirements::{AcceleratorRule, Mode, Requirements};

/// A virtual machine can do without: then its disks come through a block socket.
pub(super) fn fuse(facts: &HostFacts, mode: Mode) -> Judged {
    let advice = |obstacle| match obstacle {
        Obstacle::Missing => install("fuse3"),
        Obstacle::NoPermission => {
            "ask IT to allow FUSE for you (access to /dev/fuse, fusermount3 set-user-id root)".into()
        }
        _ => "ask IT why FUSE does not work on this computer".to_owned(),
    };
    ability(
        &facts.fuse,
        "FUSE, usable by you",
        |access| match &access.helper {
            Some(helper) => format!("works, through {}", helper.display()),
            None => "works, as administrator".to_owned(),
        },
        |obstacle| match mode {
            Mode::Vm => format!(
                "nothing, a virtual machine works without; for a container, or the disks as files: {}",
                advice(obstacle)
            ),
            _ => advice(obstacle),
        },
    )
}

pub(super) fn qemu(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let oldest = requirements.vm.min_qemu_version;
    let needed = format!("QEMU {oldest} or newer");
    let judged = ability(&facts.qemu, &needed, tool, |obstacle| match obstacle {
        Obstacle::Missing => install("qemu-system-x86"),
        _ => "reinstall QEMU, or ask IT to".into(),
    });
    match facts.qemu.value() {
        Some(Ability::Yes {
            with: Tool {
                version: Some(version),
                ..
            },
        }) if *version < oldest => {
            let outcome = missed("this QEMU is too old; update it, or ask IT to");
            Judged { outcome, ..judged }
        }
        Some(Ability::Yes {
            with: Tool { version: None, .. },
        }) => {
            let outcome = cannot_tell("it did not tell its version; try to start all the same");
            Judged { outcome, ..judged }
        }
        _ => judged,
    }
}

/// Hardware acceleration passes. Emulation is the second best, and how good that is the requirements say.
pub(super) fn accelerator(requirements: &Requirements, facts: &HostFacts) -> Judged {
    let rule = requirements.vm.accelerator;
    let needed = match rule {
        AcceleratorRule::Warn => "acceleration, or else emulation",
        AcceleratorRule::Require => "acceleration",
        AcceleratorRule::Unknown => "a rule newer than this program",
    };
    let acceleration = match known(&facts.acceleration, needed) {
        // Even if acceleration cannot be judged: where emulation was proved and is allowed, the guest will run.
        Err(judged) if rule == AcceleratorRule::Warn => match facts.emulation.value() {
            Some(Ability::Yes { .. }) => return emulated(facts, needed, &judged.found, Obstacle::NotWorking),
            _ => return judged,
        },
        Err(judged) => return judged,
        Ok(acceleration) => acceleration,
    };
    let (obstacle, detail) = match acceleration {
        Ability::Yes { with } => {
            let found = format!("accelerated, proved in {} ms", with.elapsed_ms);
            return Judged {
                needed: needed.to_owned(),
                found,
                outcome: Outcome::Met,
            };
        }
        Ability::No { obstacle, detail } => (*obstacle, detail),
    };
    let why = format!("acceleration {}", no(obstacle, detail));
    if rule == AcceleratorRule::Unknown {
        return Judged {
            needed: needed.to_owned(),
            found: why,
            outcome: cannot_tell("the image is newer than this launcher; ask IT for a fresh stick"),
        };
    }
    if rule == AcceleratorRule::Require {
        return Judged {
            needed: needed.to_owned(),
            found: why,
            outcome: missed(acceleration_advice(facts, obstacle)),
        };
    }
    match known(&facts.emulation, needed) {
        Err(judged) => Judged {
            found: format!("{why}; emulation {}", judged.found),
            ..judged
        },
        Ok(Ability::Yes { .. }) => emulated(facts, needed, &why, obstacle),
        Ok(Ability::No { obstacle, detail }) => Judged {
            needed: needed.to_owned(),
            found: format!("{why}; emulation {}", no(*obstacle, detail)),
            outcome: missed("QEMU cannot run a guest here; reinstall it, or ask IT to"),
        },
    }
}

fn emulated(facts: &HostFacts, needed: &str, why: &str, obstacle: Obstacle) -> Judged {
    Judged {
        needed: needed.to_owned(),
        found: format!("emulation only; {why}"),
        outcome: Outcome::MetPoorly {
            what_to_do: format!(
                "it works, but several times slower; to make it fast: {}",
                acceleration_advice(facts, obstacle)
            ),
        },
    }
}

fn acceleration_advice(facts: &HostFacts, obstacle: Obstacle) -> &'static str {
    let is_guest = facts.cpu.value().is_some_and(|cpu| cpu.inside_hypervisor);
    match obstacle {
        Obstacle::NoPermission => "ask IT to add you to the `kvm` group, then log in again",
        // A driver without a processor's help: nothing that a firmware could switch on.
        Obstacle::Missing | Obstacle::SwitchedOff if is_guest => {
            "use a real PC, or ask IT to switch on nested virtualisation: this computer is itself a virtual machine, and it is off there"
        }
        Obstacle::Missing | Obstacle::SwitchedOff => {
            "switch on virtualisation in the PC's firmware settings, or ask IT how"
        }
        Obstacle::NotWorking | Obstacle::TimedOut => {
            "use another PC; virtualisation is there but does not run a guest"
        }
    }
}

/// With a single user the container starts, but programs that change to another user fail in it.
pub(super) fn namespaces(facts: &HostFacts) -> Judged {
    let judged = ability(
        &facts.user_namespaces,
        "namespaces with several users",
        |namespaces| match (namespaces.users, &namespaces.why_not_more) {
            (UserMap::All | UserMap::Ranges, _) => "work".to_owned(),
            (UserMap::OnlyYou, None) => "work, with one user".to_owned(),
            (UserMap::OnlyYou, Some(why)) => format!("work, with one user: {why}"),
        },
        |obstacle| match obstacle {
            Obstacle::Missing => install("util-linux"),
            Obstacle::TimedOut => "check again; if it stays, ask IT".into(),
            _ => "ask IT to allow user namespaces for you, or use the vm mode".into(),
        },
    );
    match facts.user_namespaces.value() {
        Some(Ability::Yes { with }) if with.users == UserMap::OnlyYou => {
            let what_to_do = "programs that change to another user will fail; to avoid that, ask IT to install `uidmap` \
                              and to set a range of 65536 users aside for you (/etc/subuid, /etc/subgid)";
            let outcome = Outcome::MetPoorly {
                what_to_do: what_to_do.to_owned(),
            };
            Judged { outcome, ..judged }
        }
        _ => judged,
    }
}

pub(super) fn bubblewrap(facts: &HostFacts) -> Judged {
    ability(&facts.bubblewrap, "bubblewrap", tool, |obstacle| match obstacle {
        Obstacle::Missing => install("bubblewrap"),
        _ => "reinstall bubblewrap, or ask IT to".into(),
    })
}

pub(super) fn block_mount(facts: &HostFacts) -> Judged {
    ability(
        &facts.block_mount,
        "loop device or fuse2fs",
        |means| match means {
            BlockMount::Loop => "loop device".to_owned(),
            BlockMount::Fuse2fs { path } => path.display().to_string(),
        },
        |obstacle| match obstacle {
            Obstacle::Missing => install("fuse2fs"),
            _ => "ask IT why fuse2fs does not work on this computer".into(),
        },
    )
}

fn tool(tool: &Tool) -> String {
    match tool.version {
        Some(version) => format!("{version} ({})", tool.path.display()),
        None => tool.path.display().to_string(),
    }
}

/// Names of packages as Debian and Ubuntu have them: what most home Linux PCs run.
fn install(package: &str) -> String {
    format!("install it (Debian, Ubuntu: `sudo apt install {package}`), or ask IT to")
}
