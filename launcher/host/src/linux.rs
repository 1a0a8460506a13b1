//! How well a Linux computer is protected.
//!
//! Everything is looked at with an ordinary user's rights. Where only the administrator can see more (the firewall's rules
//! in force, which program a process is), the fact says what it could not tell.

use crate::probe::Probes;
use crate::{cpu, memory, system};

mod clock;
mod confinement;
mod days;
mod firewall;
mod network;
mod power;
mod products;
pub(crate) mod query;
mod release;
mod remote_control;
mod screen_lock;
mod secure_boot;
mod stick;
mod storage;
#[cfg(test)]
mod testing;
mod units;
mod updates;

#[cfg(target_os = "linux")]
pub(crate) use network::network_cost;

/// This system's probes.
pub(crate) const PROBES: Probes = Probes {
    operating_system: system::operating_system,
    cpu: cpu::probe,
    memory: memory::probe,
    release: release::probe,
    secure_boot: secure_boot::probe,
    storage: storage::probe,
    confinement: confinement::probe,
    firewall: firewall::probe,
    products: products::probe,
    updates: updates::probe,
    remote_control: remote_control::probe,
    screen_lock: screen_lock::probe,
    clock: clock::probe,
    stick: stick::probe,
    power: power::probe,
    network: network::probe,
};

#[cfg(test)]
mod tests;
