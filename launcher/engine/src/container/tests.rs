//! Real containers: made by root, and by an ordinary user with and without ranges of users.
//!
//! The tests run as root and become an ordinary user by running this test program again, in a mount namespace in which
//! `/dev/fuse` is open to everybody and the ranges are, or are not, set aside, as on a desktop.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests make their own files and read their own environment"
)]

use std::{
    cell::RefCell,
    fs,
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    process::{Command, Stdio},
    time::Duration,
};

use rustix::fs::{Mode, OFlags, mknodat};
use tempfile::TempDir;

use super::*;
use crate::{
    ext4::{self, Ext4Options},
    run::Run,
};

const UID: u32 = 1000;
const LONG: Duration = Duration::from_secs(30);

/// What these tests need; otherwise says that they are skipped, or fails where they must not be.
fn ready() -> bool {
    let mut missing = Vec::new();
    for name in ["bwrap", "fuse2fs", "unshare", "newuidmap", "debugfs", "setpriv"] {
        if tools::find(name, None).is_err() {
            missing.push(("container", name));
        }
    }
    if !Path::new("/dev/fuse").exists() {
        missing.push(("fuse", "/dev/fuse"));
    }
    if !geteuid().is_root() {
        missing.push(("root", "root"));
    }
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    for (topic, what) in &missing {
        assert!(
            !required.split(',').any(|name| name == *topic),
            "{what} is missing"
        );
    }
    if !missing.is_empty() {
        println!("skipped: {missing:?} are missing");
    }
    missing.is_empty()
}

/// A folder with a small system in one volume and an empty home volume.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            folder: TempDir::new().unwrap(),
        };
        let root = lab.path("tree");
        for folder in [
            "bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "var",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
        for applet in
            "sh ls id cat touch grep hostname mount unshare sleep sync stty tty wc kill ip dd readlink"
                .split(' ')
        {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n",
        )
        .unwrap();
        fs::write(root.join("etc/secret"), "for root only").unwrap();
        fs::set_permissions(root.join("etc/secret"), PermissionsExt::from_mode(0o600)).unwrap();
        let archive = Run::new(&tools::find("tar", None).unwrap())
            .args([
                "--create",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--directory",
            ])
            .arg(&root)
            .arg(".")
            .success()
            .unwrap()
            .stdout;
        let options = |label: &str| Ext4Options {
            label: label.to_owned(),
            // Enough for a second superblock.
            size_bytes: Some(256 << 20),
            uuid: *b"gobag test uuid!",
            epoch_seconds: 1_700_000_000,
            block_size: 4096,
        };
        ext4::make_from_tar(
            &options("system"),
            &mut &archive[..],
            &lab.path("system.img"),
            lab.folder.path(),
            &|| false,
        )
        .unwrap();
        ext4::make_empty(&options("home"), &lab.path("home.img")).unwrap();
        fs::create_dir(lab.path("run")).unwrap();
        // The ordinary user's own files, in a folder that is the user's.
        for name in ["", "system.img", "home.img", "run"] {
            std::os::unix::fs::chown(lab.path(name), Some(UID), Some(UID)).unwrap();
        }
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spec(&self, script: &str) -> ContainerSpec {
        let volume = |name: &str| VolumeSource {
            image: self.path(name),
            read_only: false,
        };
        ContainerSpec {
            system: volume("system.img"),
            home: Some(volume("home.img")),
            user: users(&self.path("system.img"))
                .unwrap()
                .into_iter()
                .find(User::is_person)
                .unwrap(),
            command: vec!["/bin/sh".into(), "-c".into(), script.into()],
            network: ContainerNetwork::Off,
            environment: Vec::new(),
            shares: Vec::new(),
            hostname: "office".to_owned(),
            terminal: false,
            run_dir: self.path("run"),
        }
    }

    /// What a file in the user's home folder holds, read without a mount.
    fn read_home(&self, name: &str) -> String {
        let output = Run::new(&tools::find("debugfs", None).unwrap())
            .args(["-R", &format!("cat /ann/{name}")])
            .arg(self.path("home.img"))
            .success()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Both volumes are closed and without fault, and nothing is left in the run folder or on the host.
    fn assert_left_clean(&self) {
        for name in ["system.img", "home.img"] {
            let found = ext4::check(&self.path(name), &|| false).unwrap();
            assert!(found.clean, "{name}: {}", found.text);
            assert!(
                !ext4::repair(&self.path(name), &|| false).unwrap(),
                "{name} was not unmounted"
            );
        }
        assert_eq!(fs::read_dir(self.path("run")).unwrap().count(), 0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.folder.path().to_str().unwrap()), "{mounts}");
    }

    /// A command that enters the container as an ordinary user, in a process of its own; the report goes to `report`.
    fn as_user(&self, spec: &ContainerSpec, ranges: bool) -> Command {
        fs::write(self.path("spec.json"), serde_json::to_vec(spec).unwrap()).unwrap();
        let node = self.path("fuse");
        if !node.exists() {
            let device = rustix::fs::makedev(10, 229);
            mknodat(
                rustix::fs::CWD,
                &node,
                rustix::fs::FileType::CharacterDevice,
                Mode::RUSR,
                device,
            )
            .unwrap();
            fs::set_permissions(&node, PermissionsExt::from_mode(0o666)).unwrap();
        }
        let range = if ranges { "1000:100000:65536\n" } else { "" };
        fs::write(self.path("subid"), range).unwrap();
        fs::set_permissions(self.path("subid"), PermissionsExt::from_mode(0o644)).unwrap();
        // The user may not be able to enter the folder that this program is in.
        let program = self.path("test-program");
        if !program.exists() {
            fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        }
        fs::File::create(self.path("report")).unwrap();
        std::os::unix::fs::chown(self.path("report"), Some(UID), Some(UID)).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-ec"]);
        command.arg(
            "mount --bind \"$1/fuse\" /dev/fuse; mount --bind \"$1/subid\" /etc/subuid; \
             mount --bind \"$1/subid\" /etc/subgid; \
             exec setpriv --reuid 1000 --regid 1000 --clear-groups \"$1/test-program\" --exact --nocapture \
             container::tests::the_users_side",
        );
        command.args(["sh", self.folder.path().to_str().unwrap()]);
        command.env("GOBAG_TEST_LAB", self.folder.path());
        command
    }

    fn report(&self) -> String {
        fs::read_to_string(self.path("report")).unwrap()
    }
}

/// Not a test of its own: what [`Lab::as_user`] runs as the ordinary user.
#[test]
fn the_users_side() {
    let Some(lab) = std::env::var_os("GOBAG_TEST_LAB").map(PathBuf::from) else {
        return;
    };
    let spec: ContainerSpec = serde_json::from_slice(&fs::read(lab.join("spec.json")).unwrap()).unwrap();
    let proof = crate::userns::probe_userns(None, LONG).unwrap();
    let text = match enter(&spec, proof.map, None, &|| false) {
        Ok(report) => serde_json::to_string(&report).unwrap(),
        Err(error) => format!("{} {error:?}", error.code()),
    };
    fs::write(lab.join("report"), text).unwrap();
}

/// Looks at everything that the container must be, from inside. Each line is `name=value`.
const LOOK: &str = r#"
cd ~ && {
echo "user=$(id -u):$(id -g)"
echo "home=$(pwd)"
grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t' | tr : =
echo "host=$(hostname)"
echo "links=$(ls /sys/class/net 2>/dev/null | tr '\n' ' ')$(ip -o link | wc -l)"
echo "processes=$(ls -d /proc/[0-9]* | wc -l)"
echo "dev=$(ls /dev | tr '\n' ' ')"
echo "run=$(ls /run) tmp=$(ls /tmp)"
echo "secret=$(cat /etc/secret 2>&1)"
touch /etc/new 2>/dev/null && echo etc=writable || echo etc=refused
mount -t tmpfs none /tmp 2>/dev/null && echo mount=yes || echo mount=no
unshare -r true 2>/dev/null && echo userns=yes || echo userns=no
echo x >/proc/sys/kernel/hostname 2>/dev/null && echo sysctl=yes || echo sysctl=no
} >look 2>look.err
exit 7
"#;

fn assert_is_contained(look: &str) {
    let value = |name: &str| {
        let line = look
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name} in {look}")).trim()
    };
    assert_eq!(value("user"), "1000:1000");
    assert_eq!(value("home"), "/home/ann");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(value(set), "0000000000000000", "{set}");
    }
    assert_eq!(value("NoNewPrivs"), "1");
    assert_eq!(value("Seccomp"), "2");
    assert_eq!(value("host"), "office");
    assert_eq!(value("links"), "1", "only its own loopback");
    assert!(value("processes").parse::<u32>().unwrap() <= 8, "{look}");
    assert_eq!(
        value("dev"),
        "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    assert_eq!(value("run"), "user tmp=");
    assert!(value("secret").contains("Permission denied"), "{look}");
    for refused in ["etc=refused", "mount=no", "userns=no", "sysctl=no"] {
        assert!(look.lines().any(|line| line == refused), "{refused}: {look}");
    }
}

#[test]
fn root_enters_as_an_ordinary_user_and_leaves_no_trace() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let report = enter(&lab.spec(LOOK), IdMap::Host, None, &|| false).unwrap();
    assert_eq!(
        (report.exit_code, report.map, report.cancelled),
        (7, IdMap::Host, false)
    );
    assert!(report.repaired.is_empty(), "{report:?}");
    assert_is_contained(&lab.read_home("look"));
    lab.assert_left_clean();
    // Again, with what is there now.
    let report = enter(&lab.spec("cat look >again"), IdMap::Host, None, &|| false).unwrap();
    assert_eq!(report.exit_code, 0);
    assert_eq!(lab.read_home("again"), lab.read_home("look"));
    lab.assert_left_clean();
}

/// Opened for writing, but nothing is written: the test must not be what it looks for.
const KERNEL_SETTINGS: &str = r#"
for each in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sys/fs/suid_dumpable /proc/sysrq-trigger; do
    (: >>"$each") 2>/dev/null && echo "$each"
done >/root/open
ls -d /proc/self/fd >/root/looked
"#;

#[test]
fn the_hosts_root_in_a_container_cannot_set_the_hosts_kernel() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let mut spec = lab.spec(KERNEL_SETTINGS);
    spec.user = User::root();
    let report = enter(&spec, IdMap::Host, None, &|| false).unwrap();
    assert_eq!(report.exit_code, 0);
    let read = |name: &str| {
        let output = Run::new(&tools::find("debugfs", None).unwrap())
            .args(["-R", &format!("cat /root/{name}")])
            .arg(lab.path("system.img"))
            .success()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(read("looked"), "/proc/self/fd\n", "it ran");
    assert_eq!(read("open"), "");
    lab.assert_left_clean();
}

/// The sandbox is built with the host's files still in reach, under `/oldroot`, and it follows the image's links.
#[test]
fn links_of_the_image_do_not_lead_the_sandbox_to_the_host() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let trap = lab.path("trap");
    fs::create_dir(&trap).unwrap();
    let mut spec = lab.spec("true");
    let system = lab.path("system.img");
    let debugfs = |request: String| {
        let program = tools::find("debugfs", None).unwrap();
        let run = Run::new(&program).args(["-w", "-R", &request]).arg(&system);
        run.success().unwrap();
    };
    // In the image, what `/etc` leads to has a `resolv.conf`, so ours is to be put over it.
    let in_image = Path::new("/oldroot").join(trap.strip_prefix("/").unwrap());
    let mut folders: Vec<_> = in_image.ancestors().collect();
    folders.pop();
    for folder in folders.iter().rev() {
        debugfs(format!("mkdir {}", folder.display()));
    }
    debugfs(format!(
        "write {} {}/resolv.conf",
        lab.path("tree/etc/passwd").display(),
        in_image.display()
    ));
    debugfs("rm /etc/passwd".to_owned());
    debugfs("rm /etc/secret".to_owned());
    debugfs("rmdir /etc".to_owned());
    debugfs(format!("symlink /etc {}", in_image.display()));
    spec.user = User::root();
    spec.network = ContainerNetwork::Host;
    let ended = enter(&spec, IdMap::Host, None, &|| false);
    let found: Vec<_> = fs::read_dir(&trap)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(found.is_empty(), "{found:?} {ended:?}");
}

#[test]
fn an_ordinary_user_enters_with_and_without_ranges() {
    if !ready() {
        return;
    }
    for (ranges, map) in [
        (true, r#"{"ranges":{"first_user":100000,"first_group":100000}}"#),
        (false, r#""single""#),
    ] {
        let lab = Lab::new();
        let output = lab.as_user(&lab.spec(LOOK), ranges).output().unwrap();
        let report = lab.report();
        assert!(
            report.contains(&format!(r#""exit_code":7,"map":{map},"repaired":[]"#)),
            "{report} {output:?}"
        );
        assert_is_contained(&lab.read_home("look"));
        lab.assert_left_clean();
    }
}

#[test]
fn files_keep_their_owners_where_ranges_are_set_aside() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let script = "ls -ln /etc/secret | { read m n u g r; echo $u:$g; } >~/owners; touch ~/mine; ls -ln ~/mine | { read m n u g r; echo $u:$g; } >>~/owners";
    lab.as_user(&lab.spec(script), true).output().unwrap();
    assert_eq!(lab.read_home("owners"), "0:0\n1000:1000\n", "{}", lab.report());
}

#[test]
fn nothing_can_be_written_where_it_is_read_only() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let mut spec = lab.spec("echo gone >/bin/x; touch /here; exit $?");
    spec.user = User::root();
    spec.system.read_only = true;
    let before = fs::read(lab.path("system.img")).unwrap();
    let report = enter(&spec, IdMap::Host, None, &|| false).unwrap();
    assert_eq!(report.exit_code, 1);
    assert!(fs::read(lab.path("system.img")).unwrap() == before);
}

#[test]
fn cancelling_asks_first_and_the_files_are_there() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let (mut spec, started) = with_signal(
        &lab,
        "trap 'echo saved >~/work; exit 3' TERM; echo up >/run/up; while :; do sleep 1; done",
    );
    spec.hostname = "cancel".to_owned();
    let report = enter(&spec, IdMap::Host, None, &|| started()).unwrap();
    assert!(report.cancelled, "{report:?}");
    assert_eq!(report.exit_code, 3);
    assert_eq!(lab.read_home("work"), "saved\n");
    lab.assert_left_clean();
}

#[test]
fn who_does_not_listen_is_killed() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let (spec, started) = with_signal(
        &lab,
        "trap '' TERM; echo kept >~/work; echo up >/run/up; while :; do sleep 1; done",
    );
    let report = enter(&spec, IdMap::Host, None, &|| started()).unwrap();
    assert!(report.cancelled, "{report:?}");
    assert_eq!(report.exit_code, 137);
    assert_eq!(lab.read_home("work"), "kept\n");
    lab.assert_left_clean();
}

/// A container that can say `up` through `/run/up`, and a question whether it has.
fn with_signal(lab: &Lab, script: &str) -> (ContainerSpec, impl Fn() -> bool + use<>) {
    let fifo = lab.path("up");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    std::os::unix::fs::chown(&fifo, Some(UID), Some(UID)).unwrap();
    fs::set_permissions(&fifo, PermissionsExt::from_mode(0o666)).unwrap();
    let mut options = fs::OpenOptions::new();
    let reader = options
        .read(true)
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(&fifo)
        .unwrap();
    let mut spec = lab.spec(script);
    spec.shares = vec![Share {
        from: fifo,
        to: "/run/up".into(),
    }];
    let seen = RefCell::new((reader, false));
    let started = move || {
        let (reader, seen) = &mut *seen.borrow_mut();
        *seen |= reader.read(&mut [0; 8]).is_ok();
        *seen
    };
    (spec, started)
}

#[test]
fn a_killed_launcher_leaves_what_the_next_start_can_clean_and_repair() {
    if !ready() {
        return;
    }
    for ranges in [true, false] {
        let lab = Lab::new();
        let script = "echo kept >~/work; sync; echo up >/run/up; while :; do echo more >>~/more; done";
        let (spec, started) = with_signal(&lab, script);
        let mut launcher = lab
            .as_user(&spec, ranges)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(&started);
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        // The launcher was the only one to hold the agent's pipe: the image is let go without anybody's help.
        wait_until(&|| !somebody_has_open(&lab.path("home.img")));
        assert!(fs::read_dir(lab.path("run")).unwrap().count() > 0);
        // The agent itself may still be on its way out.
        let leftovers = cleanup_stale(&lab.path("run"), LONG).unwrap();
        assert_eq!(leftovers.removed.len(), 3, "{leftovers:?}");

        let report = enter(&lab.spec("true"), IdMap::Host, None, &|| false).unwrap();
        assert!(report.repaired.contains(&lab.path("home.img")), "{report:?}");
        assert_eq!(lab.read_home("work"), "kept\n");
        lab.assert_left_clean();
    }
}

#[test]
fn a_lost_volume_ends_the_container_and_is_said() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let (spec, started) = with_signal(&lab, "echo up >/run/up; while :; do sleep 1; done");
    let mut launcher = lab
        .as_user(&spec, true)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(&started);
    let image = lab.path("home.img");
    for pid in processes() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.contains("fuse2fs\0-f") && line.contains(image.to_str().unwrap()) {
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(pid).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        }
    }
    launcher.wait().unwrap();
    assert!(
        lab.report().starts_with("engine.container-lost"),
        "{}",
        lab.report()
    );
}

fn processes() -> Vec<i32> {
    let names = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

fn somebody_has_open(path: &Path) -> bool {
    processes().into_iter().any(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .into_iter()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
    })
}

/// Asks again and again, in vain at most for [`LONG`].
fn wait_until(done: &dyn Fn() -> bool) {
    let end = std::time::Instant::now() + LONG;
    while !done() {
        assert!(std::time::Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn the_container_has_a_terminal_of_its_own() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let mut spec = lab.spec("");
    spec.terminal = true;
    spec.command = vec!["/bin/sh".into(), "-i".into()];
    // A terminal for the launcher, as a person would have.
    let ours =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&ours).unwrap();
    rustix::pty::unlockpt(&ours).unwrap();
    let name = rustix::pty::ptsname(&ours, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let theirs = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(&name)
        .unwrap();
    let size = rustix::termios::Winsize {
        ws_row: 33,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&theirs, size).unwrap();
    let before = rustix::termios::tcgetattr(&theirs).unwrap();
    let mut launcher = lab
        .as_user(&spec, true)
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut screen = fs::File::from(ours);
    let mut seen = String::new();
    let greeting = read_until(&mut screen, &mut seen, "$ ");
    assert!(!greeting.contains("job control turned off"), "{greeting}");
    screen
        .write_all(b"stty size; echo a >~/a; tty; sleep 600\n")
        .unwrap();
    read_until(&mut screen, &mut seen, "33 99");
    // Ctrl-C ends the sleep, not the launcher and not the shell.
    read_until(&mut screen, &mut seen, "/dev/");
    // The first may come before the sleep has begun, which then goes on; so until the prompt is there. Seldom: many at once make
    // dash 0.5.12 lose its head (`malloc(): mismatching next->prev_size`, seen once).
    let end = std::time::Instant::now() + LONG;
    while !seen.contains("$ ") {
        assert!(std::time::Instant::now() < end, "no prompt in {seen:?}");
        screen.write_all(b"\x03").unwrap();
        // What was typed comes back first.
        read_some(&mut screen, &mut seen, Duration::from_secs(3));
        if !seen.contains("$ ") {
            read_some(&mut screen, &mut seen, Duration::from_secs(3));
        }
    }
    screen.write_all(b"exit 5\n").unwrap();
    while launcher.try_wait().unwrap().is_none() {
        read_some(&mut screen, &mut seen, Duration::from_millis(100));
    }
    assert!(
        lab.report().contains(r#""exit_code":5"#),
        "{} {seen}",
        lab.report()
    );
    let after = rustix::termios::tcgetattr(&theirs).unwrap();
    assert_eq!(
        after.local_modes, before.local_modes,
        "the person's terminal is as it was"
    );
    assert_eq!(lab.read_home("a"), "a\n");
    lab.assert_left_clean();
}

/// Reads up to and with `wanted`, and returns that; what came after it stays in `seen`.
fn read_until(screen: &mut fs::File, seen: &mut String, wanted: &str) -> String {
    let end = std::time::Instant::now() + LONG;
    loop {
        if let Some(at) = seen.find(wanted) {
            return seen.drain(..at + wanted.len()).collect();
        }
        let left = end.saturating_duration_since(std::time::Instant::now());
        assert!(!left.is_zero(), "no {wanted:?} in {seen:?}");
        read_some(screen, seen, left);
    }
}

fn read_some(screen: &mut fs::File, seen: &mut String, timeout: Duration) {
    if agent::readable_within(screen.as_fd(), timeout).unwrap() {
        let mut piece = [0; 1024];
        let count = screen.read(&mut piece).unwrap();
        seen.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
}

#[test]
fn a_sandbox_that_cannot_be_built_is_an_error_and_no_exit_code() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let mut spec = lab.spec("true");
    spec.command = vec!["/bin/no-such-program".into()];
    let error = enter(&spec, IdMap::Host, None, &|| false).unwrap_err();
    assert_eq!(error.code(), "engine.container-sandbox");
    lab.assert_left_clean();
}

#[test]
fn what_is_no_file_system_is_not_mounted() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    fs::write(lab.path("home.img"), vec![0; 1 << 20]).unwrap();
    let error = enter(&lab.spec("true"), IdMap::Host, None, &|| false).unwrap_err();
    assert!(error.code().starts_with("engine.ext4-"), "{error:?}");
    assert_eq!(fs::read_dir(lab.path("run")).unwrap().count(), 0);
}

#[test]
fn cleaning_is_careful() {
    let folder = TempDir::new().unwrap();
    assert_eq!(cleanup_stale(folder.path(), LONG).unwrap(), Leftovers::default());
    // Our own number with another start time, or after another start of the computer, is another process: not killed, or this test would end here.
    stale::record(folder.path(), std::process::id()).unwrap();
    let path = folder.path().join("container.json");
    let ours: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (field, other) in [("start_ticks", 1.into()), ("boot_id", "another boot".into())] {
        let mut record = ours.clone();
        record[field] = other;
        fs::write(&path, record.to_string()).unwrap();
        assert_eq!(cleanup_stale(folder.path(), LONG).unwrap().killed, None);
    }
    // A mount point with something in it is not emptied.
    fs::create_dir(folder.path().join("system")).unwrap();
    fs::write(folder.path().join("system/precious"), "").unwrap();
    let error = cleanup_stale(folder.path(), LONG).unwrap_err();
    assert_eq!(error.code(), "engine.stale-remove");
    assert!(folder.path().join("system/precious").exists());
    // The same process is killed.
    fs::remove_dir_all(folder.path().join("system")).unwrap();
    let mut old = Command::new("sleep").arg("600").spawn().unwrap();
    stale::record(folder.path(), old.id()).unwrap();
    assert_eq!(
        cleanup_stale(folder.path(), LONG).unwrap().killed,
        Some(old.id().cast_signed())
    );
    old.wait().unwrap();
}

#[test]
fn only_a_plain_name_below_home_is_the_users_folder() {
    let folder = |home: &str| {
        folder_in_home(&User {
            home: home.into(),
            ..User::root()
        })
        .map(str::to_owned)
    };
    assert_eq!(folder("/home/ann"), Some("ann".to_owned()));
    for other in [
        "/root",
        "/home",
        "/home/",
        "/home/a/b",
        "/home/..",
        "/home/a b",
        "/home/\"x",
    ] {
        assert_eq!(folder(other), None, "{other}");
    }
}
