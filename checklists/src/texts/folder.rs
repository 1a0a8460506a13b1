//! Texts added at run time: `FOLDER/<language>/*.ftl`, for a language that this program lacks or a company's own words.

use std::path::{Path, PathBuf};
use std::{fs, io};

use unic_langid::LanguageIdentifier;

use super::TextsError;
use crate::limits::{MAX_TEXT_BYTES, MAX_TEXT_FILES};
use crate::regular;

/// One file of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The language of the folder it is in.
    pub language: LanguageIdentifier,
    /// Its name, for error messages.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Reads the files of all languages, in the order of their names. Folders that are not named after a language are passed over.
pub fn read_folder(folder: &Path) -> Result<Vec<Source>, TextsError> {
    let mut sources = Vec::new();
    for path in listed(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(language) = name.and_then(|name| name.parse::<LanguageIdentifier>().ok()) else {
            continue;
        };
        let files = listed(&path)?;
        for file in files
            .into_iter()
            .filter(|file| file.extension().is_some_and(|end| end == "ftl"))
        {
            if sources.len() >= MAX_TEXT_FILES {
                let what = format!("at most {MAX_TEXT_FILES} files are read");
                return Err(TextsError::TooMany {
                    path: folder.to_owned(),
                    what,
                });
            }
            sources.push(Source {
                language: language.clone(),
                name: file.display().to_string(),
                text: read(&file)?,
            });
        }
    }
    Ok(sources)
}

fn read(file: &Path) -> Result<String, TextsError> {
    let refused = |source| TextsError::Read {
        path: file.to_owned(),
        source,
    };
    let bytes = regular::read(file, MAX_TEXT_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => TextsError::TooMany {
            path: file.to_owned(),
            what: format!("a file has at most {MAX_TEXT_BYTES} bytes"),
        },
        _ => refused(error),
    })?;
    String::from_utf8(bytes).map_err(|_| {
        refused(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not text in UTF-8",
        ))
    })
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, TextsError> {
    let refused = |source| TextsError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = fs::read_dir(folder).map_err(refused)?;
    let mut paths = Vec::new();
    for entry in entries.take(MAX_TEXT_FILES) {
        paths.push(entry.map_err(refused)?.path());
    }
    paths.sort();
    Ok(paths)
}
