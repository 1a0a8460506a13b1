//! A small plain table: aligned columns, wrapped to a width, no lines drawn.
//!
//! Foreign texts are made printable here, cell by cell; colours are added after that, and only around whole cells.

use unicode_width::UnicodeWidthStr;

use crate::human::printable;

/// Spaces between two columns.
const GAP: usize = 2;
/// No column is wrapped narrower than this.
const MIN_COLUMN: usize = 8;

/// How a cell feels. Shown as colour where there is colour; the words must say it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// Good news.
    Good,
    /// Deserves attention.
    Warn,
    /// Bad news.
    Bad,
}

impl Tone {
    pub(crate) fn style(self) -> anstyle::Style {
        use anstyle::AnsiColor::{Green, Red, Yellow};
        match self {
            Self::Plain => anstyle::Style::new(),
            Self::Good => Green.on_default(),
            Self::Warn => Yellow.on_default(),
            Self::Bad => Red.on_default().bold(),
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a tone.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: printable(text.as_ref()).into_owned(),
            tone,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A table under construction.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headers: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these column headers.
    pub fn new<T: Into<Cell>>(headers: impl IntoIterator<Item = T>) -> Self {
        Self {
            headers: headers.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells beyond the headers are dropped, missing ones stay empty.
    pub fn row<T: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<Cell> = cells
            .into_iter()
            .take(self.headers.len())
            .map(Into::into)
            .collect();
        row.resize(self.headers.len(), Cell::default());
        self.rows.push(row);
    }

    /// The table as text with ANSI colours (`Ui::answer` removes them where they are not wanted), at most `columns` wide
    /// unless there are too many columns for that. Every line ends with a line end.
    #[must_use]
    pub fn render(&self, columns: usize) -> String {
        let widths = self.widths(columns);
        let mut text = String::new();
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            render_row(row, &widths, &mut text);
        }
        text
    }

    /// Natural widths; while too wide in sum, the widest column gives: first down to its longest word, then further.
    fn widths(&self, columns: usize) -> Vec<usize> {
        let mut widths = vec![0; self.headers.len()];
        let mut words = vec![MIN_COLUMN; self.headers.len()];
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            for ((width, word), cell) in widths.iter_mut().zip(&mut words).zip(row) {
                let widest = |parts: &mut dyn Iterator<Item = &str>| {
                    parts.map(UnicodeWidthStr::width).max().unwrap_or(0)
                };
                *width = widest(&mut cell.text.lines()).max(*width);
                *word = widest(&mut cell.text.split_whitespace()).max(*word);
            }
        }
        let gaps = GAP * widths.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(columns);
        for floors in [words, vec![MIN_COLUMN; self.headers.len()]] {
            while excess > 0 {
                let able = widths
                    .iter_mut()
                    .zip(&floors)
                    .filter(|(width, floor)| **width > **floor);
                let Some((widest, _)) = able.max_by_key(|(width, _)| **width) else {
                    break;
                };
                *widest -= 1;
                excess -= 1;
            }
        }
        widths
    }
}

fn render_row(row: &[Cell], widths: &[usize], text: &mut String) {
    let wrapped: Vec<Vec<String>> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| wrap(&cell.text, *width))
        .collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        let mut pending = 0;
        for ((cell, lines), width) in row.iter().zip(&wrapped).zip(widths) {
            let part = lines.get(line).map_or("", String::as_str);
            if !part.is_empty() {
                text.extend(std::iter::repeat_n(' ', pending));
                pending = 0;
                let style = cell.tone.style();
                text.push_str(&format!("{style}{part}{style:#}"));
            }
            // Padding is written only before a next text: no line ends with spaces.
            pending += width.saturating_sub(part.width()) + GAP;
        }
        text.push('\n');
    }
}

/// Breaks at spaces; a word longer than the width is cut.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            while line.width() > width {
                let rest = line.split_off(fitting(&line, width));
                lines.push(std::mem::replace(&mut line, rest));
            }
        }
        lines.push(line);
    }
    lines
}

/// Cuts a single line to a width, with `…` where something is missing.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = text[..fitting(text, width.saturating_sub(1))].to_owned();
    short.push('…');
    short
}

/// How many bytes of `text` fit into `width` columns; at least one character, so that callers make progress.
fn fitting(text: &str, width: usize) -> usize {
    let mut end = 0;
    for (start, character) in text.char_indices() {
        let next = start + character.len_utf8();
        if start > 0 && text[..next].width() > width {
            break;
        }
        end = next;
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(table: &Table, columns: usize) -> String {
        anstream::adapter::strip_str(&table.render(columns)).to_string()
    }

    fn sample() -> Table {
        let mut table = Table::new(["what", "found", "verdict"]);
        table.row([
            Cell::from("Memory free now"),
            "9.0 GiB".into(),
            Cell::toned("ok", Tone::Good),
        ]);
        table.row([
            Cell::from("Speed"),
            "emulation only".into(),
            Cell::toned("warn", Tone::Warn),
        ]);
        table
    }

    #[test]
    fn columns_line_up() {
        let expected = "what             found           verdict\n\
                        Memory free now  9.0 GiB         ok\n\
                        Speed            emulation only  warn\n";
        assert_eq!(plain(&sample(), 80), expected);
    }

    #[test]
    fn a_narrow_terminal_wraps_the_widest_column() {
        let expected = "what      found      verdict\n\
                        Memory    9.0 GiB    ok\n\
                        free now\n\
                        Speed     emulation  warn\n          only\n";
        assert_eq!(plain(&sample(), 28), expected);
    }

    #[test]
    fn tones_become_colours() {
        assert!(sample().render(80).contains("\u{1b}[32mok\u{1b}[0m"));
    }

    #[test]
    fn a_foreign_cell_cannot_colour_itself() {
        let mut table = Table::new(["name"]);
        table.row(["\u{1b}[32mok"]);
        assert_eq!(plain(&table, 80), "name\n\\u{1b}[32mok\n");
    }

    #[test]
    fn wide_characters_count_double() {
        let mut table = Table::new(["a", "b"]);
        table.row(["漢字", "x"]);
        assert_eq!(plain(&table, 80), "a     b\n漢字  x\n");
    }

    #[test]
    fn rows_of_the_wrong_length_are_made_to_fit() {
        let mut table = Table::new(["a", "b"]);
        table.row(["1"]);
        table.row(["1", "2", "3"]);
        assert_eq!(plain(&table, 80), "a  b\n1\n1  2\n");
    }

    #[test]
    fn cutting_marks_what_is_missing() {
        for (text, width, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("漢字", 3, "漢…"),
            ("", 3, ""),
        ] {
            assert_eq!(cut(text, width), expected);
        }
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_word_and_keeps_the_width(text in "[a-zé漢 ]{0,60}", width in 2_usize..30) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.width() <= width), "{:?}", lines);
            let squeeze = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&text));
        }

        #[test]
        fn a_table_keeps_within_a_sane_width(cells in proptest::collection::vec("[a-z ]{0,40}", 3), columns in 30_usize..100) {
            let mut table = Table::new(["one", "two", "three"]);
            table.row(&cells);
            for line in plain(&table, columns).lines() {
                prop_assert!(line.width() <= columns && !line.ends_with(' '), "{:?}", line);
            }
        }
    }
}
