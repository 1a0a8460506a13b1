//! `gobag-image plan`: questions to a planner, and what follows from the answers.
//!
//! * [`wizard`]: asks; [`desk`]: the files of the image project; [`edited`]: whether a person changed `requirements.json`;
//!   [`summary`]: the answer on the screen.
//!
//! The answers are saved after each one, so nothing is lost by Ctrl-C. What is derived is written only when all are there.

mod desk;
mod edited;
mod summary;
mod wizard;

use std::path::{Path, PathBuf};

use gobag_checklists::plan::{self, AnswersFile, Feasibility, Plan, Prices, QuestionSet};
use gobag_checklists::{Checklist, ChecklistOptions, Paper, Texts};
use gobag_term::{CliError, ExitCode, Ui};
use serde::Serialize;

use crate::error::{OrExplain, said};
use desk::Desk;

/// From questions to requirements, sticks and cost
///
/// Asks what the business, its people and their computers need, and derives what an image asks of a computer, which sticks and licences to
/// buy, what they cost against laptops, and what speaks against it. FOLDER is the image project: the answers are kept there as
/// `answers.toml`, and `requirements.json` (for `gobag-image build --requirements`), `plan.md` and the checklist for people at home
/// (`checklist-en.html`) are written beside. It can be
/// interrupted at any question, and goes on there the next time. Where nobody can be asked, it derives from the answers that are there.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// Folder of the image project
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// The file of answers, when it is not `answers.toml` in FOLDER
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Ask nothing: derive from the answers that are there
    #[arg(long, conflicts_with = "again")]
    no_questions: bool,
    /// Ask again: `--again` everything, `--again=ID,ID` only these
    #[arg(
        long,
        value_name = "ID",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = ""
    )]
    again: Option<Vec<String>>,
    /// Questions in place of the ones that come with this program (TOML); a file replaces those of its area
    #[arg(long, value_name = "FILE")]
    questions: Vec<PathBuf>,
    /// What things cost (TOML); `prices.toml` in FOLDER if there is one, else examples
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Language of the checklist for people at home; can be given several times
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    language: Vec<String>,
    /// Write the questions and prices that come with this program, and an empty `answers.toml`, into FOLDER; what is there is kept
    #[arg(long, conflicts_with_all = ["no_questions", "again"])]
    write_files: bool,
}

/// The plan, and where it was written.
#[derive(Serialize)]
struct PlanReport {
    #[serde(flatten)]
    plan: Plan,
    files: Vec<Written>,
}

/// What became of a file.
#[derive(Serialize)]
struct Written {
    path: PathBuf,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Written,
    Unchanged,
    /// A person's changes were kept.
    Kept,
    /// A person's changes are in the file's `.old` now.
    Replaced,
}

pub(crate) fn plan(args: &PlanArgs, ui: &Ui) -> Result<ExitCode, CliError> {
    let desk = Desk::open(args)?;
    if args.write_files {
        return write_files(&desk, ui);
    }
    let set = questions(args)?;
    let prices = prices(args, &desk)?;
    let texts = args.language.iter().map(|language| Texts::asked(language, &[]));
    let texts = texts.collect::<Result<Vec<_>, _>>().or_explain()?;
    let mut file = desk.read_answers(&set)?.unwrap_or_default();
    let again = again(args, &set)?;
    if !args.no_questions && ui.can_ask() {
        wizard::run(&desk, &set, &mut file, &again, ui)?;
    }
    check_complete(&set, &file, &desk)?;
    let answers = set.resolve(&file.answers);
    let plan = plan::derive(&answers, &prices);
    plan.requirements
        .validate()
        .map_err(|error| CliError::new(ExitCode::Bug, error.code(), error))?;
    let page = plan::page::page(&plan, &set, &answers);
    let mut files = vec![
        edited::write_requirements(&desk, &plan.requirements, ui)?,
        desk.write_page("plan.md", &page)?,
    ];
    let list = Checklist::of(&plan.requirements, &ChecklistOptions::default());
    for texts in &texts {
        let name = format!("checklist-{}.html", texts.language());
        files.push(desk.write_page(&name, &list.html(texts, Paper::A4))?);
    }
    let exit = exit(&plan, &files);
    let columns = ui.columns();
    ui.answer(&PlanReport { plan, files }, |report| {
        summary::page(report, columns)
    })?;
    Ok(exit)
}

/// Something that deserves attention is told by the exit code too.
fn exit(plan: &Plan, files: &[Written]) -> ExitCode {
    let kept = files.iter().any(|file| file.outcome == Outcome::Kept);
    match plan.verdict == Feasibility::NotFeasible || kept {
        true => ExitCode::Findings,
        false => ExitCode::Ok,
    }
}

fn questions(args: &PlanArgs) -> Result<QuestionSet, CliError> {
    let mut set = QuestionSet::shipped().or_explain()?;
    for path in &args.questions {
        let text = desk::read(path)?;
        set = set.with(&path.display().to_string(), &text).or_explain()?;
    }
    Ok(set)
}

fn prices(args: &PlanArgs, desk: &Desk) -> Result<Prices, CliError> {
    let own = desk.path("prices.toml");
    let path = match &args.prices {
        Some(path) => path,
        None if own.exists() => &own,
        None => return Prices::shipped().or_explain(),
    };
    Prices::read(&path.display().to_string(), &desk::read(path)?).or_explain()
}

/// The questions to ask again.
fn again(args: &PlanArgs, set: &QuestionSet) -> Result<Vec<String>, CliError> {
    let Some(ids) = &args.again else {
        return Ok(Vec::new());
    };
    if ids.iter().all(String::is_empty) {
        return Ok(set.iter().map(|question| question.id.clone()).collect());
    }
    match ids.iter().find(|id| set.get(id).is_none()) {
        Some(id) => {
            let text = format!("there is no question `{id}`");
            Err(said(ExitCode::Usage, "plan.no-such-question", text).hint("see their names in answers.toml"))
        }
        None => Ok(ids.clone()),
    }
}

/// Nothing is derived while answers are missing that nobody may assume.
fn check_complete(set: &QuestionSet, file: &AnswersFile, desk: &Desk) -> Result<(), CliError> {
    let missing = set.missing(&file.answers);
    if missing.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = missing
        .iter()
        .map(|question| format!("`{}`", question.id))
        .collect();
    let place = desk.answers_path();
    let text = format!("{} has no answer to {}", place.display(), ids.join(", "));
    let error = said(ExitCode::Usage, "plan.unanswered", text);
    let asks = format!(
        "have them asked, in a terminal: `gobag-image plan {}`",
        desk.folder().display()
    );
    let writes = format!(
        "or write them by hand: `gobag-image plan --write-files {}` makes the file, with every question",
        desk.folder().display()
    );
    Err(error.hint(asks).hint(writes))
}

/// The shipped files, to be changed.
fn write_files(desk: &Desk, ui: &Ui) -> Result<ExitCode, CliError> {
    let set = QuestionSet::shipped().or_explain()?;
    let (prices_name, prices) = plan::shipped::PRICES;
    let (old_name, old) = plan::shipped::PRICES_2008;
    let mut wanted = vec![
        (PathBuf::from("answers.toml"), AnswersFile::default().write(&set)),
        (prices_name.into(), prices.to_owned()),
        (old_name.into(), old.to_owned()),
    ];
    for (name, text) in plan::shipped::QUESTIONS {
        wanted.push((Path::new("questions").join(name), text.to_owned()));
    }
    let mut files = Vec::new();
    for (name, text) in wanted {
        files.push(desk.write_new(&name, text.as_bytes())?);
    }
    ui.answer(&files, |files| files.iter().map(summary::file_line).collect())?;
    Ok(ExitCode::Ok)
}

#[cfg(test)]
mod tests {
    use gobag_checklists::plan::Answer;
    use gobag_format::{
        header::LogGeometry,
        limits::{BLOCK_LEN, SEGMENT_LEN},
    };

    use super::*;

    /// The planner has no geometry of its own to ask, being below the format: here the two meet.
    #[test]
    fn a_planned_stick_has_room_for_what_is_written_to_it() {
        let (set, prices) = (
            QuestionSet::shipped().expect("reads"),
            Prices::shipped().expect("reads"),
        );
        for (image_mib, home_mib) in [
            (100, 64),
            (1500, 1024),
            (8192, 4096),
            (20_000, 500),
            (60_000, 200_000),
        ] {
            let mut file = AnswersFile::default();
            file.answers.give("image-size", Answer::Size(image_mib << 20));
            file.answers.give("home-size", Answer::Size(home_mib << 20));
            file.answers
                .give("data-access", Answer::Choices(vec!["stick".to_owned()]));
            let plan = plan::derive(&set.resolve(&file.answers), &prices);
            let stick = &plan.modes[0].stick;
            let blocks = |bytes: u64| bytes.div_ceil(BLOCK_LEN as u64);
            // As `gobag-image stick` plans it, for a system of three times its packs.
            let volumes = stick.home_bytes + (image_mib << 20) / 2 * 9;
            let len = u32::try_from(SEGMENT_LEN).expect("fits");
            let real = LogGeometry::plan(
                blocks(stick.home_bytes + stick.system_space_bytes),
                blocks(volumes),
                len,
            );
            let real_bytes =
                u64::from(real.segments) * SEGMENT_LEN + u64::from(real.checkpoints) * real.checkpoint_len;
            let of = |what: &&plan::stick::Part| ["log", "checkpoints"].contains(&what.what);
            let planned_bytes: u64 = stick.parts.iter().filter(of).map(|part| part.size_bytes).sum();
            // A segment is not divided, and the planner does not round.
            assert!(
                planned_bytes + SEGMENT_LEN >= real_bytes,
                "{image_mib} {planned_bytes} {real_bytes}"
            );
            assert!(
                planned_bytes <= real_bytes * 5 / 4,
                "{image_mib} {planned_bytes} {real_bytes}"
            );
        }
    }
}
