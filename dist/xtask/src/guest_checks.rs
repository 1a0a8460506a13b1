//! `cargo xtask guest-checks`: a real Debian whose protection is switched on and off, and what `gobag check` says of it each time.
//!
//! What the host checks ask of systemd on D-Bus, of rules in force and of encrypted devices needs a computer with systemd as its
//! first process, a kernel with the device mapper, and an administrator. Here that is a guest in QEMU, emulated, without a network: the
//! states in [`states`] are made by the real `systemctl`, `ufw`, `nft` and `cryptsetup`, and each is judged by the program in it, as
//! the administrator and as an ordinary user. Nothing of the guest is kept but, if asked for, two recordings.
//!
//! Optional: several minutes, and Debian's mirror once.

mod guest;
mod image;
mod seen;
mod states;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::cargo;
use crate::error::{Error, Result};
use crate::packages;
use crate::steps::seconds;

use guest::Guest;
use seen::Seen;
use states::{STATES, State};

pub(crate) fn run(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let started = Instant::now();
    packages::ensure()?;
    let gobag = match &options.gobag {
        Some(gobag) => gobag.clone(),
        None => cargo::build_programs()?.join("gobag"),
    };
    let image = image::ensure(options.fresh, &gobag)?;
    let booting = Instant::now();
    let mut guest = Guest::boot(&image)?;
    eprintln!("the guest is up after {}", seconds(booting.elapsed()));
    let mut rows = Vec::new();
    for state in STATES {
        eprintln!("\n== {}", state.name);
        let outcome = judge(&mut guest, state, options.record.as_deref());
        if let Err(error) = &outcome {
            eprint!("{}", error.report());
        }
        let broken = outcome.is_err();
        rows.extend(outcome.unwrap_or_else(|error| vec![Row::broken(state, &error)]));
        if broken {
            // What follows builds on it.
            break;
        }
    }
    report(&rows, options.json, &seconds(started.elapsed()))
}

struct Options {
    fresh: bool,
    json: bool,
    /// The program that judges, if it is not to be built.
    gobag: Option<PathBuf>,
    /// Where recordings go, each into a folder of its own.
    record: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self {
            fresh: false,
            json: false,
            gobag: None,
            record: None,
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match (*arg, rest.as_slice()) {
                ("--fresh", _) => options.fresh = true,
                ("--json", _) => options.json = true,
                ("--gobag", [program, ..]) => {
                    options.gobag = Some(PathBuf::from(program));
                    rest.next();
                }
                ("--record", [folder, ..]) => {
                    options.record = Some(PathBuf::from(folder));
                    rest.next();
                }
                _ => {
                    let said = format!("`guest-checks` does not know `{}`", args.join(" "));
                    return Err(Error::usage(said));
                }
            }
        }
        Ok(options)
    }
}

/// One state as one user saw it.
struct Row {
    state: &'static str,
    user: &'static str,
    expected: Seen,
    found: Seen,
}

impl Row {
    fn broken(state: &'static State, error: &Error) -> Self {
        Self {
            state: state.name,
            user: "-",
            expected: Seen::new("made", "-"),
            found: Seen::new(&error.to_string(), "-"),
        }
    }

    fn is_right(&self) -> bool {
        self.expected == self.found
    }

    /// For the table: what was found, and below it what should have been.
    fn lines(&self) -> String {
        let line = |mark: &str, state: &str, user: &str, seen: &Seen| {
            format!(
                "  {mark:<4}  {state:<56} {user:<4} {:<7}  {}\n",
                seen.verdict, seen.fact
            )
        };
        match self.is_right() {
            true => line("ok", self.state, self.user, &self.found),
            false => line("FAIL", self.state, self.user, &self.found) + &line("", "", "not", &self.expected),
        }
    }

    fn document(&self) -> Value {
        json!({
            "state": self.state,
            "user": self.user,
            "fact": self.found.fact,
            "verdict": self.found.verdict,
            "expected_fact": self.expected.fact,
            "expected_verdict": self.expected.verdict,
            "right": self.is_right(),
        })
    }
}

/// Makes the state, and looks at it as everybody who is asked.
fn judge(guest: &mut Guest, state: &'static State, record: Option<&std::path::Path>) -> Result<Vec<Row>> {
    for command in state.made_by {
        guest.must(command)?;
    }
    let mut rows = Vec::new();
    for (user, expected) in state.seen_by {
        let answer = guest.check(*user, state.inside)?;
        let row = Row {
            state: state.name,
            user: user.name(),
            expected: Seen::new(expected.0, expected.1),
            found: state.rule.seen(&answer),
        };
        eprint!("{}", row.lines());
        rows.push(row);
    }
    if let (Some((name, user)), Some(folder)) = (state.recorded, record) {
        let text = guest.record(user)?;
        crate::disk::write(&folder.join(name).join("captures.json"), text)?;
    }
    Ok(rows)
}

fn report(rows: &[Row], as_json: bool, took: &str) -> Result<()> {
    let wrong = rows.iter().filter(|row| !row.is_right()).count();
    if as_json {
        let rows: Vec<Value> = rows.iter().map(Row::document).collect();
        let document = json!({"took": took, "wrong": wrong, "rows": rows});
        println!("{document:#}");
    } else {
        println!("\nguest-checks: {took}");
        rows.iter().for_each(|row| print!("{}", row.lines()));
    }
    match (rows.len(), wrong) {
        (0, _) => Err(Error::new("nothing was looked at")),
        (_, 0) => Ok(()),
        (all, wrong) => Err(Error::new(format!(
            "{wrong} of {all} judgements are not as they must be"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        let options = Options::parse(&["--json", "--record", "/tmp/x", "--fresh"]).unwrap();
        assert!(options.fresh && options.json);
        assert_eq!(options.record, Some(PathBuf::from("/tmp/x")));
        assert!(Options::parse(&["--record"]).is_err());
        assert!(Options::parse(&["now"]).is_err());
    }

    #[test]
    fn one_wrong_row_fails_the_run() {
        let row = |found: &str| Row {
            state: "x",
            user: "root",
            expected: Seen::new("on", "pass"),
            found: Seen::new(found, "pass"),
        };
        assert!(report(&[row("on")], true, "1 s").is_ok());
        assert!(report(&[row("on"), row("off")], false, "1 s").is_err());
        assert!(report(&[], false, "1 s").is_err());
    }
}
