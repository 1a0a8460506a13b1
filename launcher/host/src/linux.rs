//! How well a Linux computer is protected.
//!
//! Everything is looked at with an ordinary user's rights. Where only the administrator can see more (the firewall's rules
//! in force), the fact says what it could not tell.

use gobag_checklists::Fact;

use crate::probe::Probes;
use crate::{cpu, memory, system};

pub(crate) mod query;

/// This system's probes.
pub(crate) const PROBES: Probes = Probes {
    operating_system: system::operating_system,
    cpu: cpu::probe,
    memory: memory::probe,
    release: |_| Fact::default(),
    secure_boot: |_| Fact::default(),
    storage: |_| Fact::default(),
    confinement: |_| Fact::default(),
    firewall: |_| Fact::default(),
    products: |_| Fact::default(),
    updates: |_| Fact::default(),
    remote_control: |_| Fact::default(),
    screen_lock: |_| Fact::default(),
    clock: |_| Fact::default(),
    stick: |_| Fact::default(),
    power: |_| Fact::default(),
    network: |_| Fact::default(),
};
