//! What passes came to: what is remembered, what somebody agrees to, and what is let go.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use gobag_files::{KeepRules, run_name};
use gobag_format::{Monitor, Silent};
use gobag_pair::{Book, Notes, Outcome, Pair, PairError, Past, Report};
use jiff::{SignedDuration, Timestamp};

use crate::lab::Lab;

/// A clock that goes when it is told to.
struct Clock(Cell<Timestamp>);

impl Clock {
    fn new() -> Self {
        Self(Cell::new("2026-11-22T09:00:00Z".parse().unwrap()))
    }

    fn go(&self, hours: i64) {
        let later = self.0.get().checked_add(SignedDuration::from_hours(hours));
        self.0.set(later.unwrap());
    }
}

fn pass(lab: &mut Lab, clock: &Clock) -> Result<Report, PairError> {
    pass_by(lab, clock, &Silent)
}

fn pass_by(lab: &mut Lab, clock: &Clock, monitor: &dyn Monitor) -> Result<Report, PairError> {
    let mut options = lab.options();
    options.run = run_name(clock.0.get());
    let now = || clock.0.get();
    let notes = Notes {
        who: "ada",
        clock: &now,
        keep: Some(&KeepRules::default()),
    };
    Pair::open(&lab.at("left"), &lab.at("right"))?.noted_pass(&options, &notes, monitor)
}

fn book(lab: &Lab) -> Book {
    Book::open(&lab.at("left")).unwrap()
}

/// To what waits by now; whether there was anything.
fn agree(lab: &Lab, clock: &Clock) -> bool {
    let shown = book(lab).holds().unwrap();
    let agreed = book(lab).agree(&shown, "ada", clock.0.get());
    agreed.unwrap().is_some()
}

fn last(lab: &Lab) -> Past {
    book(lab).past(1).unwrap().pop().unwrap()
}

#[test]
fn s33_an_agreement_is_to_that_and_no_more_and_counts_once() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[]);
    let names: Vec<String> = (0..120).map(|number| format!("f{number}")).collect();
    for name in &names {
        lab.write("left", name, name);
    }
    let held = |lab: &mut Lab| !pass(lab, &clock).unwrap().holds.is_empty();
    assert!(!held(&mut lab));
    names[..60].iter().for_each(|name| lab.remove("left", name));
    assert!(held(&mut lab));
    assert!(agree(&lab, &clock));
    // One more than agreed: it waits again, and the word is spent.
    lab.remove("left", &names[60]);
    assert!(held(&mut lab));
    assert_eq!(book(&lab).agreement(clock.0.get()).unwrap(), None);
    lab.write("left", &names[60], &names[60]);
    assert!(held(&mut lab), "also if it is what was agreed to by now");
    assert!(agree(&lab, &clock));
    lab.write("left", &names[0], &names[0]);
    assert!(!held(&mut lab), "fewer than agreed");
    assert_eq!(lab.tree("left"), lab.tree("right"));
    let agreed = last(&lab).agreed.unwrap();
    assert_eq!((agreed.by.as_str(), agreed.holds.len()), ("ada", 1));
    assert!(!agree(&lab, &clock));
}

#[test]
fn a_dry_run_spends_no_agreement_and_is_no_pass() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[("a", "1"), ("b", "2")]);
    lab.remove("left", "a");
    lab.remove("left", "b");
    assert_eq!(pass(&mut lab, &clock).unwrap().holds.len(), 1);
    assert!(agree(&lab, &clock));
    let report = lab.pass_with(|options| options.dry_run = true).unwrap();
    assert_eq!(report.holds.len(), 1);
    assert_eq!((last(&lab).outcome, last(&lab).times), (Outcome::Held, 1));
    // Nor does one that could not be made.
    book(&lab).note_failed(&PairError::Ended, clock.0.get()).unwrap();
    assert_eq!(book(&lab).holds().unwrap().len(), 1);
    assert!(pass(&mut lab, &clock).unwrap().is_in_step());
}

#[test]
fn passes_that_come_to_the_same_and_do_nothing_are_one() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[]);
    for _ in 0..3 {
        pass(&mut lab, &clock).unwrap();
        clock.go(1);
    }
    lab.write("left", "a", "1");
    pass(&mut lab, &clock).unwrap();
    std::fs::rename(lab.at("right"), lab.at("away")).unwrap();
    let error = pass(&mut lab, &clock).unwrap_err();
    book(&lab).note_failed(&error, clock.0.get()).unwrap();
    let past = book(&lab).past(10).unwrap();
    let told: Vec<_> = past
        .iter()
        .map(|past| (past.outcome, past.times, past.right.put))
        .collect();
    assert_eq!(
        told,
        [
            (Outcome::Failed, 1, 0),
            (Outcome::InStep, 1, 1),
            (Outcome::InStep, 3, 0)
        ]
    );
    let three = &past[2];
    assert_eq!(
        (three.began_s - three.since_s, three.ended_s),
        (7200, three.began_s)
    );
    assert_eq!(past[0].error.as_ref().unwrap().code, "files.root");
    assert_eq!(book(&lab).in_step_s().unwrap(), Some(past[1].ended_s));
    assert_eq!(
        book(&lab).reach(&lab.at("right")).unwrap_err().code(),
        "files.root"
    );
    assert!(Path::new(&book(&lab).right().unwrap().unwrap()).ends_with("right"));
}

#[test]
fn a_base_that_is_lost_leaves_its_history_and_conflicts_to_the_next() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[("a", "1")]);
    lab.write("left", "a", "2");
    lab.write("right", "a", "3");
    pass(&mut lab, &clock).unwrap();
    assert_eq!(book(&lab).conflicts().unwrap().len(), 1);
    let counters = std::fs::read_dir(lab.at("right/.gobag-sync/passes")).unwrap();
    for counter in counters {
        std::fs::write(counter.unwrap().path(), "0\n").unwrap();
    }
    assert!(pass(&mut lab, &clock).unwrap().base_lost);
    assert_eq!(book(&lab).conflicts().unwrap().len(), 1);
    assert_eq!(book(&lab).past(10).unwrap().len(), 2);
    assert!(last(&lab).base_lost);
}

#[test]
fn what_nobody_needs_goes_once_the_clock_went_on_for_a_day() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[("a", "0")]);
    for text in ["1", "2", "3"] {
        lab.write("right", "a", text);
        pass(&mut lab, &clock).unwrap();
        // All within an hour.
        clock.0.set(clock.0.get() + SignedDuration::from_mins(5));
    }
    let kept = |lab: &Lab| lab.kept("left").matches("a=").count();
    assert_eq!(kept(&lab), 3);
    clock.go(12);
    assert_eq!(
        (pass(&mut lab, &clock).unwrap().ended, kept(&lab)),
        (false, 3),
        "half a day"
    );
    clock.go(48);
    pass(&mut lab, &clock).unwrap();
    assert_eq!(kept(&lab), 3, "a leap, or a holiday");
    clock.go(24);
    pass(&mut lab, &clock).unwrap();
    // What was there before all of it, and the newest.
    assert!(lab.kept("left").contains("a=0") && lab.kept("left").contains("a=2"));
    assert_eq!((kept(&lab), last(&lab).pruned), (2, 1));
}

#[test]
fn a_leap_of_the_clock_lets_nothing_go_whatever_could_not_be_done_meanwhile() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[("a", "0")]);
    for text in ["1", "2", "3"] {
        lab.write("right", "a", text);
        pass(&mut lab, &clock).unwrap();
        clock.go(12);
    }
    let kept = lab.kept("left");
    assert_eq!(kept.matches("a=").count(), 3);
    // A computer whose clock is two years ahead, where the other folder comes a minute late.
    clock.go(2 * 365 * 24);
    let mut book = book(&lab);
    book.note_failed(&PairError::Ended, clock.0.get()).unwrap();
    clock.0.set(clock.0.get() + SignedDuration::from_mins(1));
    assert!(pass(&mut lab, &clock).unwrap().is_in_step());
    assert_eq!(lab.kept("left"), kept);
}

/// Somebody ends it when it begins to copy.
#[derive(Default)]
struct Impatient(AtomicBool);

impl Monitor for Impatient {
    fn phase(&self, name: &str, _total_bytes: Option<u64>) {
        self.0.store(name == "copying", Ordering::Relaxed);
    }

    fn advance(&self, _bytes: u64) {}

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Some files that both have, and their names.
fn many(count: usize, clock: &Clock) -> (Lab, Vec<String>) {
    let mut lab = Lab::paired(&[]);
    let names: Vec<String> = (0..count).map(|number| format!("f{number}")).collect();
    names.iter().for_each(|name| lab.write("left", name, name));
    assert!(pass(&mut lab, clock).unwrap().is_in_step());
    (lab, names)
}

#[test]
fn what_was_let_through_waits_no_more_also_if_it_was_ended() {
    let clock = Clock::new();
    let (mut lab, names) = many(120, &clock);
    names[..60].iter().for_each(|name| lab.remove("left", name));
    pass(&mut lab, &clock).unwrap();
    assert!(agree(&lab, &clock));
    assert!(pass_by(&mut lab, &clock, &Impatient::default()).unwrap().ended);
    assert_eq!(last(&lab).outcome, Outcome::Ended);
    assert!(book(&lab).holds().unwrap().is_empty() && !agree(&lab, &clock));
    // It is new that it waits.
    pass(&mut lab, &clock).unwrap();
    assert_eq!(book(&lab).holds().unwrap().len(), 1);
    // What was put back waits no more either.
    names[..60].iter().for_each(|name| lab.write("left", name, name));
    lab.write("left", "new", "1");
    assert!(pass_by(&mut lab, &clock, &Impatient::default()).unwrap().ended);
    assert!(book(&lab).holds().unwrap().is_empty());
}

#[test]
fn an_agreement_is_to_what_was_shown_and_counts_for_a_day() {
    let clock = Clock::new();
    let (mut lab, names) = many(120, &clock);
    names[..60].iter().for_each(|name| lab.remove("left", name));
    pass(&mut lab, &clock).unwrap();
    let shown = book(&lab).holds().unwrap();
    lab.remove("left", &names[60]);
    pass(&mut lab, &clock).unwrap();
    let agreed = book(&lab).agree(&shown, "ada", clock.0.get()).unwrap();
    assert_eq!(
        (agreed, book(&lab).agreement(clock.0.get()).unwrap()),
        (None, None)
    );
    for (hours, holds) in [(25, 1), (-1, 1), (24, 0)] {
        assert!(agree(&lab, &clock));
        clock.go(hours);
        assert_eq!(book(&lab).agreement(clock.0.get()).unwrap().is_none(), holds == 1);
        assert_eq!(pass(&mut lab, &clock).unwrap().holds.len(), holds, "{hours}");
    }
}

#[test]
fn little_by_little_is_held_as_all_at_once() {
    let clock = Clock::new();
    let (mut lab, names) = many(200, &clock);
    let minute = |clock: &Clock| clock.0.set(clock.0.get() + SignedDuration::from_mins(1));
    // Ten in each pass, as a watch makes them.
    let mut passes = names.chunks(10).map(|names| {
        minute(&clock);
        names.iter().for_each(|name| lab.remove("left", name));
        pass(&mut lab, &clock).unwrap().holds
    });
    let held = passes.position(|holds| !holds.is_empty());
    assert_eq!(held, Some(5), "after fifty");
    drop(passes);
    let there = |lab: &Lab| lab.tree("right").matches('=').count();
    assert_eq!(there(&lab), 150);
    // Time does not let it through, but somebody's word, after which the sum begins anew.
    clock.go(5);
    assert_eq!(pass(&mut lab, &clock).unwrap().holds.len(), 1);
    assert!(agree(&lab, &clock));
    assert!(pass(&mut lab, &clock).unwrap().is_in_step());
    assert_eq!(there(&lab), 140);
    lab.remove("left", &names[199]);
    assert!(pass(&mut lab, &clock).unwrap().is_in_step());
    // More slowly than that people work.
    for names in names[60..160].chunks(10) {
        clock.go(1);
        minute(&clock);
        names.iter().for_each(|name| lab.remove("left", name));
        assert!(pass(&mut lab, &clock).unwrap().is_in_step());
    }
}

#[test]
fn who_saves_the_same_file_again_and_again_is_not_held() {
    let clock = Clock::new();
    let mut lab = Lab::paired(&[("letter", "0"), ("other", "0")]);
    for number in 1..=60 {
        lab.write("left", "letter", &number.to_string());
        lab.write("left", "~lock", &number.to_string());
        assert!(pass(&mut lab, &clock).unwrap().is_in_step());
        lab.remove("left", "~lock");
        assert!(pass(&mut lab, &clock).unwrap().is_in_step());
    }
}

#[test]
fn many_files_replaced_one_by_one_are_held() {
    let clock = Clock::new();
    let (mut lab, names) = many(60, &clock);
    let mut passes = names.iter().map(|name| {
        lab.write("left", name, "encrypted");
        pass(&mut lab, &clock).unwrap().holds
    });
    assert_eq!(passes.position(|holds| !holds.is_empty()), Some(50));
}
