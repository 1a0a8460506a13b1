//! An answer that goes into a file which the person named (`--output`), in place of standard output.
//!
//! What is there already may be somebody's work, or what the answer was made of: an input is never overwritten, and a file that does not
//! look like one of these pages only after a question, which `--yes` answers. What is opened is looked at before anything is cut off, so
//! there is no moment in which another file takes its place; a pipe or a device is refused and not waited for.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::ask::AskError;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::ui::Ui;

/// Pages in HTML say by this who made them.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"gobag\">";
/// So much of a file is read to tell whose it is.
const HEAD_BYTES: u64 = 4096;

/// Why a page was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// It would destroy what it was made of.
    #[error("{} is one of the files that are read, and was left as it is", path.display())]
    IsInput {
        /// The file.
        path: PathBuf,
    },
    /// A pipe, a device or a folder.
    #[error("{} is not a regular file, and nothing was written to it", path.display())]
    NotRegular {
        /// What was named.
        path: PathBuf,
    },
    /// Somebody else's file, and the person said no.
    #[error("{} was left as it is", path.display())]
    Declined {
        /// The file.
        path: PathBuf,
    },
    /// Nobody could be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The system refused.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PageError {
    /// Stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::IsInput { .. } => "term.output-is-input",
            Self::NotRegular { .. } => "term.output-not-regular",
            Self::Declined { .. } => "term.output-declined",
            Self::Ask(error) => error.code(),
            Self::Write { .. } => "term.output-file",
        }
    }
}

impl From<PageError> for CliError {
    fn from(error: PageError) -> Self {
        let (code, other) = (error.code(), "name another file with `--output`");
        match error {
            PageError::Ask(error) => error.into(),
            PageError::IsInput { .. } | PageError::NotRegular { .. } => {
                Self::new(ExitCode::Usage, code, error).hint(other)
            }
            PageError::Declined { .. } => Self::new(ExitCode::Interrupted, code, error).hint(other),
            PageError::Write { .. } => Self::new(ExitCode::Failed, code, error),
        }
    }
}

impl Ui {
    /// Writes a page to the file that was named. `inputs` are the files that were read for it.
    pub fn write_page(&self, path: &Path, inputs: &[&Path], page: &str) -> Result<(), PageError> {
        let page = anstream::adapter::strip_str(page).to_string();
        let failed = |source| PageError::Write {
            path: path.to_owned(),
            source,
        };
        let not_regular = || PageError::NotRegular {
            path: path.to_owned(),
        };
        // A pipe that nobody reads, a folder and a socket cannot even be opened.
        let is_other = |_: &io::Error| path.metadata().is_ok_and(|found| !found.is_file());
        let opened = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        let mut file = match opened {
            Err(error) if is_other(&error) => return Err(not_regular()),
            opened => opened.map_err(failed)?,
        };
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(not_regular());
        }
        let is_same = |input: &&Path| {
            let input = input.metadata();
            input.is_ok_and(|input| (input.dev(), input.ino()) == (found.dev(), found.ino()))
        };
        if inputs.iter().any(is_same) {
            return Err(PageError::IsInput {
                path: path.to_owned(),
            });
        }
        let mut head = Vec::new();
        (&file).take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
        let question = || {
            format!(
                "{} is there, and was not written by this command. Replace it",
                path.display()
            )
        };
        if !is_ours(&head, &page) && !self.confirm(&question())? {
            return Err(PageError::Declined {
                path: path.to_owned(),
            });
        }
        file.rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(page.as_bytes()))
            .map_err(failed)
    }
}

/// Whether what begins with `head` was written as `page` is, and so may be replaced: an empty file, or one that begins as such pages do:
/// HTML with its generator, all others with the same first line.
#[must_use]
pub fn is_ours(head: &[u8], page: &str) -> bool {
    let head = String::from_utf8_lossy(head);
    let first = |text: &str| text.lines().next().map(str::to_owned);
    match page.contains(GENERATOR) {
        _ if head.is_empty() => true,
        true => head.contains(GENERATOR),
        false => first(&head) == first(page),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "puts files in place")]

    use super::*;
    use crate::args::GlobalArgs;
    use std::fs;

    fn ui(yes: bool) -> Ui {
        let args = GlobalArgs {
            yes,
            ..GlobalArgs::default()
        };
        Ui::captured(&args).0
    }

    #[test]
    fn an_input_is_never_overwritten_whatever_it_is_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("r.json");
        fs::write(&input, "{}").expect("written");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&input, &link).expect("linked");
        let hard = folder.path().join("hard");
        fs::hard_link(&input, &hard).expect("linked");
        for output in [&input, &link, &hard] {
            let error = ui(true)
                .write_page(output, &[&input], "page")
                .expect_err("refused");
            assert_eq!(error.code(), "term.output-is-input");
        }
        assert_eq!(fs::read(&input).expect("there"), b"{}");
    }

    #[test]
    fn a_file_of_somebody_else_is_replaced_only_with_a_yes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("page");
        let text = |path: &Path| fs::read_to_string(path).expect("there");
        ui(false)
            .write_page(&path, &[], "title\nfirst, and longer\n")
            .expect("a new file");
        ui(false)
            .write_page(&path, &[], "title\nsecond\n")
            .expect("our own");
        assert_eq!(text(&path), "title\nsecond\n");
        let html = format!("<!DOCTYPE html>\n{GENERATOR}\n");
        fs::write(&path, "<!DOCTYPE html>\nmy own page\n").expect("written");
        ui(true).write_page(&path, &[], &html).expect("--yes");
        assert_eq!(text(&path), html);
        ui(false).write_page(&path, &[], &html).expect("our own");
        for (there, page) in [("my own\n", "title\n"), ("<!DOCTYPE html>\nmine\n", &html)] {
            assert!(!is_ours(there.as_bytes(), page), "{there}");
        }
    }

    #[test]
    fn pipes_devices_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("made");
        for path in [&pipe, folder.path(), Path::new("/dev/null")] {
            let error = ui(true).write_page(path, &[], "page").expect_err("refused");
            assert_eq!(error.code(), "term.output-not-regular", "{path:?}");
        }
    }
}
