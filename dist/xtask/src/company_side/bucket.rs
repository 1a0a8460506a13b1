//! A bucket of PyPI's `moto`.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::await_line;
use crate::bench::machine;
use crate::disk;
use crate::error::{Error, Result};
use crate::packages::python;
use crate::sh::Cmd;

const NAME: &str = "gobag";

/// A running server with one bucket; ended when dropped.
pub(crate) struct Bucket {
    child: Child,
    endpoint: String,
}

impl Bucket {
    /// Starts one at a port of the system's choice.
    pub(crate) fn start() -> Result<Self> {
        python::STORES.ensure()?;
        let mut child = Cmd::new(python::STORES.program("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .spawn(Stdio::null(), Stdio::null(), Stdio::piped())?;
        let said = child.stderr.take();
        let line = said.and_then(|said| await_line(said, |line| line.contains("Running on http://")));
        let Some(endpoint) = line
            .as_deref()
            .and_then(|line| Some(line.rsplit_once("Running on ")?.1.trim().to_owned()))
        else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::new("`moto_server` does not start"));
        };
        let bucket = Self { child, endpoint };
        // Signed enough to be taken for S3; moto does not check.
        Cmd::new("curl")
            .args(["--silent", "--show-error", "--fail", "--request", "PUT", "--header"])
            .arg("authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
            .arg(format!("{}/{NAME}", bucket.endpoint))
            .text()?;
        Ok(bucket)
    }

    /// The part of a server's configuration that names it; its keys, which moto does not look at, are written to `folder`.
    pub(crate) fn config(&self, folder: &Path) -> Result<String> {
        let key = folder.join("s3-key");
        disk::write(&key, "key\n")?;
        disk::set_mode(&key, 0o600)?;
        Ok(format!(
            "[s3]\nbucket = \"{NAME}\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\nallow_http = true\n\
             access_key_file = \"{key}\"\nsecret_key_file = \"{key}\"\n",
            self.endpoint,
            key = key.display()
        ))
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        machine::family(self.child.id())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
