//! `gobag-image recover points`: what there is to go back to.

use gobag_protocol::points::{Point, Wanted};
use gobag_replica::choose::names;
use gobag_term::{CliError, ExitCode, Table, Ui, human};
use serde::Serialize;

use super::{FromArgs, Lost, time};
use crate::error::OrExplain;

/// List the moments that a stick can be brought back to, newest first
#[derive(Debug, clap::Args)]
pub(super) struct PointsArgs {
    /// Only those with a bookmark
    #[arg(long)]
    bookmarks: bool,
    /// Most of them
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    from: FromArgs,
}

#[derive(Serialize)]
struct PointsReport {
    bundle: String,
    points: Vec<PointReport>,
}

#[derive(Serialize)]
struct PointReport {
    generation: u64,
    time_s: u64,
    time_local: String,
    time_utc: String,
    /// The server's clock was in doubt then.
    time_doubtful: bool,
    bookmarks: Vec<BookmarkReport>,
}

#[derive(Serialize)]
struct BookmarkReport {
    kind: &'static str,
    name: Option<String>,
}

pub(super) fn points(args: &PointsArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let lost = Lost::open(&args.from, ui)?;
    let report = PointsReport {
        bundle: lost.bundle.to_string(),
        points: found(&lost, args)?,
    };
    let columns = ui.columns();
    ui.answer(&report, |report| {
        let mut table = Table::new(["time here", "UTC", "bookmarks"]);
        for point in &report.points {
            let name = |bookmark: &BookmarkReport| match &bookmark.name {
                Some(name) => format!("\u{201c}{}\u{201d} ({})", human::printable(name), bookmark.kind),
                None => bookmark.kind.to_owned(),
            };
            let names: Vec<_> = point.bookmarks.iter().map(name).collect();
            let doubt = if point.time_doubtful { "?" } else { "" };
            let local = format!("{}{doubt}", point.time_local);
            table.row([&local, &point.time_utc, &names.join(", ")]);
        }
        let mut text = table.render(columns);
        if report.points.iter().any(|point| point.time_doubtful) {
            text.push_str("?: the server's clock was in doubt then, and still is\n");
        }
        text
    })?;
    Ok(ExitCode::Ok)
}

fn found(lost: &Lost, args: &PointsArgs) -> Result<Vec<PointReport>, CliError> {
    let mut wanted = Wanted {
        complete: Some(true),
        ..Wanted::default()
    };
    let mut found = Vec::new();
    while found.len() < args.limit {
        let points = lost.archived.points(&wanted).or_explain()?;
        let Some(oldest) = points.last() else { break };
        wanted.before = Some(oldest.generation);
        let shown = points
            .iter()
            .filter(|point| !args.bookmarks || !point.bookmarks.is_empty());
        found.extend(shown.map(|point| report(lost, point)));
    }
    found.truncate(args.limit);
    Ok(found)
}

fn report(lost: &Lost, point: &Point) -> PointReport {
    let (time_local, time_utc) = time::both(point.time_s);
    let bookmarks = names(&lost.keys, point).into_iter().map(|name| BookmarkReport {
        kind: name.kind.as_str(),
        name: name.name,
    });
    PointReport {
        generation: point.generation,
        time_s: point.time_s,
        time_local,
        time_utc,
        time_doubtful: point.time_doubtful,
        bookmarks: bookmarks.collect(),
    }
}
