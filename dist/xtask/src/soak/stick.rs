//! The stick of a soak: a folder, plugged in at one of two places by `stick-port`, and pulled out.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use super::plan::PLACES;
use crate::demo::scene::Scene;
use crate::disk;
use crate::error::{Error, Result};
use crate::sh::Cmd;

/// The stick and the computer's ports.
pub(super) struct Stick {
    port: Child,
    answers: BufReader<ChildStdout>,
    places: Vec<PathBuf>,
    /// Where it is, or was last.
    place: usize,
    passphrase: PathBuf,
    /// What the launcher keeps while it runs, apart from that of others on this machine.
    pub(super) private: PathBuf,
}

impl Stick {
    /// Plugs the user's stick in at the first place.
    pub(super) fn plug_in(scene: &Scene, user: &str) -> Result<Self> {
        let private = disk::private_dir()?;
        let places: Vec<PathBuf> = (0..PLACES)
            .map(|number| private.join(format!("port{number}")))
            .collect();
        for folder in places
            .iter()
            .chain([&private.join("run"), &private.join("disks")])
        {
            disk::make_dir(folder)?;
        }
        let mut port = Cmd::new(disk::target().join("release/stick-port"))
            .arg(scene.stick(user))
            .args(&places)
            .quiet()
            .spawn(Stdio::piped(), Stdio::piped(), Stdio::inherit())?;
        let answers = port
            .stdout
            .take()
            .ok_or_else(|| Error::new("stick-port has no output"))?;
        let mut stick = Self {
            port,
            answers: BufReader::new(answers),
            places,
            place: 0,
            passphrase: scene.passphrase(user),
            private,
        };
        match stick.answer()?.as_str() {
            "ready" => Ok(stick),
            other => Err(Error::new(format!("stick-port is not ready but says `{other}`"))),
        }
    }

    /// Where it is plugged in.
    pub(super) fn folder(&self) -> &Path {
        &self.places[self.place]
    }

    /// Pulls it out; the number of writes that no flush had covered.
    pub(super) fn pull(&mut self, word: &str) -> Result<u64> {
        let answer = self.tell(&format!("pull {word}"))?;
        let lost = answer
            .strip_prefix("pulled ")
            .and_then(|number| number.parse().ok());
        lost.ok_or_else(|| Error::new(format!("stick-port did not pull but said `{answer}`")))
    }

    /// Plugs it in at a place.
    pub(super) fn plug(&mut self, place: usize) -> Result<()> {
        self.tell(&format!("plug {place}"))?;
        self.place = place;
        Ok(())
    }

    /// `gobag COMMAND`, from the stick itself, as its user does it.
    pub(super) fn gobag(&self, command: &str) -> Cmd {
        Scene::gobag_of(self.folder(), command).env("XDG_RUNTIME_DIR", self.private.join("run"))
    }

    /// The same with the passphrase.
    pub(super) fn unlocked(&self, command: &str) -> Cmd {
        self.gobag(command).arg("--passphrase-file").arg(&self.passphrase)
    }

    /// Ends the ports.
    pub(super) fn unplug(mut self) -> Result<()> {
        drop(self.port.stdin.take());
        self.port
            .wait()
            .map_err(|cause| Error::because("stick-port is lost", cause))?;
        // What a launcher had mounted that was killed last, or died.
        let script = "cut -d' ' -f5 /proc/self/mountinfo | grep \"^$1/\" | xargs -r umount -l";
        Cmd::new("sh")
            .args(["-c", script, "sh"])
            .arg(&self.private)
            .output()?;
        disk::remove(&self.private)
    }

    fn tell(&mut self, line: &str) -> Result<String> {
        let lost = |cause| Error::because("stick-port does not listen", cause);
        if let Some(input) = &mut self.port.stdin {
            input.write_all(format!("{line}\n").as_bytes()).map_err(lost)?;
        }
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|cause| Error::because("stick-port does not answer", cause))?;
        Ok(line.trim_end().to_owned())
    }
}
