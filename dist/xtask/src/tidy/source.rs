//! The shape of Rust files: a module header, a bounded size, no silenced lints.

use std::path::{Path, PathBuf};

use super::Findings;
use crate::disk;
use crate::error::Result;

/// Lines without tests beyond which a file is refused.
const MAX_LINES: usize = 600;
/// Lines without tests beyond which a file is worth splitting.
const WARN_LINES: usize = 300;
/// Put together here so that this file does not find itself.
const SILENCERS: &[&str] = &[concat!("[", "allow("), concat!(", ", "allow(")];

pub(super) fn check(files: &[PathBuf], findings: &mut Findings) -> Result<()> {
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
    {
        check_text(path, &disk::read(&disk::root().join(path))?, findings);
    }
    Ok(())
}

fn check_text(path: &Path, text: &str, findings: &mut Findings) {
    let shown = path.display();
    if !text.starts_with("//!") {
        findings.fail(format!("{shown}:1: does not open with a `//!` header"));
    }
    let lines = lines_without_tests(path, text);
    if lines > MAX_LINES {
        findings.fail(format!(
            "{shown}: {lines} lines, at most {MAX_LINES} without tests"
        ));
    } else if lines > WARN_LINES {
        findings.warn(format!(
            "{shown}: {lines} lines without tests, better {WARN_LINES}"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        let attribute = line.trim_start().starts_with('#');
        if attribute && SILENCERS.iter().any(|words| line.contains(words)) {
            findings.fail(format!(
                "{shown}:{}: silences a lint without a reason; use `#[expect(…, reason = \"…\")]`",
                number + 1
            ));
        }
    }
}

/// Lines before the `#[cfg(test)]` of an inner test module; files that are tests count as none.
fn lines_without_tests(path: &Path, text: &str) -> usize {
    let is_test = path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
    if is_test {
        return 0;
    }
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> Findings {
        let mut findings = Findings::default();
        check_text(Path::new(path), text, &mut findings);
        findings
    }

    #[test]
    fn a_good_file_passes() {
        let found = check_one("a/src/lib.rs", "//! Header.\n\nfn main() {}\n");
        assert!(found.failures.is_empty() && found.warnings.is_empty());
    }

    #[test]
    fn a_missing_header_and_a_silenced_lint_fail() {
        let text = format!("fn main() {{}}\n    #{}dead_code)]\n", SILENCERS[0]);
        assert_eq!(check_one("a/src/lib.rs", &text).failures.len(), 2);
    }

    #[test]
    fn size_counts_without_tests() {
        let long = format!(
            "//! Header.\n{}#[cfg(test)]\n{}",
            "\n".repeat(350),
            "\n".repeat(700)
        );
        let found = check_one("a/src/lib.rs", &long);
        assert_eq!((found.failures.len(), found.warnings.len()), (0, 1));
        let longer = format!("//! Header.\n{}", "\n".repeat(700));
        assert_eq!(check_one("a/src/lib.rs", &longer).failures.len(), 1);
        assert!(check_one("a/src/x/tests.rs", &longer).failures.is_empty());
    }
}
