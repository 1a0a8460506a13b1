//! `gobag-image build`: a version of an image, from whatever IT has.

mod describe;
mod lease;
mod replication;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use gobag_bundle::{
    build::{self, BuildError, BuildOptions, BuildReport, DEFAULT_LEVEL},
    repository::Access,
};
use gobag_checklists::{Requirements, regular};
use gobag_format::{
    manifest::is_name,
    memory::{REMEMBER_ON_HOST, Remember},
};
use gobag_import::{ImageChoice, ImportOptions, SourceKind};
use gobag_term::{CliError, ExitCode, Ui, human};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{Explain, OrExplain, said, unusable},
    office::OpenOffice,
    progress::Progress,
    size::parse_size,
};

/// Longest file of requirements or policy that is read.
const MAX_JSON_BYTES: u64 = 1 << 20;

/// Of a disk nobody but its maker knows where users' files go.
const DISK_HOME: &str = "note: only what the guest keeps on the home volume outlives updates; the system in this disk has to mount \
                         LABEL=gobag-home at /home itself";

/// Build a version of an image from a disk, a container image or a root file system
///
/// SOURCE is a raw, qcow2, vmdk, vhd, vhdx or vdi disk; an OCI layout or `docker save` archive; a tar archive or folder
/// with a root file system. Only what changed since earlier versions is stored. After an interruption, run the same
/// command again.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// Disk, container image or root file system
    source: PathBuf,
    /// Name of the image
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Number of the version; the next one when not given
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    /// What SOURCE is, when its bytes do not tell
    #[arg(long, value_name = "KIND")]
    kind: Option<SourceKind>,
    /// Which image of a container archive: name, tag or digest
    #[arg(long, value_name = "REFERENCE")]
    image: Option<String>,
    /// Size of the system volume made from a container image or root file system
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    system_size: Option<u64>,
    /// Leave /home on the system volume instead of making it the first content of the home volume
    #[arg(long)]
    keep_home: bool,
    /// What the image asks of a computer (JSON); see `gobag check --requirements`
    #[arg(long, value_name = "FILE")]
    requirements: Option<PathBuf>,
    /// What IT allows and asks (JSON), carried in the signed manifest
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Let computers remember the last state of sticks, so that an earlier copy put back is noticed: a few sealed bytes stay
    /// on them. It holds for this version alone: give it with every version
    #[arg(long, value_enum, value_name = "WHEN")]
    remember_on_host: Option<RememberArg>,
    #[command(flatten)]
    lease: lease::LeaseArgs,
    /// Compression, 1 (fast) to 19 (small)
    #[arg(long, value_name = "LEVEL", default_value_t = DEFAULT_LEVEL, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Use no chunks of other versions: a larger repository, but sticks without parts of old versions
    #[arg(long)]
    fresh: bool,
    /// Folder for temporary files as large as the image; in the repository when not given
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Whether computers remember sticks, and what lets an earlier copy in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RememberArg {
    /// Nothing stays on a computer
    Off,
    /// It is refused unless its user accepts it
    Ask,
    /// It is refused unless you sign a token for it (`gobag-image restore-token`)
    Token,
}

pub(crate) fn build(args: &BuildArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    // Before an hour is spent on importing.
    if !is_name(&args.name) {
        return Err(BuildError::Name {
            name: args.name.clone(),
        }
        .explain());
    }
    let requirements: Option<Requirements> = args.requirements.as_deref().map(read_json).transpose()?;
    let mut policy = policy(args)?;
    lease::check(&policy, &args.lease)?;
    replication::check(&policy)?;
    let open = OpenOffice::open(&args.keys, Access::Shared, ui)?;
    lease::add(&mut policy, &args.lease, &args.name, &open, ui)?;
    let OpenOffice { office, secrets } = open;
    let repository = &office.repository;
    let work_dir = match &args.work_dir {
        Some(folder) => folder.clone(),
        None => repository.import_folder().or_explain()?,
    };
    let progress = Progress::new(ui);
    let now_s = environment.now_s();
    let options = ImportOptions {
        image: ImageChoice {
            reference: args.image.clone(),
            ..ImageChoice::default()
        },
        system_size_bytes: args.system_size,
        home_size_bytes: None,
        split_home: !args.keep_home,
        system_uuid: describe::volume_uuid(secrets.org, &args.name, "system"),
        home_uuid: describe::volume_uuid(secrets.org, &args.name, "home"),
        epoch_seconds: now_s.max(1),
    };
    let imported =
        gobag_import::open(&args.source, args.kind, &work_dir, &options, &progress).or_explain()?;
    for note in &imported.notes {
        ui.warn(note);
    }
    if imported.kind.is_disk() {
        ui.say(DISK_HOME);
    }
    let mut description = describe::describe(&imported, requirements).or_explain()?;
    description.name.clone_from(&args.name);
    description.version = args.version;
    description.created_s = now_s;
    description.policy = policy;
    let volumes = describe::volumes(&imported).or_explain()?;
    let options = BuildOptions {
        level: args.level,
        reuse: !args.fresh,
        ..BuildOptions::default()
    };
    let random = &*environment.ambient.random;
    let report = build::build(
        repository,
        &secrets,
        &description,
        &volumes,
        &options,
        random,
        &progress,
    )
    .or_explain()?;
    progress.finish();
    for pack in &report.refused_packs {
        ui.warn(&format!(
            "pack {pack} cannot be read and was not used; see `gobag-image verify`"
        ));
    }
    ui.answer(&report, page)?;
    Ok(ExitCode::Ok)
}

/// The policy of the manifest, with the word that was given for it here.
fn policy(args: &BuildArgs) -> Result<Value, CliError> {
    let mut policy: Value = args
        .policy
        .as_deref()
        .map(read_json)
        .transpose()?
        .unwrap_or_default();
    if let Some(rule) = args.remember_on_host {
        let rule = match rule {
            RememberArg::Off => Remember::Off,
            RememberArg::Ask => Remember::Ask,
            RememberArg::Token => Remember::Token,
        };
        words(&mut policy)?.insert(REMEMBER_ON_HOST.to_owned(), rule.word().into());
    }
    // A word nobody knows would count as `off`, which is not what was meant.
    let word = policy.get(REMEMBER_ON_HOST);
    match word.is_none_or(|word| word.as_str().is_some_and(|word| Remember::parse(word).is_some())) {
        true => Ok(policy),
        false => Err(refused(
            "`remember_on_host` in the policy is `off`, `ask` or `token`",
        )),
    }
}

/// The policy's words, to add to.
fn words(policy: &mut Value) -> Result<&mut serde_json::Map<String, Value>, CliError> {
    if policy.is_null() {
        *policy = Value::Object(serde_json::Map::new());
    }
    policy
        .as_object_mut()
        .ok_or_else(|| refused("the policy is not a JSON object"))
}

fn refused(text: &str) -> CliError {
    said(ExitCode::Usage, "build.policy", text)
}

fn page(report: &BuildReport) -> String {
    let mut text = format!(
        "Built {}@{} in {}: {} of volumes, {} read, {} stored anew ({} chunks; {} were there already).\n",
        report.name,
        report.version,
        human::duration(std::time::Duration::from_millis(report.elapsed_ms)),
        human::bytes(report.size_bytes),
        human::bytes(report.read_bytes),
        human::bytes(report.new_stored_bytes),
        report.new_chunks,
        report.reused_chunks,
    );
    text.push_str(&format!(
        "A stick needs {} for it.\n",
        human::bytes(report.packs_len_bytes)
    ));
    // Below that, building afresh is not worth the repository's space.
    if report.unused_bytes > report.packs_len_bytes / 2 && report.packs > report.new_packs {
        text.push_str(&format!(
            "More than half of that ({}) belongs to older versions; `--fresh` builds without it.\n",
            human::bytes(report.unused_bytes)
        ));
    }
    text
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, CliError> {
    let failed = |text: String| {
        said(
            ExitCode::Failed,
            "build.json",
            format!("{}: {text}", path.display()),
        )
    };
    let text =
        regular::read(path, MAX_JSON_BYTES).map_err(|error| match regular::is_not_regular(&error) {
            true => unusable("build.json", "use", path, &error),
            false => failed(error.to_string()),
        })?;
    serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
}
