//! The words of an update: the question before, the table after.

use gobag_bundle::update::{ImageChange, UpdateSummary};
use gobag_term::{Cell, Table, Tone, human};

use super::OneReport;

/// Where a yes costs a user's files.
const HOME_UNUSED: &str = " - ITS HOME VOLUME WAS NEVER USED: its user's files are in all likelihood among these changes, and will be LOST";

/// The question for all sticks that get something new; `None` when there is none.
pub(super) fn question<'a>(sticks: impl Iterator<Item = &'a OneReport>) -> Option<String> {
    let parts: Vec<String> = sticks
        .filter_map(|stick| {
            let plan = stick.plan.as_ref()?;
            let user = stick.user.as_deref().unwrap_or_default();
            Some(format!(
                "{} ({user}) to {}, {} to copy, {} of changes to its system given up{}",
                stick.target.display(),
                versions(&plan.images),
                human::bytes(plan.missing_bytes),
                human::bytes(plan.given_up_bytes),
                if plan.home_unused { HOME_UNUSED } else { "" },
            ))
        })
        .collect();
    let all = parts.join("; ");
    (!parts.is_empty()).then(|| {
        format!(
            "Update {all}. The home volume stays; what users keep on the system's own disk is gone for good"
        )
    })
}

/// What was done, or would be.
pub(super) fn page(sticks: &[OneReport], dry_run: bool, columns: usize) -> String {
    let mut table = Table::new(["verdict", "stick", "user", "written", "reused", "what happened"]);
    for stick in sticks {
        let (tone, verdict) = if stick.error.is_some() {
            (Tone::Bad, "FAIL")
        } else {
            (Tone::Good, "ok")
        };
        let planned = stick.plan.as_ref().filter(|_| dry_run);
        let (written, kept) = match (&stick.done, planned) {
            (Some(done), _) => (done.written_bytes, done.kept_bytes),
            (None, Some(plan)) => (plan.missing_bytes, plan.shared_bytes),
            (None, None) => (0, 0),
        };
        table.row([
            Cell::toned(verdict, tone),
            stick.target.display().to_string().into(),
            stick.user.as_deref().unwrap_or("?").into(),
            human::bytes(written).into(),
            human::bytes(kept).into(),
            happened(stick, dry_run).into(),
        ]);
    }
    table.render(columns)
}

fn happened(stick: &OneReport, dry_run: bool) -> String {
    if let Some(error) = &stick.error {
        let lines: Vec<_> = std::iter::once(&error.message)
            .chain(&error.causes)
            .cloned()
            .collect();
        return lines.join(": ");
    }
    let Some(plan) = &stick.plan else {
        return "nothing".to_owned();
    };
    if dry_run {
        return would(plan);
    }
    let mut text = match plan.images.as_slice() {
        [] => "newest already".to_owned(),
        images => format!("has {}", versions(images)),
    };
    if let Some(unsigned) = &stick.unsigned {
        text.push_str(&format!(
            "; what it says of computers will not be signed: {}",
            unsigned.message
        ));
    }
    if let Some(done) = &stick.done {
        if done.removed_files > 0 {
            text.push_str(&format!("; {} unused files deleted", done.removed_files));
        }
        if done.left_files > 0 {
            text.push_str(&format!(
                "; {} unused files could not be deleted, the next update tries again",
                done.left_files
            ));
        }
        if done.header_completed {
            text.push_str("; an interrupted change of the header was completed");
        }
    }
    text
}

fn would(plan: &UpdateSummary) -> String {
    match plan.images.as_slice() {
        [] => "newest already".to_owned(),
        images => format!(
            "would get {}; {} of changes to its system would be given up{}",
            versions(images),
            human::bytes(plan.given_up_bytes),
            if plan.home_unused { HOME_UNUSED } else { "" },
        ),
    }
}

fn versions(images: &[ImageChange]) -> String {
    let one = |image: &ImageChange| format!("{}@{} (from {})", image.name, image.to, image.from);
    images.iter().map(one).collect::<Vec<_>>().join(", ")
}
