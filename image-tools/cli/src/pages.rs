//! What `checklist` and `coverage` have in common: requirements from a file, and a page to a file or to the screen.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use gobag_checklists::Requirements;
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::error::said;

/// Longest file of requirements that is read.
const REQUIREMENTS_BYTES: u64 = 1 << 20;

/// Requirements that IT wrote or `gobag-image plan` derived.
pub(crate) fn requirements(path: &Path) -> Result<Requirements, CliError> {
    let refused = |reason: String| {
        let text = format!("cannot use the requirements in {}: {reason}", path.display());
        said(ExitCode::Usage, "image.requirements", text)
    };
    let bytes = read_limited(path, REQUIREMENTS_BYTES).map_err(refused)?;
    let stated: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    // A list would be read as fields in their order.
    if !stated.is_object() {
        return Err(refused("it is no JSON object".to_owned()));
    }
    let requirements: Requirements =
        serde_json::from_value(stated).map_err(|error| refused(error.to_string()))?;
    requirements
        .validate()
        .map_err(|error| refused(error.to_string()))?;
    Ok(requirements)
}

/// A whole file, or why not in words.
pub(crate) fn read_limited(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(limit_bytes + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit_bytes {
        return Err(format!("it has more than {limit_bytes} bytes"));
    }
    Ok(bytes)
}

/// Gives the answer: the page on the screen, or in `output` and a word about it on the screen.
pub(crate) fn answer<T: Serialize>(
    ui: &Ui,
    report: &T,
    output: Option<&PathBuf>,
    page: impl FnOnce(&T) -> String,
) -> Result<(), CliError> {
    let Some(path) = output else {
        return Ok(ui.answer(report, page)?);
    };
    write(path, &page(report))?;
    Ok(ui.answer(report, |_| format!("written to {}\n", path.display()))?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a page for people, at the place they named; nothing of a stick"
)]
fn write(path: &Path, page: &str) -> Result<(), CliError> {
    let plain = anstream::adapter::strip_str(page).to_string();
    std::fs::write(path, plain).map_err(|error| {
        let text = format!("cannot write {}: {error}", path.display());
        said(ExitCode::Failed, "image.output", text)
    })
}
