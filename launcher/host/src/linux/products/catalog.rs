//! The products that are known here: their units, processes and programs, as their makers document them.

use gobag_checklists::safety::ProductKind;

/// A product.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) kind: ProductKind,
    /// Every one of these must run; each has the names it goes by, and the first is the product itself. A star stands for
    /// any end.
    pub(super) units: &'static [&'static [&'static str]],
    /// The same as processes.
    pub(super) processes: &'static [&'static str],
    /// Programs that are there if it is installed.
    pub(super) programs: &'static [&'static str],
    pub(super) signatures: Source,
}

/// Where the age of its knowledge is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It needs none.
    None,
    /// ClamAV's databases.
    ClamAv,
    /// Microsoft Defender's own program.
    Defender,
    /// It has some, and does not tell.
    Untold,
}

use ProductKind::{Antivirus, Edr};

pub(super) const CATALOG: &[Definition] = &[
    Definition {
        name: "ClamAV",
        kind: Antivirus,
        // Debian's names, then Fedora's.
        units: &[
            &["clamav-daemon.service", "clamd@scan.service"],
            &["clamav-freshclam.service"],
        ],
        processes: &["clamd", "freshclam"],
        programs: &["/usr/sbin/clamd", "/usr/bin/clamd"],
        signatures: Source::ClamAv,
    },
    Definition {
        name: "Microsoft Defender",
        kind: Antivirus,
        units: &[&["mdatp.service"]],
        processes: &["wdavdaemon"],
        programs: &["/opt/microsoft/mdatp/sbin/wdavdaemon"],
        signatures: Source::Defender,
    },
    Definition {
        name: "ESET Endpoint Antivirus",
        kind: Antivirus,
        units: &[&["eea.service"]],
        processes: &["eea_odfeeder"],
        programs: &["/opt/eset/eea/bin/upd"],
        signatures: Source::Untold,
    },
    Definition {
        name: "ESET Management Agent",
        kind: Edr,
        units: &[&["eraagent.service"]],
        processes: &["ERAAgent"],
        programs: &["/opt/eset/RemoteAdministrator/Agent/ERAAgent"],
        signatures: Source::None,
    },
    Definition {
        name: "Sophos",
        kind: Antivirus,
        units: &[&["sophos*"]],
        processes: &["sophos_watchdog"],
        programs: &["/opt/sophos-spl/base/bin/sophos_watchdog"],
        signatures: Source::Untold,
    },
    Definition {
        name: "CrowdStrike Falcon",
        kind: Edr,
        units: &[&["falcon-sensor.service"]],
        processes: &["falcon-sensor"],
        programs: &["/opt/CrowdStrike/falcond"],
        signatures: Source::None,
    },
    Definition {
        name: "SentinelOne",
        kind: Edr,
        units: &[&["sentinelone.service"]],
        processes: &["s1-agent"],
        programs: &["/opt/sentinelone/bin/sentinelctl"],
        signatures: Source::None,
    },
    Definition {
        name: "Cortex XDR",
        kind: Edr,
        units: &[&["traps_pmd.service"]],
        processes: &["pmd"],
        programs: &["/opt/traps/bin/pmd"],
        signatures: Source::None,
    },
    Definition {
        name: "Wazuh",
        kind: Edr,
        units: &[&["wazuh-agent.service"]],
        processes: &["wazuh-agentd"],
        programs: &["/var/ossec/bin/wazuh-agentd"],
        signatures: Source::None,
    },
];

/// All names of units.
pub(super) fn units() -> Vec<&'static str> {
    CATALOG
        .iter()
        .flat_map(|definition| definition.units.iter().flat_map(|names| names.iter().copied()))
        .collect()
}

/// All names of processes.
pub(super) fn processes() -> Vec<&'static str> {
    CATALOG
        .iter()
        .flat_map(|definition| definition.processes.iter().copied())
        .collect()
}
