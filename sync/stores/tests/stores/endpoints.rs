//! Real places: PyPI's `moto` as an S3 that honours conditions, OpenSSH's `sshd`, Apache's WebDAV, and `rclone serve` as weak ones of each kind. Each runs as whoever
//! runs the tests, at a free port, with files in a temporary folder alone.
//!
//! Part of the tests of `gobag-pair`. Where a program is not installed the test says so and is skipped; `GOBAG_REQUIRE=moto,rclone,sshd,apache` makes that a failure.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// What the web servers ask for.
const USER: [&str; 2] = ["ada", "secret"];
/// Its line in Apache's file: the digest of the password.
const USER_LINE: &str = "ada:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
const MODULES: &str = "/usr/lib/apache2/modules";
const BUCKET: &str = "gobag";
const NOBODY: u32 = 65534;

/// A running one.
pub(crate) struct Endpoint {
    child: Child,
    folder: TempDir,
    /// What a place there begins with.
    pub(crate) place: String,
    /// What stands behind it.
    pub(crate) query: String,
    pub(crate) credentials: Option<[&'static str; 2]>,
}

impl Endpoint {
    /// Starts a program, and waits until it says where it listens.
    fn start(
        need: &'static str,
        folder: TempDir,
        command: &mut Command,
        says: &str,
    ) -> Option<(Self, String)> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let Ok(mut child) = child.spawn() else {
            skipped(need, &format!("{command:?} cannot be run"));
            return None;
        };
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines
            .map_while(Result::ok)
            .inspect(move |line| println!("{need}: {line}"));
        let said = lines.by_ref().find(|line| line.contains(says));
        // Somebody must read what it goes on to say.
        std::thread::spawn(move || lines.for_each(drop));
        let endpoint = Self {
            child,
            folder,
            place: String::new(),
            query: String::new(),
            credentials: None,
        };
        match said {
            Some(line) => Some((endpoint, line)),
            None => {
                skipped(need, &format!("{command:?} does not start"));
                None
            }
        }
    }

    /// An S3 that keeps to conditions.
    pub(crate) fn moto() -> Option<Self> {
        let mut command = Command::new(installed("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let (mut moto, line) = Self::start("moto", folder(), &mut command, "Running on http")?;
        let address = line.rsplit("Running on ").next().unwrap().trim().to_owned();
        // Signed enough to be taken for S3; moto does not check.
        let signed = "authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let made = Command::new("curl")
            .args(["-sSf", "-o", "/dev/null", "-X", "PUT", "-H", signed])
            .arg(format!("{address}/{BUCKET}"))
            .status();
        assert!(made.unwrap().success());
        moto.bucket(&address);
        Some(moto)
    }

    /// An S3 that takes conditions and ignores them.
    pub(crate) fn rclone_s3() -> Option<Self> {
        let folder = folder();
        fs::create_dir_all(folder.path().join("data").join(BUCKET)).unwrap();
        let (mut rclone, line) = Self::rclone("s3", folder, &[])?;
        rclone.bucket(between(&line, "server on [", "/]"));
        Some(rclone)
    }

    pub(crate) fn rclone_webdav() -> Option<Self> {
        let (mut rclone, line) = Self::rclone("webdav", folder(), &["--user", USER[0], "--pass", USER[1]])?;
        let address = between(&line, "on [http://", "/]");
        rclone.place = format!("webdav://{address}");
        rclone.credentials = Some(USER);
        Some(rclone)
    }

    pub(crate) fn rclone_sftp() -> Option<Self> {
        let folder = folder();
        let keys = keys(folder.path());
        let (host, user) = (path(&keys.join("host")), path(&keys.join("user.pub")));
        let (mut rclone, line) = Self::rclone("sftp", folder, &["--key", &host, "--authorized-keys", &user])?;
        let port = line.rsplit(':').next().unwrap().trim().to_owned();
        rclone.ssh(&port);
        rclone.place = "sftp://files".to_owned();
        Some(rclone)
    }

    fn rclone(kind: &str, folder: TempDir, args: &[&str]) -> Option<(Self, String)> {
        let data = folder.path().join("data");
        fs::create_dir_all(&data).unwrap();
        let mut command = Command::new(installed("rclone"));
        command
            .args(["serve", kind, "--config", "/dev/null", "--addr", "127.0.0.1:0"])
            .args(args)
            .arg(data);
        let says = if kind == "sftp" {
            "listening on"
        } else {
            "on [http"
        };
        Self::start("rclone", folder, &mut command, says)
    }

    /// OpenSSH's server, with its own SFTP.
    pub(crate) fn sshd() -> Option<Self> {
        let folder = folder();
        let keys = keys(folder.path());
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let port = free_port().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nSubsystem sftp internal-sftp\n",
            keys.display()
        );
        fs::write(keys.join("sshd_config"), config).unwrap();
        if is_root() {
            // Where a server of root's locks its helper in; Debian makes it when the system starts one.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(keys.join("sshd_config"));
        let (mut sshd, _) = Self::start("sshd", folder, &mut command, "Server listening on 127.0.0.1")?;
        sshd.ssh(&port);
        sshd.place = format!("sftp://files{}", data.display());
        Some(sshd)
    }

    /// Apache's `mod_dav`, with a password.
    pub(crate) fn apache() -> Option<Self> {
        let folder = folder();
        let top = folder.path();
        fs::create_dir(top.join("data")).unwrap();
        fs::write(top.join("users"), USER_LINE).unwrap();
        let mut user = "";
        if is_root() {
            user = "User #65534\nGroup #65534\n";
            fs::set_permissions(top, PermissionsExt::from_mode(0o755)).unwrap();
            for path in [top.to_owned(), top.join("data")] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let modules = [
            ("mpm_event", "mpm_event"),
            ("authn_core", "authn_core"),
            ("authn_file", "authn_file"),
            ("authz_core", "authz_core"),
            ("authz_user", "authz_user"),
            ("auth_basic", "auth_basic"),
            ("dav", "dav"),
            ("dav_fs", "dav_fs"),
        ];
        let modules: String = modules
            .iter()
            .map(|(name, file)| format!("LoadModule {name}_module {MODULES}/mod_{file}.so\n"))
            .collect();
        let port = free_port();
        let config = format!(
            "{modules}{user}ServerName localhost\nListen 127.0.0.1:{port}\nPidFile {0}/pid\nErrorLog /dev/stderr\nDefaultRuntimeDir {0}\n\
             DocumentRoot {0}/data\nDavLockDB {0}/locks\n<Directory {0}/data>\nDav On\nAuthType Basic\nAuthName files\nAuthUserFile {0}/users\n\
             Require valid-user\n</Directory>\n",
            top.display()
        );
        let config_file = top.join("apache.conf");
        fs::write(&config_file, config).unwrap();
        let mut command = Command::new("/usr/sbin/apache2");
        command.arg("-DFOREGROUND").arg("-f").arg(config_file);
        let (mut apache, _) = Self::start("apache", folder, &mut command, "resuming normal operations")?;
        apache.place = format!("webdav://127.0.0.1:{port}");
        apache.credentials = Some(USER);
        Some(apache)
    }

    fn bucket(&mut self, address: &str) {
        self.place = format!("s3://{BUCKET}");
        self.query = format!("?endpoint={address}");
        self.credentials = Some(["key", "key"]);
    }

    /// A program `ssh` of this endpoint's own: the system's with a configuration in which the endpoint is `files`.
    fn ssh(&self, port: &str) {
        let keys = self.folder.path().join("keys");
        let config = format!(
            "Host files\nHostName 127.0.0.1\nPort {port}\nHostKeyAlias files\nIdentityFile {0}/user\nIdentitiesOnly yes\nUserKnownHostsFile {0}/known\n",
            keys.display()
        );
        fs::write(keys.join("ssh_config"), config).unwrap();
        let host = fs::read_to_string(keys.join("host.pub")).unwrap();
        fs::write(keys.join("known"), format!("files {host}")).unwrap();
        let programs = self.folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let script = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {}/ssh_config \"$@\"\n",
            keys.display()
        );
        fs::write(programs.join("ssh"), script).unwrap();
        fs::set_permissions(programs.join("ssh"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Where programs are looked for, with the `ssh` of this endpoint before all others.
    pub(crate) fn search_path(&self) -> String {
        let others = std::env::var("PATH").unwrap();
        format!("{}:{others}", self.folder.path().join("bin").display())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Apache ends its helpers when it is asked to.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Keys of a host and of who comes.
fn keys(folder: &Path) -> PathBuf {
    let keys = folder.join("keys");
    fs::create_dir(&keys).unwrap();
    for name in ["host", "user"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(keys.join(name))
            .status();
        assert!(made.unwrap().success());
    }
    keys
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn between<'a>(line: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = line.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

/// A program as `cargo xtask test` installs it from PyPI, else the one on the search path.
fn installed(program: &str) -> PathBuf {
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
