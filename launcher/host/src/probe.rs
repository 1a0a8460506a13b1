//! The probes for protection, one set for each system, and what they are given.
//!
//! All of them compile everywhere and look only through a [`Host`], so a recording of one system is read on another.

use std::sync::Arc;

use gobag_checklists::safety::{
    Clock, Confinement, Firewall, Power, Reach, Release, ScreenLock, SecureBoot, SecurityProduct, StickPort,
    Storage, Updates,
};
use gobag_checklists::{Cpu, Fact, Forger, Memory, OperatingSystem, Privilege};

use crate::capture::{About, Host, System};

/// What a probe is given.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The computer.
    pub(crate) host: Arc<dyn Host>,
    /// What else is known.
    pub(crate) about: About,
}

impl Scene {
    /// The rights that everything is read with.
    pub(crate) fn privilege(&self) -> Privilege {
        match self.about.administrator {
            true => Privilege::Administrator,
            false => Privilege::User,
        }
    }

    /// A fact, read with these rights.
    pub(crate) fn known<T>(&self, value: T, source: impl Into<String>, forger: Forger) -> Fact<T> {
        Fact::known(value, source, self.privilege(), forger)
    }
}

#[cfg(all(test, unix))]
impl Scene {
    /// This computer, at an hour that nothing depends on.
    pub(crate) fn live() -> Self {
        Self {
            host: Arc::new(crate::capture::Live::default()),
            about: About {
                system: System::OWN,
                comment: None,
                now_s: 1_800_000_000,
                released_s: 0,
                administrator: crate::system::is_administrator(),
                desktop: None,
                stick: None,
            },
        }
    }

    /// A recorded computer.
    pub(crate) fn of(recorded: crate::capture::Recorded) -> Self {
        let about = recorded.about.clone();
        Self {
            host: Arc::new(recorded),
            about,
        }
    }
}

/// One system's probes. Each has the probe's deadline for everything it does.
pub(crate) struct Probes {
    pub(crate) operating_system: fn(&Scene) -> Fact<OperatingSystem>,
    pub(crate) cpu: fn(&Scene) -> Fact<Cpu>,
    pub(crate) memory: fn(&Scene) -> Fact<Memory>,
    pub(crate) release: fn(&Scene) -> Fact<Release>,
    pub(crate) secure_boot: fn(&Scene) -> Fact<SecureBoot>,
    pub(crate) storage: fn(&Scene) -> Fact<Vec<Storage>>,
    pub(crate) confinement: fn(&Scene) -> Fact<Confinement>,
    pub(crate) firewall: fn(&Scene) -> Fact<Firewall>,
    pub(crate) products: fn(&Scene) -> Fact<Vec<SecurityProduct>>,
    pub(crate) updates: fn(&Scene) -> Fact<Updates>,
    pub(crate) remote_control: fn(&Scene) -> Fact<Vec<String>>,
    pub(crate) screen_lock: fn(&Scene) -> Fact<ScreenLock>,
    pub(crate) clock: fn(&Scene) -> Fact<Clock>,
    pub(crate) stick: fn(&Scene) -> Fact<StickPort>,
    pub(crate) power: fn(&Scene) -> Fact<Power>,
    pub(crate) network: fn(&Scene) -> Fact<Reach>,
}

/// The probes of a system.
pub(crate) fn of(system: System) -> &'static Probes {
    match system {
        #[cfg(unix)]
        System::Linux => &crate::linux::PROBES,
        // None of what these ask for is in a recording of Linux: all is unknown.
        #[cfg(not(unix))]
        System::Linux => &crate::windows::PROBES,
        System::Windows => &crate::windows::PROBES,
        System::Macos => &crate::macos::PROBES,
    }
}
