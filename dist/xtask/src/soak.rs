//! `cargo xtask soak`: a real Debian at work on a stick that is pulled out, and whose launcher is killed, at random moments.
//!
//! In the guest packages come and go and trees of files are written, each confirmed by a sync. After every trouble the
//! guest goes on, or is started again; what was confirmed must be there, dpkg must agree with it, e2fsck must find both
//! file systems clean, and `gobag verify` the stick. A seed gives the same order of troubles and moments again; how much work
//! fits in between is the machine's.
//!
//! [`plan`] decides, [`stick`] pulls, [`session`] is one run of the guest, [`work`] what is done and expected in it, [`closed`] looks
//! at the stick between two.

mod closed;
mod plan;
mod report;
mod session;
mod stick;
mod work;

use std::time::{Duration, Instant};

use crate::cargo::cargo;
use crate::demo::EPOCH;
use crate::demo::scene::Scene;
use crate::demo::{golden, installable, office};
use crate::disk;
use crate::error::{Error, Result};
use crate::packages;
use crate::programs;

use plan::{Ending, Plan};
use report::Tally;
use session::Session;
use stick::Stick;
use work::Books;

const USAGE: &str = "usage: cargo xtask soak [--minutes N] [--seed N] [--json] [--no-build]";
const DEFAULT_MINUTES: u64 = 60;
const USER: &str = "alice";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    minutes: u64,
    seed: Option<u64>,
    json: bool,
    build: bool,
}

/// `soak …`.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let asked = parse(args)?;
    packages::ensure()?;
    if asked.build {
        programs::build(EPOCH)?;
        cargo(&["build", "--release", "--locked", "--package", "gobag-stick-model"]).run()?;
    }
    let seed = asked.seed.map_or_else(any_seed, Ok)?;
    eprintln!("seed {seed}");
    let folder = disk::target().join("soak");
    disk::remove(&folder)?;
    let scene = Scene::set(folder.join("scene"))?;
    office::init(&scene)?;
    office::build(&scene, &installable::ensure(&golden::ensure(false)?)?)?;
    office::stick(&scene, USER)?;
    let mut tally = Tally::new(seed, Duration::from_secs(60 * asked.minutes));
    let outcome = soak(&scene, &mut tally);
    tally.end(outcome.as_ref().err());
    if asked.json {
        println!("{:#}", tally.json());
    } else {
        println!("{}", tally.table());
    }
    match outcome {
        Ok(()) => disk::remove(&folder),
        Err(error) => Err(error.hint(format!(
            "the stick is kept in {}; `cargo xtask soak --seed {seed}` gives the same order of troubles",
            folder.display()
        ))),
    }
}

fn soak(scene: &Scene, tally: &mut Tally) -> Result<()> {
    let mut plan = Plan::new(tally.seed);
    let mut books = Books::default();
    let mut stick = Stick::plug_in(scene, USER)?;
    let ended = loop {
        if tally.is_over() {
            break Ok(());
        }
        let planned = plan.session();
        if let Err(error) = one_session(&planned, &mut stick, &mut books, tally) {
            break Err(error);
        }
    };
    let unplugged = stick.unplug();
    ended.and(unplugged)
}

fn one_session(
    planned: &plan::Session,
    stick: &mut Stick,
    books: &mut Books,
    tally: &mut Tally,
) -> Result<()> {
    tally.sessions += 1;
    let mut session = Session::start(planned.boot.as_ref(), stick, tally)?;
    session.look(books, planned.thorough, tally)?;
    for trouble in &planned.pulls {
        session.work_until(trouble.after, books, tally)?;
        session.pull(trouble, stick, tally)?;
        session.finish_work(books, tally)?;
    }
    session.work_until(planned.last_work, books, tally)?;
    match planned.ending {
        Ending::ShutDown => session.shut_down(books, tally)?,
        Ending::Kill => session.kill(stick, false, tally)?,
        Ending::Cut { place, .. } => {
            session.kill(stick, true, tally)?;
            stick.plug(place)?;
        }
    }
    books.left_off();
    closed::look(stick, planned, tally)
}

/// Something that nobody chose: the clock's smallest digits.
fn any_seed() -> Result<u64> {
    let text = disk::read(std::path::Path::new("/proc/uptime"))?;
    let digits: String = text
        .chars()
        .take_while(|c| *c != ' ')
        .filter(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .map_err(|cause| Error::because("/proc/uptime is not understood", cause))
}

fn parse(args: &[&str]) -> Result<Asked> {
    let mut asked = Asked {
        minutes: DEFAULT_MINUTES,
        seed: None,
        json: false,
        build: true,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().copied().unwrap_or_default();
            text.parse::<u64>()
                .map_err(|_| Error::usage(format!("`{word}` wants a number, not `{text}`")))
        };
        match *word {
            "--minutes" => asked.minutes = number()?.max(1),
            "--seed" => asked.seed = Some(number()?),
            "--json" => asked.json = true,
            "--no-build" => asked.build = false,
            _ => return Err(Error::usage(USAGE)),
        }
    }
    Ok(asked)
}

/// A moment from now, for waits that count down.
fn deadline(after: Duration) -> Instant {
    Instant::now() + after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_unless_asked_otherwise() {
        let asked = parse(&[]).unwrap();
        assert_eq!((asked.minutes, asked.seed, asked.json), (60, None, false));
        let asked = parse(&["--minutes", "10", "--seed", "7", "--json"]).unwrap();
        assert_eq!((asked.minutes, asked.seed, asked.json), (10, Some(7), true));
        for wrong in [&["--minutes"] as &[&str], &["--seed", "x"], &["--fast"]] {
            assert_eq!(parse(wrong).err().map(|error| error.exit()), Some(2), "{wrong:?}");
        }
    }
}
