//! The files of an image project, on the office's disk: read within a limit, written whole or not at all.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use gobag_bundle::FileError;
use gobag_checklists::plan::{AnswersFile, PlanFileError, QuestionSet, limits::MAX_FILE_BYTES};
use gobag_checklists::regular;
use gobag_term::{CliError, ExitCode, page::is_ours};

use super::{Outcome, PlanArgs, Written};
use crate::error::{OrExplain, said};

const ANSWERS: &str = "answers.toml";

/// An image project.
pub(super) struct Desk {
    folder: PathBuf,
    answers: PathBuf,
}

impl Desk {
    pub(super) fn open(args: &PlanArgs) -> Result<Self, CliError> {
        let folder = args.folder.clone();
        if !folder.is_dir() {
            let text = format!("{} is not a folder", folder.display());
            let hint = format!("make it first: `mkdir {}`", folder.display());
            return Err(said(ExitCode::Usage, "plan.no-folder", text).hint(hint));
        }
        let answers = args.answers.clone().unwrap_or_else(|| folder.join(ANSWERS));
        Ok(Self { folder, answers })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn answers_path(&self) -> &Path {
        &self.answers
    }

    /// The answers; `None` if nobody was asked yet.
    pub(super) fn read_answers(&self, set: &QuestionSet) -> Result<Option<AnswersFile>, CliError> {
        match read_if_there(&self.answers)? {
            Some(text) => {
                let name = self.answers.display().to_string();
                AnswersFile::read(&name, &text, set).map(Some).or_explain()
            }
            None => Ok(None),
        }
    }

    pub(super) fn save_answers(&self, file: &AnswersFile, set: &QuestionSet) -> Result<(), CliError> {
        replace(&self.answers, file.write(set).as_bytes()).or_explain()
    }

    /// Writes a file of the project, unless it is right already.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<Written, CliError> {
        let path = self.path(name);
        let outcome = match read_if_there(&path)? {
            Some(there) if there.as_bytes() == bytes => Outcome::Unchanged,
            _ => {
                replace(&path, bytes).or_explain()?;
                Outcome::Written
            }
        };
        Ok(Written { path, outcome })
    }

    /// The same for a page, whose beginning says who wrote it: one of that name that begins otherwise is somebody's own.
    pub(super) fn write_page(&self, name: &str, page: &str) -> Result<Written, CliError> {
        let path = self.path(name);
        match read_if_there(&path)? {
            Some(there) if !is_ours(there.as_bytes(), page) => Ok(Written {
                path,
                outcome: Outcome::Kept,
            }),
            _ => self.write(name, page.as_bytes()),
        }
    }

    /// A name for an older file that nobody has yet: `.old`, then `.old.2` and so on.
    pub(super) fn free(&self, name: &str) -> PathBuf {
        let numbered = (2..).map(|number| format!("{name}.{number}"));
        let mut paths = std::iter::once(name.to_owned())
            .chain(numbered)
            .map(|name| self.path(&name));
        paths
            .find(|path| path.symlink_metadata().is_err())
            .unwrap_or_else(|| self.path(name))
    }

    /// Writes a file that nobody has made yet.
    pub(super) fn write_new(&self, name: &Path, bytes: &[u8]) -> Result<Written, CliError> {
        let path = self.folder.join(name);
        if path.symlink_metadata().is_ok() {
            let outcome = Outcome::Kept;
            return Ok(Written { path, outcome });
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(at("create", folder))
                .or_explain()?;
        }
        replace(&path, bytes).or_explain()?;
        let outcome = Outcome::Written;
        Ok(Written { path, outcome })
    }
}

/// Reads a file that must be there.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    match read_if_there(path)? {
        Some(text) => Ok(text),
        None => Err(at("open", path)(io::ErrorKind::NotFound.into())).or_explain(),
    }
}

/// Reads a file of people: text, and not longer than anybody writes.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, CliError> {
    let file = match regular::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at("open", path)(error)).or_explain(),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))
        .or_explain()?;
    if bytes.len() > MAX_FILE_BYTES {
        let (file, limit) = (path.display().to_string(), MAX_FILE_BYTES);
        return Err(PlanFileError::TooLong { file, limit }).or_explain();
    }
    let invalid = |_| {
        said(
            ExitCode::Usage,
            "plan.not-text",
            format!("{} is not text in UTF-8", path.display()),
        )
    };
    String::from_utf8(bytes).map(Some).map_err(invalid)
}

/// Puts `bytes` at `path`, whole or not at all, durably; replaces what is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(at("create a file in", folder))?;
    temporary.write_all(bytes).map_err(at("write", path))?;
    temporary.as_file().sync_all().map_err(at("sync", path))?;
    temporary
        .persist(path)
        .map_err(|error| at("put in place", path)(error.error))?;
    let folder_file = std::fs::File::open(folder).map_err(at("open", folder))?;
    folder_file.sync_all().map_err(at("sync", folder))
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { action, path, source }
}
