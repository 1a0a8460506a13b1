//! The guest: QEMU without a network, a root shell on its serial console, and the program in it.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::image::Image;
use crate::console::Console;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// Emulated, beside others' work: a login took 100 s at a load of nine on two processors.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
const COMMAND_LIMIT: Duration = Duration::from_secs(300);
/// In an emulated guest the checks' own deadlines of three seconds may pass before systemd has answered; then they are asked again.
const ASKED_AT_MOST: usize = 12;
/// What they say then.
const TOO_SLOW: [&str; 4] = ["no answer within", "timed out", "timed-out", "did not end within"];
/// A folder that only holds an encrypted file system, with the program in it.
pub(super) const ENCRYPTED: &str = "/mnt/secret";

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Root,
    Person,
}

impl User {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Person => "user",
        }
    }

    /// A command as this user.
    fn runs(self, command: &str) -> String {
        match self {
            Self::Root => command.to_owned(),
            Self::Person => format!("runuser -u person -- {command}"),
        }
    }
}

/// Which root folder the program sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    System,
    Encrypted,
}

/// A guest; gone when dropped.
pub(super) struct Guest {
    console: Console,
    recordings: usize,
    _running: Running,
}

/// A QEMU that does not outlive us.
struct Running {
    child: Child,
    private: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = disk::remove(&self.private);
    }
}

impl Guest {
    /// Starts it, and waits until systemd has started everything.
    pub(super) fn boot(image: &Image) -> Result<Self> {
        // A socket's path has at most 107 bytes, and a guessable one could be taken by another.
        let private = disk::private_dir()?;
        let socket = private.join("console.sock");
        let listener = UnixListener::bind(&socket)
            .map_err(|cause| Error::because(format!("cannot listen on {}", socket.display()), cause))?;
        let command = Cmd::new("qemu-system-x86_64")
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-machine", "q35,usb=off", "-accel", "tcg", "-cpu", "max"])
            .args(["-smp", "2", "-m", "1024", "-device", "virtio-rng-pci"])
            .arg("-kernel")
            .arg(&image.kernel)
            .arg("-initrd")
            .arg(&image.initrd)
            .args(["-append", "root=/dev/vda rw console=ttyS0 quiet"])
            .arg("-drive")
            .arg(format!(
                "file={},format=raw,if=virtio,snapshot=on",
                image.system.display()
            ))
            .arg("-drive")
            .arg(format!(
                "file={},format=raw,if=virtio,snapshot=on",
                image.program.display()
            ))
            .arg("-chardev")
            .arg(format!("socket,id=serial,path={}", socket.display()))
            .args(["-serial", "chardev:serial"]);
        eprintln!("$ {}", command.line());
        let child = command.spawn(Stdio::null(), Stdio::null(), Stdio::inherit())?;
        let running = Running { child, private };
        let mut console = Console::accept(listener, BOOT_LIMIT)
            .map_err(|cause| Error::because("QEMU did not open its serial console", cause))?;
        console
            .wait_for_shell(BOOT_LIMIT)
            .map_err(|error| Error::because("the guest gives no shell", error))?;
        let mut guest = Self {
            console,
            recordings: 0,
            _running: running,
        };
        guest
            .console
            .must("systemctl is-system-running --wait", BOOT_LIMIT)
            .map_err(|error| Error::because("systemd did not start everything", error))?;
        for command in [
            "useradd --create-home person",
            "mount -t ext4 -o ro /dev/vdb /mnt",
            "cp /mnt/gobag /usr/local/bin/gobag",
            "umount /mnt",
            "mkdir -p /mnt/plain /mnt/secret",
        ] {
            guest.must(command)?;
        }
        Ok(guest)
    }

    /// Runs a command that must go well.
    pub(super) fn must(&mut self, command: &str) -> Result<String> {
        eprintln!("# {command}");
        self.console
            .must(command, COMMAND_LIMIT)
            .map_err(|error| Error::because(format!("`{command}` in the guest failed"), error))
    }

    /// What the program says of the guest.
    pub(super) fn check(&mut self, user: User, inside: Inside) -> Result<Value> {
        let program = match inside {
            Inside::System => "/usr/local/bin/gobag".to_owned(),
            Inside::Encrypted => format!("chroot {ENCRYPTED} /gobag"),
        };
        let command = user.runs(&format!("{program} check --quick --mode container --json"));
        let looks_at = |answer: &Value| {
            let facts = &answer["facts"];
            format!("{} {} {}", facts["products"], facts["firewall"], facts["storage"])
        };
        let mut last = Error::new("the guest was not asked");
        for _ in 0..ASKED_AT_MOST {
            let said = self.run(&format!("{command} 2> /dev/null"))?;
            // 0: fit; 4: not fit, which is no failure of the program.
            let answer: Value = serde_json::from_str(&said)
                .map_err(|cause| Error::because(format!("`{command}` printed no JSON: {said}"), cause))?;
            // Where systemd does not answer, processes are looked at instead; that is not what is to be seen here.
            let by_systemd = answer["facts"]["products"]["source"] == "systemd on D-Bus";
            if inside == Inside::Encrypted || (by_systemd && !is_too_slow(&looks_at(&answer))) {
                return Ok(answer);
            }
            eprintln!("too slow, asked again");
            last = Error::because("the guest is too slow for the checks", looks_at(&answer));
        }
        Err(last)
    }

    /// What `gobag check --record` wrote, with every answer in it.
    pub(super) fn record(&mut self, user: User) -> Result<String> {
        let mut text = String::new();
        for _ in 0..ASKED_AT_MOST {
            self.recordings += 1;
            let folder = format!("/tmp/recording-{}", self.recordings);
            // Started by the question, it answers the next one sooner.
            self.must("timedatectl show > /dev/null")?;
            self.must(&user.runs(&format!(
                "/usr/local/bin/gobag check --quick --record {folder} > /dev/null"
            )))?;
            text = self.must(&format!("cat {folder}/captures.json"))?;
            text.push('\n');
            if !is_too_slow(&text) {
                return Ok(text);
            }
        }
        Err(Error::because("the guest is too slow for a recording", text))
    }

    fn run(&mut self, command: &str) -> Result<String> {
        self.console
            .run(command, COMMAND_LIMIT)
            .map(|ran| ran.output)
            .map_err(|error| Error::because(format!("`{command}` in the guest failed"), error))
    }
}

fn is_too_slow(text: &str) -> bool {
    TOO_SLOW.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_deadline_is_no_answer() {
        assert!(is_too_slow("{\"reason\":\"no answer within 3 s\"}"));
        assert!(!is_too_slow(
            "{\"reason\":\"only the administrator can see the rules in force\"}"
        ));
        assert_eq!(User::Person.runs("id"), "runuser -u person -- id");
    }
}
