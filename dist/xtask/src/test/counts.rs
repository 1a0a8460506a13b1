//! Counting tests: from nextest's JUnit file or from what libtest prints.

use std::path::PathBuf;

use crate::disk;
use crate::error::{Error, Result};

/// How many tests ran, failed, and said that the machine cannot run them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Where nextest writes its report (named in `.config/nextest.toml`).
pub(super) fn junit_file() -> PathBuf {
    disk::target().join("nextest/default/junit.xml")
}

impl Counts {
    /// Reads nextest's JUnit report; a test that printed `skipped: …` counts as skipped.
    pub(super) fn of_junit(report: &str) -> Self {
        let mut counts = Self::default();
        for case in report.split("<testcase ").skip(1) {
            let failed = case.contains("<failure") || case.contains("<error");
            let skipped = says_skipped(case);
            match (failed, skipped) {
                (true, _) => counts.failed += 1,
                (false, true) => counts.skipped += 1,
                (false, false) => counts.passed += 1,
            }
        }
        counts
    }

    /// Adds up the `test result:` lines of `cargo test`; what libtest ignored counts as skipped.
    pub(super) fn of_libtest(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines().filter(|line| line.starts_with("test result:")) {
            counts.passed += number_before(line, " passed");
            counts.failed += number_before(line, " failed");
            counts.skipped += number_before(line, " ignored");
        }
        counts
    }

    /// The line for the table, or the error when the run failed.
    pub(super) fn verdict(self, good: bool) -> Result<String> {
        let text = format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        if good && self.failed == 0 {
            Ok(text)
        } else {
            Err(Error::new(text))
        }
    }
}

/// Whether any line of the captured output is the house's sign for "this machine cannot run me". The first line of
/// it stands right behind its opening tag.
fn says_skipped(case: &str) -> bool {
    case.split(['\n', '>']).any(|line| line.starts_with("skipped: "))
}

fn number_before(line: &str, word: &str) -> u64 {
    let Some((head, _)) = line.split_once(word) else {
        return 0;
    };
    head.rsplit(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_cases_are_told_apart() {
        let report = r#"<testsuites name="nextest-run" tests="3" failures="1">
<testcase name="good"></testcase>
<testcase name="bad"><failure message="panicked"></failure><system-out>skipped: half
</system-out></testcase>
<testcase name="absent"><system-out>running 1 test
skipped: /dev/fuse is missing</system-out></testcase></testsuites>"#;
        let counts = Counts::of_junit(report);
        assert_eq!(
            counts,
            Counts {
                passed: 1,
                failed: 1,
                skipped: 1
            }
        );
        assert!(counts.verdict(false).is_err());
    }

    #[test]
    fn libtest_lines_add_up() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\nnoise\ntest result: ok. 40 passed; 0 failed; 0 ignored";
        let counts = Counts::of_libtest(text);
        assert_eq!(counts.verdict(true).unwrap(), "43 passed, 0 failed, 1 skipped");
        assert!(counts.verdict(false).is_err());
    }
}
