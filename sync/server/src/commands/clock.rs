//! `gobag-server clock`.

use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use super::{CONSOLE, block_on};
use crate::{
    args::ConfigArgs,
    clock::Clock,
    error::OrExplain as _,
    refusal::Refusal,
    serve::open_database,
    store::ticks::{self, Belief},
};

/// Say whether the server's clock can be right, by what it said before
///
/// Each minute the server notes the time. A clock that says less, or a day more than was noted last, is in doubt: nothing is pruned and no stick is
/// said to be well until it is put right. After a day or more without the server, look at the clock and say that it is right.
#[derive(Debug, clap::Args)]
pub(crate) struct ClockArgs {
    /// Say that the clock is right
    #[arg(long)]
    is_right: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Report {
    now_s: u64,
    /// What was noted last.
    noted_s: Option<u64>,
    doubtful: bool,
    ahead_s: u64,
    behind_s: u64,
}

pub(crate) fn clock(args: &ClockArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let config = args.config.load()?;
    let now_s = Clock::default().now_s();
    let report = block_on(async {
        let database = open_database(&config).await.or_explain()?;
        if args.is_right {
            ticks::confirm(&database, now_s, CONSOLE).await.or_explain()?;
        }
        let mut connection = database
            .read()
            .acquire()
            .await
            .map_err(Refusal::from)
            .or_explain()?;
        let noted_s = ticks::mark(&mut connection).await.or_explain()?;
        let belief = ticks::look(&mut connection, now_s).await.or_explain()?;
        drop(connection);
        database.close().await;
        let (ahead_s, behind_s) = match belief {
            Belief::Right => (0, 0),
            Belief::Ahead(by_s) => (by_s, 0),
            Belief::Behind(by_s) => (0, by_s),
        };
        Ok(Report {
            now_s,
            noted_s,
            doubtful: !belief.is_right(),
            ahead_s,
            behind_s,
        })
    })?;
    ui.answer(&report, |report| match (report.ahead_s, report.behind_s) {
        (0, 0) => "The clock can be right.\n".to_owned(),
        (0, by_s) => format!("The clock is {by_s} s before a time it has told already.\n"),
        (by_s, _) => format!("The clock is {by_s} s past the last time it was seen right.\n"),
    })?;
    Ok(if report.doubtful {
        ExitCode::Findings
    } else {
        ExitCode::Ok
    })
}
