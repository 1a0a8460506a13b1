//! The answers as the rules need them: typed, within bounds, and complete. What nobody said is assumed to be the harmless case.

use super::answer::Answers;
use super::limits::MAX_PEOPLE;
use crate::limits::{MAX_CORES, MAX_SIZE_BYTES};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The ways into the company's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remote {
    None,
    Web,
    Clientless,
    SslClient,
    ThinClient,
    Ipsec,
}

/// Whether a VPN's client brings a kernel driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    No,
    Yes,
    Unknown,
}

/// What is done where a VPN's client cannot run in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WayOut {
    NoDriver,
    UserInstalls,
    Script,
    None,
}

/// Who pays for the guest's system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestLicence {
    Free,
    Covered,
    PerStick,
    Unknown,
}

/// What follows where a computer lacks something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    Refuse,
    Warn,
    Accept,
}

/// All answers.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) plan_exists: bool,
    pub(super) people: u64,
    pub(super) applications: Vec<String>,
    pub(super) brings_drivers: bool,
    pub(super) only_browser: bool,
    pub(super) data_on_stick: bool,
    /// Data can be reached from a screen without the stick.
    pub(super) data_elsewhere: bool,
    pub(super) data_in_share: bool,
    pub(super) loss_minutes: u64,
    pub(super) outage_hours: u64,
    pub(super) hold_days: u64,
    pub(super) spare_percent: u64,
    pub(super) remote: Remote,
    pub(super) address: String,
    pub(super) driver: Driver,
    pub(super) way_out: WayOut,
    pub(super) may_install: bool,
    pub(super) fallback_remote: bool,
    pub(super) offline: bool,
    pub(super) linux_at_home: bool,
    pub(super) others_at_home: bool,
    pub(super) home_unknown: bool,
    pub(super) surveyed: bool,
    pub(super) guest_is_linux: bool,
    pub(super) guest_is_windows: bool,
    pub(super) guest_licence: GuestLicence,
    pub(super) image_bytes: u64,
    pub(super) container_image_bytes: u64,
    pub(super) home_bytes: u64,
    pub(super) application_memory_bytes: u64,
    pub(super) guest_memory_bytes: Option<u64>,
    pub(super) cores: u32,
    pub(super) slow_accepted: bool,
    pub(super) sensitive: bool,
    pub(super) shared_pc: bool,
    pub(super) lock_out: bool,
}

impl Facts {
    pub(super) fn of(answers: &Answers) -> Self {
        let is = |id: &str, option: &str| answers.choice(id) == Some(option);
        let has = |id: &str, option: &str| answers.entries(id).iter().any(|entry| entry == option);
        let yes = |id: &str, otherwise: bool| answers.yes_no(id).unwrap_or(otherwise);
        let number = |id: &str, otherwise: u64| answers.number(id).unwrap_or(otherwise);
        let size = |id: &str| {
            answers
                .size(id)
                .map(|size_bytes| size_bytes.min(MAX_SIZE_BYTES / 4))
        };
        let image_bytes = size("image-size").unwrap_or(8 * GIB);
        let remote = remote(answers);
        Self {
            plan_exists: yes("plan-exists", false),
            people: number("people", 1).clamp(1, MAX_PEOPLE),
            applications: answers.entries("applications").to_vec(),
            brings_drivers: is("application-kind", "drivers"),
            only_browser: is("application-kind", "browser"),
            data_on_stick: has("data-access", "stick") || answers.entries("data-access").is_empty(),
            data_elsewhere: ["web", "share", "remote-desktop"]
                .iter()
                .any(|way| has("data-access", way)),
            data_in_share: has("data-access", "share"),
            loss_minutes: number("data-loss-minutes", 60),
            outage_hours: number("outage-hours", 24),
            hold_days: number("hold-days", 30),
            spare_percent: number("spare-percent", 10).min(1000),
            remote,
            address: answers.text("remote-address").unwrap_or_default().to_owned(),
            driver: driver(answers, remote),
            way_out: match answers.choice("vpn-way") {
                Some("no-driver") => WayOut::NoDriver,
                Some("user-installs") => WayOut::UserInstalls,
                Some("script") => WayOut::Script,
                _ => WayOut::None,
            },
            may_install: is("may-install", "yes") || is("may-install", "for-a-time"),
            fallback_remote: yes("fallback-remote", true),
            offline: yes("offline", false),
            linux_at_home: has("host-systems", "linux"),
            others_at_home: has("host-systems", "windows") || has("host-systems", "macos"),
            home_unknown: has("host-systems", "unknown") || answers.entries("host-systems").is_empty(),
            surveyed: !is("survey", "none"),
            guest_is_linux: !is("guest-os", "windows") && !is("guest-os", "other"),
            guest_is_windows: is("guest-os", "windows"),
            guest_licence: match (answers.choice("guest-os"), answers.choice("guest-licence")) {
                (Some("windows" | "other"), Some("covered")) => GuestLicence::Covered,
                (Some("windows" | "other"), Some("per-stick")) => GuestLicence::PerStick,
                (Some("windows" | "other"), _) => GuestLicence::Unknown,
                _ => GuestLicence::Free,
            },
            image_bytes,
            container_image_bytes: size("container-image-size")
                .unwrap_or(image_bytes)
                .min(image_bytes),
            home_bytes: size("home-size").unwrap_or(4 * GIB),
            application_memory_bytes: size("application-memory").unwrap_or(GIB).max(64 * MIB),
            guest_memory_bytes: size("guest-memory"),
            cores: u32::try_from(number("cores", 2))
                .unwrap_or(MAX_CORES)
                .clamp(1, MAX_CORES),
            slow_accepted: yes("slow-accepted", true),
            sensitive: yes("sensitive-data", false),
            shared_pc: yes("shared-pc", true),
            lock_out: is("lost-stick", "lock-out"),
        }
    }

    /// Data stays at the company and people see a picture of it.
    pub(super) fn is_thin(&self) -> bool {
        self.remote == Remote::ThinClient && !self.offline && !self.data_on_stick
    }
}

fn remote(answers: &Answers) -> Remote {
    if answers.yes_no("remote-access") != Some(true) {
        return Remote::None;
    }
    match answers.choice("remote-kind") {
        Some("ssl-clientless") => Remote::Clientless,
        Some("ssl-client") => Remote::SslClient,
        Some("thin-client") => Remote::ThinClient,
        Some("ipsec") => Remote::Ipsec,
        _ => Remote::Web,
    }
}

fn driver(answers: &Answers, remote: Remote) -> Driver {
    match (remote, answers.choice("vpn-driver")) {
        (Remote::None | Remote::Web | Remote::Clientless | Remote::ThinClient, _) => Driver::No,
        (_, Some("no")) => Driver::No,
        (_, Some("yes")) => Driver::Yes,
        // IPsec is done by the kernel in nearly every client.
        (Remote::Ipsec, _) => Driver::Yes,
        (Remote::SslClient, _) => Driver::Unknown,
    }
}

/// What is to follow where a computer lacks what `id` asks about.
pub(super) fn consequence(answers: &Answers, id: &str) -> Consequence {
    match answers.choice(id) {
        Some("refuse") => Consequence::Refuse,
        Some("accept") => Consequence::Accept,
        _ => Consequence::Warn,
    }
}
