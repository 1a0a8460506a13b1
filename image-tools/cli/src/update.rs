//! `gobag-image update`: newer versions of the images, on sticks that are in use.

mod page;
mod unlock;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use gobag_bundle::{
    Bundle, OpenError,
    repository::{Access, RepositoryError, StickEntry, StoredImage},
    stick::put_file,
    update::{self, UpdateError, UpdatePlan, UpdateReport, UpdateSummary},
};
use gobag_format::{Monitor, Silent, ledger::StickKeys};
use gobag_term::{CliError, ErrorReport, ExitCode, PassphraseSource, Ui};
use serde::Serialize;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{Explain, OrExplain, said},
    escrow::EscrowKeyArgs,
    office::{self, Office, OpenOffice},
    progress::{Part, Progress},
    stick::{self, distinct, page::start_page, side_by_side},
};

use unlock::Unlocking;

/// Bring sticks to a newer version of their images
///
/// The home volume stays as it is. Where the guest does not keep /home on it (a disk image that does not mount
/// LABEL=gobag-home there; --keep-home; --home-size 0), users' files are changes to the system. The new system starts as IT
/// built it: changes to the old one are given up, and are told before anybody is asked. Where no guest ever mounted the home
/// volume, they are given up only with --give-up-system-changes.
///
/// Only what a stick lacks is copied, beside the old version, which works until the last step puts the new one in its place.
/// After an interruption, run the same command again: what is on the stick is kept; a stick that was pulled out may want
/// `fsck.exfat` first.
///
/// Sticks are opened with the escrow key; their users need not be there.
#[derive(Debug, clap::Args)]
pub(crate) struct UpdateArgs {
    /// Folder where a stick is mounted; may be given several times
    #[arg(long = "stick", required = true, value_name = "FOLDER")]
    sticks: Vec<PathBuf>,
    /// The image, NAME (its newest version) or NAME@VERSION [default: every image on the stick]
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Give up the changes to the system also where no guest ever used the home volume, so that users' files are among them
    #[arg(long)]
    give_up_system_changes: bool,
    /// Ask for the user's passphrase instead of using the escrow key
    #[arg(long)]
    user_passphrase: bool,
    /// Read the user's passphrase from this file (one line) instead of using the escrow key
    #[arg(long, value_name = "FILE", conflicts_with = "user_passphrase")]
    user_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    escrow: EscrowKeyArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

impl UpdateArgs {
    fn user_source(&self) -> Option<PassphraseSource> {
        let file = self.user_passphrase_file.clone().map(PassphraseSource::File);
        file.or_else(|| self.user_passphrase.then_some(PassphraseSource::Terminal))
    }
}

#[derive(Serialize)]
struct UpdatesReport {
    sticks: Vec<OneReport>,
}

#[derive(Default, Serialize)]
struct OneReport {
    target: PathBuf,
    user: Option<String>,
    bundle: Option<String>,
    plan: Option<UpdateSummary>,
    done: Option<UpdateReport>,
    /// Why what the stick says of computers will not be signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsigned: Option<ErrorReport>,
    error: Option<ErrorReport>,
}

/// A stick that is open and knows what is to come.
struct Ready {
    bundle: Bundle,
    images: Vec<StoredImage>,
    plan: UpdatePlan,
}

pub(crate) fn update(args: &UpdateArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let targets = distinct(&args.sticks)?;
    let office = Office::open(&args.keys.org, Access::Shared)?;
    let (secrets, passphrase) = office::unlock(&office.org, &args.keys.passphrase.source(), ui)?;
    let office = OpenOffice { office, secrets };
    let unlocking = Unlocking::new(args, &office, &passphrase, ui)?;
    drop(passphrase);
    let mut sticks: Vec<(OneReport, Option<Ready>)> = Vec::new();
    for target in targets {
        let mut report = OneReport {
            target,
            ..OneReport::default()
        };
        let ready = prepare(args, &office, &unlocking, &mut report, ui, environment);
        let ready = match ready {
            Ok(ready) => Some(ready),
            // One stick is told alone.
            Err(error) if args.sticks.len() == 1 => return Err(error),
            Err(error) => {
                report.error = Some(error.report());
                None
            }
        };
        sticks.push((report, ready));
    }
    if !args.dry_run && !confirmed(&sticks, ui)? {
        return Err(said(
            ExitCode::Interrupted,
            "update.declined",
            "nothing was changed",
        ));
    }
    let progress = Progress::new(ui);
    let (mut reports, failure) = match args.dry_run {
        true => (sticks.into_iter().map(|(report, _)| report).collect(), None),
        false => carry_out(sticks, &office, environment, &progress),
    };
    progress.finish();
    if let (Some(failure), 1) = (failure, reports.len()) {
        return Err(failure);
    }
    let report = UpdatesReport {
        sticks: std::mem::take(&mut reports),
    };
    let failed = report.sticks.iter().any(|stick| stick.error.is_some());
    let (columns, dry_run) = (ui.columns(), args.dry_run);
    ui.answer(&report, |report| page::page(&report.sticks, dry_run, columns))?;
    Ok(if failed { ExitCode::Failed } else { ExitCode::Ok })
}

/// Opens a stick and says what is to come.
fn prepare(
    args: &UpdateArgs,
    office: &OpenOffice,
    unlocking: &Unlocking,
    report: &mut OneReport,
    ui: &Ui,
    environment: &Environment,
) -> Result<Ready, CliError> {
    let bundle = unlocking.open(&report.target, ui, environment)?;
    report.user = Some(bundle.record().user.clone());
    report.bundle = Some(bundle.id().to_string());
    let images = match &args.image {
        Some(image) => vec![office.image(image)?],
        None => newest(&bundle, office, ui)?,
    };
    let plan = update::plan(&bundle, &office.office.repository, &images).or_explain()?;
    report.plan = Some(plan.summary().clone());
    if plan.summary().home_unused && !args.dry_run && !args.give_up_system_changes {
        return Err(home_unused(&report.target));
    }
    Ok(Ready { bundle, images, plan })
}

/// A yes to everything was not meant for users' files.
fn home_unused(stick: &Path) -> CliError {
    let text = format!(
        "no guest ever used the home volume of {}: what its user saved is in all likelihood in the system, and would be \
         lost",
        stick.display()
    );
    said(ExitCode::Usage, "update.home-unused", text)
        .hint("copy what is needed from the stick first: `gobag start`, or `gobag mount`")
        .hint("then give the rest up for good: `--give-up-system-changes`")
        .hint("a disk image must mount LABEL=gobag-home at /home, so that its users' files outlive updates")
}

/// The newest version of every image of the stick that the repository has.
fn newest(bundle: &Bundle, office: &OpenOffice, ui: &Ui) -> Result<Vec<StoredImage>, CliError> {
    if bundle.record().org != office.secrets.org {
        let org_name = bundle.record().org_name.clone();
        return Err(UpdateError::OtherOrg { org_name }.explain());
    }
    let mut images = Vec::new();
    for record in &bundle.record().images {
        match office.office.repository.find(&record.name) {
            Err(RepositoryError::NoSuchImage { .. }) => ui.warn(&format!(
                "the repository has no image `{}`; the stick keeps version {} of it",
                record.name, record.version
            )),
            found => images.push(office.image(&found.or_explain()?.name)?),
        }
    }
    Ok(images)
}

/// Asks once for all sticks that get something new.
fn confirmed(sticks: &[(OneReport, Option<Ready>)], ui: &Ui) -> Result<bool, CliError> {
    let summaries = sticks
        .iter()
        .filter(|(_, ready)| ready.as_ref().is_some_and(|ready| !ready.plan.is_current()))
        .map(|(report, _)| report);
    let question = page::question(summaries);
    Ok(match question {
        Some(question) => ui.confirm(&question)?,
        None => true,
    })
}

/// Updates all sticks that are ready, side by side; the error of the last that failed comes apart.
fn carry_out(
    sticks: Vec<(OneReport, Option<Ready>)>,
    office: &OpenOffice,
    environment: &Environment,
    progress: &Progress,
) -> (Vec<OneReport>, Option<CliError>) {
    let is_one = sticks.len() == 1;
    let plans = sticks.iter().filter_map(|(_, ready)| ready.as_ref());
    let total = plans.map(|ready| ready.plan.work_bytes()).sum();
    if !is_one {
        progress.phase("updating", Some(total));
    }
    let finish = |(mut report, ready): (OneReport, Option<Ready>)| {
        let Some(mut ready) = ready else {
            return (report, None);
        };
        let done = match is_one {
            true => update::update(&mut ready.bundle, &ready.plan, progress),
            false => update::update(&mut ready.bundle, &ready.plan, &Part(progress)),
        };
        let result = done.or_explain().and_then(|done| {
            report.done = Some(done);
            let keys = stick_keys(&ready.bundle, &mut report);
            register(&ready, keys, office, environment)?;
            renew_requirements(&ready, &report.target)?;
            renew_page(&ready.bundle, &report.target, office)
        });
        let error = result.err();
        report.error = error.as_ref().map(CliError::report);
        (report, error)
    };
    let (reports, errors): (Vec<_>, Vec<_>) = side_by_side(sticks, finish).into_iter().unzip();
    (reports, errors.into_iter().flatten().next_back())
}

/// The image that the stick starts with, if it is among those that were updated.
fn updated_first(ready: &Ready) -> Option<&StoredImage> {
    let first = ready.bundle.record().images.first().map(|image| image.id);
    let mut images = ready.images.iter();
    images.find(|image| Some(image.manifest.image) == first)
}

/// Makes sure that the stick can sign, which sticks of earlier versions cannot. One that has no room for a ledger, or whose ledger cannot be read,
/// works without; the report says so.
fn stick_keys(bundle: &Bundle, report: &mut OneReport) -> Option<StickKeys> {
    match bundle.ensure_ledger(&Silent) {
        Ok(keys) => Some(keys),
        Err(error) => {
            report.unsigned = Some(error.explain().report());
            None
        }
    }
}

/// Enters the new version of the image that the stick starts with into the register, and what the stick signs with. A key that is known stays where
/// none could be read now.
fn register(
    ready: &Ready,
    keys: Option<StickKeys>,
    office: &OpenOffice,
    environment: &Environment,
) -> Result<(), CliError> {
    let repository = &office.office.repository;
    let known = repository.sticks().or_explain()?;
    let known = known.into_iter().find(|entry| entry.bundle == ready.bundle.id());
    let (key, code_key) = match keys {
        Some(keys) => (Some(keys.signing), Some(keys.codes)),
        None => known
            .as_ref()
            .map_or((None, None), |entry| (entry.key, entry.code_key)),
    };
    let entry = match (updated_first(ready), &known) {
        (Some(image), _) => StickEntry {
            bundle: ready.bundle.id(),
            user: ready.bundle.record().user.clone(),
            image: image.manifest.name.clone(),
            version: image.manifest.version,
            image_id: image.manifest.image,
            written_s: environment.now_s(),
            key,
            code_key,
        },
        (None, Some(known)) => StickEntry {
            key,
            code_key,
            ..known.clone()
        },
        (None, None) => return Ok(()),
    };
    // A run that was interrupted behind the switch may have left this undone.
    let is_known = known.as_ref().is_some_and(|known| {
        (known.image_id, known.key, known.code_key) == (entry.image_id, entry.key, entry.code_key)
    });
    match is_known {
        true => Ok(()),
        false => repository.register_stick(&entry).or_explain(),
    }
}

/// Writes what the new version asks of a computer.
fn renew_requirements(ready: &Ready, target: &Path) -> Result<(), CliError> {
    match updated_first(ready) {
        Some(image) => renew(
            target,
            stick::requirements_file(),
            &stick::public_requirements(&image.manifest),
        ),
        None => Ok(()),
    }
}

/// Writes the start page anew where the new version has another policy of what stays on computers.
fn renew_page(bundle: &Bundle, target: &Path, office: &OpenOffice) -> Result<(), CliError> {
    let profile = &office.secrets.profile;
    let html = start_page(
        &bundle.record().user,
        profile,
        bundle.id(),
        bundle.remember_rule(),
    );
    renew(target, stick::start_page(), html.as_bytes())
}

/// Writes a file unless it is right already.
fn renew(target: &Path, relative: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let place = target.join(relative);
    let is_right = || -> io::Result<bool> {
        let mut there = Vec::new();
        File::open(&place)?
            .take(bytes.len() as u64 + 1)
            .read_to_end(&mut there)?;
        Ok(there == bytes)
    };
    // What cannot be read is not right; writing it will tell more.
    match place.is_file() && !place.is_symlink() && is_right().unwrap_or(false) {
        true => Ok(()),
        false => put_file(target, relative, bytes).or_explain(),
    }
}

/// A stick that does not open says what else would open it.
fn unopened(error: OpenError) -> CliError {
    let without_key = error.code() == "unlock.no-escrow";
    let shown = error.explain();
    if without_key {
        shown.hint("its user's passphrase opens it too: `--user-passphrase`")
    } else {
        shown
    }
}
