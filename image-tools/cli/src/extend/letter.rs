//! Extensions as letters: files that officers sign one after another, or side by side.

use std::path::{Path, PathBuf};

use gobag_bundle::org::OrgFolder;
use gobag_checklists::regular;
use gobag_format::{
    envelope::Envelope,
    ids::BundleId,
    lease::{EXTENSION, Extension},
    limits::MAX_ENVELOPE_LEN,
};
use gobag_term::{CliError, ExitCode, Ui, human};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::OfficerKeyArgs;
use crate::{
    args::OrgArgs,
    environment::Environment,
    error::{OrExplain, said, unusable},
};

/// Longest that officers may extend at once: nobody should have to live with a slip of the pen for years.
const MOST_DAYS: i32 = 366;

#[derive(Debug, clap::Args)]
pub(super) struct RequestArgs {
    /// For all sticks of this group
    #[arg(long, value_name = "NAME", required_unless_present = "stick")]
    group: Option<String>,
    /// For this stick: 32 digits, in its START-HERE.html and in `gobag-image list --sticks`
    #[arg(long, value_name = "NUMBER")]
    stick: Option<String>,
    /// The last day on which it counts, like 2026-12-31 (in UTC)
    #[arg(long, value_name = "DAY")]
    until: Date,
    #[command(flatten)]
    org: OrgArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct SignArgs {
    /// The letter, as `extend request` or another officer gave it to you
    file: PathBuf,
    #[command(flatten)]
    key: OfficerKeyArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct JoinArgs {
    /// Copies of one letter, as the officers signed them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    org: OrgArgs,
}

#[derive(Serialize)]
struct LetterReport {
    group: Option<String>,
    bundle: Option<String>,
    until_s: u64,
    /// Officers whose signatures were checked and count.
    signed_by: Vec<String>,
    letter: String,
}

pub(super) fn request(args: &RequestArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let stick = args.stick.as_deref().map(stick_number).transpose()?;
    let now_s = environment.now_s();
    let until_s = end_of(args.until, now_s)?;
    let org = OrgFolder::open(&args.org.org).or_explain()?.public().id;
    let extension = Extension::new(org, args.group.as_deref(), stick, now_s, until_s);
    answer(&extension, &extension.unsigned(), Vec::new(), ui)
}

pub(super) fn sign(args: &SignArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let mut envelope = read(&args.file)?;
    let extension = Extension::unverified(&envelope).or_explain()?;
    ui.say(&said_by(&extension));
    let officer = args.key.unlock(ui)?;
    let key = officer.signing_key();
    match envelope.verify(EXTENSION, &[key.verifying_key()]) {
        Ok(_) => ui.warn("you signed it before; once is enough"),
        Err(_) => envelope.sign_too(&key).or_explain()?,
    }
    answer(&extension, &envelope, vec![officer.public().name], ui)
}

pub(super) fn join(args: &JoinArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let org = OrgFolder::open(&args.org.org).or_explain()?;
    let mut joined: Option<Envelope> = None;
    for path in &args.files {
        let part = read(path)?;
        match &mut joined {
            None => joined = Some(part),
            Some(joined) => joined.join(&part).map_err(|error| {
                let shown = said(
                    ExitCode::Usage,
                    error.code(),
                    format!("{}: {error}", path.display()),
                );
                shown.hint("join copies of one letter, as `gobag-image extend sign` gave them out")
            })?,
        }
    }
    let envelope = joined.expect("there is at least one file");
    let extension = Extension::unverified(&envelope).or_explain()?;
    let profile = &org.public().profile;
    if extension.org != org.public().id {
        let text = format!(
            "the letter is for sticks of another organisation ({})",
            extension.org
        );
        return Err(said(ExitCode::Usage, "extension.other-org", text));
    }
    let keys = profile.officers.iter().map(|officer| &officer.key);
    let (_, signers) = envelope.signers(EXTENSION, keys).or_explain()?;
    let officers = profile
        .officers
        .iter()
        .filter(|officer| signers.contains(&&officer.key));
    let names: Vec<String> = officers.map(|officer| officer.name.clone()).collect();
    // Where nobody said how many, no image names officers yet.
    if names.len() < profile.officers_needed.max(1) {
        return Err(too_few(&names, profile.officers_needed));
    }
    ui.say(&said_by(&extension));
    ui.say(&format!(
        "Signed by {}: enough.",
        human::printable(&names.join(", "))
    ));
    answer(&extension, &envelope, names, ui)
}

fn too_few(names: &[String], needed: usize) -> CliError {
    let by = match names {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    let text = format!(
        "{} of {needed} officers that are needed signed it{by}",
        names.len()
    );
    said(ExitCode::Failed, "extension.too-few", text)
        .hint("let another officer sign a copy with `gobag-image extend sign FILE`, and join both")
        .hint("see who is an officer with `gobag-image officer list`")
}

fn answer(
    extension: &Extension,
    letter: &Envelope,
    signed_by: Vec<String>,
    ui: &Ui,
) -> Result<ExitCode, CliError> {
    let report = LetterReport {
        group: extension.group.clone(),
        bundle: extension.bundle.map(|bundle| bundle.to_string()),
        until_s: extension.until_s,
        signed_by,
        letter: letter.to_json(),
    };
    ui.answer(&report, |report| format!("{}\n", report.letter))?;
    Ok(ExitCode::Ok)
}

/// What an officer puts their name to.
fn said_by(extension: &Extension) -> String {
    let sticks = match (&extension.group, extension.bundle) {
        (Some(group), Some(bundle)) => {
            format!("Stick {bundle}, if it is in group {}", human::printable(group))
        }
        (Some(group), None) => format!("All sticks of group {}", human::printable(group)),
        (None, Some(bundle)) => format!("Stick {bundle}"),
        (None, None) => return "It names no group and no stick: it would let nobody start.".to_owned(),
    };
    let day = |seconds: u64| {
        Timestamp::from_second(seconds.try_into().unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
    };
    format!(
        "{sticks} may be started before {} although the lease has ended (written {}).",
        day(extension.until_s).strftime("%Y-%m-%d %H:%M UTC"),
        day(extension.issued_s).strftime("%Y-%m-%d %H:%M UTC"),
    )
}

fn read(path: &Path) -> Result<Envelope, CliError> {
    let bytes = regular::read(path, MAX_ENVELOPE_LEN as u64)
        .map_err(|error| unusable("extension.read", "read", path, &error))?;
    Envelope::parse(&bytes).map_err(|error| {
        let text = format!("{}: {error}", path.display());
        said(ExitCode::Usage, error.code(), text).hint("take the file whole, as the other officer sent it")
    })
}

pub(super) fn stick_number(text: &str) -> Result<BundleId, CliError> {
    BundleId::parse(&text.to_ascii_lowercase()).ok_or_else(|| {
        let text = format!("`{text}` is not the number of a stick");
        said(ExitCode::Usage, "extension.bundle", text).hint("it has 32 digits from 0 to 9 and a to f")
    })
}

/// The moment at which a day is over.
fn end_of(day: Date, now_s: u64) -> Result<u64, CliError> {
    let now = Timestamp::from_second(now_s.try_into().unwrap_or_default()).unwrap_or_default();
    let today = now.to_zoned(TimeZone::UTC).date();
    let refused = |text: String| said(ExitCode::Usage, "extension.day", text);
    if day < today {
        return Err(refused(format!("{day} is over; today is {today}")));
    }
    let latest = today.saturating_add(MOST_DAYS.days());
    let end = day.tomorrow().ok().filter(|_| day <= latest);
    let end = end.and_then(|next| next.to_zoned(TimeZone::UTC).ok());
    end.and_then(|end| end.timestamp().as_second().try_into().ok())
        .ok_or_else(|| refused(format!("an extension counts until {latest} at most")))
}
