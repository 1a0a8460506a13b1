//! What reaches which stream, for every option.

use super::*;
use crate::exit::ExitCode;

fn args(json: bool, quiet: bool) -> GlobalArgs {
    GlobalArgs {
        json,
        quiet,
        ..GlobalArgs::default()
    }
}

#[derive(Serialize)]
struct Report {
    sticks: u32,
}

fn text(report: &Report) -> String {
    format!("\u{1b}[32m{} sticks\u{1b}[0m\n", report.sticks)
}

#[test]
fn the_conversation_has_words_not_only_colours() {
    let (ui, captured) = Ui::captured(&args(false, false));
    ui.say("hello");
    ui.ok("done");
    ui.warn("slow");
    ui.fail("gone");
    assert_eq!(captured.stderr(), "hello\nok   done\nwarn slow\nFAIL gone\n");
    assert_eq!(captured.stdout(), "");
}

#[test]
fn quiet_leaves_only_what_matters() {
    let (ui, captured) = Ui::captured(&args(false, true));
    ui.say("hello");
    ui.ok("done");
    ui.warn("slow");
    ui.fail("gone");
    assert_eq!(captured.stderr(), "warn slow\nFAIL gone\n");
}

#[test]
fn colour_is_added_when_forced_and_only_to_the_word() {
    let always = GlobalArgs {
        color: ColorWhen::Always,
        ..GlobalArgs::default()
    };
    let (ui, captured) = Ui::captured(&always);
    ui.fail("gone");
    ui.answer(&Report { sticks: 1 }, text).expect("answers");
    assert_eq!(captured.stderr(), "\u{1b}[1m\u{1b}[31mFAIL \u{1b}[0mgone\n");
    assert_eq!(captured.stdout(), "\u{1b}[32m1 sticks\u{1b}[0m\n");
}

#[test]
fn an_answer_is_text_or_one_json_document() {
    for (json, expected) in [(false, "2 sticks\n"), (true, "{\n  \"sticks\": 2\n}\n")] {
        let (ui, captured) = Ui::captured(&args(json, true));
        ui.answer(&Report { sticks: 2 }, text).expect("answers");
        assert_eq!(captured.stdout(), expected);
        let second = ui.answer(&Report { sticks: 3 }, text).expect_err("only once");
        assert_eq!(second.code(), "term.second-answer");
        assert_eq!(captured.stdout(), expected);
    }
}

#[test]
fn of_many_answers_each_is_a_line_and_the_error_after_them_is_text() {
    let (ui, captured) = Ui::captured(&args(true, true));
    for sticks in [1, 2] {
        ui.answer_line(&Report { sticks }, text).expect("answers");
    }
    ui.error(&report());
    assert_eq!(captured.stdout(), "{\"sticks\":1}\n{\"sticks\":2}\n");
    assert!(captured.stderr().starts_with("error: "), "{}", captured.stderr());
}

fn report() -> ErrorReport {
    ErrorReport {
        message: "bundle on /media/stick is damaged".into(),
        code: "bundle.damaged",
        causes: vec!["chunk 41: wrong key or damaged data".into()],
        hints: vec!["list all damage with `gobag verify`".into()],
        exit: ExitCode::Damaged,
    }
}

const ERROR_TEXT: &str = "error: bundle on /media/stick is damaged\n\
                          caused by: chunk 41: wrong key or damaged data\n\
                          hint: list all damage with `gobag verify`\n";

#[test]
fn an_error_is_text_on_stderr_or_the_json_document() {
    let (ui, captured) = Ui::captured(&args(false, true));
    ui.error(&report());
    assert_eq!(
        (captured.stdout().as_str(), captured.stderr().as_str()),
        ("", ERROR_TEXT)
    );

    let (ui, captured) = Ui::captured(&args(true, true));
    ui.error(&report());
    let document: serde_json::Value = serde_json::from_str(&captured.stdout()).expect("one document");
    assert_eq!(document["error"]["code"], "bundle.damaged");
    assert_eq!(document["error"]["exit"], 6);
    assert_eq!(captured.stderr(), "");
}

#[test]
fn an_error_after_the_answer_keeps_stdout_at_one_document() {
    let (ui, captured) = Ui::captured(&args(true, false));
    ui.answer(&Report { sticks: 2 }, text).expect("answers");
    let before = captured.stdout();
    ui.error(&report());
    assert_eq!(captured.stdout(), before);
    assert_eq!(captured.stderr(), ERROR_TEXT);
}

#[test]
fn foreign_texts_are_made_printable() {
    let (ui, captured) = Ui::captured(&args(false, false));
    ui.warn("image \u{1b}[2Jx");
    assert_eq!(captured.stderr(), "warn image \\u{1b}[2Jx\n");
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_left_is_an_error_for_answers_and_none_for_remarks() {
    let stream = || Stream {
        to: Box::new(Broken),
        colour: false,
        terminal: false,
        live: false,
    };
    let ui = Ui::over(&GlobalArgs::default(), stream(), stream());
    ui.say("into the void");
    let error = ui.answer(&Report { sticks: 1 }, text).expect_err("nobody reads");
    assert_eq!(error.code(), "term.output");
}

#[test]
fn a_message_first_removes_the_live_line() {
    let (ui, captured) = Ui::captured(&args(false, false));
    ui.show_live("50 %");
    ui.say("hello");
    ui.hide_live();
    assert_eq!(captured.stderr(), "\r\u{1b}[2K50 %\r\u{1b}[2Khello\n");
}

#[test]
fn auto_colour_follows_the_terminal_and_no_color() {
    use anstream::ColorChoice as C;
    for (when, auto, expected) in [
        (ColorWhen::Auto, C::Never, false),
        (ColorWhen::Auto, C::Always, true),
        (ColorWhen::Always, C::Never, true),
        (ColorWhen::Never, C::Always, false),
    ] {
        assert_eq!(colour(when, auto), expected, "{when:?} {auto:?}");
    }
}
