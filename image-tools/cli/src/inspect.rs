//! `gobag-image inspect`: what an image version is made of.

use gobag_bundle::repository::Access;
use gobag_format::{
    lease::LeasePolicy,
    manifest::{Boot, ContainerEntry, Manifest, VolumeKind},
    memory::Remember,
};
use gobag_term::{CliError, ExitCode, Table, Ui, human};
use serde::Serialize;

use crate::{args::KeysArgs, office::OpenOffice};

/// Show what an image is made of
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// The image, NAME or NAME@VERSION
    image: String,
    #[command(flatten)]
    keys: KeysArgs,
}

/// A manifest without its secrets.
#[derive(Serialize)]
struct InspectReport {
    name: String,
    version: u64,
    image: String,
    parent: Option<String>,
    created_s: u64,
    os_name: Option<String>,
    volumes: Vec<Volume>,
    packs: usize,
    packs_len_bytes: u64,
    boot: Boot,
    container: Option<ContainerEntry>,
    requirements: serde_json::Value,
    policy: serde_json::Value,
}

#[derive(Serialize)]
struct Volume {
    name: String,
    kind: VolumeKind,
    size_bytes: u64,
}

pub(crate) fn inspect(args: &InspectArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let office = OpenOffice::open(&args.keys, Access::Shared, ui)?;
    let image = office.image(&args.image)?;
    let columns = ui.columns();
    ui.answer(&report(&image.manifest), |report| page(report, columns))?;
    Ok(ExitCode::Ok)
}

fn report(manifest: &Manifest) -> InspectReport {
    let volume = |volume: &gobag_format::manifest::VolumeEntry| Volume {
        name: volume.name.clone(),
        kind: volume.kind,
        size_bytes: volume.size_bytes,
    };
    InspectReport {
        name: manifest.name.clone(),
        version: manifest.version,
        image: manifest.image.to_string(),
        parent: manifest.parent.map(|parent| parent.to_string()),
        created_s: manifest.created_s,
        os_name: manifest.os_name.clone(),
        volumes: manifest.volumes.iter().map(volume).collect(),
        packs: manifest.packs.len(),
        packs_len_bytes: manifest.packs_len_bytes(),
        boot: manifest.boot.clone(),
        container: manifest.container.clone(),
        requirements: manifest.requirements.clone(),
        policy: manifest.policy.clone(),
    }
}

fn page(report: &InspectReport, columns: usize) -> String {
    let mut facts = Table::new(["image", &format!("{}@{}", report.name, report.version)]);
    facts.row(["id", &report.image]);
    facts.row(["system", report.os_name.as_deref().unwrap_or("unknown")]);
    facts.row(["virtual machine", &boot(&report.boot)]);
    facts.row([
        "container",
        if report.container.is_some() {
            "possible"
        } else {
            "not possible"
        },
    ]);
    let packs = format!(
        "{} in {} packs",
        human::bytes(report.packs_len_bytes),
        report.packs
    );
    facts.row(["on a stick", &packs]);
    let remembered = match Remember::of_policy(&report.policy) {
        Remember::Off => "not remembered by computers",
        Remember::Ask => "remembered by computers; its user may accept an earlier copy",
        Remember::Token => "remembered by computers; an earlier copy needs a restore token",
    };
    facts.row(["its last state", remembered]);
    facts.row(["a lease", &lease(&report.policy)]);
    let mut volumes = Table::new(["volume", "for", "size"]);
    for volume in &report.volumes {
        let kind = match volume.kind {
            VolumeKind::Base => "the system",
            VolumeKind::HomeTemplate => "first content of home",
            VolumeKind::Blob => "the launcher",
            VolumeKind::Unknown => "something newer",
        };
        volumes.row([volume.name.as_str(), kind, &human::bytes(volume.size_bytes)]);
    }
    format!("{}\n{}", facts.render(columns), volumes.render(columns))
}

fn lease(policy: &serde_json::Value) -> String {
    match LeasePolicy::of_policy(policy) {
        Ok(None) => "not needed".to_owned(),
        Ok(Some(policy)) => format!(
            "needed; {} of {} officers can extend it",
            policy.threshold,
            policy.officers.len()
        ),
        Err(error) => error.to_string(),
    }
}

fn boot(boot: &Boot) -> String {
    use gobag_format::manifest::Firmware;
    match (&boot.kernel, boot.firmware) {
        (Some(kernel), _) => format!("starts its kernel directly: {}", kernel.cmdline),
        (None, Some(Firmware::Bios)) => "boots its disk with a BIOS".to_owned(),
        (None, Some(Firmware::Uefi)) => "boots its disk with UEFI".to_owned(),
        (None, Some(Firmware::Unknown)) => "boots in a newer way".to_owned(),
        (None, None) => "not possible: it has nothing to boot".to_owned(),
    }
}
