//! Rules about protection and surroundings: one change to a good PC, and what it does.

use super::Case;
use crate::fact::{Fact, Known};
use crate::finding::{RuleId, Verdict};
use crate::host::HostFacts;
use crate::requirements::Mode;
use crate::safety::{
    Confinement, Power, ProductKind, Reach, SecureBoot, SecurityProduct, Signatures, StorageRole, Tristate,
};
use crate::sample::{scanner, storage};

#[rustfmt::skip] // one case a line reads as the table it is
pub(super) const CASES: &[Case] = &[
    ("secure boot off", |f, _| f.secure_boot = Fact::from_kernel(SecureBoot::Off, "x"), Mode::Vm, RuleId::BootSecure, Verdict::Info, "firmware"),
    ("P22, setup mode", |f, _| f.secure_boot = Fact::from_kernel(SecureBoot::SetupMode, "x"), Mode::Vm, RuleId::BootSecure, Verdict::Info, "firmware"),
    ("P13, a BIOS", |f, _| f.secure_boot = Fact::not_applicable("started by a BIOS"), Mode::Vm, RuleId::BootSecure, Verdict::Unknown, ""),
    ("plain disk", |f, _| disks(f, Tristate::No, Tristate::Yes), Mode::Vm, RuleId::DiskEncrypted, Verdict::Warn, "own disk"),
    ("P23, plain swap", |f, _| disks(f, Tristate::Yes, Tristate::No), Mode::Vm, RuleId::DiskEncrypted, Verdict::Warn, "shut this computer down"),
    ("P23, ZFS", |f, _| disks(f, unsure(), Tristate::Yes), Mode::Vm, RuleId::DiskEncrypted, Verdict::Unknown, "own disk"),
    ("plain disk beside an unknown one", |f, _| f.storage = Fact::from_kernel(vec![storage("/", StorageRole::Files, unsure()), storage("/home", StorageRole::Files, Tristate::No)], "x"), Mode::Container, RuleId::DiskEncrypted, Verdict::Warn, "own disk"),
    ("no disk at all", |f, _| f.storage = Fact::from_kernel(Vec::new(), "x"), Mode::Vm, RuleId::DiskEncrypted, Verdict::Unknown, "IT"),
    ("nothing confines", |f, _| f.confinement = Fact::from_kernel(Confinement::None, "x"), Mode::Container, RuleId::SystemConfined, Verdict::Info, "IT"),
    ("SELinux only complains", |f, _| f.confinement = Fact::from_kernel(Confinement::Permissive { by: "SELinux".into() }, "x"), Mode::Container, RuleId::SystemConfined, Verdict::Info, "IT"),
    ("P24, set up and not in force", |f, _| firewall(f, Tristate::Yes, Tristate::No), Mode::Vm, RuleId::FirewallActive, Verdict::Warn, "settings"),
    ("set up, who knows whether in force", |f, _| firewall(f, Tristate::Yes, unsure()), Mode::Vm, RuleId::FirewallActive, Verdict::Unknown, "settings"),
    ("not set up, in force all the same", |f, _| firewall(f, Tristate::No, Tristate::Yes), Mode::Vm, RuleId::FirewallActive, Verdict::Pass, ""),
    ("firewall off", |f, _| firewall(f, Tristate::No, unsure()), Mode::Vm, RuleId::FirewallActive, Verdict::Warn, "switch the firewall on"),
    ("P11, nobody can tell", |f, _| firewall(f, unsure(), unsure()), Mode::Vm, RuleId::FirewallActive, Verdict::Unknown, "look"),
    ("no scanner", |f, _| products(f, Vec::new()), Mode::Vm, RuleId::AntivirusActive, Verdict::Warn, "install"),
    ("no scanner, container", |f, _| products(f, Vec::new()), Mode::Container, RuleId::AntivirusActive, Verdict::Fail, "vm mode"),
    ("P1, on and current", |f, _| products(f, vec![with(scanner("Defender"), Signatures::Current)]), Mode::Container, RuleId::AntivirusActive, Verdict::Pass, ""),
    ("P2, out of date", |f, _| products(f, vec![with(scanner("Defender"), Signatures::Outdated)]), Mode::Container, RuleId::AntivirusActive, Verdict::Fail, "update itself"),
    ("P3, off", |f, _| products(f, vec![SecurityProduct { running: Tristate::No, ..scanner("Defender") }]), Mode::Container, RuleId::AntivirusActive, Verdict::Fail, "switch it on"),
    ("P7, one off, another on", |f, _| products(f, vec![SecurityProduct { running: Tristate::No, ..scanner("Defender") }, scanner("Other")]), Mode::Container, RuleId::AntivirusActive, Verdict::Pass, ""),
    ("P8, nobody answers", |f, _| f.products = Fact::unknown("the service does not run"), Mode::Container, RuleId::AntivirusActive, Verdict::Unknown, ""),
    ("P10, only the name", |f, _| products(f, vec![SecurityProduct { genuine: Tristate::No, ..scanner("Defender") }]), Mode::Vm, RuleId::AntivirusActive, Verdict::Warn, "switch it on"),
    ("P26, the user's own program", |f, _| products(f, vec![SecurityProduct { genuine: Tristate::No, kind: ProductKind::Edr, signatures: Signatures::NotApplicable, ..scanner("falcon-sensor") }]), Mode::Container, RuleId::AntivirusActive, Verdict::Fail, ""),
    ("an EDR may protect", |f, _| products(f, vec![SecurityProduct { kind: ProductKind::Edr, signatures: Signatures::NotApplicable, ..scanner("falcon-sensor") }]), Mode::Container, RuleId::AntivirusActive, Verdict::Unknown, "own window"),
    ("P6, a state nobody knows", |f, _| products(f, vec![SecurityProduct { running: unsure(), ..scanner("X") }]), Mode::Container, RuleId::AntivirusActive, Verdict::Unknown, "own window"),
    ("no signatures yet", |f, _| products(f, vec![with(scanner("ClamAV"), Signatures::Missing)]), Mode::Container, RuleId::AntivirusActive, Verdict::Fail, "update itself"),
    ("signatures at the limit", |f, _| products(f, vec![with(scanner("ClamAV"), Signatures::Aged { days: 7 })]), Mode::Container, RuleId::AntivirusActive, Verdict::Pass, ""),
    ("stale signatures", |f, _| products(f, vec![with(scanner("ClamAV"), Signatures::Aged { days: 8 })]), Mode::Container, RuleId::AntivirusActive, Verdict::Fail, "update itself"),
    ("updates at the limit", |f, _| updates(f, Some(45), Tristate::No), Mode::Vm, RuleId::UpdatesRecent, Verdict::Pass, ""),
    ("P14, old updates", |f, _| updates(f, Some(200), Tristate::No), Mode::Vm, RuleId::UpdatesRecent, Verdict::Warn, "updates"),
    ("P28, no date", |f, _| updates(f, None, Tristate::No), Mode::Vm, RuleId::UpdatesRecent, Verdict::Unknown, "updates"),
    ("restart pending", |f, _| updates(f, Some(1), Tristate::Yes), Mode::Vm, RuleId::UpdatesRestart, Verdict::Info, "restart"),
    ("restart unknown", |f, _| updates(f, Some(1), unsure()), Mode::Vm, RuleId::UpdatesRestart, Verdict::Unknown, "restart"),
    ("out of support", |f, _| release(f, "debian", "11"), Mode::Vm, RuleId::SystemSupported, Verdict::Warn, "another PC"),
    ("P15, parts are numbers", |f, _| release(f, "windows", "10.0.26100.4"), Mode::Vm, RuleId::SystemSupported, Verdict::Warn, "another PC"),
    ("in no table", |f, _| release(f, "arch", "rolling"), Mode::Vm, RuleId::SystemSupported, Verdict::Unknown, "updates"),
    ("nobody knows what day it is", |f, _| f.gathered_at_s = 0, Mode::Vm, RuleId::SystemSupported, Verdict::Unknown, ""),
    ("somebody may watch", |f, _| f.remote_control = Fact::from_kernel(vec!["AnyDesk".into()], "x"), Mode::Vm, RuleId::RemoteControlNone, Verdict::Warn, "close it"),
    ("no screen lock", |f, _| change(&mut f.screen_lock, |lock| lock.locks = false), Mode::Vm, RuleId::ScreenLock, Verdict::Info, "by hand"),
    ("clock before this program", |f, _| change(&mut f.clock, |clock| clock.before_release = true), Mode::Vm, RuleId::ClockSane, Verdict::Warn, "set the computer's"),
    ("clock kept by nobody", |f, _| change(&mut f.clock, |clock| clock.synchronized = Tristate::No), Mode::Vm, RuleId::ClockSane, Verdict::Warn, "look"),
    ("administrator", |f, _| f.administrator = Fact::from_kernel(true, "x"), Mode::Vm, RuleId::UserOrdinary, Verdict::Info, "ordinary"),
    ("a virtual machine", |f, _| change(&mut f.cpu, |cpu| cpu.inside_hypervisor = true), Mode::Container, RuleId::SystemReal, Verdict::Info, "see everything"),
    ("slow port", |f, _| change(&mut f.stick, |stick| stick.usb_mbit_per_s = Some(480)), Mode::Vm, RuleId::StickPort, Verdict::Info, "other USB ports"),
    ("slow stick", |f, _| change(&mut f.stick, |stick| stick.read_bytes_per_s = Some(1_000_000)), Mode::Vm, RuleId::StickSpeed, Verdict::Warn, "another"),
    ("stick that writes slowly", |f, _| change(&mut f.stick, |stick| stick.write_bytes_per_s = Some(1)), Mode::Vm, RuleId::StickSpeed, Verdict::Warn, "another"),
    ("nobody measured", |f, _| change(&mut f.stick, |stick| stick.read_bytes_per_s = None), Mode::Vm, RuleId::StickSpeed, Verdict::Unknown, "notice"),
    ("nobody measured writing", |f, _| change(&mut f.stick, |stick| stick.write_bytes_per_s = None), Mode::Vm, RuleId::StickSpeed, Verdict::Unknown, "notice"),
    ("stick that lies", |f, _| change(&mut f.stick, |stick| stick.honest_capacity = Tristate::No), Mode::Vm, RuleId::StickHonest, Verdict::Warn, "another stick"),
    ("stick with errors", |f, _| change(&mut f.stick, |stick| stick.io_errors = Some(3)), Mode::Container, RuleId::StickHonest, Verdict::Warn, "another stick"),
    ("stick nobody tested", |f, _| change(&mut f.stick, |stick| stick.honest_capacity = unsure()), Mode::Vm, RuleId::StickHonest, Verdict::Unknown, "handed out"),
    ("battery nearly empty", |f, _| battery(f, Some(12)), Mode::Vm, RuleId::PowerLasts, Verdict::Warn, "plug"),
    ("battery of unknown charge", |f, _| battery(f, None), Mode::Vm, RuleId::PowerLasts, Verdict::Unknown, "plug"),
    ("no battery", |f, _| f.power = Fact::not_applicable("no battery"), Mode::Vm, RuleId::PowerLasts, Verdict::Pass, ""),
    ("offline", |f, _| f.network = Fact::from_kernel(Reach::Offline, "x"), Mode::Vm, RuleId::NetworkReach, Verdict::Info, "network"),
    ("offline, remote access", |f, _| f.network = Fact::from_kernel(Reach::Offline, "x"), Mode::RemoteOnly, RuleId::NetworkReach, Verdict::Fail, "network"),
    ("a hotel's network", |f, _| f.network = Fact::from_kernel(Reach::Captive, "x"), Mode::RemoteOnly, RuleId::NetworkReach, Verdict::Fail, "log in"),
    ("P36, a newer rule", |_, r| { r.policy.rules.insert("gpu.trusted".into(), super::policy::require()); }, Mode::Vm, RuleId::Newer, Verdict::Unknown, "newer launcher"),
];

fn unsure() -> Tristate {
    Tristate::Unknown {
        reason: "it did not say".to_owned(),
    }
}

fn change<T>(fact: &mut Fact<T>, how: impl FnOnce(&mut T)) {
    if let Fact::Known(Known { value, .. }) = fact {
        how(value);
    }
}

fn disks(facts: &mut HostFacts, files: Tristate, swap: Tristate) {
    let storage = vec![
        storage("/", StorageRole::Files, files),
        storage("/boot", StorageRole::Boot, Tristate::No),
        storage("/dev/sda3", StorageRole::Swap, swap),
    ];
    facts.storage = Fact::from_kernel(storage, "x");
}

fn firewall(facts: &mut HostFacts, configured: Tristate, enforced: Tristate) {
    change(&mut facts.firewall, |firewall| {
        firewall.configured = configured;
        firewall.enforced = enforced;
    });
}

fn products(facts: &mut HostFacts, products: Vec<SecurityProduct>) {
    facts.products = Fact::from_kernel(products, "x");
}

fn with(product: SecurityProduct, signatures: Signatures) -> SecurityProduct {
    SecurityProduct {
        signatures,
        ..product
    }
}

fn updates(facts: &mut HostFacts, age_days: Option<u32>, restart_pending: Tristate) {
    change(&mut facts.updates, |updates| {
        updates.age_days = age_days;
        updates.restart_pending = restart_pending;
    });
}

fn release(facts: &mut HostFacts, system: &str, version: &str) {
    change(&mut facts.release, |release| {
        system.clone_into(&mut release.system);
        version.clone_into(&mut release.version);
    });
}

fn battery(facts: &mut HostFacts, battery_percent: Option<u8>) {
    let power = Power {
        on_mains: false,
        battery_percent,
    };
    facts.power = Fact::from_kernel(power, "x");
}
