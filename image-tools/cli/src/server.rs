//! The company's server, as a person of IT reaches it.

use std::path::{Path, PathBuf};

use gobag_checklists::regular::read;
use gobag_client::{Client, Options, People};
use gobag_format::ids::BundleId;
use gobag_term::{CliError, ExitCode};
use zeroize::Zeroizing;

use crate::error::{OrExplain, said, unusable};

/// Largest certificate and token file, bytes.
const MAX_FILE: u64 = 64 << 10;

/// Where the server is, and who asks.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The company's server
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// Certificate of the organisation's CA, as `gobag-server` keeps it
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// File with your token for the server; what changes something, or gives up what a stick sent, needs the role operator
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

impl ServerArgs {
    /// Reads the certificate and the token; does not connect yet.
    pub(crate) fn people(&self) -> Result<People, CliError> {
        let ca = text("certificate", &self.ca)?;
        let token = Zeroizing::new(text("token", &self.token_file)?);
        let client = Client::new(&self.server, &ca, None, Options::default()).or_explain()?;
        Ok(People::new(client, &token))
    }
}

/// The number of a stick, as people type it.
pub(crate) fn number(typed: &str) -> Result<BundleId, CliError> {
    BundleId::parse(&typed.to_ascii_lowercase()).ok_or_else(|| {
        let text = format!("`{typed}` is not the number of a stick");
        said(ExitCode::Usage, "recover.number", text).hint("it has 32 digits from 0 to 9 and a to f")
    })
}

fn text(what: &str, path: &Path) -> Result<String, CliError> {
    let bytes = read(path, MAX_FILE)
        .map_err(|error| unusable("recover.file", &format!("read the {what} in"), path, &error))?;
    String::from_utf8(bytes).map_err(|_| {
        let text = format!("{} holds no {what}", path.display());
        said(ExitCode::Usage, "recover.file", text)
    })
}
