//! Workspaces: what several sticks share, and who its members are.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueEnum};
use gobag_bundle::SystemRandom;
use gobag_client::People;
use gobag_format::crypto::Key;
use gobag_protocol::{
    ids::{WorkspaceId, WorkspaceName},
    workspace_letter::WorkspaceLetter,
    workspaces::{MemberRole, WorkspaceDetails, WorkspaceInfo},
};
use gobag_term::{CliError, ExitCode, Table, Ui, human};
use serde::Serialize;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::page::time;
use crate::{
    error::{OrExplain, said},
    server::{ServerArgs, number},
    time::both,
};

#[derive(Debug, clap::Args)]
pub(super) struct WorkspacesArgs {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct WorkspaceArgs {
    #[command(subcommand)]
    command: WorkspaceCommand,
}

#[derive(Debug, Subcommand)]
enum WorkspaceCommand {
    /// Make a workspace without members
    ///
    /// Needs the role admin. A workspace cannot be taken away again: remove its members instead.
    Make(MakeArgs),
    /// Say how a workspace stands, and who its members are
    Show(OneArgs),
    /// Admit a stick to a workspace, or give a member another role
    ///
    /// The server lets it in; what it finds there it can read only with the workspace's key.
    Admit(AdmitArgs),
    /// Take a member away: from now on the server gives it nothing of the workspace
    ///
    /// What it got before it keeps.
    Remove(MemberArgs),
}

#[derive(Debug, clap::Args)]
struct MakeArgs {
    /// What it is to be called: 1 to 64 of a–z, 0–9 and `-`; no other of the company's is called so
    #[arg(value_name = "NAME")]
    name: String,
    /// Write its key into this new file, for its members: `gobag-sync join FILE`. Who has it, and is admitted, reads and changes all; there is no other copy
    #[arg(long, value_name = "FILE")]
    letter: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// Name or number of the workspace
    #[arg(value_name = "WORKSPACE")]
    workspace: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct MemberArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Number of the stick: 32 digits, in `gobag-image list --sticks`
    #[arg(value_name = "NUMBER")]
    number: String,
}

#[derive(Debug, clap::Args)]
struct AdmitArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// What it may do there
    #[arg(long, value_enum, value_name = "ROLE")]
    role: RoleArg,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Only get what others put there
    Reader,
    /// Also change it
    Writer,
}

impl From<RoleArg> for MemberRole {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Reader => Self::Reader,
            RoleArg::Writer => Self::Writer,
        }
    }
}

#[derive(Serialize)]
struct WorkspacesReport {
    workspaces: Vec<WorkspaceInfo>,
}

/// What was decided, and how the workspace stands since.
#[derive(Serialize)]
struct DecidedReport {
    decided: &'static str,
    #[serde(flatten)]
    details: WorkspaceDetails,
}

pub(super) fn workspaces(args: &WorkspacesArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let workspaces = args.server.people()?.workspaces().or_explain()?;
    let (report, columns) = (WorkspacesReport { workspaces }, ui.columns());
    ui.answer(&report, |report| listed(&report.workspaces, columns))?;
    Ok(ExitCode::Ok)
}

pub(super) fn workspace(args: &WorkspaceArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    match &args.command {
        WorkspaceCommand::Make(args) => {
            let name = WorkspaceName::parse(&args.name).ok_or_else(|| {
                let text = format!("`{}` cannot be the name of a workspace", args.name);
                said(ExitCode::Usage, "company.workspace-name", text)
                    .hint("it has 1 to 64 of a-z, 0-9 and `-`")
            })?;
            let people = args.server.people()?;
            let letter = Letter::begin(&args.letter)?;
            let id = people.make_workspace(name.clone()).or_explain()?;
            letter.write(&WorkspaceLetter::new(id, name, Key::generate(&SystemRandom)))?;
            decided(&people, id, "made", ui)
        }
        WorkspaceCommand::Show(args) => {
            let people = args.server.people()?;
            let details = people.workspace(find(&people, &args.workspace)?).or_explain()?;
            let columns = ui.columns();
            ui.answer(&details, |details| shown(details, columns))?;
            Ok(ExitCode::Ok)
        }
        WorkspaceCommand::Admit(args) => {
            let (one, bundle) = (&args.member.one, number(&args.member.number)?);
            let people = one.server.people()?;
            let id = find(&people, &one.workspace)?;
            people.admit(id, bundle, args.role.into()).or_explain()?;
            decided(&people, id, "admitted", ui)
        }
        WorkspaceCommand::Remove(args) => {
            let bundle = number(&args.number)?;
            let people = args.one.server.people()?;
            let id = find(&people, &args.one.workspace)?;
            people.remove(id, bundle).or_explain()?;
            decided(&people, id, "removed", ui)
        }
    }
}

/// A letter to be, in a file for its owner alone; that it can be written is seen before there is anything to say in it.
struct Letter<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl<'a> Letter<'a> {
    fn begin(path: &'a Path) -> Result<Self, CliError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let taken = || io::Error::from(io::ErrorKind::AlreadyExists);
        let begun = match path.symlink_metadata() {
            Ok(_) => Err(taken()),
            Err(_) => NamedTempFile::new_in(folder),
        };
        let file = begun.map_err(|error| unwritten(path, &error))?;
        Ok(Self { path, file })
    }

    fn write(mut self, letter: &WorkspaceLetter) -> Result<(), CliError> {
        let text = Zeroizing::new(letter.to_json());
        let written = self.file.write_all(text.as_bytes());
        written
            .and_then(|()| self.file.as_file().sync_all())
            .and_then(|()| Ok(self.file.persist_noclobber(self.path).map(drop)?))
            .map_err(|error| unwritten(self.path, &error))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> CliError {
    let text = format!("cannot write the letter to {}: {error}", path.display());
    said(ExitCode::Failed, "company.letter", text).hint("name a new file, in a folder that is there")
}

/// The workspace that is called so, or has this number.
fn find(people: &People, typed: &str) -> Result<WorkspaceId, CliError> {
    let all = people.workspaces().or_explain()?;
    let by_name = all.iter().find(|found| found.name.as_str() == typed);
    let number = WorkspaceId::parse(&typed.to_ascii_lowercase());
    let found = by_name.or_else(|| all.iter().find(|found| Some(found.id) == number));
    found.map(|found| found.id).ok_or_else(|| {
        let text = format!("there is no workspace `{typed}`");
        said(ExitCode::Usage, "company.workspace", text)
            .hint("list them with `gobag-image company workspaces`")
    })
}

/// Shows how the workspace stands now, by the server's word.
fn decided(people: &People, id: WorkspaceId, decided: &'static str, ui: &Ui) -> Result<ExitCode, CliError> {
    let details = people.workspace(id).or_explain()?;
    let (report, columns) = (DecidedReport { decided, details }, ui.columns());
    ui.answer(&report, |report| shown(&report.details, columns))?;
    Ok(ExitCode::Ok)
}

/// A table of them.
fn listed(workspaces: &[WorkspaceInfo], columns: usize) -> String {
    if workspaces.is_empty() {
        return "No workspaces.\n".to_owned();
    }
    let mut table = Table::new(["workspace", "name", "members", "newest point", "space"]);
    for workspace in workspaces {
        table.row([
            workspace.id.to_string(),
            workspace.name.to_string(),
            workspace.members.to_string(),
            time(workspace.newest_point_s),
            space(workspace),
        ]);
    }
    table.render(columns)
}

/// One of them, and its members.
fn shown(details: &WorkspaceDetails, columns: usize) -> String {
    let workspace = &details.workspace;
    let mut text = format!(
        "{} {}\n  made          {}\n  newest point  {}\n  space         {}\n",
        workspace.id,
        workspace.name,
        both(workspace.made_s).0,
        time(workspace.newest_point_s),
        space(workspace),
    );
    if details.members.is_empty() {
        text.push_str("  members       none\n");
        return text;
    }
    let mut table = Table::new(["member", "user", "role", "since", ""]);
    for member in &details.members {
        let state = if member.revoked { "revoked" } else { "" };
        table.row([
            member.bundle.to_string(),
            human::printable(member.user.as_str()).into_owned(),
            member.role.as_str().to_owned(),
            both(member.since_s).0,
            state.to_owned(),
        ]);
    }
    text.push_str(&table.render(columns));
    text
}

fn space(workspace: &WorkspaceInfo) -> String {
    human::bytes(workspace.space_bytes.saturating_add(workspace.row_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gobag_protocol::{
        ids::{BundleId, PersonName},
        workspaces::Member,
    };

    #[test]
    fn members_are_told_with_what_they_may_do_and_whether_they_are_cut_off() {
        let workspace = WorkspaceInfo {
            id: WorkspaceId([7; 16]),
            name: WorkspaceName::parse("sales").unwrap(),
            made_s: 1,
            members: 1,
            newest_point_s: None,
            space_bytes: 3 << 20,
            row_bytes: 0,
        };
        assert_eq!(listed(&[], 80), "No workspaces.\n");
        let text = listed(std::slice::from_ref(&workspace), 200);
        assert!(
            text.contains("sales") && text.contains(&"07".repeat(16)),
            "{text}"
        );
        let mut details = WorkspaceDetails {
            workspace,
            lines: Vec::new(),
            members: Vec::new(),
        };
        assert!(shown(&details, 200).contains("members       none"));
        details.members.push(Member {
            bundle: BundleId([9; 16]),
            user: PersonName::parse("Ada").unwrap(),
            role: MemberRole::Reader,
            since_s: 2,
            revoked: true,
        });
        let text = shown(&details, 200);
        let row = text.lines().last().unwrap();
        assert!(
            row.contains("Ada") && row.contains("reader") && row.contains("revoked"),
            "{text}"
        );
    }
}
