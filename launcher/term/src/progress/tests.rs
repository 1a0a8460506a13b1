//! What a log file, a terminal and nobody get to see.

use std::time::Duration;

use super::*;
use crate::args::GlobalArgs;
use crate::captured::Captured;
use crate::interrupt::{Interrupt, Signal};

fn bar(style: Style) -> (ProgressBar, Captured) {
    let (ui, captured) = Ui::captured(&GlobalArgs::default());
    (ProgressBar::styled(ui, style), captured)
}

/// Waits until `true`, by asking: there is no event for "the drawing thread drew".
fn eventually(what: &str, check: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !check() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn tenths_are_found_for_any_size() {
    for (done, total, expected) in [
        (0, Some(1000), 100),
        (99, Some(1000), 100),
        (100, Some(1000), 200),
        (850, Some(1000), 900),
        (900, Some(1000), u64::MAX),
        (5000, Some(1000), u64::MAX),
        (0, Some(3), 1),
        (1, Some(3), 2),
        (0, Some(0), u64::MAX),
        (7, None, u64::MAX),
        (0, Some(u64::MAX), 1_844_674_407_370_955_162),
    ] {
        assert_eq!(next_tenth(done, total), expected, "{done} of {total:?}");
    }
}

#[test]
fn without_a_terminal_there_is_a_line_per_tenth() {
    let (bar, captured) = bar(Style::Lines);
    bar.phase("copying", Some(1000));
    for _ in 0..1000 {
        bar.advance(1);
    }
    bar.finish();
    let text = captured.stderr();
    let starts: Vec<&str> = text
        .lines()
        .map(|line| line.split([',', '(']).next().unwrap_or(line).trim_end())
        .collect();
    assert_eq!(starts[0], "copying: started");
    for (index, line) in starts[1..10].iter().enumerate() {
        assert_eq!(*line, format!("copying: {} % of 1000 B", (index + 1) * 10));
    }
    assert!(starts[10].starts_with("ok   copying: 1000 B in "), "{text}");
    assert_eq!(starts.len(), 11, "{text}");
}

#[test]
fn a_big_step_gives_one_line_not_five() {
    let (bar, captured) = bar(Style::Lines);
    bar.phase("copying", Some(100));
    bar.advance(55);
    assert_eq!(captured.stderr().lines().count(), 2, "{}", captured.stderr());
    assert!(captured.stderr().contains("copying: 55 % of 100 B"));
}

#[test]
fn many_threads_lose_no_byte_and_no_tenth() {
    let (bar, captured) = bar(Style::Lines);
    bar.phase("copying", Some(80_000));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10_000).for_each(|_| bar.advance(1)));
        }
    });
    bar.finish();
    let text = captured.stderr();
    assert!(text.contains("ok   copying: 78 KiB in "), "{text}");
    let tenths: Vec<&str> = text.lines().filter(|line| line.contains(" % of ")).collect();
    assert!(tenths.len() <= 9 && !tenths.is_empty(), "{text}");
}

#[test]
fn a_new_phase_ends_the_one_before() {
    let (bar, captured) = bar(Style::Lines);
    bar.phase("reading", None);
    bar.advance(5);
    bar.phase("writing", None);
    bar.finish();
    let text = captured.stderr();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "reading: started");
    assert!(lines[1].starts_with("ok   reading: 5 B in "), "{text}");
    assert_eq!(lines[2], "writing: started");
    assert!(lines[3].starts_with("ok   writing: done in "), "{text}");
}

#[test]
fn an_abandoned_phase_claims_nothing() {
    let (bar, captured) = bar(Style::Lines);
    bar.phase("copying", Some(10));
    drop(bar);
    assert_eq!(captured.stderr(), "copying: started (10 B)\n");
}

#[test]
fn short_work_on_a_terminal_shows_nothing() {
    let (bar, captured) = bar(Style::Live);
    bar.phase("quick", Some(10));
    bar.advance(10);
    bar.finish();
    assert_eq!(captured.stderr(), "");
}

#[test]
fn long_work_on_a_terminal_has_a_live_line_that_goes_away() {
    let (bar, captured) = bar(Style::Live);
    bar.phase("copying", Some(1000));
    bar.message("disk \u{1b}[2J");
    bar.advance(500);
    eventually("a live line", || {
        captured.stderr().contains("copying: 50 % of 1000 B")
    });
    assert!(
        captured.stderr().contains("disk \\u{1b}[2J"),
        "{:?}",
        captured.stderr()
    );
    bar.finish();
    let text = captured.stderr();
    let end = text.rsplit("\r\u{1b}[2K").next().expect("a last part");
    assert!(end.starts_with("ok   copying: 500 B in "), "{text:?}");
}

#[test]
fn live_lines_come_at_most_ten_times_a_second() {
    let (bar, captured) = bar(Style::Live);
    let started = Instant::now();
    bar.phase("copying", None);
    eventually("five drawings", || {
        captured.stderr().matches("copying: ").count() >= 5
    });
    let drawn = u32::try_from(captured.stderr().matches("copying: ").count()).expect("few");
    assert!(
        started.elapsed() >= PROGRESS_PERIOD * drawn.saturating_sub(1),
        "too often"
    );
    drop(bar);
}

#[test]
fn quiet_shows_nothing_but_still_cancels() {
    let quiet = GlobalArgs {
        quiet: true,
        ..GlobalArgs::default()
    };
    let (ui, captured) = Ui::captured(&quiet);
    let interrupt = Interrupt::unconnected().expect("made");
    ui.set_interrupt(&interrupt);
    let bar = ui.progress();
    bar.phase("copying", Some(10));
    bar.advance(10);
    assert!(!bar.is_cancelled());
    interrupt.raise(Signal::Interrupt);
    assert!(bar.is_cancelled());
    bar.finish();
    assert_eq!(captured.stderr(), "");
}
