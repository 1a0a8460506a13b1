//! The probes that look through captures, each in a thread of its own.

use std::time::Duration;

use gobag_checklists::safety::{
    Clock, Confinement, Firewall, Power, Reach, Release, ScreenLock, SecureBoot, SecurityProduct, StickPort,
    Storage, Updates,
};
use gobag_checklists::{Cpu, Fact, HostFacts, Memory, OperatingSystem};

use crate::pending::Pending;
use crate::probe::{self, Scene};

/// Probes that are on their way.
pub(crate) struct Started {
    operating_system: Pending<OperatingSystem>,
    cpu: Pending<Cpu>,
    memory: Pending<Memory>,
    release: Pending<Release>,
    secure_boot: Pending<SecureBoot>,
    storage: Pending<Vec<Storage>>,
    confinement: Pending<Confinement>,
    firewall: Pending<Firewall>,
    products: Pending<Vec<SecurityProduct>>,
    updates: Pending<Updates>,
    remote_control: Pending<Vec<String>>,
    screen_lock: Pending<ScreenLock>,
    clock: Pending<Clock>,
    stick: Pending<StickPort>,
    power: Pending<Power>,
    network: Pending<Reach>,
}

impl Started {
    /// Starts all of them; each has `limit`.
    pub(crate) fn start(scene: &Scene, limit: Duration) -> Self {
        let probes = probe::of(scene.about.system);
        Self {
            operating_system: one("operating system", limit, scene, probes.operating_system),
            cpu: one("cpu", limit, scene, probes.cpu),
            memory: one("memory", limit, scene, probes.memory),
            release: one("release", limit, scene, probes.release),
            secure_boot: one("secure boot", limit, scene, probes.secure_boot),
            storage: one("storage", limit, scene, probes.storage),
            confinement: one("confinement", limit, scene, probes.confinement),
            firewall: one("firewall", limit, scene, probes.firewall),
            products: one("products", limit, scene, probes.products),
            updates: one("updates", limit, scene, probes.updates),
            remote_control: one("remote control", limit, scene, probes.remote_control),
            screen_lock: one("screen lock", limit, scene, probes.screen_lock),
            clock: one("clock", limit, scene, probes.clock),
            stick: one("stick", limit, scene, probes.stick),
            power: one("power", limit, scene, probes.power),
            network: one("network", limit, scene, probes.network),
        }
    }

    /// Waits for all of them.
    pub(crate) fn finish(self, facts: &mut HostFacts) {
        facts.operating_system = self.operating_system.take();
        facts.cpu = self.cpu.take();
        facts.memory = self.memory.take();
        facts.release = self.release.take();
        facts.secure_boot = self.secure_boot.take();
        facts.storage = self.storage.take();
        facts.confinement = self.confinement.take();
        facts.firewall = self.firewall.take();
        facts.products = self.products.take();
        facts.updates = self.updates.take();
        facts.remote_control = self.remote_control.take();
        facts.screen_lock = self.screen_lock.take();
        facts.clock = self.clock.take();
        facts.stick = self.stick.take();
        facts.power = self.power.take();
        facts.network = self.network.take();
    }
}

fn one<T: Send + 'static>(
    name: &str,
    limit: Duration,
    scene: &Scene,
    probe: fn(&Scene) -> Fact<T>,
) -> Pending<T> {
    let scene = scene.clone();
    Pending::start(name, limit, move || probe(&scene))
}
