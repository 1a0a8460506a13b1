//! What is asked of a computer, before anything is unlocked: a file of IT's, or the stick's public copy.
//!
//! The public copy is a convenience and no authority: anybody who had the stick can have changed it. `gobag start` goes by the
//! signed manifest, and tells where the two differ.

use std::{
    io,
    path::{Path, PathBuf},
};

use gobag_checklists::{Requirements, regular};
use gobag_format::manifest::Manifest;
use gobag_term::{CliError, ExitCode};
use serde::Serialize;

use crate::error::{explained, said, unusable};

/// Longest file of requirements that is read.
const REQUIREMENTS_BYTES: u64 = 1 << 20;
/// Where a stick says what its image asks.
const ON_STICK: &str = "requirements.json";

/// By whose word a computer is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", content = "path", rename_all = "kebab-case")]
pub(crate) enum Authority {
    /// The usual ones of this program.
    Usual,
    /// A file that was named.
    File(PathBuf),
    /// What IT signed, on an unlocked stick.
    Signed,
    /// The copy on a stick that everybody can read, and change.
    PublicCopy(PathBuf),
}

/// What is asked, and who says so.
pub(super) fn asked(
    file: Option<&Path>,
    stick: Option<&Path>,
) -> Result<(Requirements, Authority), CliError> {
    if let Some(path) = file {
        return Ok((read(path)?, Authority::File(path.to_owned())));
    }
    let on_stick = stick.map(|stick| stick.join(ON_STICK));
    match on_stick.filter(|path| path.is_file() && !path.is_symlink()) {
        Some(path) => Ok((read(&path)?, Authority::PublicCopy(path))),
        // A stick of an earlier version has none.
        None => Ok((Requirements::default(), Authority::Usual)),
    }
}

/// What IT signed.
pub(crate) fn signed(manifest: &Manifest) -> Result<Requirements, CliError> {
    let requirements: Requirements = match &manifest.requirements {
        serde_json::Value::Null => Requirements::default(),
        stated => serde_json::from_value(stated.clone()).map_err(|error| {
            let name = &manifest.name;
            let text = format!("the requirements of image `{name}` cannot be read: {error}");
            said(ExitCode::Damaged, "gobag.requirements", text)
        })?,
    };
    requirements
        .validate()
        .map_err(|error| explained(error.code(), error))?;
    Ok(requirements)
}

/// Whether the public copy on a stick says something else than what was signed; one that is not there says nothing.
pub(crate) fn public_copy_differs(stick: &Path, signed: &serde_json::Value) -> bool {
    let path = stick.join(ON_STICK);
    // A link on a stick leads to what is not the stick's.
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return true;
    }
    match bytes(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(_) => true,
        Ok(bytes) => serde_json::from_slice::<serde_json::Value>(&bytes).ok().as_ref() != Some(signed),
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    regular::read(path, REQUIREMENTS_BYTES)
}

fn read(path: &Path) -> Result<Requirements, CliError> {
    let unreadable = |reason: String| {
        let text = format!("cannot use the requirements in {}: {reason}", path.display());
        said(ExitCode::Usage, "gobag.requirements", text)
    };
    let bytes = bytes(path)
        .map_err(|error| unusable("gobag.requirements", "use the requirements in", path, &error))?;
    let stated: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    // A list would be read as fields in their order, an empty one as the usual.
    if !stated.is_object() {
        return Err(unreadable("it is no JSON object".to_owned()));
    }
    let requirements: Requirements =
        serde_json::from_value(stated).map_err(|error| unreadable(error.to_string()))?;
    match requirements.validate() {
        Ok(()) => Ok(requirements),
        Err(error) => Err(explained(error.code(), error)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "puts files on a stick")]

    use super::*;

    #[test]
    fn a_file_goes_before_the_stick_and_the_stick_before_the_usual() {
        let stick = tempfile::tempdir().unwrap();
        let place = Some(stick.path());
        assert_eq!(asked(None, place).unwrap().1, Authority::Usual);
        let copy = stick.path().join(ON_STICK);
        std::fs::write(&copy, r#"{"min_cores": 7}"#).unwrap();
        let (requirements, authority) = asked(None, place).unwrap();
        assert_eq!(
            (requirements.min_cores, authority),
            (7, Authority::PublicCopy(copy))
        );
        let file = stick.path().join("own.json");
        std::fs::write(&file, r#"{"min_cores": 9}"#).unwrap();
        let (requirements, authority) = asked(Some(&file), place).unwrap();
        assert_eq!((requirements.min_cores, authority), (9, Authority::File(file)));
    }

    #[test]
    fn nonsense_is_an_error_and_not_the_usual() {
        let stick = tempfile::tempdir().unwrap();
        let copy = stick.path().join(ON_STICK);
        for nonsense in ["", "[]", r#"{"min_cores": -1}"#, r#"{"min_cores": 4000000000}"#] {
            std::fs::write(&copy, nonsense).unwrap();
            let error = asked(None, Some(stick.path())).unwrap_err();
            assert!(!error.report().message.is_empty(), "{nonsense}");
        }
        std::fs::write(&copy, vec![b' '; (1 << 20) + 1]).unwrap();
        assert!(asked(None, Some(stick.path())).is_err());
    }

    #[test]
    fn a_changed_copy_is_noticed() {
        let stick = tempfile::tempdir().unwrap();
        let signed = serde_json::json!({ "min_cores": 2, "later": { "field": 1 } });
        let differs = || public_copy_differs(stick.path(), &signed);
        assert!(!differs(), "none is there");
        let copy = stick.path().join(ON_STICK);
        std::fs::write(&copy, format!("{signed:#}\n")).unwrap();
        assert!(!differs());
        std::fs::write(&copy, r#"{"min_cores": 1}"#).unwrap();
        assert!(differs());
        std::fs::write(&copy, "nothing of the kind").unwrap();
        assert!(differs());
    }
}
