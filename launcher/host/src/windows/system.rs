//! Which Windows this is, its power, its screen lock, its TPM and its hypervisor.

use gobag_checklists::safety::{Power, Release, ScreenLock};
use gobag_checklists::{Fact, Forger, OperatingSystem};

use super::documents::{self as query, PowerStatus, ScreenSaver, Version};
use crate::probe::Scene;

pub(super) fn operating_system(scene: &Scene) -> Fact<OperatingSystem> {
    match version(scene) {
        Ok((version, kernel)) => {
            let name = version.name.map(|name| name.trim().to_owned());
            let name = name.filter(|name| !name.is_empty());
            let system = OperatingSystem {
                name: name.unwrap_or_else(|| "Windows".to_owned()),
                kernel,
            };
            scene.known(system, "RtlGetVersion, registry", Forger::Administrator)
        }
        Err(reason) => Fact::unknown(reason),
    }
}

/// `windows` and the build with its revision; Windows Server ends its life on other days, and is another system.
pub(super) fn release(scene: &Scene) -> Fact<Release> {
    let system = match super::is_server(scene.host.as_ref()) {
        Ok(true) => "windows-server",
        Ok(false) => "windows",
        Err(reason) => return Fact::unknown(reason),
    };
    match version(scene) {
        Ok((_, version)) => {
            let release = Release {
                system: system.to_owned(),
                version,
            };
            scene.known(release, "RtlGetVersion, registry", Forger::Administrator)
        }
        Err(reason) => Fact::unknown(reason),
    }
}

fn version(scene: &Scene) -> Result<(Version, String), String> {
    let version: Version = scene.host.query(query::VERSION).json()?;
    let mut parts = version.version.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !parts.all(is_number) {
        return Err("Windows gives a version that is not of numbers".to_owned());
    }
    let full = match version.revision {
        Some(revision) => format!("{}.{revision}", version.version),
        None => version.version.clone(),
    };
    Ok((version, full))
}

pub(super) fn power(scene: &Scene) -> Fact<Power> {
    /// Bit of `BatteryFlag`: there is no battery.
    const NO_BATTERY: i64 = 128;
    /// In all three numbers.
    const UNKNOWN: i64 = 255;
    let status: PowerStatus = match scene.host.query(query::POWER).json() {
        Ok(status) => status,
        Err(reason) => return Fact::unknown(reason),
    };
    let on_mains = match status.mains {
        0 => false,
        1 => true,
        _ => return Fact::unknown("Windows does not know where the power comes from"),
    };
    if status.flags != UNKNOWN && status.flags & NO_BATTERY != 0 {
        return Fact::not_applicable("there is no battery");
    }
    let battery_percent = u8::try_from(status.percent)
        .ok()
        .filter(|percent| *percent <= 100);
    let power = Power {
        on_mains,
        battery_percent,
    };
    scene.known(power, "GetSystemPowerStatus", Forger::Administrator)
}

/// A screen saver that asks for the password, or the policy that locks an idle computer; the earlier of both.
pub(super) fn screen_lock(scene: &Scene) -> Fact<ScreenLock> {
    let screen: ScreenSaver = match scene.host.query(query::SCREEN).json() {
        Ok(screen) => screen,
        Err(reason) => return Fact::unknown(reason),
    };
    let seconds = |number: i64| u32::try_from(number).ok().filter(|seconds| *seconds > 0);
    let saver = (screen.active && screen.secure)
        .then(|| seconds(screen.timeout_s))
        .flatten();
    let policy = screen.policy_timeout_s.and_then(seconds);
    let after_s = [saver, policy].into_iter().flatten().min();
    let lock = ScreenLock {
        locks: after_s.is_some(),
        after_s,
    };
    scene.known(lock, "SystemParametersInfo, registry", Forger::User)
}
