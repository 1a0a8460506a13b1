//! The reasons as CSV (RFC 4180), for a spreadsheet.

use super::Coverage;

impl Coverage {
    /// One row per rule and mode.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from("mode,rule,title,blocked,blocked_by_it_alone,warned,unknown\r\n");
        for reason in &self.reasons {
            let numbers = [
                reason.blocked,
                reason.blocked_by_it_alone,
                reason.warned,
                reason.unknown,
            ];
            let words = [reason.mode.to_string(), cell(&reason.rule), cell(&reason.title)];
            let numbers = numbers.iter().map(usize::to_string);
            let row: Vec<String> = words.into_iter().chain(numbers).collect();
            text.push_str(&row.join(","));
            text.push_str("\r\n");
        }
        text
    }
}

/// A text as a cell. Spreadsheets take what begins with one of these signs for a formula, and formulas can start programs;
/// an apostrophe in front makes it a text.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\r', '\n', ';']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_two_cells() {
        for (text, expected) in [
            ("cpu.cores", "cpu.cores"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM", "'@SUM"),
            ("\tx", "'\tx"),
            ("a,b", "\"a,b\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
