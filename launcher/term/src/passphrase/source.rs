//! The options that say where a passphrase comes from. Doc comments here are the help text.

use std::path::PathBuf;

/// Where the passphrase comes from; without either option the terminal is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct PassphraseArgs {
    /// Read the passphrase from this file (one line)
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub passphrase_file: Option<PathBuf>,

    /// Read the passphrase from this open file descriptor (one line)
    #[arg(long, value_name = "FD")]
    pub passphrase_fd: Option<u32>,
}

/// Where a new passphrase comes from; without either option the terminal is asked, twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct NewPassphraseArgs {
    /// Read the new passphrase from this file (one line)
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_fd")]
    pub new_passphrase_file: Option<PathBuf>,

    /// Read the new passphrase from this open file descriptor (one line)
    #[arg(long, value_name = "FD")]
    pub new_passphrase_fd: Option<u32>,
}

/// Where a passphrase comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PassphraseSource {
    /// The person is asked.
    #[default]
    Terminal,
    /// A file's only line.
    File(PathBuf),
    /// The only line behind a descriptor that was open when the program started.
    Descriptor(u32),
}

impl PassphraseSource {
    fn chosen(file: Option<&PathBuf>, descriptor: Option<u32>) -> Self {
        match (file, descriptor) {
            (Some(file), _) => Self::File(file.clone()),
            (None, Some(descriptor)) => Self::Descriptor(descriptor),
            (None, None) => Self::Terminal,
        }
    }
}

impl PassphraseArgs {
    /// What the options say.
    #[must_use]
    pub fn source(&self) -> PassphraseSource {
        PassphraseSource::chosen(self.passphrase_file.as_ref(), self.passphrase_fd)
    }
}

impl NewPassphraseArgs {
    /// What the options say.
    #[must_use]
    pub fn source(&self) -> PassphraseSource {
        PassphraseSource::chosen(self.new_passphrase_file.as_ref(), self.new_passphrase_fd)
    }
}
