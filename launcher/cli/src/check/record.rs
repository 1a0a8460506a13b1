//! `gobag check --record`: writes down what was looked at, so that a computer that is judged wrongly becomes a fixture.
//!
//! Names of persons and computers, addresses and serial numbers are taken out before anything is written. The person is told
//! what is in the file, and sends it themselves if they want to: nothing is sent from here.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use gobag_host::{GatherOptions, record};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::{environment::Environment, error::said};

/// The recording's name in its folder.
const FILE: &str = "captures.json";
/// 1 November 2026: this version did not exist before, so a clock before that is wrong.
const RELEASED_S: u64 = 1_793_491_200;

#[derive(Serialize)]
struct RecordReport {
    /// The file that was written.
    file: PathBuf,
    /// What was looked at and is in the file.
    kept: Vec<String>,
    /// What was taken out, and how many different ones.
    removed: BTreeMap<&'static str, usize>,
}

/// Looks, writes, and says what was written.
pub(crate) fn answer(folder: &Path, options: &GatherOptions, ui: &Ui) -> Result<ExitCode, CliError> {
    let (_, recording) = record(options);
    let file = folder.join(FILE);
    write(folder, &file, &recording.text).map_err(|error| {
        let text = format!("cannot write {}: {error}", file.display());
        said(ExitCode::Failed, "gobag.output", text)
    })?;
    let report = RecordReport {
        file,
        kept: recording.kept,
        removed: recording.removed,
    };
    ui.answer(&report, page)?;
    Ok(ExitCode::Ok)
}

fn page(report: &RecordReport) -> String {
    let mut text = format!("Recorded {} looks at this computer:\n", report.kept.len());
    for name in &report.kept {
        text.push_str(&format!("  {name}\n"));
    }
    text.push_str(&match report.removed.is_empty() {
        true => "Nothing personal was found in them.\n".to_owned(),
        false => {
            let counts: Vec<String> = report
                .removed
                .iter()
                .map(|(kind, count)| format!("{kind}: {count}"))
                .collect();
            format!(
                "Taken out, with stand-ins in their places: {}.\n",
                counts.join(", ")
            )
        }
    });
    text.push_str(&format!(
        "{} is plain text. Read it before you send it to anybody.\n",
        report.file.display()
    ));
    text
}

/// A file that is there already is kept: it may be somebody's only evidence.
fn write(folder: &Path, file: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = fs::File::options().write(true).create_new(true).open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What the probes are told.
pub(crate) fn options(environment: &Environment, prove: bool, stick: Option<&Path>) -> GatherOptions {
    let mut options = GatherOptions::new(environment.path.clone(), environment.temporary_folder());
    options.prove_accelerators = prove;
    options.now_s = (gobag_bundle::Ambient::system().clock)();
    options.released_s = RELEASED_S;
    options.home = environment.home_folder();
    options.desktop = environment.desktop();
    options.stick = stick.map(Path::to_owned);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_is_in_the_file_and_what_is_not() {
        let report = |removed: BTreeMap<&'static str, usize>| RecordReport {
            file: "/x/captures.json".into(),
            kept: vec!["file /etc/os-release".to_owned()],
            removed,
        };
        let text = page(&report(BTreeMap::from([("user names", 2), ("UUIDs", 1)])));
        assert!(text.contains("  file /etc/os-release\n"), "{text}");
        assert!(
            text.contains("in their places: UUIDs: 1, user names: 2.\n"),
            "{text}"
        );
        assert!(page(&report(BTreeMap::new())).contains("Nothing personal was found"));
    }

    #[test]
    fn a_recording_that_is_there_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("new");
        let file = inner.join(FILE);
        write(&inner, &file, "one").expect("written");
        let error = write(&inner, &file, "two").expect_err("refused");
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).expect("there"), "one");
    }
}
