//! What is written is read again; what a person wrote is kept; what is wrong is told with its line.

use proptest::prelude::*;

use super::*;
use crate::plan::testing;

fn set() -> QuestionSet {
    QuestionSet::shipped().expect("reads")
}

#[test]
fn a_file_reads_well() {
    let mut file = AnswersFile::default();
    file.answers.give("people", Answer::Number(20));
    file.answers.give(
        "applications",
        Answer::List(vec!["a \"quoted\" \\ one".to_owned(), "two".to_owned()]),
    );
    file.answers.give("image-size", Answer::Size(3 << 29));
    let text = file.write(&set());
    for part in [
        "format = 1\n\n# ---- Business ----\n\n# Does your organisation have a plan",
        "\n#   true or false\n#plan-exists =\n",
        "\n#   a whole number of people, 1 to 100000\npeople = 20\n",
        "\napplications = [\n    \"a \\\"quoted\\\" \\\\ one\",\n    \"two\",\n]\n",
        "\nimage-size = \"1536 MiB\"\n",
        "#   While nobody answers, this is assumed:\n#cores = 2\n",
        "\n# ---- Security risks ----\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("remote-kind"), "what does not apply is not there");
}

#[test]
fn an_open_question_is_answered_by_taking_its_mark_away() {
    let text = AnswersFile::default().write(&set());
    let text = text
        .replace("#people =", "people = 7")
        .replace("#cores = 2", "cores = 2");
    let read = AnswersFile::read("a.toml", &text, &set()).expect("reads");
    assert_eq!(read.answers.get("people"), Some(&Answer::Number(7)));
    assert!(read.answers.is_given("cores") && read.answers.len() == 2);
}

#[test]
fn what_is_peoples_own_is_kept() {
    let text = "## first of all\nformat = 1\n# not kept\n## asked Anna\npeople = 7\ncats = [\n  1, # one\n  2,\n]\n## why\ndogs = \"x\"\n\n## the end\n";
    let read = AnswersFile::read("a.toml", text, &set()).expect("reads");
    let written = read.write(&set());
    for part in [
        "## first of all\nformat = 1\n",
        "100000\n## asked Anna\npeople = 7\n",
        "\ncats = [\n  1, # one\n  2,\n]\n",
        "\n## why\ndogs = \"x\"\n",
        "\n## the end\n",
    ] {
        assert!(written.contains(part), "{part}\n{written}");
    }
    assert!(!written.contains("not kept"));
    let again = AnswersFile::read("a.toml", &written, &set()).expect("reads");
    assert_eq!(again, read);
    assert_eq!(again.write(&set()), written, "writing twice changes nothing");
}

#[test]
fn notes_within_an_answer_of_several_lines_are_kept_before_it() {
    let text = "format = 1\n## ours\napplications = [\n    \"one\",\n    ## Anna says\n    \"two\", # not kept\n    ## and that is all\n]\n";
    let read = AnswersFile::read("a.toml", text, &set()).expect("reads");
    let written = read.write(&set());
    let part = "## ours\n## Anna says\n## and that is all\napplications = [\n    \"one\",\n    \"two\",\n]\n";
    assert!(written.contains(part), "{written}");
    let again = AnswersFile::read("a.toml", &written, &set()).expect("reads");
    assert_eq!(again.write(&set()), written, "writing twice changes nothing");
}

#[test]
fn an_answer_that_does_not_apply_any_more_is_kept_and_marked() {
    let text = "format = 1\nremote-access = false\nremote-kind = \"ipsec\"\n";
    let written = AnswersFile::read("a.toml", text, &set())
        .expect("reads")
        .write(&set());
    assert!(
        written.contains("#   Does not apply with the answers above.\nremote-kind = \"ipsec\"\n"),
        "{written}"
    );
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, code, message) in [
        (
            "people = 3",
            "plan.missing",
            "a.toml, line 1: `format` is missing",
        ),
        (
            "format = 9",
            "plan.newer-format",
            "a.toml has format 9, and this program knows format 1",
        ),
        (
            "format = 1\n\npeople = \"many\"",
            "plan.wrong-value",
            "a.toml, line 3: `people` must be a whole number of people, 1 to 100000",
        ),
        (
            "format = 1\npeople = 0",
            "plan.wrong-value",
            "a.toml, line 2: `people` must be a whole number of people, 1 to 100000",
        ),
        (
            "format = 1\noffline = \"yes\"",
            "plan.wrong-value",
            "a.toml, line 2: `offline` must be true or false",
        ),
        (
            "format = 1\nguest-os = \"dos\"",
            "plan.wrong-value",
            "a.toml, line 2: `guest-os` must be one of \"linux\", \"windows\", \"other\"",
        ),
        (
            "format = 1\nimage-size = 8",
            "plan.wrong-value",
            "a.toml, line 2: `image-size` must be a size like \"8 GiB\", from 16 MiB to 2 TiB",
        ),
        (
            "format = 1\n[people]\nx = 1",
            "plan.unknown-field",
            "a.toml, line 2: nothing is called `people` here",
        ),
        (
            "format = 1\npeople = 1\npeople = 2",
            "plan.syntax",
            "a.toml, line 3: ",
        ),
        ("format = 1\npeople = = 2", "plan.syntax", "a.toml, line 2: "),
    ] {
        let error = AnswersFile::read("a.toml", text, &set()).expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let long = "#".repeat(crate::plan::limits::MAX_FILE_BYTES + 1);
    let error = AnswersFile::read("a.toml", &long, &set()).expect_err("refused");
    assert_eq!(error.code(), "plan.file-too-long");
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(answers in testing::any_answers(&set())) {
        let set = set();
        let file = AnswersFile { answers, ..AnswersFile::default() };
        let text = file.write(&set);
        let read = AnswersFile::read("a.toml", &text, &set);
        prop_assert_eq!(read.as_ref().ok(), Some(&file), "{:?}\n{}", read, text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(?s).{0,200}") {
        let _ = AnswersFile::read("a.toml", &text, &set());
        let _ = AnswersFile::read("a.toml", &format!("format = 1\n{text}"), &set());
    }
}
