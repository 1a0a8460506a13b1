//! Programs that protect a Mac: XProtect, which every Mac has, and what a company adds.
//!
//! XProtect's signatures are read where macOS itself reads them: since macOS 15 that is another folder than before, and the old
//! one stays behind with any version in it. It works at Gatekeeper's door, so with Gatekeeper off it is not counted as running.
//!
//! What a company adds runs as a system extension: macOS starts one only with the signature and the team it names, so a right
//! name with the right team is genuine. A label in launchd's list proves nothing.

use gobag_checklists::safety::{ProductKind, SecurityProduct, Signatures, Tristate};
use gobag_checklists::{Fact, Forger};

use super::confinement;
use super::lines;
use super::plist::{self, Value};
use super::system;
use crate::age::whole_days;
use crate::capture::Host;
use crate::probe::Scene;

const STAT: &str = "/usr/bin/stat";
const EXTENSIONS: &str = "/usr/bin/systemextensionsctl";
const LAUNCHCTL: &str = "/bin/launchctl";
/// Since macOS 15.
const XPROTECT: &str = "/var/protected/xprotect/XProtect.bundle/Contents/Info.plist";
const OLD_XPROTECT: &str = "/Library/Apple/System/Library/CoreServices/XProtect.bundle/Contents/Info.plist";

/// A product that watches for a company.
struct Watcher {
    product: &'static str,
    /// Identity of its system extension, and its maker's team at Apple.
    extension: Option<(&'static str, &'static str)>,
    /// Beginning of its labels in launchd.
    label: Option<&'static str>,
}

static WATCHERS: [Watcher; 6] = [
    watcher(
        "CrowdStrike Falcon",
        Some(("com.crowdstrike.falcon.Agent", "X9E956P446")),
        None,
    ),
    watcher(
        "Microsoft Defender for Endpoint",
        Some(("com.microsoft.wdav.epsext", "UBF8T346G9")),
        None,
    ),
    watcher("SentinelOne", None, Some("com.sentinelone.")),
    watcher("ESET", None, Some("com.eset.")),
    watcher("Cortex XDR", None, Some("com.paloaltonetworks.cortex.agent")),
    watcher("Wazuh", None, Some("com.wazuh.agent")),
];

const fn watcher(
    product: &'static str,
    extension: Option<(&'static str, &'static str)>,
    label: Option<&'static str>,
) -> Watcher {
    Watcher {
        product,
        extension,
        label,
    }
}

pub(super) fn probe(scene: &Scene) -> Fact<Vec<SecurityProduct>> {
    let host = scene.host.as_ref();
    let mut all = vec![xprotect(host, scene.about.now_s)];
    if let Ok(text) = host.program(EXTENSIONS, &["list"]).text() {
        all.extend(extensions(&text));
    }
    if let Ok(text) = host.program(LAUNCHCTL, &["print", "system"]).text() {
        all.extend(labels(&text));
    }
    scene.known(
        all,
        "XProtect's bundle, systemextensionsctl, launchctl",
        Forger::Administrator,
    )
}

fn xprotect(host: &dyn Host, now_s: u64) -> SecurityProduct {
    let unknown = |reason: String| Tristate::Unknown { reason };
    let path = system::is_at_least(host, "15").map(|new| if new { XPROTECT } else { OLD_XPROTECT });
    let version =
        path.clone().and_then(
            |path| match plist::value(host, path, "CFBundleShortVersionString")? {
                Value::Text(version) => Ok(version),
                _ => Err(format!("{path} has a strange version")),
            },
        );
    let modified = path.and_then(|path| {
        let text = host.program(STAT, &["-f", "%m", path]).word()?;
        let then_s = text
            .parse()
            .map_err(|_| "stat says something strange".to_owned())?;
        whole_days(then_s, now_s).ok_or_else(|| "XProtect's bundle is from the future".to_owned())
    });
    let (name, running, signatures) = match (version, modified) {
        (Ok(version), modified) => (
            format!("XProtect {version}"),
            match confinement::gatekeeper(host) {
                Ok(true) => Tristate::Yes,
                Ok(false) => Tristate::No,
                Err(reason) => unknown(reason),
            },
            match modified {
                Ok(days) => Signatures::Aged { days },
                Err(reason) => Signatures::Unknown { reason },
            },
        ),
        (Err(reason), _) => (
            "XProtect".to_owned(),
            unknown(reason.clone()),
            Signatures::Unknown { reason },
        ),
    };
    SecurityProduct {
        name,
        kind: ProductKind::Antivirus,
        genuine: match running {
            // It lies where only macOS writes.
            Tristate::Yes => Tristate::Yes,
            _ => unknown("it was not seen to run".to_owned()),
        },
        running,
        signatures,
    }
}

/// Lines of `enabled, active, team, identity (version), name, [state]` with tabs between them.
fn extensions(text: &str) -> Vec<SecurityProduct> {
    let mut found: Vec<SecurityProduct> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [_, _, team, identity, _, state] = fields[..] else {
            continue;
        };
        let identity = identity.split(' ').next().unwrap_or_default();
        let known = WATCHERS.iter().find_map(|watcher| {
            let (own, own_team) = watcher.extension?;
            (own == identity).then_some((watcher.product, own_team))
        });
        let Some((product, own_team)) = known else {
            continue;
        };
        let extension = SecurityProduct {
            name: product.to_owned(),
            kind: ProductKind::Edr,
            running: yes_if(state == "[activated enabled]"),
            genuine: yes_if(team == own_team),
            signatures: Signatures::NotApplicable,
        };
        // While one version replaces another both are listed.
        match found.iter_mut().find(|one| one.name == extension.name) {
            Some(older) if extension.running == Tristate::Yes => *older = extension,
            Some(_) => {}
            None => found.push(extension),
        }
    }
    found
}

/// `services = { pid status label … }` of `launchctl print system`.
fn labels(text: &str) -> Vec<SecurityProduct> {
    let services = lines(text)
        .skip_while(|line| *line != "services = {")
        .skip(1)
        .take_while(|line| *line != "}");
    let mut found: Vec<SecurityProduct> = Vec::new();
    for line in services {
        let mut words = line.split_whitespace();
        let (Some(pid), Some(_), Some(label), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let known = WATCHERS
            .iter()
            .find(|watcher| watcher.label.is_some_and(|own| label.starts_with(own)));
        let Some(watcher) = known else { continue };
        let runs = pid.parse::<u32>().is_ok_and(|pid| pid > 0);
        match found.iter_mut().find(|one| one.name == watcher.product) {
            Some(one) if runs => one.running = Tristate::Yes,
            Some(_) => {}
            None => found.push(SecurityProduct {
                name: watcher.product.to_owned(),
                kind: ProductKind::Edr,
                running: yes_if(runs),
                genuine: Tristate::Unknown {
                    reason: "anybody with the administrator's rights can choose a label".to_owned(),
                },
                signatures: Signatures::NotApplicable,
            }),
        }
    }
    found
}

fn yes_if(condition: bool) -> Tristate {
    if condition { Tristate::Yes } else { Tristate::No }
}
