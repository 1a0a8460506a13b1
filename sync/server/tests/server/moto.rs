//! PyPI's `moto` as the S3, installed by `cargo xtask test`; and what tests do without a program they need.
//!
//! Also part of the tests of `gobag-client`.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start the stores that the server uses"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use gobag_server::config::S3;

/// A program as `cargo xtask test` installs it from PyPI, else the one on the search path.
pub(crate) fn installed(program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let ours = target.join("venv-stores/bin").join(program);
    match ours.is_file() {
        true => ours,
        false => program.into(),
    }
}

/// Says that a test is skipped, or fails where it must not be.
pub(crate) fn skipped(need: &str, why: &str) {
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|required| required == need),
        "GOBAG_REQUIRE names {need}: {why}"
    );
    println!("skipped: {why}");
}

/// A running one.
pub(crate) struct Moto {
    child: Child,
    /// With its scheme.
    address: String,
    ca_file: Option<PathBuf>,
}

/// How one proves who it is: files, PEM.
pub(crate) struct Secured {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) ca: PathBuf,
}

impl Moto {
    /// Starts one, with TLS or without.
    pub(crate) fn start(secured: Option<Secured>) -> Option<Self> {
        let mut command = Command::new(installed("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        if let Some(secured) = &secured {
            command.arg("-c").arg(&secured.certificate);
            command.arg("-k").arg(&secured.key);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            skipped("moto", "`moto_server` (PyPI's `moto[server]`) is not installed");
            return None;
        };
        // It says where it listens, after words of warning; then one line a request, which somebody must read.
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let running = lines.by_ref().find(|line| line.contains("Running on http"));
        std::thread::spawn(move || lines.for_each(drop));
        let Some(line) = running else {
            let _ = child.wait();
            skipped("moto", "`moto_server` does not start");
            return None;
        };
        let address = line.rsplit("Running on ").next().unwrap().trim().to_owned();
        Some(Self {
            child,
            address,
            ca_file: secured.map(|secured| secured.ca),
        })
    }

    /// A new bucket, and files with its keys in `folder`.
    pub(crate) fn bucket(&self, folder: &Path, number: u32) -> S3 {
        let bucket = format!("gobag-{number}");
        // Signed enough to be taken for S3; moto does not check.
        let signed = "authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";
        let made = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--insecure",
                "--output",
                "/dev/null",
            ])
            .args(["--request", "PUT", "--header", signed])
            .arg(format!("{}/{bucket}", self.address))
            .status()
            .unwrap();
        assert!(made.success(), "{made}");
        let secret = folder.join("s3-key");
        fs::write(&secret, "key\n").unwrap();
        S3 {
            bucket,
            region: "us-east-1".to_owned(),
            endpoint: Some(self.address.clone()),
            allow_http: true,
            ca_file: self.ca_file.clone(),
            direct: false,
            access_key_file: secret.clone(),
            secret_key_file: secret,
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
