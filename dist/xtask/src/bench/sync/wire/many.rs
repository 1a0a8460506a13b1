//! Many files in a workspace: the memory that ours takes for them.

use super::{Ends, MEMBERS, Tool};
use crate::bench::sync::account;
use crate::bench::sync::corpus::{self, Edit};
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

const WORKSPACE: &str = "many";
/// Files that are changed.
const EDITS: usize = 100;
/// Most memory that it is to take, MiB.
const MOST_MIB: u64 = 64;

/// What is done, by which member, and whether a few files are changed before.
const JOBS: &[(&str, usize, bool)] = &[
    ("first copy to the workspace", 0, false),
    ("nothing to do", 0, false),
    ("100 small edits", 0, true),
    ("first copy of another member", 1, false),
    ("nothing to do there", 1, false),
    ("100 small edits more", 0, true),
    ("they come to the other member", 1, false),
];

impl Ends {
    /// So many files go into a workspace of their own and to another member, and a few of them are changed.
    pub(super) fn many(&self, files: usize) -> Result<String> {
        let folder = self.folder.join(WORKSPACE);
        let [left, other] = ["left", "other"].map(|name| folder.join(name));
        corpus::many(&left, files)?;
        disk::make_dir(&other)?;
        self.make(WORKSPACE)?;
        self.paired("pair", MEMBERS[0], &left, WORKSPACE).text()?;
        self.paired("pair", MEMBERS[1], &other, WORKSPACE).text()?;
        let mut text = format!(
            "\n{files} files kept in a workspace, near:\n\n| job | time | bytes | most memory | wanted |\n|---|---|---|---|---|\n"
        );
        for (nth, (name, member, is_edited)) in JOBS.iter().enumerate() {
            if *is_edited {
                Edit::Small(EDITS).make(&left, files, nth)?;
            }
            Cmd::new("sync").text()?;
            let relay = &self.relays[Tool::Gobag as usize];
            let before = relay.bytes();
            let near = [&left, &other][*member];
            let pass = self.paired("sync", MEMBERS[*member], near, WORKSPACE);
            let figures = account::run(pass, &folder)?;
            let (kib, mib) = ((relay.bytes() - before).div_ceil(1024), figures.memory >> 20);
            let met = if mib <= MOST_MIB { "met" } else { "**not met**" };
            let line = format!(
                "| {name} | {:.2} s | {kib} KiB | {mib} MiB | ≤ {MOST_MIB} MiB: {met} |\n",
                figures.time.as_secs_f64()
            );
            eprint!("{line}");
            text.push_str(&line);
        }
        let differs = Cmd::new("diff").args(["--recursive", "--brief", "--exclude=.gobag-sync"]);
        match differs.arg(left).arg(other).text() {
            Ok(_) => Ok(text),
            Err(cause) => Err(Error::because("the other member has something else", cause)),
        }
    }
}
