//! What a pass came to, in plain words.

use std::collections::BTreeSet;

use gobag_pair::{Counts, Failure, LeftAlone, Report, Told};
use gobag_reconcile::{Hold, Side};
use gobag_term::{ErrorReport, human};

use crate::Shell;

/// A text from elsewhere, such as a name, that makes no line of its own and steers no terminal.
pub(crate) fn one_line(text: &str) -> String {
    human::printable(text).replace('\n', "\\u{a}")
}

/// The page of one pass.
pub(crate) fn page(report: &Report, shell: &Shell<'_>) -> String {
    let mut text = String::new();
    if report.base_lost {
        text.push_str(LOST);
    }
    for hold in &report.holds {
        text.push_str(&format!("FAIL {}\n", held(hold)));
    }
    if !report.holds.is_empty() && !report.dry_run {
        let before = done(&report.left, &report.right, false);
        let said = match before.is_empty() {
            true => "Nothing was done.",
            false => "Not all was done.",
        };
        text.push_str(&format!(
            "{before}{}{said} If this is meant: {}, and run it again; or run it again with `--confirm`. `--dry-run` says what it would do.\n",
            listed(report),
            shell.call("holds confirm LEFT")
        ));
        return text;
    }
    text.push_str(&done(&report.left, &report.right, report.dry_run));
    text.push_str(&listed(report));
    text.push_str(match (report.dry_run, report.ended, report.failures.is_empty()) {
        (true, ..) if has_work(report) => "Nothing was done.\n",
        (true, ..) => "ok   There is nothing to do.\n",
        (_, true, _) => "It was ended early. What was done is whole; run it again to go on.\n",
        _ if report.is_cut => "There was no room, or too much failed: not everything was tried. Run it again when what is listed is mended.\n",
        (_, _, true) => same(report),
        _ => "The rest is the same. Run it again for what is listed.\n",
    });
    text
}

/// Whether a dry run found something.
pub(crate) fn has_work(report: &Report) -> bool {
    let is_something = [report.left, report.right] != [Counts::default(); 2];
    is_something || report.base_lost || !report.holds.is_empty()
}

/// What people are to know of it, and what could not be done.
fn listed(report: &Report) -> String {
    let notices = report
        .notices
        .iter()
        .map(|told| format!("warn {}\n", notice(told)));
    let failures = report
        .failures
        .iter()
        .map(|failure| format!("FAIL {}\n", failed(failure)));
    let untried =
        (report.untried > 0).then(|| format!("FAIL There was no room for {} more.\n", report.untried));
    notices.chain(failures).chain(untried).collect()
}

/// What both had last was not to be used.
pub(crate) const LOST: &str = "warn What both folders had last is not to be used: it was damaged, or one of them was put back to an earlier state. Nothing is deleted then, and what differs is there twice.\n";

/// That both are the same, as far as they are.
pub(crate) fn same(report: &Report) -> &'static str {
    let is_left = |told: &Told| matches!(told, Told::Left { .. });
    match report.notices.iter().any(is_left) {
        true => "ok   Both folders are the same but for what was left alone.\n",
        false => "ok   Both folders are the same.\n",
    }
}

/// What was done on both sides, or would be; empty: nothing.
pub(crate) fn done(left: &Counts, right: &Counts, would_be: bool) -> String {
    let will = if would_be { "would be " } else { "" };
    let line = |(counts, side): (&Counts, &str)| {
        let parts = [
            (
                counts.put,
                format!("{} put ({})", counts.put, human::bytes(counts.put_bytes)),
            ),
            (counts.moved, format!("{} moved", counts.moved)),
            (
                counts.removed,
                format!("{} deleted and kept as versions", counts.removed),
            ),
            (
                counts.folders,
                format!("{} folders made or removed", counts.folders),
            ),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(count, part)| (count > 0).then_some(part))
            .collect();
        match parts.is_empty() {
            true => String::new(),
            false => format!("     In {side} {will}{}.\n", parts.join(", ")),
        }
    };
    [(left, "your folder"), (right, "the other folder")]
        .map(line)
        .concat()
}

/// Why nothing is done.
pub(crate) fn held(hold: &Hold) -> String {
    let name = |side: &Side| match side {
        Side::Left => "your folder",
        Side::Right => "the other folder",
    };
    match hold {
        Hold::Emptied { side, files, bytes } => format!(
            "Nothing of what was in {} is left there. Everything would be deleted in {}: {files} files ({}).",
            name(side),
            name(&side.other()),
            human::bytes(*bytes)
        ),
        Hold::Deleted {
            side,
            files,
            bytes,
            earlier,
        } => format!(
            "{files} files ({}) would be deleted in {}{}.",
            human::bytes(*bytes),
            name(side),
            besides(*earlier)
        ),
        Hold::Changed { side, files, earlier } => format!(
            "{files} files would be changed in {}{}.",
            name(side),
            besides(*earlier)
        ),
        _ => "Much would be changed.".to_owned(),
    }
}

fn besides(earlier: u64) -> String {
    match earlier {
        0 => String::new(),
        earlier => format!(", besides {earlier} within the hour before"),
    }
}

/// Something that people are to know.
pub(crate) fn notice(told: &Told) -> String {
    match told {
        Told::Conflict { path, copy, whose } => conflict(path, copy, Some(*whose)),
        Told::Restored { path } => {
            format!(
                "{} was deleted in one folder and changed in the other; it is back.",
                one_line(path)
            )
        }
        Told::Left { path, why } => left_alone(&LeftAlone {
            path: path.clone(),
            why: why.clone(),
        }),
        Told::Attributes { path } => format!(
            "{} came without its extended attributes, which the other folder does not take.",
            one_line(path)
        ),
        Told::Filter { left_alone } => format!(
            "What is left out has changed. {left_alone} files that were kept the same are left alone from now on; nothing is deleted because of it."
        ),
        Told::Pattern { from, line, text } => {
            let place = match from.as_deref() {
                Some("left") => "of `.gobag-sync-ignore` in your folder",
                Some(_) => "of `.gobag-sync-ignore` in the other folder",
                None => "of the patterns given with `--ignore`",
            };
            format!(
                "Line {line} {place} is no pattern and leaves nothing out: {}",
                one_line(text)
            )
        }
        _ => "something else happened".to_owned(),
    }
}

/// A conflict copy.
pub(crate) fn conflict(path: &str, copy: &str, whose: Option<Side>) -> String {
    let one = match whose {
        Some(Side::Left) => "The one of your folder",
        Some(Side::Right) => "The one of the other folder",
        None => "One of them",
    };
    format!(
        "{} was changed in both folders. {one} is now {}.",
        one_line(path),
        one_line(copy)
    )
}

/// Something that was left alone.
pub(crate) fn left_alone(left: &LeftAlone) -> String {
    let why = match left.why.as_str() {
        "unreadable" => "it cannot be read",
        "special" => "it is no file, folder or link",
        "busy" => "somebody is writing to it",
        "name" => "the other folder cannot have this name",
        "name-clash" => "the other folder takes its name for another one's that is there",
        "renamed" => "the other folder has it under a name that this one cannot have",
        "filtered" => "it, or something in it, is left out",
        other => other,
    };
    format!("{} was left alone: {}.", one_line(&left.path), one_line(why))
}

/// What could not be done.
pub(crate) fn failed(failure: &Failure) -> String {
    let what = one_line(&failure.text);
    match failure.path.is_empty() {
        true => what,
        false => format!("{}: {what}", one_line(&failure.path)),
    }
}

/// What happened in this pass.
pub(crate) fn news(report: &Report) -> String {
    let mut text = String::new();
    if report.base_lost {
        text.push_str(LOST);
    }
    text.push_str(&done(&report.left, &report.right, false));
    for told in &report.notices {
        if !matches!(told, Told::Left { .. }) {
            text.push_str(&format!("warn {}\n", notice(told)));
        }
    }
    text
}

/// What is so until somebody does something about it.
pub(crate) fn wrong(report: &Report, shell: &Shell<'_>) -> BTreeSet<String> {
    let hold = |hold| {
        format!(
            "FAIL {} No more is done until you say: {}.\n",
            held(hold),
            shell.call("holds confirm LEFT")
        )
    };
    let failure = |failure| format!("FAIL {}\n", failed(failure));
    let left = |told: &Told| matches!(told, Told::Left { .. }).then(|| format!("warn {}\n", notice(told)));
    let holds = report.holds.iter().map(hold);
    let failures = report.failures.iter().map(failure);
    holds
        .chain(failures)
        .chain(report.notices.iter().filter_map(left))
        .collect()
}

/// An error that ends nothing.
pub(crate) fn explained(error: &ErrorReport) -> String {
    let causes: String = error.causes.iter().map(|cause| format!(": {cause}")).collect();
    let hints: String = error.hints.iter().map(|hint| format!("hint: {hint}\n")).collect();
    format!(
        "FAIL {}{}. It is tried again.\n{}",
        one_line(&error.message),
        one_line(&causes),
        human::printable(&hints)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_makes_no_line_of_its_own() {
        let name = "a\nok   Both folders are the same.\u{1b}[2J";
        let failure = Failure {
            path: name.to_owned(),
            text: name.to_owned(),
            ..Failure::default()
        };
        let left = LeftAlone {
            path: name.to_owned(),
            why: name.to_owned(),
        };
        for text in [
            failed(&failure),
            left_alone(&left),
            conflict(name, name, None),
            notice(&Told::Restored {
                path: name.to_owned(),
            }),
            notice(&Told::Attributes {
                path: name.to_owned(),
            }),
            notice(&Told::Pattern {
                from: None,
                line: 1,
                text: name.to_owned(),
            }),
        ] {
            assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
        }
    }
}
