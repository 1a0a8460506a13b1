//! The plan on the screen: what to decide on; everything else stands in `plan.md`.

use gobag_checklists::Mode;
use gobag_checklists::plan::{Feasibility, Reason, Weight, size};
use gobag_term::human::printable;
use gobag_term::{Cell, Table, Tone};

use super::{Outcome, PlanReport, Written};

pub(super) fn page(report: &PlanReport, columns: usize) -> String {
    let plan = &report.plan;
    let mut text = facts(report, columns);
    text.push('\n');
    text.push_str(&modes(report, columns));
    let mut reasons = Table::new(["", "to settle"]);
    let all = plan
        .modes
        .iter()
        .map(|mode| (mode.mode.to_string(), mode.feasibility, &mode.reasons));
    let all = all.chain([("all modes".to_owned(), plan.verdict, &plan.reasons)]);
    let mut any = false;
    for (name, verdict, list) in all {
        // Of what is not possible only the obstacles count.
        let least = match verdict {
            Feasibility::NotFeasible if name != "all modes" => Weight::Against,
            _ => Weight::Reservation,
        };
        for reason in list.iter().filter(|reason| reason.weight >= least) {
            reasons.row([name.as_str(), &words(reason)]);
            any = true;
        }
    }
    if any {
        text.push('\n');
        text.push_str(&reasons.render(columns));
    }
    text.push('\n');
    text.extend(report.files.iter().map(file_line));
    text.push_str("Next: gobag-image build SOURCE --name NAME --requirements requirements.json");
    for option in &plan.build_options {
        text.push(' ');
        text.push_str(option);
    }
    text.push('\n');
    text
}

fn facts(report: &PlanReport, columns: usize) -> String {
    let plan = &report.plan;
    let mut facts = Table::new([Cell::from("verdict"), verdict(plan.verdict)]);
    let recommended = match plan.recommended {
        Some(mode) => format!("{mode}: {}", plan.recommended_because),
        None => plan.recommended_because.clone(),
    };
    facts.row(["prefer", &recommended]);
    facts.row(["people", &plan.people.to_string()]);
    let stick = match plan.stick.size_gb {
        Some(size_gb) => format!(
            "{size_gb} GB, {}; {} are needed",
            plan.stick.class.as_str(),
            size::rough(plan.stick.needed_bytes)
        ),
        None => format!(
            "none is large enough for {}",
            size::rough(plan.stick.needed_bytes)
        ),
    };
    facts.row(["stick", &stick]);
    facts.row([
        "guest licences",
        &format!("{}: {}", plan.licences.count, plan.licences.because),
    ]);
    let cost = &plan.cost;
    let currency = printable(&cost.currency);
    facts.row([
        "laptops instead",
        &format!("{} {currency} for {}", cost.laptops.total, cost.laptops.count),
    ]);
    facts.row(["prices", &cost.source]);
    facts.render(columns)
}

fn modes(report: &PlanReport, columns: usize) -> String {
    let plan = &report.plan;
    let mut modes = Table::new(["mode", "verdict", "stick", "cost", "against laptops"]);
    for mode in &plan.modes {
        let stick = mode.stick.size_gb.map_or("none".to_owned(), |size_gb| {
            format!("{size_gb} GB {}", mode.stick.class.as_str())
        });
        let (cost, against) = cost(report, mode.mode);
        modes.row([
            Cell::from(mode.mode.to_string()),
            verdict(mode.feasibility),
            stick.into(),
            cost.into(),
            against.into(),
        ]);
    }
    modes.render(columns)
}

fn cost(report: &PlanReport, mode: Mode) -> (String, String) {
    let cost = &report.plan.cost;
    let Some(row) = cost.rows.iter().find(|row| row.mode == mode) else {
        return ("-".to_owned(), "-".to_owned());
    };
    let total = row.total.map_or("no price for the stick".to_owned(), |total| {
        format!("{total} {}", printable(&cost.currency))
    });
    let against = match row.saved_percent {
        Some(saved @ 0..) => format!("{saved} % less"),
        Some(more) => format!("{} % more", more.unsigned_abs()),
        None => "-".to_owned(),
    };
    (total, against)
}

fn verdict(feasibility: Feasibility) -> Cell {
    let tone = match feasibility {
        Feasibility::Feasible => Tone::Good,
        Feasibility::WithReservations => Tone::Warn,
        Feasibility::NotFeasible => Tone::Bad,
    };
    Cell::toned(feasibility.as_str(), tone)
}

fn words(reason: &Reason) -> String {
    match reason.weight {
        Weight::Against => format!("against: {}", reason.text),
        Weight::Reservation | Weight::Note => reason.text.clone(),
    }
}

/// What became of a file, on a line.
pub(super) fn file_line(file: &Written) -> String {
    let path = file.path.display().to_string();
    let path = printable(&path);
    match file.outcome {
        Outcome::Written => format!("Wrote {path}.\n"),
        Outcome::Unchanged => format!("{path} is up to date.\n"),
        Outcome::Kept => format!("Kept {path} as it is.\n"),
        Outcome::Replaced => format!("Wrote {path}; the changed one is {path}.old.\n"),
    }
}
