//! Extensions over the telephone: the officer's end.

use std::path::{Path, PathBuf};

use gobag_bundle::repository::{Access, StickEntry};
use gobag_checklists::regular;
use gobag_format::{
    ids::OrgId,
    lease::phone::{CodeKey, Question, Whose},
    limits::MAX_CODE_DAYS,
};
use gobag_term::{CliError, ExitCode, Ui, human};
use serde::{Deserialize, Serialize};

use super::{OfficerKeyArgs, letter::stick_number};
use crate::{
    args::OrgArgs,
    environment::Environment,
    error::{OrExplain, said, unusable},
    office::Office,
};

/// Longest list of sticks that is read.
const MAX_LIST_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct CodeArgs {
    /// The stick's number: 32 digits, in its START-HERE.html and in `gobag-image list --sticks`
    stick: String,
    /// The question that the stick shows; spaces and dashes do not matter
    #[arg(required = true)]
    question: Vec<String>,
    /// How many days more the stick may be started, after today
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CODE_DAYS)))]
    days: u8,
    /// The list of sticks, as `gobag-image list --sticks --json` printed it at the office; without it the organisation's repository is asked
    #[arg(long, value_name = "FILE")]
    sticks: Option<PathBuf>,
    #[command(flatten)]
    key: OfficerKeyArgs,
    #[command(flatten)]
    org: OrgArgs,
}

/// What is needed of the list of sticks.
#[derive(Deserialize)]
struct Sticks {
    org: OrgId,
    sticks: Vec<StickEntry>,
}

#[derive(Serialize)]
struct CodeReport {
    bundle: String,
    user: String,
    days: u8,
    until_s: u64,
    code: String,
}

pub(super) fn code(args: &CodeArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let bundle = stick_number(&args.stick)?;
    let question = Question::parse(&args.question.join(" "), bundle).or_explain()?;
    // A stick whose clock is ahead would be given more than is said here.
    question.check_day(environment.now_s()).or_explain()?;
    let list = match &args.sticks {
        Some(path) => read(path)?,
        None => of_office(&args.org)?,
    };
    let entry = list.sticks.iter().find(|stick| stick.bundle == bundle);
    let entry = entry.ok_or_else(|| {
        said(
            ExitCode::Usage,
            "phone.no-such-stick",
            format!("the list has no stick {bundle}"),
        )
        .hint("see all sticks with `gobag-image list --sticks`")
    })?;
    let stick = entry.code_key.ok_or_else(|| {
        let text = "this stick was made before there were codes";
        said(ExitCode::Failed, "phone.old-stick", text)
            .hint("extend it by a letter: `gobag-image extend request`")
            .hint("`gobag-image update` gives it what codes need")
    })?;
    ui.say(&format!(
        "Lets the stick of {} be started for {} more days after today, if other officers agree.",
        human::printable(&entry.user),
        args.days
    ));
    let officer = args.key.unlock(ui)?;
    let key = CodeKey::of_officer(&officer.code_key(), &stick).or_explain()?;
    let whose = Whose {
        org: list.org,
        bundle,
    };
    let report = CodeReport {
        bundle: bundle.to_string(),
        user: entry.user.clone(),
        days: args.days,
        until_s: question.until_s(args.days),
        code: key.code(whose, &question, args.days).or_explain()?,
    };
    ui.answer(&report, |report| format!("{}\n", report.code))?;
    Ok(ExitCode::Ok)
}

fn of_office(args: &OrgArgs) -> Result<Sticks, CliError> {
    let office = Office::open(args, Access::Shared)?;
    Ok(Sticks {
        org: office.org.public().id,
        sticks: office.repository.sticks().or_explain()?,
    })
}

fn read(path: &Path) -> Result<Sticks, CliError> {
    let bytes =
        regular::read(path, MAX_LIST_BYTES).map_err(|error| unusable("phone.list", "read", path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let text = format!("{} is no list of sticks: {error}", path.display());
        said(ExitCode::Usage, "phone.list", text).hint("make one with `gobag-image list --sticks --json`")
    })
}
