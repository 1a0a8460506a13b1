//! Limits as a table, and figures out of what a program printed.

use crate::error::{Error, Result};

/// One figure and what it may be at most.
pub(super) struct Limit {
    pub(super) what: &'static str,
    pub(super) measured: f64,
    pub(super) most: f64,
    /// Empty where it is a ratio.
    pub(super) unit: &'static str,
}

/// The table.
pub(super) fn render(limits: &[Limit]) -> String {
    let mut text = "| what | measured | at most | |\n|---|---|---|---|\n".to_owned();
    for limit in limits {
        let verdict = if limit.measured <= limit.most {
            "met"
        } else {
            "**missed**"
        };
        let row = format!(
            "| {} | {:.2} {unit} | {} {unit} | {verdict} |",
            limit.what,
            limit.measured,
            limit.most,
            unit = limit.unit
        );
        text.push_str(&row.replace("  |", " |"));
        text.push('\n');
    }
    text
}

/// Word `nth`, counted from 0, of the first line that starts with `line`, as a number.
pub(super) fn find(text: &str, line: &str, nth: usize) -> Result<f64> {
    let found = text.lines().find(|candidate| candidate.starts_with(line));
    let word = found.and_then(|found| found.split_whitespace().nth(nth));
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| Error::new(format!("a measurement printed no figure after `{line}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_met_or_missed() {
        let limit = |measured, unit| Limit {
            what: "x",
            measured,
            most: 2.5,
            unit,
        };
        let text = render(&[limit(2.5, ""), limit(2.51, "s")]);
        assert!(text.contains("| x | 2.50 | 2.5 | met |"), "{text}");
        assert!(text.contains("| x | 2.51 s | 2.5 s | **missed** |"), "{text}");
    }

    #[test]
    fn a_figure_is_found_by_its_line() {
        let text = "uniform 1 1.5 log\nuniform 2 1.75 log\n";
        assert_eq!(find(text, "uniform 2", 2).unwrap(), 1.75);
        assert!(find(text, "uniform 3", 2).is_err());
        assert!(find(text, "uniform 1", 3).is_err());
    }
}
