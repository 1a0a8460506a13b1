//! The employee's side: a workstation running from the stick.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::scene::{Scene, expect, must_say};
use super::{documents, office};
use crate::console::Console;
use crate::error::{Error, Result};
use crate::sh::Cmd;
use crate::steps::seconds;

/// A guest that shows no login in this time will not.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(300);
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
pub(crate) const LETTER: &str = "Dear customer, we are open again.";

/// A running `gobag start --headless`: its terminal is the guest's serial console.
pub(crate) struct Workstation {
    launcher: Child,
    console: Console,
    started: Instant,
}

impl Workstation {
    pub(crate) fn start(scene: &Scene, user: &str) -> Result<Self> {
        Self::launch(scene.unlocked(user, "start"), Stdio::inherit())
    }

    /// The same with a `gobag start …` of one's own, whose words go to `words`.
    pub(crate) fn launch(start: Cmd, words: Stdio) -> Result<Self> {
        let command = start.args(["--mode", "vm", "--headless", "--memory", "768"]);
        eprintln!("$ {}", command.line());
        let started = Instant::now();
        let mut launcher = command.spawn(Stdio::piped(), Stdio::piped(), words)?;
        match (launcher.stdout.take(), launcher.stdin.take()) {
            (Some(output), Some(input)) => Ok(Self {
                launcher,
                console: Console::new(output, input),
                started,
            }),
            _ => Err(Error::new("the launcher has no terminal")),
        }
    }

    /// Waits for the login prompt and a shell; returns the time to the prompt.
    pub(crate) fn until_shell(&mut self) -> Result<Duration> {
        let login = self.until_login()?;
        self.until_shell_after_login()?;
        Ok(login)
    }

    /// Waits for the shell that follows the prompt.
    pub(crate) fn until_shell_after_login(&mut self) -> Result<()> {
        self.console
            .wait_for_shell(BOOT_LIMIT)
            .map_err(|error| Error::because("the workstation gives no shell", error))
    }

    /// Waits for the login prompt; returns the time since `gobag start`.
    pub(crate) fn until_login(&mut self) -> Result<Duration> {
        self.console
            .wait_for("login: ", BOOT_LIMIT)
            .map_err(|error| Error::because("the workstation does not start", error))?;
        Ok(self.started.elapsed())
    }

    /// The launcher's process.
    pub(crate) fn launcher(&self) -> u32 {
        self.launcher.id()
    }

    /// What the launcher says to its user, where that was asked for.
    pub(crate) fn words(&mut self) -> Option<std::process::ChildStderr> {
        self.launcher.stderr.take()
    }

    /// The guest's console.
    pub(crate) fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// Runs a command in the guest, which must succeed; returns what it said.
    pub(crate) fn must(&mut self, command: &str) -> Result<String> {
        self.console
            .must(command, COMMAND_LIMIT)
            .map_err(|error| Error::because(format!("`{command}` in the workstation failed"), error))
    }

    /// Shuts down from inside, as a person does, and waits for the launcher's last word.
    pub(crate) fn shut_down(mut self) -> Result<()> {
        let failed = |error| Error::because("the workstation does not shut down", error);
        self.console.type_line("systemctl poweroff").map_err(failed)?;
        self.console
            .wait_for("safe to remove", BOOT_LIMIT)
            .map_err(failed)?;
        let status = self
            .launcher
            .wait()
            .map_err(|cause| Error::because("the launcher is lost", cause))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::new(format!("the launcher ended with {status}")))
        }
    }

    /// Switches the machine off, by the launcher's own command `stop`, and waits for its end.
    pub(crate) fn switch_off(mut self, stop: Cmd) -> Result<()> {
        expect(stop, 0)?;
        self.launcher
            .wait()
            .map(drop)
            .map_err(|cause| Error::because("the launcher is lost", cause))
    }

    /// Kills the launcher as a pulled power plug would; the guest dies with it.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.launcher
            .kill()
            .map_err(|cause| Error::because("the launcher cannot be killed", cause))?;
        self.launcher
            .wait()
            .map(drop)
            .map_err(|cause| Error::because("the launcher is lost", cause))
    }
}

impl Drop for Workstation {
    fn drop(&mut self) {
        // Already ended is what we want.
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

pub(crate) fn check(scene: &Scene) -> Result<String> {
    let command = Cmd::new(scene.stick("alice").join("linux/gobag")).arg("check");
    let line = command.line();
    eprintln!("$ {line}");
    // 0: fit; 3: fit, with remarks. Anything else says that this computer cannot run the demo.
    let output = command.output()?;
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    match output.status.code() {
        Some(0 | 3) => Ok("this computer can run the workstation".to_owned()),
        _ => Err(Error::because(
            "this computer is not fit",
            String::from_utf8_lossy(&output.stderr).trim(),
        )),
    }
}

/// Writes a letter, then everything is killed in the middle of other writing.
pub(crate) fn work_and_be_killed(scene: &Scene) -> Result<String> {
    let mut guest = Workstation::start(scene, "alice")?;
    let login = guest.until_shell()?;
    guest.must("findmnt --noheadings /home")?;
    guest.must(&format!(
        "echo '{LETTER}' > /home/letter.txt && sync /home/letter.txt"
    ))?;
    guest.must("sh -c 'dd if=/dev/urandom of=/home/noise bs=64k count=4000 conv=fsync 2>/dev/null &'")?;
    guest.must("sh -c 'until [ -s /home/noise ]; do :; done'")?;
    guest.kill()?;
    Ok(format!(
        "login prompt after {}, letter written, everything killed mid-write",
        seconds(login)
    ))
}

/// Starts again: the letter is there, the file systems are whole.
pub(crate) fn find_it_again(scene: &Scene) -> Result<String> {
    let mut guest = Workstation::start(scene, "alice")?;
    guest.until_shell()?;
    must_say(&guest.must("cat /home/letter.txt")?, LETTER)?;
    documents::in_guest(&mut guest)?;
    guest.must("rm -f /home/noise && echo ok > /root/system-change")?;
    guest.shut_down()?;
    with_disks(scene, "alice", |disks| {
        for disk in ["system", "home"] {
            expect(
                Cmd::new("e2fsck")
                    .arg("-fn")
                    .arg(disks.join(format!("{disk}.img"))),
                0,
            )?;
        }
        Ok(())
    })?;
    Ok("the letter is there, both file systems are clean, the stick is safe to remove".to_owned())
}

/// Does `work` while `gobag mount` shows the user's disks as files in the given folder.
pub(crate) fn with_disks(
    scene: &Scene,
    user: &str,
    work: impl FnOnce(&std::path::Path) -> Result<()>,
) -> Result<()> {
    let (mount, stop) = (scene.unlocked(user, "mount"), scene.gobag(user, "stop"));
    show_disks(mount, stop, &scene.mountpoint(), work)
}

/// Does `work` while `mount` shows disks as files in the given folder, until `stop`.
pub(crate) fn show_disks(
    mount: Cmd,
    stop: Cmd,
    disks: &std::path::Path,
    work: impl FnOnce(&std::path::Path) -> Result<()>,
) -> Result<()> {
    crate::disk::make_dir(disks)?;
    let mut mounted = mount
        .arg(disks)
        .spawn(Stdio::null(), Stdio::piped(), Stdio::inherit())?;
    let worked = wait_for_disks(disks).and_then(|()| work(disks));
    expect(stop, 0)?;
    mounted
        .wait()
        .map_err(|cause| Error::because("`gobag mount` is lost", cause))?;
    worked
}

fn wait_for_disks(folder: &std::path::Path) -> Result<()> {
    let deadline = Instant::now() + COMMAND_LIMIT;
    while !folder.join("home.img").exists() {
        if Instant::now() > deadline {
            return Err(Error::new("`gobag mount` shows no disks"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// A container leans on the computer's own malware protection: without it `gobag start` refuses, and names the rule. So that the demo can go
/// on wherever it runs, IT then lets that rule pass for a week.
pub(crate) fn judged(scene: &Scene) -> Result<String> {
    let start = || {
        let command = scene.unlocked("alice", "start");
        command.args(["--mode", "container", "--network", "off", "--", "/bin/true"])
    };
    let check = Cmd::new(scene.stick("alice").join("linux/gobag"));
    let check = check.args(["check", "--quick", "--mode", "container", "--json"]);
    let said = check.output()?.stdout;
    let said: Value = serde_json::from_slice(&said)
        .map_err(|cause| Error::because("`gobag check --json` is no JSON", cause))?;
    let findings = said["decision"]["findings"][0]["findings"].as_array();
    let scanner = findings.and_then(|all| all.iter().find(|each| each["rule"] == "antivirus.active"));
    let verdict = scanner.map_or(&Value::Null, |finding| &finding["verdict"]);
    if verdict == "fail" {
        must_say(&expect(start(), 4)?, "antivirus.active")?;
    }
    office::waive(scene)?;
    expect(scene.container("alice").args(["--", "/bin/true"]), 0)?;
    Ok(format!(
        "malware protection of this computer: {}; IT's waiver lets it pass for a week",
        verdict.as_str().unwrap_or("not judged")
    ))
}

pub(crate) fn as_container(scene: &Scene) -> Result<String> {
    let command = scene
        .container("alice")
        .args(["--", "/bin/sh", "-c"])
        .arg("cat /home/letter.txt; . /etc/os-release; echo \"$PRETTY_NAME\"; grep -c : /proc/net/dev");
    let said = expect(command, 0)?;
    must_say(&said, LETTER)?;
    must_say(&said, "Debian GNU/Linux 12")?;
    // The loopback alone.
    must_say(&said, "\n1\n")?;
    Ok("the same image as a container: same letter, no network".to_owned())
}

pub(crate) fn reset(scene: &Scene) -> Result<String> {
    let command = scene
        .container("alice")
        .args(["--yes", "--reset-system", "--", "/bin/sh", "-c"])
        .arg("test ! -e /root/system-change && cat /home/letter.txt");
    must_say(&expect(command, 0)?, LETTER)?;
    Ok("the system is as IT made it, the letter is still there".to_owned())
}
