//! `cargo xtask tidy`: the rules of this code base that no compiler checks.
//!
//! A finding names its file and line. A warning is shown and does not fail. What is allowed stands in reviewed
//! constants beside each check: the arrows in [`arrows`], the layout sources in [`layout`].

mod arrows;
mod git;
mod layout;
mod links;
mod source;

use crate::error::{Error, Result};

/// What the checks found.
#[derive(Debug, Default)]
struct Findings {
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn fail(&mut self, text: String) {
        self.failures.push(text);
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }
}

pub(crate) fn run(args: &[&str]) -> Result<()> {
    if !args.is_empty() {
        return Err(Error::usage("`tidy` takes no arguments"));
    }
    check().map(|text| println!("tidy: {text}"))
}

/// Runs every check; the text counts what was looked at.
pub(crate) fn check() -> Result<String> {
    let files = git::files()?;
    let mut findings = Findings::default();
    arrows::check(&crate::cargo::metadata()?, &mut findings);
    source::check(&files, &mut findings)?;
    git::check(&files, &mut findings)?;
    layout::check(&mut findings)?;
    links::check(&files, &mut findings)?;
    for warning in &findings.warnings {
        eprintln!("warn: {warning}");
    }
    for failure in &findings.failures {
        eprintln!("FAIL: {failure}");
    }
    let summary = format!("{} files, {} warnings", files.len(), findings.warnings.len());
    if findings.failures.is_empty() {
        Ok(summary)
    } else {
        Err(Error::new(format!(
            "{summary}, {} failures",
            findings.failures.len()
        )))
    }
}
