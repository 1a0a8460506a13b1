//! `gobag-server backup`, `restore` and `check`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Mutex,
};

use age::x25519::{Identity, Recipient};
use gobag_protocol::limits::MAX_SMALL_BODY;
use gobag_term::{CliError, ExitCode, Ui};

use super::block_on;
use crate::{
    args::ConfigArgs,
    backup::{
        objects::{self, CheckOptions, CheckReport},
        read::{self, RestoreReport, Target},
        replace::Aside,
        write::{self, BackupOptions, BackupReport, Source},
    },
    clock::Clock,
    config::Config,
    error::OrExplain as _,
    serve::{open_blobs, open_database, open_stores},
};

/// Write a backup of a server, which may go on meanwhile
///
/// It has all rows of one moment, the CA's keys and the key for leases, and with --objects all objects; whoever has it can be the company to its
/// sticks. Its files are for their owner alone; with --to, rows and keys can be opened by that age recipient alone (objects are sealed anyway).
/// An interrupted backup is begun again with the same command, and goes on with its objects.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// A new folder
    folder: PathBuf,
    /// Copy objects, too; nothing is pruned meanwhile. Without it, copy the folder or bucket of objects yourself, after this, and prune nothing between
    #[arg(long)]
    objects: bool,
    /// Seal rows and keys for this age recipient (age1…); can be given several times
    #[arg(long, value_name = "RECIPIENT", value_parser = recipient)]
    to: Vec<Recipient>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Put a server back from a backup, into an empty database
///
/// The database may be another kind than it was. Sticks notice, and send anew what came after the backup; nobody has to do anything for them. People's
/// tokens, policies and revocations of after it are to be made again. A store of objects that a server used before, also this one, has to be made
/// the new database's: `gobag-server adopt-store --yes` (exit code 3 says so); a server that still works with the old database prunes nothing from then on.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    folder: PathBuf,
    /// A file with the age identity (AGE-SECRET-KEY-1…) that opens it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Put a SQLite database that is there out of the way, once it was seen that the backup opens and that no server runs (exit code 7). It is kept
    /// beside it, and has its name again if nothing was put back
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Look for every object that the database knows in the store
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Read each object and compare it with its name
    #[arg(long)]
    read: bool,
    /// Take those that are missing, and with --read those that are damaged, out of the database: sticks hear that they are missing, and send them
    /// again if they still have them. Nothing is forgotten with a store that is not this database's, or not mounted
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn backup(args: &BackupArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    if !args.objects && config.prune_every_hours > 0 {
        ui.warn("the server prunes by itself: what it prunes before you have copied the objects, this backup's rows still name. --objects copies them while nothing is pruned");
    }
    let options = BackupOptions {
        recipients: args.to.clone(),
        objects: args.objects,
    };
    let report = with_progress(ui, |progress| {
        block_on(async {
            let (database, blobs) = open_stores(&config).await.or_explain()?;
            let source = Source {
                database: &database,
                blobs: &blobs,
                keys: &config.ca_folder(),
                clock: &Clock::default(),
            };
            let report = write::write(&source, &args.folder, &options, progress).await;
            database.close().await;
            report.or_explain()
        })
    })?;
    ui.answer(&report, |report: &BackupReport| {
        let missing = match report.objects_missing {
            0 => String::new(),
            missing => format!("{missing} objects are missing or damaged in the store; the log says which\n"),
        };
        format!(
            "{} rows and {} objects in {}\n{missing}",
            report.rows,
            report.objects,
            report.folder.display()
        )
    })?;
    Ok(if report.objects_missing > 0 {
        ExitCode::Findings
    } else {
        ExitCode::Ok
    })
}

pub(crate) fn restore(args: &RestoreArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let identities = args
        .identity
        .as_deref()
        .map(identities)
        .transpose()?
        .unwrap_or_default();
    let report = with_progress(ui, |progress| {
        block_on(async {
            let aside = match args.replace {
                true => put_aside(&config, &args.folder, &identities, progress).await?,
                false => None,
            };
            let report = put_in(&config, &args.folder, &identities, progress).await;
            report.map_err(|error| match &aside {
                Some(aside) => put_back(aside, error),
                None => error,
            })
        })
    })?;
    ui.answer(&report, |report: &RestoreReport| {
        format!(
            "{} rows and {} objects are back, of {} s since 1970\n{}{}",
            report.rows,
            report.objects,
            report.made_s,
            found(&report.check),
            then(report.store)
        )
    })?;
    Ok(match exit(&report.check) {
        ExitCode::Ok if report.store.is_some() => ExitCode::Findings,
        exit => exit,
    })
}

async fn put_in(
    config: &Config,
    folder: &Path,
    identities: &[Identity],
    progress: &crate::backup::Progress<'_>,
) -> Result<RestoreReport, CliError> {
    let database = open_database(config).await.or_explain()?;
    let blobs = open_blobs(config).or_explain();
    let report = match blobs {
        Ok(blobs) => {
            let target = Target {
                database: &database,
                blobs: &blobs,
                keys: &config.ca_folder(),
                clock: &Clock::default(),
            };
            read::read(&target, folder, identities, progress)
                .await
                .or_explain()
        }
        Err(error) => Err(error),
    };
    database.close().await;
    report
}

pub(crate) fn check(args: &CheckArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let report = with_progress(ui, |progress| {
        block_on(async {
            let (database, blobs) = open_stores(&config).await.or_explain()?;
            let clock = Clock::default();
            let options = CheckOptions {
                is_read: args.read,
                forget: args.forget.then_some(&clock),
            };
            let report = objects::check(&database, &blobs, &options, progress).await;
            database.close().await;
            report.or_explain()
        })
    })?;
    ui.answer(&report, found)?;
    Ok(exit(&report))
}

fn then(store: Option<&str>) -> &'static str {
    match store {
        None => "",
        Some("server.store-other" | "server.store-unknown") => ADOPT,
        Some(_) => "The store of objects could not be asked; look through it with `gobag-server check`\n",
    }
}

/// What is left to do after a database was put back.
const ADOPT: &str = "The store of objects is not this database's yet, and the server does not start until it is: see that its objects are there, \
    end the server that used it, then `gobag-server adopt-store --yes`\n";

fn found(report: &CheckReport) -> String {
    format!(
        "Of {} objects that the database knows {} are missing and {} damaged in the store.\n{}",
        report.objects,
        report.missing,
        report.damaged,
        match (report.forgotten, report.missing + report.damaged) {
            (0, 0) => String::new(),
            (0, _) =>
                "If no better copy of the store can be found, `gobag-server check --forget` lets sticks send them again.\n"
                    .to_owned(),
            (forgotten, _) => format!("{forgotten} were forgotten; sticks are told that they are missing.\n"),
        }
    )
}

fn exit(report: &CheckReport) -> ExitCode {
    match (report.missing + report.damaged).saturating_sub(report.forgotten) {
        0 if report.forgotten > 0 => ExitCode::Findings,
        0 => ExitCode::Ok,
        _ => ExitCode::Damaged,
    }
}

/// Shows how far `work` is, phase by phase.
fn with_progress<T>(
    ui: &Ui,
    work: impl FnOnce(&crate::backup::Progress<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let bar = ui.progress();
    let phase = Mutex::new("");
    let done = work(&|name, bytes| {
        let mut phase = phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *phase != name {
            *phase = name;
            bar.phase(name, None);
        }
        bar.advance(bytes);
    })?;
    bar.finish();
    Ok(done)
}

fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse()
        .map_err(|_| "an age recipient begins with age1".to_owned())
}

fn identities(path: &Path) -> Result<Vec<Identity>, CliError> {
    let failed = |error: String| {
        let text = format!("cannot read an identity from {}: {error}", path.display());
        CliError::new(ExitCode::Usage, "backup.identity", text)
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut file = file.take(MAX_SMALL_BODY as u64);
    file.read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            line.parse()
                .map_err(|_| failed("a line is no AGE-SECRET-KEY-1…".to_owned()))
        })
        .collect()
}

/// Puts a SQLite database aside for a backup that can be put back.
async fn put_aside(
    config: &Config,
    folder: &Path,
    identities: &[Identity],
    progress: &crate::backup::Progress<'_>,
) -> Result<Option<Aside>, CliError> {
    if config.postgres.is_some() {
        let text = "--replace is for SQLite";
        let error = CliError::new(ExitCode::Usage, "backup.replace", text);
        return Err(error.hint("make a new database in PostgreSQL and set its address"));
    }
    read::check(folder, identities, progress).or_explain()?;
    let file = config.sqlite_file();
    Aside::put(&file, Clock::default().now_s()).await.or_explain()
}

/// Puts it back where it was; the error says where it is.
fn put_back(aside: &Aside, error: CliError) -> CliError {
    match aside.back() {
        Ok(()) => error.hint("the database that was there is in its place again"),
        Err(_) => error.hint(format!(
            "the database that was there is {}, and could not be put back",
            aside.away().display()
        )),
    }
}
