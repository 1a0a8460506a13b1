//! `gobag lease`: until when the stick can be started without the company; and `gobag lease extend`, when the company is gone.

use std::{io::Read, path::PathBuf};

use gobag_checklists::regular;
use gobag_format::{
    envelope::Envelope,
    lease::{Extension, Lease, LeaseError, UnlockMode},
    limits::MAX_KEPT_LEASE_LEN,
};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::{
    args::UnlockArgs,
    company::standing::{self, Judged, day, judged, now_s},
    environment::Environment,
    error::{OrExplain, explained, said, unusable},
    extend_code::{self, ExtendCodeArgs},
    find, unlock,
};

/// Say until when the stick can be started without your company
///
/// Where your company uses leases, the stick gets a new one by itself whenever it runs and this computer is online.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LeaseArgs {
    #[command(flatten)]
    unlock: UnlockArgs,
    #[command(subcommand)]
    command: Option<LeaseCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum LeaseCommand {
    /// Take in an emergency letter, by which officers of your company let sticks be started when its server is gone
    Extend(ExtendArgs),
    Codes(ExtendCodeArgs),
}

#[derive(Debug, clap::Args)]
struct ExtendArgs {
    /// The letter
    #[arg(value_name = "FILE")]
    letter: PathBuf,
    #[command(flatten)]
    unlock: UnlockArgs,
}

#[derive(Serialize)]
struct LeaseReport {
    bundle: String,
    /// Whether the stick's image asks for a lease.
    needs_lease: bool,
    is_enrolled: bool,
    servers: Vec<String>,
    /// What opens it besides its passphrase.
    unlock: UnlockMode,
    /// Whether it would be started now, as far as the lease goes.
    may_start: bool,
    until_s: Option<u64>,
    days_left: Option<u64>,
    /// By officers' letter alone.
    is_extended: bool,
    /// Why it would not be started: the stable code, and words.
    code: Option<&'static str>,
    reason: Option<String>,
}

pub(crate) fn lease(args: &LeaseArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.command {
        Some(LeaseCommand::Extend(extend)) => return self::extend(extend, ui, environment),
        Some(LeaseCommand::Codes(codes)) => return extend_code::extend_code(codes, ui, environment),
        None => {}
    }
    let bundle = open(&args.unlock, false, ui, environment)?;
    answer(&bundle, ui)
}

fn extend(args: &ExtendArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let mut text = Vec::new();
    regular::open(&args.letter)
        .and_then(|file| file.take(MAX_KEPT_LEASE_LEN as u64 + 1).read_to_end(&mut text))
        .map_err(|error| unusable("gobag.letter-file", "read the letter in", &args.letter, &error))?;
    let refused = |error: LeaseError| {
        explained(error.code(), error).hint("take the letter as it was sent, whole and unchanged")
    };
    let envelope = Envelope::parse(&text).map_err(|error| refused(error.into()))?;
    let bundle = open(&args.unlock, true, ui, environment)?;
    let manifest = bundle.manifest(None).or_explain()?;
    let Judged {
        policy: Some(policy), ..
    } = judged(&bundle, &manifest)?
    else {
        let text = "this stick needs no lease, so there is nothing to extend";
        return Err(said(ExitCode::Usage, "lease.not-needed", text));
    };
    let (_, extension, signers) = Extension::signed(&envelope, &policy.officers).map_err(refused)?;
    let held = bundle.ledger().or_explain()?.held().or_explain()?;
    let lease = held.lease.ok_or(LeaseError::None).or_explain()?;
    let lease = Lease::verified(&lease, &policy.server).or_explain()?;
    if !extension.is_for(&lease) {
        let text = "this letter is for other sticks of your company";
        return Err(said(ExitCode::Failed, "lease.other-stick", text)
            .hint("ask for the letter for your group of sticks; the number of yours is in START-HERE.html"));
    }
    if extension.until_s <= now_s() {
        let text = format!(
            "this letter counted until {}, which is over",
            day(extension.until_s, extension.until_s)
        );
        return Err(said(ExitCode::Failed, "lease.letter-ended", text).hint("ask for a newer letter"));
    }
    let mut kept = Ok(());
    bundle
        .change_ledger(|ledger| kept = ledger.extend(&envelope))
        .or_explain()?;
    kept.map_err(|error| refused(error.into()))?;
    if signers.len() < policy.threshold {
        ui.say(&format!(
            "The letter is signed by {} of the {} officers that are needed. It is kept: letters with the same words count together.",
            signers.len(),
            policy.threshold
        ));
    }
    answer(&bundle, ui)
}

fn open(
    args: &UnlockArgs,
    writable: bool,
    ui: &Ui,
    environment: &Environment,
) -> Result<gobag_bundle::Bundle, CliError> {
    let stick = find::find(args.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    unlock::unlock(args, &stick, writable, ui)
}

fn answer(bundle: &gobag_bundle::Bundle, ui: &Ui) -> Result<ExitCode, CliError> {
    let manifest = bundle.manifest(None).or_explain()?;
    let found = judged(bundle, &manifest)?;
    let company = bundle.ledger().ok().and_then(|ledger| ledger.company);
    let until_s = match &found.standing {
        Ok(standing) => standing.map(|standing| standing.until_s),
        Err(LeaseError::Ended { until_s, .. }) => Some(*until_s),
        Err(_) => None,
    };
    let error = found.standing.as_ref().err();
    let report = LeaseReport {
        bundle: bundle.id().to_string(),
        needs_lease: found.policy.is_some(),
        is_enrolled: found.is_enrolled,
        servers: company.map(|company| company.servers).unwrap_or_default(),
        unlock: bundle.unlock_mode(),
        may_start: error.is_none(),
        until_s,
        days_left: until_s.map(|until_s| until_s.saturating_sub(now_s()) / 86_400),
        is_extended: matches!(found.standing, Ok(Some(standing)) if standing.extended),
        code: error.map(LeaseError::code),
        reason: error.map(ToString::to_string),
    };
    ui.answer(&report, page)?;
    Ok(match report.may_start {
        true => ExitCode::Ok,
        false => ExitCode::Findings,
    })
}

fn page(report: &LeaseReport) -> String {
    let mut text = match (report.needs_lease, report.until_s, &report.reason) {
        (_, _, Some(reason)) => format!("This stick would not start now: {reason}.\n"),
        (true, Some(until_s), None) => {
            let by = if report.is_extended {
                ", by an emergency letter"
            } else {
                ""
            };
            format!(
                "This stick can be started until {}{by}.\n",
                standing::day(until_s, now_s())
            )
        }
        _ => "This stick can be started at any time; it needs no lease.\n".to_owned(),
    };
    text.push_str(&match report.is_enrolled {
        true => format!("Its company answers at {}.\n", report.servers.join(", ")),
        false => "It is not enrolled with a server of its company.\n".to_owned(),
    });
    text.push_str(match report.unlock {
        UnlockMode::Offline => "",
        UnlockMode::Leased => "Your company can lock it from afar.\n",
        UnlockMode::Online => "It opens only while your company's server answers.\n",
    });
    text
}
