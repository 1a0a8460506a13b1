//! Secure Boot, from the registry: asking the firmware itself needs a privilege that ordinary users lack.

use gobag_checklists::safety::SecureBoot;
use gobag_checklists::{Fact, Forger};

use super::documents::{self as query, SecureBootState};
use crate::probe::Scene;

const SOURCE: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecureBoot\State";

pub(super) fn secure_boot(scene: &Scene) -> Fact<SecureBoot> {
    let state: SecureBootState = match scene.host.query(query::SECURE_BOOT).json() {
        Ok(state) => state,
        Err(reason) => return Fact::unknown(reason),
    };
    /// `PEFirmwareType`.
    const UEFI: i64 = 2;
    match (state.key, state.enabled, state.firmware) {
        (true, Some(1), _) => scene.known(SecureBoot::On, SOURCE, Forger::Administrator),
        // Also what a firmware in Setup Mode leaves there: it checks nothing then.
        (true, Some(0), _) => scene.known(SecureBoot::Off, SOURCE, Forger::Administrator),
        (true, Some(other), _) => Fact::unknown(format!("{SOURCE} says {other}, which is not known")),
        (true, None, _) => Fact::unknown(format!("{SOURCE} says nothing of Secure Boot")),
        (false, _, Some(UEFI)) => Fact::unknown(format!("the firmware is UEFI, and {SOURCE} is not there")),
        (false, _, _) => Fact::not_applicable("the firmware is a BIOS, which has no Secure Boot"),
    }
}
