//! The plan as a page that people read and discuss: Markdown, with the reason beside every value.

use std::fmt::Write as _;

use super::answer::Answers;
use super::cost::{Cost, CostRow};
use super::derive::Plan;
use super::feasibility::{Reason, Weight};
use super::question::QuestionSet;
use super::size;
use super::stick::StickPlan;
use super::trail::Used;

/// Writes the page. `answers` are the resolved ones, as the plan was derived from.
#[must_use]
pub fn page(plan: &Plan, set: &QuestionSet, answers: &Answers) -> String {
    let mut text = String::from(
        "<!-- Written by `gobag-image plan` from answers.toml; changes here are lost. -->\n\n# Plan for working from sticks\n\n",
    );
    summary(plan, &mut text);
    modes(plan, &mut text);
    reasons(&plan.reasons, "## To settle, whatever the mode\n\n", &mut text);
    stick(&plan.stick, &mut text);
    cost(&plan.cost, plan, &mut text);
    requirements(plan, &mut text);
    next(plan, &mut text);
    said(set, answers, &mut text);
    text
}

// Writing into a string cannot fail, here and below.
fn summary(plan: &Plan, text: &mut String) {
    let _ = writeln!(
        text,
        "**{}** for {} people.",
        capital(plan.verdict.as_str()),
        plan.people
    );
    let _ = match plan.recommended {
        Some(mode) => writeln!(text, "Prefer the mode **{mode}**: {}.", plan.recommended_because),
        None => writeln!(text, "{}.", capital(&plan.recommended_because)),
    };
    if !plan.applications.is_empty() {
        text.push_str("\nThe bare minimum they must have:\n\n");
        for application in &plan.applications {
            let _ = writeln!(text, "- {}", plain(application));
        }
    }
}

fn modes(plan: &Plan, text: &mut String) {
    text.push_str("\n## Modes\n\n| mode | verdict | stick |\n|---|---|---:|\n");
    for mode in &plan.modes {
        let stick = stick_words(&mode.stick);
        let _ = writeln!(
            text,
            "| {} | {} | {stick} |",
            mode.mode,
            mode.feasibility.as_str()
        );
    }
    for mode in &plan.modes {
        reasons(&mode.reasons, &format!("### {}\n\n", mode.mode), text);
    }
}

fn reasons(reasons: &[Reason], heading: &str, text: &mut String) {
    if reasons.is_empty() {
        return;
    }
    let _ = write!(text, "\n{heading}");
    for reason in reasons {
        let weight = match reason.weight {
            Weight::Against => "**against**: ",
            Weight::Reservation => "reservation: ",
            Weight::Note => "",
        };
        let used = used(&reason.answers);
        let _ = writeln!(text, "- {weight}{}. ({}; {used})", reason.text, reason.rule);
    }
}

fn stick_words(stick: &StickPlan) -> String {
    match stick.size_gb {
        Some(size_gb) => format!("{size_gb} GB, {}", stick.class.as_str()),
        None => "none is large enough".to_owned(),
    }
}

fn stick(stick: &StickPlan, text: &mut String) {
    let _ = write!(
        text,
        "\n## The stick\n\n**{}** ({} MB/s reading, {} MB/s writing): {}.\n\n| part | size | why |\n|---|---:|---|\n",
        capital(&stick_words(stick)),
        stick.class.read_bytes_per_s() / 1_000_000,
        stick.class.write_bytes_per_s() / 1_000_000,
        stick.class_because,
    );
    for part in &stick.parts {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            part.what,
            size::rough(part.size_bytes),
            part.because
        );
    }
    let _ = writeln!(text, "| together | {} | |", size::rough(stick.needed_bytes));
}

fn cost(cost: &Cost, plan: &Plan, text: &mut String) {
    let _ = write!(
        text,
        "\n## Cost\n\nIn {}, for {} people and {} spare pieces. Prices: {}.\n\nEach line is what it would cost if that were the only way. Work, servers and lines are not counted.\n\n\
         | way | sticks or laptops | guest licences | software | together | against laptops |\n|---|---:|---:|---:|---:|---:|\n",
        plain(&cost.currency),
        cost.people,
        cost.spares,
        plain(&cost.source),
    );
    for row in &cost.rows {
        cost_row(row, text);
    }
    let laptops = cost.laptops;
    let _ = writeln!(
        text,
        "| laptops | {} × {} | | | {} | |\n\nGuest licences: {} ({}).",
        laptops.count, laptops.each, laptops.total, plan.licences.count, plan.licences.because
    );
}

fn cost_row(row: &CostRow, text: &mut String) {
    let sticks = row.sticks.map_or("no price".to_owned(), |sticks| {
        format!("{} × {}", sticks.count, sticks.each)
    });
    let licences = match row.guest_licences.count {
        0 => "none".to_owned(),
        count => format!("{count} × {}", row.guest_licences.each),
    };
    let software = row.software.as_ref().map_or("none".to_owned(), |software| {
        format!(
            "{} {}",
            plain(&software.name),
            software.price.plus(software.support)
        )
    });
    let total = row.total.map_or("unknown".to_owned(), |total| total.to_string());
    let against = match row.saved_percent {
        Some(saved @ 0..) => format!("{saved} % less"),
        Some(more) => format!("{} % more", more.unsigned_abs()),
        None => String::new(),
    };
    let _ = writeln!(
        text,
        "| {} | {sticks} | {licences} | {software} | {total} | {against} |",
        row.mode
    );
}

fn requirements(plan: &Plan, text: &mut String) {
    text.push_str(
        "\n## Requirements, and where they come from\n\nWhat is asked of a computer (`requirements.json`) and of the stick; (?) marks an \
         assumption, because nobody answered.\n\n| what | value | why | rule | answers |\n|---|---|---|---|---|\n",
    );
    for derived in &plan.derived {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            derived.what,
            plain(&derived.value),
            derived.because,
            derived.rule,
            used(&derived.answers)
        );
    }
}

fn next(plan: &Plan, text: &mut String) {
    let options: String = plan
        .build_options
        .iter()
        .map(|option| format!(" {option}"))
        .collect();
    let _ = write!(
        text,
        "\n## Next\n\n```\ngobag-image build SOURCE --name NAME --requirements requirements.json{options}\n\
         gobag-image stick TARGET --image NAME --user USER --home-size '{}' --system-space '{}'\n```\n",
        size::exact(plan.stick.home_bytes),
        size::exact(plan.stick.system_space_bytes),
    );
}

fn said(set: &QuestionSet, answers: &Answers, text: &mut String) {
    text.push_str("\n## What was answered\n\n| question | answer |\n|---|---|\n");
    for question in set.iter() {
        let Some(answer) = answers.get(&question.id) else {
            continue;
        };
        let mark = if answers.is_given(&question.id) {
            ""
        } else {
            " (?)"
        };
        let _ = writeln!(
            text,
            "| {} | {}{mark} |",
            plain(&question.text),
            plain(&question.words(answer))
        );
    }
}

fn used(answers: &[Used]) -> String {
    let one = |used: &Used| {
        let mark = if used.assumed && used.answer.is_some() {
            " (?)"
        } else {
            ""
        };
        let answer = used.answer.as_deref().unwrap_or("-");
        format!("{}: {}{mark}", used.question, plain(answer))
    };
    answers.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A foreign text that cannot become Markdown or HTML.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' => safe.extend(['\\', character]),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Answer, Prices, derive, testing};

    #[test]
    fn the_page_has_every_rule_and_its_answers() {
        let set = QuestionSet::shipped().expect("reads");
        let answers = set.resolve(&testing::answers(&[("cores", Answer::Number(3))]));
        let plan = derive(&answers, &Prices::shipped().expect("reads"));
        let page = page(&plan, &set, &answers);
        for derived in &plan.derived {
            assert!(
                page.contains(&format!("| `{}` |", derived.what)),
                "{}",
                derived.what
            );
        }
        assert!(page.contains("cores: 3"), "{page}");
        assert!(page.contains("| laptops | 220 × 600 | | | 132,000 | |"), "{page}");
        assert!(
            page.contains("gobag-image build SOURCE --name NAME --requirements requirements.json\n"),
            "{page}"
        );
    }

    #[test]
    fn an_answer_cannot_break_out_of_its_cell() {
        let set = QuestionSet::shipped().expect("reads");
        let answers = set.resolve(&testing::answers(&[(
            "applications",
            Answer::List(vec!["a | b <script>`x`".to_owned()]),
        )]));
        let page = page(
            &derive(&answers, &Prices::shipped().expect("reads")),
            &set,
            &answers,
        );
        assert!(
            !page.contains("<script>") && page.contains("a \\| b &lt;script>\\`x\\`"),
            "{page}"
        );
    }
}
