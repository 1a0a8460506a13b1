//! Asks the open questions one by one and saves after each, so that an interruption costs at most the question being asked.

use gobag_checklists::plan::question::Choice;
use gobag_checklists::plan::{Answer, AnswersFile, Kind, Question, QuestionSet, limits::MAX_LIST, size};
use gobag_term::{AskError, CliError, Ui, ask};

use super::desk::Desk;

/// The option that leaves a question open.
const LEFT_OPEN: &str = "(leave it open)";

/// Asks whatever is open, and `again` what is named.
pub(super) fn run(
    desk: &Desk,
    set: &QuestionSet,
    file: &mut AnswersFile,
    again: &[String],
    ui: &Ui,
) -> Result<(), CliError> {
    let mut again = again.to_vec();
    let begun = file.answers.len();
    let mut asked = 0;
    loop {
        let applicable = set.applicable(&file.answers);
        let is_open =
            |question: &&Question| !file.answers.is_given(&question.id) || again.contains(&question.id);
        let left = applicable.iter().filter(|question| is_open(question)).count();
        let Some(question) = applicable.into_iter().find(is_open) else {
            return Ok(());
        };
        if asked == 0 {
            greet(begun, left, desk, ui);
        }
        asked += 1;
        let heading = format!("{} · {} · {left} to go", area(set, question), question.id);
        let answer = ask(question, &heading, file.answers.get(&question.id), ui).map_err(|error| {
            let command = format!("gobag-image plan {}", desk.folder().display());
            let kept = "every answer given so far is kept";
            CliError::from(error).hint(format!("go on with `{command}`: {kept}"))
        })?;
        again.retain(|id| *id != question.id);
        file.answers.give(&question.id, answer);
        desk.save_answers(file, set)?;
    }
}

fn greet(begun: usize, left: usize, desk: &Desk, ui: &Ui) {
    let place = desk.answers_path().display();
    match begun {
        0 => ui.say(&format!(
            "About {left} questions; some bring further ones. Enter takes what is offered."
        )),
        _ => ui.say(&format!(
            "Going on: {begun} answers are there, {left} questions are left."
        )),
    }
    ui.say(&format!("Each answer is saved at once in {place}."));
    ui.say("Ctrl-C ends; the same command goes on where you were.");
}

fn area<'a>(set: &'a QuestionSet, question: &Question) -> &'a str {
    let holds = |area: &&gobag_checklists::plan::question::Area| {
        area.questions.iter().any(|other| other.id == question.id)
    };
    set.areas().iter().find(holds).map_or("", |area| &area.title)
}

fn ask(question: &Question, heading: &str, current: Option<&Answer>, ui: &Ui) -> Result<Answer, AskError> {
    let shown = ask::Question {
        heading,
        text: &question.text,
        help: &question.help,
        label: &question.id,
    };
    // What was said before goes before what is usual.
    let offered = current.or(question.default.as_ref());
    match &question.kind {
        Kind::YesNo if !question.optional => {
            let offered = match offered {
                Some(Answer::YesNo(yes)) => Some(*yes),
                _ => None,
            };
            ui.ask_yes_no(&shown, offered).map(Answer::YesNo)
        }
        Kind::YesNo => {
            let texts = ["Yes", "No", LEFT_OPEN];
            let offered = match offered {
                Some(Answer::YesNo(true)) => 0,
                Some(Answer::YesNo(false)) => 1,
                _ => 2,
            };
            let chosen = ui.ask_choice(&shown, &texts, Some(offered))?;
            Ok(match chosen {
                0 => Answer::YesNo(true),
                1 => Answer::YesNo(false),
                _ => Answer::LeftOpen,
            })
        }
        Kind::Choice(options) => one_of(question, &shown, options, offered, ui),
        Kind::Choices(options) => some_of(question, &shown, options, offered, ui),
        Kind::List | Kind::Names => list(question, &shown, current, ui),
        Kind::Number { .. } | Kind::Size { .. } | Kind::Text => line(question, &shown, current, ui),
    }
}

fn one_of(
    question: &Question,
    shown: &ask::Question<'_>,
    options: &[Choice],
    offered: Option<&Answer>,
    ui: &Ui,
) -> Result<Answer, AskError> {
    let mut texts: Vec<_> = options.iter().map(|option| option.text.as_str()).collect();
    texts.extend(question.optional.then_some(LEFT_OPEN));
    let place = match offered {
        Some(Answer::Choice(id)) => options.iter().position(|option| option.id == *id),
        Some(Answer::LeftOpen) => Some(options.len()),
        _ => None,
    };
    let chosen = ui.ask_choice(shown, &texts, place)?;
    Ok(options
        .get(chosen)
        .map_or(Answer::LeftOpen, |option| Answer::Choice(option.id.clone())))
}

fn some_of(
    question: &Question,
    shown: &ask::Question<'_>,
    options: &[Choice],
    offered: Option<&Answer>,
    ui: &Ui,
) -> Result<Answer, AskError> {
    let texts: Vec<_> = options.iter().map(|option| option.text.as_str()).collect();
    let ticked: Vec<usize> = match offered {
        Some(Answer::Choices(ids)) => (0..options.len())
            .filter(|at| ids.contains(&options[*at].id))
            .collect(),
        _ => Vec::new(),
    };
    let least = usize::from(!question.optional);
    let chosen = ui.ask_choices(shown, &texts, &ticked, least)?;
    let ids: Vec<_> = chosen
        .into_iter()
        .filter_map(|at| options.get(at))
        .map(|option| option.id.clone())
        .collect();
    Ok(if ids.is_empty() {
        Answer::LeftOpen
    } else {
        Answer::Choices(ids)
    })
}

fn list(
    question: &Question,
    shown: &ask::Question<'_>,
    current: Option<&Answer>,
    ui: &Ui,
) -> Result<Answer, AskError> {
    let current = match current {
        Some(Answer::List(list)) => list.as_slice(),
        _ => &[],
    };
    let judge = question.clone();
    let check = move |text: &str| match text {
        "" if judge.optional => Ok(()),
        text => judge.check(&Answer::List(vec![text.to_owned()])),
    };
    let lines = ui.ask_lines(shown, current, MAX_LIST, check)?;
    Ok(if lines.is_empty() {
        Answer::LeftOpen
    } else {
        Answer::List(lines)
    })
}

fn line(
    question: &Question,
    shown: &ask::Question<'_>,
    current: Option<&Answer>,
    ui: &Ui,
) -> Result<Answer, AskError> {
    let text = |answer: &Answer| match answer {
        Answer::LeftOpen => String::new(),
        answer => answer.to_string(),
    };
    let current = current.map(text);
    let default = question.default.as_ref().filter(|_| current.is_none()).map(text);
    let judge = question.clone();
    let check = move |text: &str| parse(&judge, text).map(drop);
    let said = ui.ask_line(shown, current.as_deref(), default.as_deref(), Box::new(check))?;
    // It was checked when it was typed.
    Ok(parse(question, &said).unwrap_or(Answer::LeftOpen))
}

/// What was typed, as an answer, or what would be right.
fn parse(question: &Question, text: &str) -> Result<Answer, String> {
    let answer = match &question.kind {
        _ if text.is_empty() => Some(Answer::LeftOpen),
        Kind::Number { .. } => text.parse().ok().map(Answer::Number),
        Kind::Size { .. } => size::parse(text).map(Answer::Size),
        _ => Some(Answer::Text(text.to_owned())),
    };
    let answer = answer.ok_or_else(|| question.expected())?;
    question.check(&answer).map(|()| answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_texts_become_answers() {
        let set = QuestionSet::shipped().expect("reads");
        let question = |id| set.get(id).expect("there");
        for (id, text, expected) in [
            ("people", "20", Ok(Answer::Number(20))),
            ("people", "", Err(())),
            ("people", "many", Err(())),
            ("people", "0", Err(())),
            ("image-size", "1.5 GiB", Ok(Answer::Size(3 << 29))),
            ("image-size", "8", Err(())),
            ("guest-memory", "", Ok(Answer::LeftOpen)),
            (
                "remote-address",
                "https://x.example",
                Ok(Answer::Text("https://x.example".to_owned())),
            ),
        ] {
            let said = parse(question(id), text);
            match expected {
                Ok(answer) => assert_eq!(said, Ok(answer), "{id} {text:?}"),
                Err(()) => assert_eq!(said, Err(question(id).expected()), "{id} {text:?}"),
            }
        }
    }
}
