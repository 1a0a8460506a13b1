//! `gobag-server enrol`.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use gobag_protocol::{
    ids::{BundleId, GroupName, PersonName, TenantName},
    letter::EnrolmentLetter,
};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use super::{CONSOLE, block_on, token};
use crate::{
    args::ConfigArgs,
    clock::Clock,
    config::Config,
    error::OrExplain as _,
    serve::open_database,
    store::{StickKey, sticks},
    tls::Ca,
};

/// Make a token with which one stick enrols, once, within 15 minutes
///
/// With --letter it is written into a file, with all that the stick has to know; the person then enters `gobag enrol FILE`. Who has the
/// letter can enrol with that stick, and who changes it on its way can be the company to it: hand it over, or send it as you send secrets.
#[derive(Debug, clap::Args)]
pub(crate) struct EnrolArgs {
    /// Whose sticks: a name of a–z, 0–9 and `-`; made if it is new
    #[arg(long, value_parser = token::tenant)]
    tenant: TenantName,
    /// Whose stick it is
    #[arg(long, value_parser = token::person)]
    user: PersonName,
    /// The stick's number: 32 digits, in its START-HERE.html and in `gobag-image list --sticks`
    #[arg(long, value_parser = bundle)]
    bundle: BundleId,
    /// The group of sticks that its leases name; officers extend leases by group
    #[arg(long, value_parser = group, default_value_t = GroupName::default())]
    group: GroupName,
    /// Write an enrolment letter to this new file
    #[arg(long, value_name = "FILE")]
    letter: Option<PathBuf>,
    /// Where sticks reach the server, for the letter; can be given several times. By default the first name in the configuration, and its port
    #[arg(long, value_name = "HOST:PORT", requires = "letter")]
    address: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Made {
    token: String,
    ends_s: u64,
}

pub(crate) fn enrol(args: &EnrolArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let stick = StickKey {
        tenant: args.tenant.clone(),
        bundle: args.bundle,
    };
    let (token, ends_s) = block_on(async {
        let database = open_database(&config).await.or_explain()?;
        let now_s = Clock::default().now_s();
        let made = sticks::make_enrolment(&database, &stick, &args.user, &args.group, now_s, CONSOLE).await;
        database.close().await;
        made.or_explain()
    })?;
    if let Some(file) = &args.letter {
        let servers = match args.address.as_slice() {
            [] => vec![address(&config)],
            given => given.to_vec(),
        };
        let ca = Ca::open_or_make(&config.ca_folder(), &Clock::default()).or_explain()?;
        let letter = EnrolmentLetter::new(servers, ca.pem(), token, args.bundle, ends_s);
        return written(file, &letter, ui);
    }
    let made = Made {
        token: token.expose().to_owned(),
        ends_s,
    };
    ui.answer(&made, |made| format!("{}\n", made.token))?;
    Ok(ExitCode::Ok)
}

fn address(config: &Config) -> String {
    let host = config.names.first().map_or("localhost", String::as_str);
    match host.contains(':') {
        true => format!("[{host}]:{}", config.listen.port()),
        false => format!("{host}:{}", config.listen.port()),
    }
}

/// What is told of a letter; the token is in the file alone.
#[derive(Serialize)]
struct Written<'a> {
    letter: &'a PathBuf,
    servers: &'a [String],
    ends_s: u64,
}

/// For its owner alone, and never in the place of another file.
fn written(file: &PathBuf, letter: &EnrolmentLetter, ui: &Ui) -> Result<ExitCode, CliError> {
    // One that a stick would refuse is found out here.
    EnrolmentLetter::parse(letter.to_json().as_bytes())
        .map_err(|error| CliError::new(ExitCode::Usage, error.code(), error))?;
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    opened
        .and_then(|mut opened| opened.write_all(letter.to_json().as_bytes()))
        .map_err(|error| {
            let text = format!("cannot write the letter to {}: {error}", file.display());
            CliError::new(ExitCode::Failed, "server.letter", text)
        })?;
    let answer = Written {
        letter: file,
        servers: &letter.servers,
        ends_s: letter.ends_s,
    };
    ui.answer(&answer, |answer| {
        format!(
            "The letter is in {}; it counts for 15 minutes, once. The person enters: gobag enrol {}\n",
            answer.letter.display(),
            answer.letter.display()
        )
    })?;
    Ok(ExitCode::Ok)
}

fn group(text: &str) -> Result<GroupName, String> {
    GroupName::parse(text).ok_or_else(|| "a group has 1 to 64 of a-z, 0-9 and `-`".to_owned())
}

fn bundle(text: &str) -> Result<BundleId, String> {
    BundleId::parse(&text.to_ascii_lowercase())
        .ok_or_else(|| "the number of a stick has 32 digits from 0 to 9 and a to f".to_owned())
}
