//! Programs of others at work in the company's folder meanwhile: nothing is lost, and both become the same.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use gobag_pair::Pair;

use crate::{lab::Lab, trouble::Meanwhile};

/// Whether there is such a program; says that a test is skipped otherwise, or fails where `GOBAG_REQUIRE` has `peers`.
fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == "peers");
    assert!(found.is_ok() || !is_required, "{program} is missing");
    if found.is_err() {
        println!("skipped: {program} is missing");
    }
    found.is_ok()
}

fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// What somebody at the company's side does in a round: writes `text` to `at`, which both have.
type Act<'a> = dyn Fn(&Path, &str) + Sync + 'a;

/// Rounds in which both sides change a file each and one the same, and the other program is at work before a pass, or in the middle of it.
fn rounds(act: &Act<'_>) {
    rounds_in(&mut lab(), act);
}

fn lab() -> Lab {
    Lab::paired(&[("d/theirs", "0"), ("d/both", "0"), ("mine", "0")])
}

fn rounds_in(lab: &mut Lab, act: &Act<'_>) {
    for round in 1..=4 {
        let text = |who: &str| format!("{who} in round {round}\n");
        lab.write("left", "mine", &text("mine"));
        lab.write("left", "d/both", &text("both, mine"));
        let work = || {
            act(&lab.at("right/d/theirs"), &text("theirs"));
            act(&lab.at("right/d/both"), &text("both, theirs"));
            act(&lab.at(&format!("right/d/new {round}")), &text("new"));
        };
        if round % 2 == 0 {
            work();
            lab.pass();
        } else {
            let mut pair = Pair::open(&lab.at("left"), &lab.at("right")).unwrap();
            let options = gobag_pair::Options {
                run: format!("in the middle {round}"),
                ..options()
            };
            pair.pass(&options, &Meanwhile(Box::new(work))).unwrap();
            drop(pair);
            lab.pass();
        }
        let shown = lab.tree("left");
        for who in ["mine", "theirs", "both, mine", "both, theirs", "new"] {
            // Samba says of files that are not archived yet that their owner may run them.
            let is_there = ["=", "*"]
                .iter()
                .any(|run| shown.contains(&format!("{run}{}", text(who))));
            assert!(is_there, "{who} {round}: {shown}");
        }
    }
}

fn options() -> gobag_pair::Options {
    Lab::new().options()
}

#[test]
fn rsync_copies_into_the_folder_with_and_without_inplace() {
    if !has("rsync") {
        return;
    }
    for how in [&["--inplace", "--no-whole-file"][..], &[]] {
        rounds(&|at, text| {
            let from = tempfile::tempdir().unwrap();
            let file = from.path().join(at.file_name().unwrap());
            fs::write(&file, text).unwrap();
            run(Command::new("rsync")
                .args(["-a", "--ignore-times"])
                .args(how)
                .arg(&file)
                .arg(at));
        });
    }
}

#[test]
fn rsync_makes_the_folder_the_same_as_another_and_deletes_the_rest() {
    if !has("rsync") {
        return;
    }
    let mut lab = Lab::paired(&[("a", "1"), ("d/b", "2"), ("old", "3")]);
    let master = lab.at("master");
    fs::create_dir_all(master.join("d")).unwrap();
    fs::write(master.join("a"), "of the master").unwrap();
    fs::write(master.join("d/b"), "2").unwrap();
    lab.write("left", "old", "changed here");
    let (options, right) = (lab.options(), lab.at("right/"));
    let copy = || {
        let mut rsync = Command::new("rsync");
        run(rsync
            .args(["-a", "--delete", "--exclude=/.gobag-sync"])
            .args([&master.join(""), &right]));
    };
    let mut pair = Pair::open(&lab.at("left"), &lab.at("right")).unwrap();
    let _ = pair.pass(&options, &Meanwhile(Box::new(copy)));
    drop(pair);
    lab.pass();
    let shown = lab.tree("left");
    // It was replaced before rsync took it away, or changed where that did: it is there, or in the version store.
    assert!(
        shown.contains("a=of the master") && shown.contains("d/b=2"),
        "{shown}"
    );
    let kept = [lab.kept("left"), lab.kept("right"), shown].concat();
    assert!(kept.contains("=changed here"), "{kept}");
}

#[test]
fn editors_save_in_place_and_by_a_rename() {
    if has("vim") {
        for how in [
            "set backupcopy=yes",
            "set backupcopy=no nowritebackup",
            "set backupcopy=no",
        ] {
            rounds(&|at, text| {
                let line = format!("call setline(1, '{}')", text.trim_end());
                let mut vim = Command::new("vim");
                vim.args([
                    "-u", "NONE", "-i", "NONE", "-es", "-c", how, "-c", &line, "-c", "wq",
                ]);
                run(vim.arg(at));
            });
        }
    }
    if has("ed") {
        rounds(&|at, text| {
            let script = format!("0a\n{text}.\n2,$d\nw\nq\n");
            let mut ed = Command::new("ed")
                .arg("-s")
                .arg(at)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(ed.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
            // A new file has no lines to delete, which it says with its exit code.
            ed.wait().unwrap();
            assert_eq!(fs::read_to_string(at).unwrap(), text);
        });
    }
    if has("sed") {
        rounds(&|at, text| match at.exists() {
            true => run(Command::new("sed")
                .args(["-i", &format!("1c{}", text.trim_end())])
                .arg(at)),
            false => fs::write(at, text).unwrap(),
        });
    }
}

/// A real Samba with one share.
struct Samba {
    server: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Samba {
    fn start(share: &Path) -> Option<Self> {
        if !(has("smbd") && has("smbclient")) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let at = |name: &str| folder.path().join(name);
        for name in ["private", "state", "cache", "lock", "pid", "rpc", "log"] {
            fs::create_dir(at(name)).unwrap();
        }
        let top = folder.path().display();
        let user = if rustix::process::geteuid().is_root() {
            "force user = root"
        } else {
            ""
        };
        let config = format!(
            "[global]\ninterfaces = lo\nbind interfaces only = yes\nsmb ports = {port}\ndisable netbios = yes\n\
             map to guest = Bad User\nguest account = root\nserver role = standalone server\nload printers = no\n\
             private dir = {top}/private\nstate directory = {top}/state\ncache directory = {top}/cache\n\
             lock directory = {top}/lock\npid directory = {top}/pid\nncalrpc dir = {top}/rpc\nlog file = {top}/log/smbd\n\
             [share]\npath = {}\nguest ok = yes\nread only = no\n{user}\n",
            share.display()
        );
        fs::write(at("smb.conf"), config).unwrap();
        let server = Command::new("smbd")
            .args(["--foreground", "--no-process-group", "-s"])
            .arg(at("smb.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let samba = Self { server, port, folder };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "smbd does not listen");
            std::thread::yield_now();
        }
        Some(samba)
    }

    /// Somebody with a drive letter.
    fn ask(&self, commands: &str) {
        let mut client = Command::new("smbclient");
        client.args(["//127.0.0.1/share", "-N", "-p", &self.port.to_string(), "-s"]);
        run(client
            .arg(self.folder.path().join("smb.conf"))
            .args(["-c", commands]));
    }

    fn local(&self, text: &str) -> PathBuf {
        let file = self.folder.path().join("local");
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn samba_s_users_work_in_the_folder() {
    // In place, and as offices do: beside it, the old one away, the new one there.
    for is_office in [false, true] {
        let mut lab = lab();
        let right = lab.at("right");
        let Some(samba) = Samba::start(&right) else {
            return;
        };
        rounds_in(&mut lab, &|at, text| {
            let name = at
                .strip_prefix(&right)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('/', "\\");
            let local = samba.local(text);
            let put = |name: &str| format!("put {} \"{name}\"", local.display());
            samba.ask(&match is_office && at.exists() {
                true => format!(
                    "{}; rename \"{name}\" old.tmp; rename new.tmp \"{name}\"; del old.tmp",
                    put("new.tmp")
                ),
                false => put(&name),
            });
        });
    }
}
