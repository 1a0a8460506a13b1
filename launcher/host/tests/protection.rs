//! The real ClamAV and the real packet filter, on and off: facts and verdicts follow.
//!
//! Everything happens in name spaces of our own (mounts, network, processes): the test starts itself again in them, so the
//! computer's own databases, rules and processes are neither seen nor touched, and all ends with the test. Signatures are a
//! file of ours in place of the download.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gobag_checklists::safety::{SecurityProduct, Signatures, Tristate};
use gobag_checklists::{HostFacts, Mode, Requirements, RuleId, Verdict, evaluate};
use gobag_host::{GatherOptions, gather};

const CLAMD: &str = "/usr/sbin/clamd";
const FRESHCLAM: &str = "/usr/bin/freshclam";
const NFT: &str = "/usr/sbin/nft";
const DATABASES: &str = "/var/lib/clamav";
/// Set in the name spaces.
const INSIDE: &str = "GOBAG_TEST_INSIDE";
/// A pattern of our own: `GOBAG-TEST-PATTERN` in a file of any kind.
const SIGNATURE: &str = "Gobag.Test:0:*:474f4241472d544553542d5041545445524e\n";
const DAY: Duration = Duration::from_secs(86_400);

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what must not be skipped"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What must be there; without it, the test says that it was skipped.
fn have(programs: &[&str], word: &str) -> bool {
    let missing: Vec<&&str> = programs.iter().filter(|path| !Path::new(path).exists()).collect();
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|data| std::os::unix::fs::MetadataExt::uid(&data) == 0);
    if missing.is_empty() && is_root {
        return true;
    }
    let required = environment("GOBAG_REQUIRE").is_some_and(|list| list.split(',').any(|each| each == word));
    assert!(
        !required,
        "{word} is required: missing {missing:?}, root: {is_root}"
    );
    println!("skipped: {word} needs root and {programs:?}");
    false
}

#[expect(clippy::disallowed_methods, reason = "the test starts the real programs")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// Runs the named test of this program again, inside of name spaces of its own.
fn inside(test: &str) {
    let own = std::env::current_exe().expect("a path");
    let status = command("/usr/bin/unshare")
        .args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ])
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("started");
    assert!(status.success(), "{test} inside: {status}");
}

fn is_inside() -> bool {
    environment(INSIDE).is_some()
}

fn run(program: &str, args: &[&str]) {
    let status = command(program).args(args).status().expect("started");
    assert!(status.success(), "{program} {args:?}: {status}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test writes settings into a folder of its own"
)]
fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
}

#[expect(clippy::disallowed_methods, reason = "as a program's main would")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn facts() -> HostFacts {
    let mut options = GatherOptions::new(None, "/tmp".into());
    options.prove_accelerators = false;
    options.now_s = now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    gather(&options)
}

fn clamav(facts: &HostFacts) -> SecurityProduct {
    let products = facts
        .products
        .value()
        .unwrap_or_else(|| panic!("{:?}", facts.products));
    products
        .iter()
        .find(|product| product.name == "ClamAV")
        .expect("installed")
        .clone()
}

fn verdict(facts: &HostFacts, rule: RuleId) -> Verdict {
    let findings = evaluate(&Requirements::default(), facts, Mode::Container, &[]);
    findings.get(rule).expect("a rule of this mode").verdict
}

/// A program that runs until the test is done with it.
struct Running(Child);

impl Running {
    /// Waits until it prints one of the words.
    fn start(program: &str, args: &[&str], ready: &'static [&'static str]) -> Self {
        let mut child = command(program)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                println!("{line}");
                if ready.iter().any(|word| line.contains(word)) {
                    // Said more than once, nobody listens any more.
                    let _ = sender.send(());
                }
            }
        });
        let running = Self(child);
        receiver
            .recv_timeout(Duration::from_secs(120))
            .expect("it is ready");
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the scanner on its socket.
fn ask(socket: &Path, question: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("connected");
    stream
        .write_all(format!("z{question}\0").as_bytes())
        .expect("asked");
    stream.shutdown(Shutdown::Write).expect("said all");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer.trim_end_matches('\0').to_owned()
}

struct Scanner {
    folder: tempfile::TempDir,
}

impl Scanner {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let clamd = format!(
            "Foreground yes\nUser root\nDatabaseDirectory {DATABASES}\nLocalSocket {}\nLogVerbose no\n",
            at("socket")
        );
        write(&folder.path().join("clamd.conf"), &clamd);
        // Nobody is there to ask: it stays, and tries again in two hours.
        let updater = format!(
            "Foreground yes\nDatabaseOwner root\nDatabaseDirectory {DATABASES}\nDatabaseMirror 127.0.0.1\nChecks 12\nUpdateLogFile {}\n",
            at("freshclam.log")
        );
        write(&folder.path().join("freshclam.conf"), &updater);
        Self { folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn setting(&self, name: &str) -> String {
        format!("--config-file={}", self.folder.path().join(name).display())
    }

    fn clamd(&self) -> Running {
        Running::start(
            CLAMD,
            &[&self.setting("clamd.conf")],
            &["Listening daemon", "Self checking every"],
        )
    }

    fn freshclam(&self) -> Running {
        Running::start(
            FRESHCLAM,
            &["-d", &self.setting("freshclam.conf")],
            &["freshclam daemon", "ClamAV update process"],
        )
    }
}

#[test]
fn clamav_running_stopped_stale_and_without_signatures() {
    if !have(&[CLAMD, FRESHCLAM], "clamav") {
        return;
    }
    if !is_inside() {
        return inside("clamav_running_stopped_stale_and_without_signatures");
    }
    run("/usr/bin/mount", &["-t", "tmpfs", "none", DATABASES]);
    let stopped = facts();
    assert_eq!(clamav(&stopped).running, Tristate::No);
    assert_eq!(clamav(&stopped).signatures, Signatures::Missing);
    assert_ne!(verdict(&stopped, RuleId::AntivirusActive), Verdict::Pass);

    let own = Path::new(DATABASES).join("firm.ndb");
    write(&own, SIGNATURE);
    let scanner = Scanner::new();
    let clamd = scanner.clamd();
    // P27: the scanner alone.
    assert_eq!(clamav(&facts()).running, Tristate::No);
    let _freshclam = scanner.freshclam();

    // It is the real one, with our signature.
    let sample = scanner.folder.path().join("sample");
    write(&sample, "xx GOBAG-TEST-PATTERN xx");
    let answer = ask(&scanner.socket(), &format!("SCAN {}", sample.display()));
    assert!(
        answer.contains("Gobag.Test") && answer.ends_with("FOUND"),
        "{answer}"
    );
    let running = facts();
    let product = clamav(&running);
    assert_eq!(product.running, Tristate::Yes);
    assert_eq!(product.genuine, Tristate::Yes);
    assert_eq!(product.signatures, Signatures::Aged { days: 0 });
    assert_eq!(verdict(&running, RuleId::AntivirusActive), Verdict::Pass);

    let aged = |age: Duration| {
        let file = File::options().append(true).open(&own).expect("there");
        file.set_modified(now() - age).expect("aged");
        facts()
    };
    let stale = aged(40 * DAY);
    assert_eq!(clamav(&stale).signatures, Signatures::Aged { days: 40 });
    assert_ne!(verdict(&stale, RuleId::AntivirusActive), Verdict::Pass);
    assert_eq!(
        verdict(&aged(Duration::ZERO), RuleId::AntivirusActive),
        Verdict::Pass
    );

    drop(clamd);
    let ended = facts();
    assert_eq!(clamav(&ended).running, Tristate::No);
    assert_ne!(verdict(&ended, RuleId::AntivirusActive), Verdict::Pass);
}

#[test]
fn nftables_on_flushed_and_on_again() {
    if !have(&[NFT], "nft") {
        return;
    }
    if !is_inside() {
        return inside("nftables_on_flushed_and_on_again");
    }
    let enforced = || facts().firewall.value().map(|firewall| firewall.enforced.clone());
    assert_eq!(enforced(), Some(Tristate::No));
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    write(
        &rules,
        "table inet office {\n chain input {\n  type filter hook input priority 0; policy accept;\n  ct state established accept\n  \
         tcp dport { 22, 80 } accept\n  counter jump rest\n }\n chain rest {\n  log prefix \"no\" reject\n }\n}\n",
    );
    run(NFT, &["-f", &rules.display().to_string()]);
    assert_eq!(enforced(), Some(Tristate::Yes));
    run(NFT, &["flush", "ruleset"]);
    assert_eq!(enforced(), Some(Tristate::No));
    // What filters IPv6 alone leaves the other way open.
    for (family, expected) in [("ip6", Tristate::No), ("ip", Tristate::Yes)] {
        let chain = "{ type filter hook input priority 0 ; policy drop ; }";
        run(NFT, &["add", "table", family, "t"]);
        run(NFT, &["add", "chain", family, "t", "in", chain]);
        assert_eq!(enforced(), Some(expected), "{family}");
    }
}
