//! What `checklist` and `coverage` have in common: requirements from a file, and a page to a file or to the screen.

use std::path::Path;

use gobag_checklists::{Requirements, regular};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::error::{said, unusable};

/// Longest file of requirements that is read.
const REQUIREMENTS_BYTES: u64 = 1 << 20;

/// Requirements that IT wrote or `gobag-image plan` derived.
pub(crate) fn requirements(path: &Path) -> Result<Requirements, CliError> {
    let refused = |reason: String| {
        let text = format!("cannot use the requirements in {}: {reason}", path.display());
        said(ExitCode::Usage, "image.requirements", text)
    };
    let bytes = regular::read(path, REQUIREMENTS_BYTES)
        .map_err(|error| unusable("image.requirements", "use the requirements in", path, &error))?;
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

/// Gives the answer: the page on the screen, or in `output` and a word about it on the screen. `inputs` are the files that were read.
pub(crate) fn answer<T: Serialize>(
    ui: &Ui,
    report: &T,
    output: Option<&Path>,
    inputs: &[&Path],
    page: impl FnOnce(&T) -> String,
) -> Result<(), CliError> {
    let Some(path) = output else {
        return Ok(ui.answer(report, page)?);
    };
    ui.write_page(path, inputs, &page(report))?;
    Ok(ui.answer(report, |_| format!("written to {}\n", path.display()))?)
}
