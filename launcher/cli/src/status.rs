//! `gobag status`: what the running sessions of this user are doing.

use gobag_term::{CliError, ExitCode, Ui, human};
use serde::Serialize;

use crate::{
    args::StickArgs,
    company::CompanyReport,
    control::{self, Report},
    environment::Environment,
    error::OrExplain,
    find,
    run_folder::RunFolder,
};

/// Say what a running workstation is doing
///
/// Shows every session of this user, or with --stick only that stick's.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    stick: StickArgs,
}

#[derive(Serialize)]
struct StatusReport {
    sessions: Vec<Report>,
}

pub(crate) fn status(args: &StatusArgs, ui: &Ui, environment: &Environment) -> Result<ExitCode, CliError> {
    let sessions = sessions(&args.stick, environment)?;
    let sessions = sessions.into_iter().map(|(_, report)| report).collect();
    ui.answer(&StatusReport { sessions }, page)?;
    Ok(ExitCode::Ok)
}

/// The folders and reports of the sessions that answer.
pub(crate) fn sessions(
    stick: &StickArgs,
    environment: &Environment,
) -> Result<Vec<(std::path::PathBuf, Report)>, CliError> {
    let wanted = match &stick.stick {
        None => None,
        Some(folder) => {
            let place = find::find(Some(folder), None).or_explain()?;
            Some(gobag_bundle::Bundle::identify(&place).or_explain()?.to_string())
        }
    };
    let folders = RunFolder::all(environment).or_explain()?;
    // A folder whose session does not answer is of one that was killed; the next start puts it away.
    let answering = folders.into_iter().filter_map(|folder| {
        let report = control::status(&folder).ok()?;
        Some((folder, report))
    });
    let is_wanted = |report: &Report| wanted.as_ref().is_none_or(|wanted| report.bundle == *wanted);
    Ok(answering.filter(|(_, report)| is_wanted(report)).collect())
}

fn page(report: &StatusReport) -> String {
    if report.sessions.is_empty() {
        return "No workstation is running.\n".to_owned();
    }
    report.sessions.iter().map(one).collect()
}

fn one(report: &Report) -> String {
    let known = |value: &Option<String>| value.as_deref().map(|text| human::printable(text).into_owned());
    let mut text = format!(
        "{}: {}\n",
        known(&report.image).unwrap_or_default(),
        report.state.text()
    );
    let how = match (known(&report.mode), known(&report.accelerator)) {
        (Some(mode), Some(accelerator)) => Some(format!("{mode}, {accelerator}")),
        (mode, _) => mode,
    };
    let lines = [
        ("user", known(&report.user)),
        ("runs as", how),
        ("stick", Some(human::printable(&report.stick).into_owned())),
        ("disks", known(&report.mountpoint)),
        ("socket", known(&report.socket)),
        ("screen", known(&report.vnc)),
        ("company", report.company.as_ref().map(CompanyReport::text)),
        ("process", Some(report.pid.to_string())),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            text.push_str(&format!("  {name:8} {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SessionState;

    #[test]
    fn a_session_is_described_in_words() {
        let report = Report {
            state: SessionState::StickGone,
            pid: 7,
            stick: "/media/s".to_owned(),
            image: Some("office\u{1b}[2J".to_owned()),
            mode: Some("vm".to_owned()),
            accelerator: Some("kvm".to_owned()),
            ..Report::default()
        };
        let text = page(&StatusReport {
            sessions: vec![report],
        });
        assert!(text.contains("waiting for the stick: plug it in again"), "{text}");
        assert!(
            text.contains("runs as  vm, kvm\n") && text.contains("process  7\n"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
        assert_eq!(
            page(&StatusReport { sessions: vec![] }),
            "No workstation is running.\n"
        );
    }
}
