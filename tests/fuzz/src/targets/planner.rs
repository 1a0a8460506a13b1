//! What planners write: answers, questions, prices, texts in other languages.

use std::sync::LazyLock;

use gobag_checklists::plan::{self, Answers, AnswersFile, Prices, QuestionSet, shipped};
use gobag_checklists::texts::Source;
use gobag_checklists::{Checklist, ChecklistOptions, Paper, Requirements, Texts};

static QUESTIONS: LazyLock<QuestionSet> = LazyLock::new(|| QuestionSet::shipped().expect("reads"));

/// `answers.toml`: what is written once is written the same again.
pub(super) fn answers(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(read) = AnswersFile::read("answers.toml", text, &QUESTIONS) {
        let written = read.write(&QUESTIONS);
        let again =
            AnswersFile::read("answers.toml", &written, &QUESTIONS).expect("what we write we can read");
        assert_eq!(again.answers, read.answers);
        assert_eq!(again.write(&QUESTIONS), written);
    }
}

pub(super) fn many_answers() -> Vec<Vec<u8>> {
    [
        "format = 1\n## ours\npeople = 7\napplications = [\n    \"one\",\n    ## why\n    \"two\",\n]\nimage-size = \"1536 MiB\"\n",
        "format = 1\nremote-access = false\nremote-kind = \"ipsec\"\ncats = [ 1, 2 ]\n\n## the end\n",
        "format = 1\ndata-access = [\"stick\", \"web\"]\nstick-spares = 10\nhome-size = \"\"\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Questions of one's own: with them an empty file of answers is written and read.
pub(super) fn questions(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(set) = QUESTIONS.clone().with("questions.toml", text) {
        let written = AnswersFile::default().write(&set);
        AnswersFile::read("answers.toml", &written, &set).expect("what we write we can read");
        let _ = set.missing(&set.resolve(&Answers::default()));
    }
}

pub(super) fn many_questions() -> Vec<Vec<u8>> {
    let short = "format = 1\narea = \"own\"\ntitle = \"Own\"\n\n[[question]]\nid = \"cats\"\nkind = \"choice\"\ntext = \"Which?\"\nhelp = \"Why.\"\n\
                 default = \"a\"\nwhen = [{ question = \"offline\", is = false }]\noptions = [\n    { id = \"a\", text = \"A\" },\n    { id = \"b\", text = \"B\" },\n]\n";
    vec![short.as_bytes().to_vec()]
}

/// What things cost: sums do not overflow, whatever they are.
pub(super) fn prices(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(prices) = Prices::read("prices.toml", text) {
        let answers = QUESTIONS.resolve(&Answers::default());
        let plan = plan::derive(&answers, &prices);
        let page = plan::page::page(&plan, &QUESTIONS, &answers);
        assert!(!page.is_empty());
    }
}

pub(super) fn many_prices() -> Vec<Vec<u8>> {
    [shipped::PRICES, shipped::PRICES_2008]
        .map(|(_, text)| text.as_bytes().to_vec())
        .to_vec()
}

/// Texts of a language: a page is made whatever they say, and nothing in it runs.
pub(super) fn texts(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let source = Source {
        language: "en".parse().expect("a language"),
        name: "own.ftl".to_owned(),
        text: text.to_owned(),
    };
    if let Ok(texts) = Texts::asked("en", &[source]) {
        let list = Checklist::of(&Requirements::default(), &ChecklistOptions::default());
        let page = list.html(&texts, Paper::A4);
        assert!(!page.contains("<script"));
        assert!(!list.terminal(&texts, 80).is_empty());
        assert!(!list.markdown(&texts).is_empty());
    }
}

pub(super) fn many_texts() -> Vec<Vec<u8>> {
    [
        "page-title = Ready?\n",
        "page-title = { $x } <script>\nsize-gb = { $number } { decimal-mark }\ndecimal-mark = ,\n",
        "-brand = B\npage-title = { -brand } { \"{\" } { $n ->\n    [one] a\n   *[other] b\n }\n    .title = more\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
