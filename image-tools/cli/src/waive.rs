//! `gobag-image waive`: IT's word that one rule does not stop somebody until a day.

use gobag_bundle::repository::Access;
use gobag_checklists::{RuleId, Waiver};
use gobag_format::{ids::BundleId, waiver::WaiverLetter};
use gobag_term::{CliError, ExitCode, Ui, human};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::{
    args::KeysArgs,
    environment::Environment,
    error::{OrExplain, said},
    office::OpenOffice,
};

/// Let one rule of the host checks not stop somebody, until a day
///
/// When a computer fails a rule that you require, `gobag start` refuses with exit code 4 and names the rule. If you want
/// the person to work all the same, make a waiver and send it; they start with `gobag start --waiver FILE`. It is text
/// on standard output, signed, for one stick or for all, and counts until the end of its day. The rule's finding is shown
/// all the same. What the workstation cannot run without (memory, the hypervisor …) cannot be waived.
#[derive(Debug, clap::Args)]
pub(crate) struct WaiveArgs {
    /// The rule, as `gobag check --json` names it, for instance `antivirus.active`
    rule: String,
    /// The last day on which it counts, like 2026-12-31
    #[arg(long, value_name = "DAY")]
    until: Date,
    /// Why, in one line; the person reads it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The stick's number: 32 digits, in its START-HERE.html and in `gobag-image list --sticks`
    #[arg(long, value_name = "NUMBER", required_unless_present = "all_sticks")]
    stick: Option<String>,
    /// For all sticks of the organisation
    #[arg(long, conflicts_with = "stick")]
    all_sticks: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

#[derive(Serialize)]
struct WaiverReport {
    rule: String,
    until: Date,
    reason: String,
    bundle: Option<String>,
    waiver: String,
}

pub(crate) fn waive(args: &WaiveArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    // Before the passphrase is asked for.
    let bundle = args.stick.as_deref().map(stick_number).transpose()?;
    check_rule(&args.rule, ui)?;
    check_day(args.until, environment)?;
    let OpenOffice { secrets, .. } = OpenOffice::open(&args.keys, Access::Shared, ui)?;
    let letter = WaiverLetter {
        org: secrets.org,
        bundle,
        waiver: Waiver {
            rule: args.rule.clone(),
            until: args.until,
            reason: args.reason.trim().to_owned(),
        },
    };
    let text = letter.sign(&secrets.signing_key()).or_explain()?;
    ui.say(&format!(
        "{} does not stop {} until {}.",
        human::printable(&args.rule),
        bundle.map_or_else(
            || "any stick of yours".to_owned(),
            |bundle| format!("stick {bundle}")
        ),
        args.until
    ));
    let report = WaiverReport {
        rule: letter.waiver.rule,
        until: letter.waiver.until,
        reason: letter.waiver.reason,
        bundle: bundle.map(|bundle| bundle.to_string()),
        waiver: text,
    };
    ui.answer(&report, |report| report.waiver.clone())?;
    Ok(ExitCode::Ok)
}

fn stick_number(text: &str) -> Result<BundleId, CliError> {
    BundleId::parse(&text.to_ascii_lowercase()).ok_or_else(|| {
        let text = format!("`{text}` is not the number of a stick");
        said(ExitCode::Usage, "waiver.bundle", text).hint("it has 32 digits from 0 to 9 and a to f")
    })
}

fn check_rule(name: &str, ui: &Ui) -> Result<(), CliError> {
    let Some(rule) = RuleId::ALL.into_iter().find(|rule| rule.as_str() == name) else {
        ui.warn(&format!(
            "this program knows no rule `{}`; the waiver counts only where a launcher does",
            human::printable(name)
        ));
        return Ok(());
    };
    match rule.is_needed_to_work() {
        false => Ok(()),
        true => Err(said(
            ExitCode::Usage,
            "waiver.rule",
            format!("`{rule}` cannot be waived: the workstation does not run without it"),
        )
        .hint("`gobag start --force` tries all the same")),
    }
}

fn check_day(until: Date, environment: &Environment) -> Result<(), CliError> {
    let now = i64::try_from(environment.now_s()).unwrap_or_default();
    let today = Timestamp::from_second(now).unwrap_or_default();
    let today = today.to_zoned(TimeZone::UTC).date();
    match until < today {
        false => Ok(()),
        true => Err(said(
            ExitCode::Usage,
            "waiver.day",
            format!("{until} is over; today is {today}"),
        )),
    }
}
