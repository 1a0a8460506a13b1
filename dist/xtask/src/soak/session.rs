//! One run of the guest from the stick: start, work, pulls, and its end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::deadline;
use super::plan::Pull;
use super::report::Tally;
use super::stick::Stick;
use super::work::{Books, set};
use crate::console::{Console, ConsoleError, Ran};
use crate::demo::guest::{BOOT_LIMIT, Workstation};
use crate::demo::installable;
use crate::error::{Error, Result};

/// The longest a command may take, the stick's absence included: a set of packages under emulation on a busy machine.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);
/// Paths that the image leaves out of every package.
const LEFT_OUT: &str = "/usr/share/(man|doc|locale)/";
/// What the kernel must not have said.
const COMPLAINTS: &str =
    "i/o error|blk_update_request|ext4-fs (error|warning)|jbd2.*error|remounting filesystem";

pub(super) struct Session {
    guest: Workstation,
    /// What the launcher says to its user.
    words: Console,
    doing: String,
}

impl Session {
    /// Starts the workstation and waits for a shell; the stick may be pulled meanwhile.
    pub(super) fn start(pull: Option<&Pull>, stick: &mut Stick, tally: &mut Tally) -> Result<Self> {
        let mut guest = Workstation::launch(stick.unlocked("start"), Stdio::piped())?;
        let words = guest
            .words()
            .ok_or_else(|| Error::new("the launcher has no standard error"))?;
        let mut session = Self {
            guest,
            words: Console::new(words, std::io::sink()),
            doing: "starting".to_owned(),
        };
        session
            .boot(pull, stick, tally)
            .map_err(|error| session.explain(error))?;
        Ok(session)
    }

    fn boot(&mut self, pull: Option<&Pull>, stick: &mut Stick, tally: &mut Tally) -> Result<()> {
        if let Some(pull) = pull {
            let failed = |error| Error::because("the workstation does not start", error);
            self.words.wait_for("is running", BOOT_LIMIT).map_err(failed)?;
            wait(pull.after);
            self.pull(pull, stick, tally)?;
        }
        self.guest.until_shell_after_login()
    }

    /// Looks whether everything confirmed is there, and puts right what was left off in the middle, as an administrator would.
    pub(super) fn look(&mut self, books: &mut Books, thorough: bool, tally: &mut Tally) -> Result<()> {
        let looked = self
            .packages(books, thorough, tally)
            .and_then(|()| self.trees(books, tally));
        looked
            .and_then(|()| self.kernel())
            .map_err(|error| self.explain(error))
    }

    fn packages(&mut self, books: &mut Books, thorough: bool, tally: &mut Tally) -> Result<()> {
        self.must("dpkg --configure -a >/dev/null")?;
        let complains = !self.must("dpkg --audit")?.is_empty();
        for number in books.torn() {
            let whole = set(number).iter().all(|name| {
                let state = self.must(&format!(
                    "dpkg-query -W -f '${{db:Status-Status}}' {name} 2>/dev/null || true"
                ));
                state.is_ok_and(|state| state == "installed")
            });
            if complains || !whole {
                self.must(&format!(
                    "dpkg -i {} >/dev/null && sync",
                    installable::files(set(number))
                ))?;
                tally.installed_again += 1;
            }
            books.settle(number, true);
        }
        let audit = self.must("dpkg --audit")?;
        nothing("`dpkg --audit`", &audit)?;
        let installed = self.must("dpkg-query -W -f '${Package} ${db:Status-Status}\\n'")?;
        let is_installed = |name: &str| installed.lines().any(|line| line == format!("{name} installed"));
        for (wanted, numbers) in [(true, books.sets(true)), (false, books.sets(false))] {
            for name in numbers.iter().flat_map(|number| set(*number)) {
                if is_installed(name) != wanted {
                    let what = if wanted { "installed" } else { "removed" };
                    return Err(Error::new(format!(
                        "package `{name}` was confirmed as {what}, and is not"
                    )));
                }
                tally.packages += 1;
            }
        }
        let names: Vec<&str> = match thorough {
            true => Vec::new(),
            false => books
                .sets(true)
                .iter()
                .flat_map(|number| set(*number))
                .copied()
                .collect(),
        };
        if thorough || !names.is_empty() {
            let verify = format!(
                "dpkg --verify {} | grep -v -E '{LEFT_OUT}' || true",
                names.join(" ")
            );
            let found = self.must(&verify)?;
            nothing("`dpkg --verify`", &found)?;
        }
        Ok(())
    }

    fn trees(&mut self, books: &Books, tally: &mut Tally) -> Result<()> {
        let (command, expected) = books.trees();
        let found = self.must(&command)?;
        if found != expected {
            return Err(Error::because(
                "files that were confirmed are not as they were",
                format!("expected:\n{expected}\nfound:\n{found}"),
            ));
        }
        tally.trees += books.count() as u64;
        Ok(())
    }

    fn kernel(&mut self) -> Result<()> {
        let found = self.must(&format!(
            "dmesg | grep -i -E '{COMPLAINTS}' | grep -v 'Command line' || true"
        ))?;
        nothing("the guest's kernel", &found)
    }

    /// Works for so long; the last piece is still under way then.
    pub(super) fn work_until(&mut self, after: Duration, books: &mut Books, tally: &mut Tally) -> Result<()> {
        let until = deadline(after);
        loop {
            if !books.is_under_way() {
                let work = books.begin();
                self.doing = work.name();
                let begun = self.guest.console().begin(&work.command());
                begun.map_err(|error| self.explain(Error::because("cannot work", error)))?;
            }
            match self
                .guest
                .console()
                .end(until.saturating_duration_since(Instant::now()))
            {
                Ok(ran) => self.done(&ran, books, tally)?,
                Err(ConsoleError::Deadline { .. }) => return Ok(()),
                Err(error) => {
                    return Err(self.explain(Error::because("the workstation does not go on", error)));
                }
            }
        }
    }

    /// Waits for the piece of work under way: the guest has noticed nothing.
    pub(super) fn finish_work(&mut self, books: &mut Books, tally: &mut Tally) -> Result<()> {
        if books.is_under_way() {
            let ended = self.guest.console().end(COMMAND_LIMIT);
            let ran = ended
                .map_err(|error| self.explain(Error::because("the workstation does not go on", error)))?;
            self.done(&ran, books, tally)?;
        }
        self.kernel().map_err(|error| self.explain(error))
    }

    fn done(&mut self, ran: &Ran, books: &mut Books, tally: &mut Tally) -> Result<()> {
        if ran.status != 0 {
            let failed = Error::because(
                format!("{} ended with {}", self.doing, ran.status),
                ran.output.clone(),
            );
            return Err(self.explain(failed));
        }
        books.confirmed(&ran.output);
        tally.confirmed += 1;
        Ok(())
    }

    /// Pulls the stick out and plugs it in again.
    pub(super) fn pull(&mut self, pull: &Pull, stick: &mut Stick, tally: &mut Tally) -> Result<()> {
        let lost = stick.pull(pull.word)?;
        wait(pull.away);
        let elsewhere = stick.folder().to_owned();
        stick.plug(pull.place)?;
        let elsewhere = elsewhere != stick.folder();
        tally.pulled(pull, lost, elsewhere, &self.doing);
        Ok(())
    }

    /// Kills the launcher; at a `cut` the stick is gone in the same moment.
    pub(super) fn kill(self, stick: &mut Stick, cut: bool, tally: &mut Tally) -> Result<()> {
        let lost = if cut { Some(stick.pull("enodev")?) } else { None };
        self.guest.kill()?;
        tally.killed(lost, &self.doing);
        Ok(())
    }

    /// Ends work and machine in good order.
    pub(super) fn shut_down(mut self, books: &mut Books, tally: &mut Tally) -> Result<()> {
        self.finish_work(books, tally)?;
        let Self { guest, mut words, .. } = self;
        tally.shut_downs += 1;
        guest.shut_down().map_err(|error| with_words(error, &mut words))
    }

    fn must(&mut self, command: &str) -> Result<String> {
        let failed = |error| Error::because("a look into the guest failed", error);
        self.guest.console().must(command, COMMAND_LIMIT).map_err(failed)
    }

    fn explain(&mut self, error: Error) -> Error {
        with_words(error, &mut self.words)
    }
}

fn with_words(error: Error, words: &mut Console) -> Error {
    // Takes what has come so far.
    let _ = words.wait_for("\0", Duration::ZERO);
    error.hint(format!(
        "the launcher said: {}",
        words.transcript().trim().replace('\n', " / ")
    ))
}

fn nothing(who: &str, found: &str) -> Result<()> {
    if found.trim().is_empty() {
        return Ok(());
    }
    Err(Error::because(format!("{who} complains"), found.to_owned()))
}

/// The time itself is what is waited for.
fn wait(time: Duration) {
    let until = deadline(time);
    while let Some(left) = until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}
