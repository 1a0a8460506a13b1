//! `gobag-image stick`: personal sticks, one or many side by side.

pub(crate) mod home;
mod launcher;
pub(crate) mod page;
mod people;
mod personal;

use std::{
    collections::HashSet,
    panic,
    path::{Path, PathBuf},
    thread,
};

use gobag_bundle::{
    Bundle, OpenError,
    medium::StickMedium,
    provision::{ProvisionError, is_taken},
    repository::Access,
    stick::{self, ExtraContent, ExtraFile, StickOptions, StickOutcome},
};
use gobag_format::{limits::SEGMENT_LEN, manifest::Manifest};
use gobag_term::{Cell, CliError, ErrorReport, ExitCode, NewPassphraseArgs, Table, Tone, Ui, human};
use serde::Serialize;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{Explain, OrExplain, said},
    office::OpenOffice,
    progress::Progress,
    size::parse_size,
};

use people::{Person, people};
use personal::{Personal, personal_bytes, provision_all};

/// Where the launcher lies on a stick. Not beside the bundle's folder `GOBAG`: to exFAT that is the same name.
const LAUNCHER: &str = "linux/gobag";

/// Write sticks, one or many side by side
///
/// Every TARGET is the folder where a stick is mounted. The image, the launcher and the start page are written to all of
/// them and read back; then each gets its own keys, passphrase and space. After an interruption, run the same command
/// again: what is on a stick already is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct StickArgs {
    /// Folders where the sticks are mounted
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<PathBuf>,
    /// The image, NAME (its newest version) or NAME@VERSION
    #[arg(long, value_name = "NAME")]
    image: String,
    /// Whom the stick is for; once for all targets, or once per target in their order
    #[arg(long = "user", required = true, value_name = "NAME")]
    users: Vec<String>,
    /// Make up a passphrase for every stick and print it, once
    #[arg(long, conflicts_with_all = ["new_passphrase_file", "new_passphrase_fd"])]
    generate_passphrase: bool,
    /// Size of the home volume, which outlives every version of the image; 0 for none [default: that of the image's
    /// own /home, else 4GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    home_size: Option<u64>,
    /// Room for changes to the system
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "4GiB")]
    system_space: u64,
    /// The program for the stick; `gobag` beside this program when not given
    #[arg(long, value_name = "FILE")]
    launcher: Option<PathBuf>,
    /// Overwrite sticks that hold a bundle already, with everything their users saved
    #[arg(long)]
    replace: bool,
    /// Only check what would be done
    #[arg(long)]
    dry_run: bool,
    /// Size of a segment of the log
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value_t = SEGMENT_LEN, hide = true)]
    segment_size: u64,
    #[command(flatten)]
    new: NewPassphraseArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Serialize)]
struct SticksReport {
    image: String,
    personal_bytes: u64,
    sticks: Vec<OneReport>,
}

#[derive(Serialize)]
struct OneReport {
    target: PathBuf,
    user: String,
    bundle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
    written_bytes: u64,
    kept_bytes: u64,
    error: Option<ErrorReport>,
}

pub(crate) fn stick(args: &StickArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let targets = distinct(&args.targets)?;
    check_bundles(&targets, args, ui)?;
    let launcher = launcher::find(args.launcher.as_deref(), environment.program.as_deref(), ui)?;
    let office = OpenOffice::open(&args.keys, Access::Shared, ui)?;
    let image = office.image(&args.image)?;
    let people = people(args, targets.len(), ui, environment)?;
    let progress = Progress::new(ui);
    let home = home::prepare(
        args.home_size,
        &office.office.repository,
        &image,
        environment,
        &progress,
    )?;
    let spec = Personal {
        args,
        office: &office,
        image: &image,
        home: &home,
        segment_len: u32::try_from(args.segment_size).map_err(|_| {
            said(
                ExitCode::Usage,
                "stick.segment-size",
                "a segment cannot be that large",
            )
        })?,
    };
    let personal_bytes = personal_bytes(&spec)?;
    let options = StickOptions {
        extras: vec![ExtraFile {
            relative: LAUNCHER.into(),
            content: ExtraContent::CopyOf(launcher),
            executable: true,
        }],
        reserve_bytes: personal_bytes,
        remove_others: args.replace,
        dry_run: args.dry_run,
    };
    let shared =
        stick::write_sticks(&office.office.repository, &image, &targets, &options, &progress).or_explain()?;
    let sticks = match args.dry_run {
        true => shared
            .into_iter()
            .zip(&people)
            .map(|(outcome, person)| unprovisioned(outcome, person))
            .collect(),
        false => provision_all(&spec, shared, &people, personal_bytes, environment, &progress),
    };
    progress.finish();
    let report = SticksReport {
        image: image.label(),
        personal_bytes,
        sticks,
    };
    let failed = report.sticks.iter().any(|stick| stick.error.is_some());
    let (columns, dry_run) = (ui.columns(), args.dry_run);
    ui.answer(&report, |report| page(report, dry_run, columns))?;
    Ok(if failed { ExitCode::Failed } else { ExitCode::Ok })
}

/// Does the work on every stick, a thread each; the results in the sticks' order.
pub(crate) fn side_by_side<T: Send, R: Send>(
    sticks: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = sticks
            .into_iter()
            .map(|stick| scope.spawn(move || work(stick)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, R>| {
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

/// The targets by their real paths, each once.
pub(crate) fn distinct(targets: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut seen = HashSet::new();
    let mut distinct = Vec::new();
    for target in targets {
        let path = target.canonicalize().unwrap_or_else(|_| target.clone());
        if !seen.insert(path.clone()) {
            let text = format!("{} is named twice", target.display());
            return Err(said(ExitCode::Usage, "stick.target-twice", text));
        }
        distinct.push(path);
    }
    Ok(distinct)
}

/// Refuses bundles that are in use, and those that nobody asked to overwrite.
fn check_bundles(targets: &[PathBuf], args: &StickArgs, ui: &Ui) -> Result<(), CliError> {
    let mut overwritten = Vec::new();
    for target in targets {
        if !is_taken(target) {
            continue;
        }
        let stick = target.display().to_string();
        if !args.replace {
            return Err(ProvisionError::AlreadyABundle { stick }.explain());
        }
        if StickMedium::open(target, true).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        {
            return Err(OpenError::Busy { stick }.explain());
        }
        overwritten.push(match Bundle::identify(target) {
            Ok(bundle) => format!("{stick} (bundle {bundle})"),
            Err(error) => format!("{stick} (a bundle that this program cannot read: {error})"),
        });
    }
    if overwritten.is_empty() || args.dry_run {
        return Ok(());
    }
    let question = format!(
        "Overwrite {} with everything its user saved",
        overwritten.join(", ")
    );
    match ui.confirm(&question)? {
        true => Ok(()),
        false => Err(said(
            ExitCode::Interrupted,
            "stick.declined",
            "nothing was written",
        )),
    }
}

fn unprovisioned(outcome: StickOutcome, person: &Person) -> OneReport {
    let StickOutcome { target, result } = outcome;
    let (report, error) = match result {
        Ok(report) => (report, None),
        Err(error) => (stick::StickReport::default(), Some(error.explain().report())),
    };
    OneReport {
        target,
        user: person.user.clone(),
        bundle: None,
        passphrase: None,
        written_bytes: report.written_bytes,
        kept_bytes: report.kept_bytes,
        error,
    }
}

fn page(report: &SticksReport, dry_run: bool, columns: usize) -> String {
    let mut table = Table::new(["verdict", "stick", "user", "written", "kept", "what happened"]);
    for stick in &report.sticks {
        let (tone, verdict) = if stick.error.is_some() {
            (Tone::Bad, "FAIL")
        } else {
            (Tone::Good, "ok")
        };
        table.row([
            Cell::toned(verdict, tone),
            stick.target.display().to_string().into(),
            stick.user.as_str().into(),
            human::bytes(stick.written_bytes).into(),
            human::bytes(stick.kept_bytes).into(),
            happened(stick, dry_run).into(),
        ]);
    }
    let mut text = table.render(columns);
    let secrets: Vec<_> = report
        .sticks
        .iter()
        .filter_map(|stick| Some((stick, stick.passphrase.as_ref()?)))
        .collect();
    if !secrets.is_empty() {
        let mut table = Table::new(["user", "passphrase (shown only now)"]);
        secrets
            .iter()
            .for_each(|(stick, passphrase)| table.row([stick.user.as_str(), passphrase]));
        text.push_str(&format!("\n{}", table.render(columns)));
    }
    text
}

fn happened(stick: &OneReport, dry_run: bool) -> String {
    match (&stick.error, &stick.bundle) {
        (Some(error), _) => std::iter::once(&error.message)
            .chain(&error.causes)
            .cloned()
            .collect::<Vec<_>>()
            .join(": "),
        (None, Some(bundle)) => format!("ready, bundle {bundle}"),
        (None, None) if dry_run => "would be written".to_owned(),
        (None, None) => "nothing".to_owned(),
    }
}

/// A passphrase that nobody has to think up.
pub(crate) fn made_up_passphrase(environment: &Environment) -> zeroize::Zeroizing<String> {
    people::generate(&*environment.ambient.random)
}

/// Where a stick says, for everybody to read, what its image asks of a computer: so `gobag check` needs no passphrase. `gobag start` goes by the
/// signed manifest, and says so where the two differ.
pub(crate) fn requirements_file() -> &'static Path {
    Path::new("requirements.json")
}

/// What that file holds.
pub(crate) fn public_requirements(manifest: &Manifest) -> Vec<u8> {
    format!("{:#}\n", manifest.requirements).into_bytes()
}

/// Where the start page lies on a stick.
pub(crate) fn start_page() -> &'static Path {
    Path::new("START-HERE.html")
}
