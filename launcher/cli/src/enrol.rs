//! `gobag enrol`: the stick gets to know its company's server, by IT's letter.
//!
//! The letter's token counts once, and for a quarter of an hour also again with the same key: so whatever is cut here, doing it again works.

use std::{io::Read, path::PathBuf};

use gobag_bundle::{Bundle, SystemRandom};
use gobag_checklists::regular;
use gobag_client::{Backoff, Client, ClientError, Options};
use gobag_format::{
    lease::{Lease, LeaseError, LeasePolicy},
    ledger::Company,
};
use gobag_protocol::{
    enrol::{EnrolRequest, Enrolled},
    letter::EnrolmentLetter,
    limits::MAX_LETTER_BYTES,
};
use gobag_term::{CliError, ExitCode, Ui, human};
use serde::Serialize;
use serde_json::Map;

use crate::{
    args::UnlockArgs,
    company::standing::{day, now_s},
    environment::Environment,
    error::{Explain, OrExplain, explained, said, unusable},
    find, unlock,
};

/// How often each address is asked.
const TRIES: u32 = 3;

/// Make the stick known to your company's server, with the letter that your IT gave you
///
/// Needed once, while this computer is online. The letter counts for 15 minutes, and for your stick alone; keep it from others until then.
#[derive(Debug, clap::Args)]
pub(crate) struct EnrolArgs {
    /// The letter
    #[arg(value_name = "LETTER")]
    letter: PathBuf,
    #[command(flatten)]
    unlock: UnlockArgs,
}

#[derive(Serialize)]
struct EnrolReport {
    bundle: String,
    tenant: String,
    server: String,
    /// Whether the stick's image asks for a lease.
    needs_lease: bool,
    /// Until when the stick can be started without the company, if the lease is one that its image accepts.
    lease_until_s: Option<u64>,
}

pub(crate) fn enrol(args: &EnrolArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let letter = read(args)?;
    let stick =
        find::find(args.unlock.stick.stick.as_deref(), environment.program.as_deref()).or_explain()?;
    // Before the passphrase: nobody should type it to be told that the letter is another stick's.
    if Bundle::identify(&stick).or_explain()? != letter.bundle {
        let text = "this letter is for another stick";
        return Err(said(ExitCode::Failed, "letter.other-stick", text)
            .hint("plug in the stick that the letter is for, or ask your IT for a letter for this one; its number is in START-HERE.html"));
    }
    let bundle = unlock::unlock(&args.unlock, &stick, true, ui)?;
    let ledger = bundle.ledger().or_explain()?;
    let policy = LeasePolicy::of_policy(&bundle.manifest(None).or_explain()?.policy).or_explain()?;
    let org = bundle.record().org;
    let request = EnrolRequest::sign(letter.token.clone(), bundle.id(), org, &ledger.signing_key());
    let (server, enrolled) = asked(&letter, &request)?;
    let lease = policy
        .as_ref()
        .map(|policy| Lease::verified(&enrolled.lease, &policy.server));
    let is_ours = |lease: &Lease| (lease.org, lease.bundle) == (org, bundle.id());
    let lease = lease.transpose().and_then(|lease| match lease {
        Some(lease) if !is_ours(&lease) => Err(LeaseError::OtherStick),
        lease => Ok(lease),
    });
    // A letter is signed by nobody: what the image says of its company is what tells a wrong one.
    let lease = lease.map_err(|error| {
        let text = format!("the server that this letter leads to is not the one of this stick's image ({error}); nothing was changed");
        said(ExitCode::Failed, "letter.other-company", text)
            .hint("ask your IT whether the letter is theirs, and which server the image is for")
    })?;
    let is_other = |company: &Company| company.ca != letter.ca;
    if policy.is_none() && ledger.company.as_ref().is_some_and(is_other) {
        let question = "This stick has another company's server now. Go over to the one of this letter";
        if !ui.confirm(question)? {
            return Err(said(
                ExitCode::Interrupted,
                "gobag.declined",
                "nothing was changed",
            ));
        }
    }
    keep(&bundle, &letter, &enrolled, lease.as_ref())?;
    let report = EnrolReport {
        bundle: bundle.id().to_string(),
        tenant: enrolled.tenant.to_string(),
        server,
        needs_lease: policy.is_some(),
        lease_until_s: lease.map(|lease| lease.expires_s),
    };
    ui.answer(&report, page)?;
    Ok(ExitCode::Ok)
}

fn read(args: &EnrolArgs) -> Result<EnrolmentLetter, CliError> {
    let mut text = Vec::new();
    regular::open(&args.letter)
        .and_then(|file| file.take(MAX_LETTER_BYTES as u64 + 1).read_to_end(&mut text))
        .map_err(|error| unusable("gobag.letter-file", "read the letter in", &args.letter, &error))?;
    EnrolmentLetter::parse(&text).map_err(|error| explained(error.code(), error))
}

/// The first server that answers, and what it said.
fn asked(letter: &EnrolmentLetter, request: &EnrolRequest) -> Result<(String, Enrolled), CliError> {
    let ask = |server: &String| -> Result<(String, Enrolled), ClientError> {
        let client = Client::new(server, &letter.ca, None, Options::default())?;
        let mut backoff = Backoff::new(&SystemRandom, Some(TRIES));
        client.hello()?;
        let enrolled = client.retry(&mut backoff, |client| client.enrol(request))?;
        Ok((server.clone(), enrolled))
    };
    let mut result = None;
    for server in &letter.servers {
        match ask(server) {
            Err(error @ ClientError::Offline { .. }) => result = Some(error),
            answered => return answered.map_err(Explain::explain),
        }
    }
    let offline = result.map(Explain::explain);
    // A letter names at least one.
    Err(offline.unwrap_or_else(|| said(ExitCode::Bug, "letter.malformed", "the letter names no server")))
}

fn keep(
    bundle: &Bundle,
    letter: &EnrolmentLetter,
    enrolled: &Enrolled,
    lease: Option<&Lease>,
) -> Result<(), CliError> {
    let company = Company {
        servers: letter.servers.clone(),
        // As the letter has it: what the server says of itself proves nothing.
        ca: letter.ca.clone(),
        tenant: enrolled.tenant.to_string(),
        certificate: enrolled.certificate.clone(),
        certificate_ends_s: enrolled.certificate_ends_s,
        later: Map::new(),
    };
    if !company.fits() {
        let text = "the server gave a certificate that is too large";
        return Err(said(ExitCode::Failed, "client.protocol", text));
    }
    let mut kept = Ok(());
    bundle
        .change_ledger(|ledger| {
            ledger.company = Some(company);
            kept = ledger.renewed(&enrolled.lease, enrolled.renewal_token.clone());
            if let Some(lease) = lease {
                // The company's word of now, whatever was noted before.
                ledger.high_water_s = lease.issued_s;
                ledger.revoked = false;
            }
        })
        .or_explain()?;
    kept.map_err(|error| explained(error.code(), error))
}

fn page(report: &EnrolReport) -> String {
    let known = format!(
        "Your stick is known to your company's server ({}).\n",
        human::printable(&report.server)
    );
    match report.lease_until_s {
        Some(until_s) => format!(
            "{known}It can be started without it until {}, and gets more time by itself whenever it runs online.\n",
            day(until_s, now_s())
        ),
        None => known,
    }
}
