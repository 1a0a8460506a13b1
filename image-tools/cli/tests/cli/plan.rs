//! The planner: without a terminal as scripts run it, and in one as a person does, with an interruption in the middle.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use tempfile::TempDir;

use super::{Desk, Ran};

/// A test fails after this; nothing takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

const ANSWERS: &str = "format = 1
plan-exists = true
people = 200
applications = [\"LibreOffice\", \"Thunderbird\"]
data-access = [\"stick\"]
remote-access = false
may-install = \"yes\"
offline = true
host-systems = [\"linux\"]
sensitive-data = false
";

/// A folder of an image project.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new(answers: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        if let Some(answers) = answers {
            fs::write(folder.path().join("answers.toml"), answers).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Where nobody can be asked.
    fn plan(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gobag-image"));
        command
            .current_dir(self.folder.path())
            .arg("plan")
            .args(args)
            .stdin(Stdio::null());
        // A terminal of whoever runs the tests must not be asked.
        let setsid = PathBuf::from("/usr/bin/setsid");
        if setsid.exists() {
            let program = command.get_program().to_owned();
            let rest: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            command = Command::new(setsid);
            command
                .current_dir(self.folder.path())
                .arg("--wait")
                .arg(program)
                .args(rest)
                .stdin(Stdio::null());
        }
        Ran::from(command.output().unwrap())
    }
}

#[test]
fn missing_answers_are_named_and_nothing_is_written() {
    let project = Project::new(None);
    let ran = project.plan(&[]);
    let expected = "error: ./answers.toml has no answer to `plan-exists`, `people`, `applications`, `data-access`, `remote-access`, \
                    `may-install`, `offline`, `host-systems`, `sensitive-data`\n\
                    hint: have them asked, in a terminal: `gobag-image plan .`\n\
                    hint: or write them by hand: `gobag-image plan --write-files .` makes the file, with every question\n";
    assert_eq!(
        (ran.exit, ran.stdout.as_str(), ran.stderr.as_str()),
        (2, "", expected)
    );
    assert_eq!(fs::read_dir(project.folder.path()).unwrap().count(), 0);
    let no_folder = project.plan(&["nowhere"]);
    let expected = "error: nowhere is not a folder\nhint: make it first: `mkdir nowhere`\n";
    assert_eq!((no_folder.exit, no_folder.stderr.as_str()), (2, expected));
}

#[test]
fn answers_become_requirements_and_a_page() {
    let project = Project::new(Some(ANSWERS));
    let ran = project.plan(&[]);
    let expected = "\
verdict          feasible, with reservations
prefer           container: without a VPN a container is enough; data has to be
                 synchronised
people           200
stick            32 GB, standard; 21 GiB are needed
guest licences   0: the guest's system is free
laptops instead  132,000 USD for 220
prices           example figures; replace them by your own offers

mode         verdict                  stick           cost       against laptops
vm           feasible, with           32 GB standard  1,980 USD  98 % less
             reservations
container    feasible, with           32 GB standard  1,980 USD  98 % less
             reservations
remote-only  not feasible             16 GB basic     -          -

             to settle
vm           what is written without a network is safe on the stick, but reaches
             the company only later: a loss of at most 60 minutes cannot be
             promised for a stick that is lost meanwhile
container    what is written without a network is safe on the stick, but reaches
             the company only later: a loss of at most 60 minutes cannot be
             promised for a stick that is lost meanwhile
remote-only  against: nothing inside the company's network can be reached from
             outside
remote-only  against: people must be able to work without a network
remote-only  against: the data is only on the stick

Wrote ./requirements.json.
Wrote ./plan.md.
Wrote ./checklist-en.html.
Next: gobag-image build SOURCE --name NAME --requirements requirements.json
";
    assert_eq!(
        (ran.exit, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, expected, "")
    );
    assert_eq!(
        project.text("answers.toml"),
        ANSWERS,
        "nobody asked, so it is not touched"
    );
    let (requirements, page) = (project.text("requirements.json"), project.text("plan.md"));
    assert!(
        page.contains("## Requirements, and where they come from"),
        "{page}"
    );

    let again = project.plan(&["--json"]);
    assert_eq!((again.exit, again.stderr.as_str()), (0, ""));
    let plan = again.json();
    assert_eq!(plan["verdict"], "with-reservations");
    assert_eq!(plan["recommended"], "container");
    assert_eq!(plan["files"][0]["outcome"], "unchanged");
    assert_eq!(plan["cost"]["rows"][0]["total"], 1980.0);
    let mut written: serde_json::Value = serde_json::from_str(&requirements).unwrap();
    written.as_object_mut().unwrap().remove("derived_digest");
    assert_eq!(plan["requirements"], written);
    assert_eq!(
        (project.text("requirements.json"), project.text("plan.md")),
        (requirements, page)
    );
}

#[test]
fn what_a_person_changed_is_not_thrown_away() {
    let project = Project::new(Some(ANSWERS));
    assert_eq!(project.plan(&[]).exit, 0);
    let edited = project
        .text("requirements.json")
        .replace("\"min_cores\": 2", "\"min_cores\": 4");
    fs::write(project.path("requirements.json"), &edited).unwrap();
    let refused = project.plan(&[]);
    assert_eq!(refused.exit, 2, "nobody can be asked");
    let said = "warn ./requirements.json was changed by hand:\nwarn   `min_cores` is 4, the answers give 2\nerror: cannot ask ";
    assert!(refused.stderr.starts_with(said), "{}", refused.stderr);
    assert_eq!(project.text("requirements.json"), edited);
    let replaced = project.plan(&["--yes"]);
    assert_eq!(replaced.exit, 0, "{}", replaced.stderr);
    let said = "Wrote ./requirements.json; the changed one is ./requirements.json.old.\n";
    assert!(replaced.stdout.contains(said), "{}", replaced.stdout);
    assert_eq!(project.text("requirements.json.old"), edited);
    // A second change does not push out the first.
    let again = edited.replace("\"min_cores\": 4", "\"min_cores\": 6");
    fs::write(project.path("requirements.json"), &again).unwrap();
    assert_eq!(project.plan(&["--yes"]).exit, 0);
    assert_eq!(project.text("requirements.json.old"), edited);
    assert_eq!(project.text("requirements.json.old.2"), again);
    // New answers renew a file that nobody changed, without a word.
    fs::write(project.path("answers.toml"), format!("{ANSWERS}cores = 8\n")).unwrap();
    let renewed = project.plan(&[]);
    assert_eq!((renewed.exit, renewed.stderr.as_str()), (0, ""));
    assert!(project.text("requirements.json").contains("\"min_cores\": 8"));
}

#[test]
fn a_page_of_that_name_that_is_somebodys_own_is_kept() {
    let project = Project::new(Some(ANSWERS));
    fs::write(project.path("plan.md"), "# Our garden\n").unwrap();
    assert_eq!(project.plan(&["--yes"]).exit, 3);
    assert_eq!(project.text("plan.md"), "# Our garden\n");
    fs::remove_file(project.path("plan.md")).unwrap();
    let own = "<!DOCTYPE html>\n<title>Our garden</title>\n";
    fs::write(project.path("checklist-en.html"), own).unwrap();
    assert_eq!(project.plan(&["--yes"]).exit, 3);
    assert_eq!(project.text("checklist-en.html"), own);
}

#[test]
fn the_checklist_is_written_beside_the_plan_in_the_languages_asked_for() {
    let project = Project::new(Some(ANSWERS));
    let ran = project.plan(&["--language", "en", "--language", "de"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    for (name, title) in [
        ("checklist-en.html", "<h1>Is this PC ready"),
        ("checklist-de.html", "<h1>Ist dieser PC bereit"),
    ] {
        assert!(project.text(name).contains(title), "{name}");
    }
    let unknown = project.plan(&["--language", "xx"]);
    assert_eq!(unknown.exit, 2, "{}", unknown.stderr);
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    for (answers, args, code, message) in [
        (
            ANSWERS.replace("200", "\"many\""),
            vec![],
            "plan.wrong-value",
            "./answers.toml, line 3: `people` must be a whole number of people, 1 to 100000",
        ),
        (
            ANSWERS.replace("true", "yes"),
            vec![],
            "plan.syntax",
            "./answers.toml, line 2: ",
        ),
        (
            ANSWERS.to_owned(),
            vec!["--prices", "answers.toml"],
            "plan.missing",
            "answers.toml, line 1: `currency` is missing",
        ),
        (
            ANSWERS.to_owned(),
            vec!["--questions", "answers.toml"],
            "plan.missing",
            "answers.toml, line 1: `area` is missing",
        ),
        (
            ANSWERS.to_owned(),
            vec!["--again=nothing"],
            "plan.no-such-question",
            "there is no question `nothing`",
        ),
    ] {
        let project = Project::new(Some(&answers));
        let ran = project.plan(&[&args[..], &["--json"]].concat());
        assert_eq!((ran.exit, ran.code().as_str()), (2, code), "{}", ran.stdout);
        let said = ran.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with(message), "{said}");
        assert!(!project.path("requirements.json").exists());
    }
}

#[test]
fn what_cannot_work_is_a_finding() {
    let project = Project::new(Some(&format!("{ANSWERS}image-size = \"2 TiB\"\n")));
    let ran = project.plan(&[]);
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    assert!(
        ran.stdout
            .contains("against: no stick that is sold is large enough"),
        "{}",
        ran.stdout
    );
    let plan = project.text("plan.md");
    assert!(
        plan.contains("**Not feasible** for 200 people.\nNo mode is possible.\n"),
        "{plan}"
    );
}

#[test]
fn questions_and_prices_can_be_replaced() {
    let project = Project::new(None);
    let made = project.plan(&["--write-files"]);
    assert_eq!(made.exit, 0, "{}", made.stderr);
    assert_eq!(made.stdout.matches("Wrote ").count(), 6, "{}", made.stdout);
    let again = project.plan(&["--write-files"]);
    assert_eq!(again.stdout.matches("Kept ").count(), 6, "{}", again.stdout);
    // The empty file of answers, filled in by hand.
    let mut answers = project.text("answers.toml");
    for line in ANSWERS.lines().skip(1) {
        let (id, _) = line.split_once(" =").unwrap();
        answers = answers.replace(&format!("\n#{id} =\n"), &format!("\n{line}\n"));
    }
    fs::write(project.path("answers.toml"), answers).unwrap();
    // The prices in the project count, and a question of one's own is asked for.
    fs::write(project.path("prices.toml"), project.text("prices-2008.toml")).unwrap();
    let plan = project.plan(&["--json"]).json();
    assert_eq!(plan["cost"]["laptops"]["total"], 66_000.0);
    let own = "format = 1\narea = \"pets\"\ntitle = \"Pets\"\n\n[[question]]\nid = \"dogs\"\nkind = \"yes-no\"\n\
               text = \"Dogs?\"\nhelp = \"They bark.\"\n";
    fs::write(project.path("pets.toml"), own).unwrap();
    let asked = project.plan(&["--questions", "pets.toml"]);
    assert_eq!(asked.exit, 2);
    assert!(
        asked.stderr.contains("has no answer to `dogs`\n"),
        "{}",
        asked.stderr
    );
}

#[test]
fn an_image_is_built_with_the_requirements() {
    let Some(desk) = Desk::new() else { return };
    let project = Project::new(Some(
        &ANSWERS.replace("applications", "cpu-features = [\"aes\"]\napplications"),
    ));
    assert_eq!(project.plan(&[]).exit, 0);
    desk.disk("disk.raw", 4);
    let file = project.path("requirements.json");
    let built = desk.answer(&[
        "build",
        "disk.raw",
        "--name",
        "office",
        "--requirements",
        file.to_str().unwrap(),
    ]);
    assert_eq!(built["version"], 1);
    let mut written: serde_json::Value = serde_json::from_str(&project.text("requirements.json")).unwrap();
    written.as_object_mut().unwrap().remove("derived_digest").unwrap();
    assert_eq!(desk.answer(&["inspect", "office"])["requirements"], written);
}

/// A person at a terminal with a planner in it.
struct Person {
    terminal: OwnedFd,
    child: Child,
    incoming: Receiver<Vec<u8>>,
    pending: String,
    transcript: String,
}

impl Person {
    /// `None`, and a word, where no terminal can be given to a program.
    fn start(folder: &Path, args: &[&str]) -> Option<Self> {
        let setsid = Path::new("/usr/bin/setsid");
        if !setsid.exists() {
            let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word == "setsid"),
                "setsid is missing"
            );
            eprintln!("skipped: no setsid here");
            return None;
        }
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let end = || {
            let path = name.to_str().unwrap();
            Stdio::from(File::options().read(true).write(true).open(path).unwrap())
        };
        let child = Command::new(setsid)
            .args(["--ctty", env!("CARGO_BIN_EXE_gobag-image"), "plan"])
            .args(args)
            .current_dir(folder)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let mut reader = File::from(terminal.try_clone().unwrap());
        let (sender, incoming) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends when the program's end is closed, or the test.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Some(Self {
            terminal,
            child,
            incoming,
            pending: String::new(),
            transcript: String::new(),
        })
    }

    fn type_keys(&self, keys: &str) {
        let mut terminal = File::from(self.terminal.try_clone().unwrap());
        terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for one of `texts`, and forgets everything up to it; `None` if the program has ended instead.
    fn wait_for(&mut self, texts: &[&str]) -> Option<usize> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = texts
                .iter()
                .enumerate()
                .filter_map(|(which, text)| Some((self.pending.find(text)? + text.len(), which)));
            if let Some((end, which)) = found.min() {
                self.pending.drain(..end);
                return Some(which);
            }
            match self
                .incoming
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.pending.push_str(&text);
                    self.transcript.push_str(&text);
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("waited for {texts:?} after\n{}", self.transcript),
            }
        }
    }

    /// Answers every question that comes, until `last` has been asked; false if the program has ended before.
    fn answer_until(&mut self, last: Option<&str>) -> bool {
        while self.wait_for(&[" to go\r\n"]).is_some() {
            let id = self.last_id();
            let prompts = [format!("{id}:"), format!("{id} ["), format!("{id} 1:")];
            self.wait_for(&prompts.each_ref().map(String::as_str));
            if last == Some(id.as_str()) {
                return true;
            }
            match id.as_str() {
                "plan-exists" | "offline" => self.type_keys("y\r"),
                "people" => {
                    // A slip is told, and asked again.
                    self.type_keys("many\r");
                    self.wait_for(&["error: a whole number of people, 1 to 100000"]);
                    self.wait_for(&["people"]);
                    self.type_keys("20\r");
                }
                "applications" => {
                    self.type_keys("LibreOffice\r");
                    self.wait_for(&["applications 2"]);
                    self.type_keys("\r");
                }
                "remote-access" | "sensitive-data" => self.type_keys("n\r"),
                "data-access" | "host-systems" => self.type_keys(" \r"),
                "may-install" => self.type_keys("\u{1b}[B\u{1b}[B\r"),
                _ => self.type_keys("\r"),
            }
        }
        false
    }

    /// The name in the heading that was waited for.
    fn last_id(&self) -> String {
        let seen = &self.transcript[..self.transcript.len() - self.pending.len()];
        let (before, _) = seen.rsplit_once(" to go\r\n").unwrap();
        before.rsplit(" · ").nth(1).unwrap().to_owned()
    }

    fn exit(mut self) -> (i32, String) {
        while self.wait_for(&["\u{0}never"]).is_some() {}
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.transcript.replace('\r', ""))
    }

    /// Are keys lines, with an echo?
    fn terminal_is_in_order(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }
}

#[test]
fn a_wizard_is_interrupted_resumed_and_answered_again() {
    let project = Project::new(None);
    let Some(mut person) = Person::start(project.folder.path(), &[]) else {
        return;
    };
    assert!(person.answer_until(Some("data-access")), "{}", person.transcript);
    person.type_keys("\u{3}");
    let (exit, transcript) = person.exit();
    assert_eq!(exit, 130, "{transcript}");
    assert!(
        transcript.contains("hint: go on with `gobag-image plan .`: every answer given so far is kept"),
        "{transcript}"
    );
    let half = project.text("answers.toml");
    assert!(
        half.contains("\npeople = 20\n") && half.contains("\n    \"LibreOffice\",\n"),
        "{half}"
    );
    assert!(half.contains("\n#data-access =\n"), "{half}");
    assert!(!project.path("requirements.json").exists());

    let mut person = Person::start(project.folder.path(), &[]).unwrap();
    person.wait_for(&["Going on: 5 answers are there, "]);
    assert!(!person.answer_until(None));
    let (exit, transcript) = person.exit();
    assert_eq!(exit, 0, "{transcript}");
    assert!(
        transcript.contains("Wrote ./requirements.json.\n"),
        "{transcript}"
    );
    let answers = project.text("answers.toml");
    for line in [
        "people = 20",
        "may-install = \"yes\"",
        "offline = true",
        "guest-memory = \"\"",
        "antivirus = \"by-mode\"",
        "    \"linux\",",
    ] {
        assert!(answers.contains(&format!("\n{line}\n")), "{line}\n{answers}");
    }

    // One answer again: the old one stands there to be changed.
    let mut person = Person::start(project.folder.path(), &["--again=people"]).unwrap();
    person.wait_for(&["\r\npeople: 20"]);
    person.type_keys("0\r");
    let (exit, transcript) = person.exit();
    assert_eq!(exit, 0, "{transcript}");
    let changed = project.text("answers.toml");
    assert_eq!(changed, answers.replace("people = 20\n", "people = 200\n"));
    // And all are there: nothing is asked any more.
    let (exit, transcript) = Person::start(project.folder.path(), &[]).unwrap().exit();
    assert_eq!(exit, 0, "{transcript}");
    assert!(
        !transcript.contains(" to go") && transcript.contains("./plan.md is up to date."),
        "{transcript}"
    );
}

#[test]
fn a_signal_ends_the_wizard_and_the_terminal_is_as_before() {
    let project = Project::new(None);
    let Some(mut person) = Person::start(project.folder.path(), &[]) else {
        return;
    };
    assert!(
        person.answer_until(Some("application-kind")),
        "{}",
        person.transcript
    );
    let pid = Pid::from_raw(person.child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    person.wait_for(&["error: interrupted while asking for `application-kind`"]);
    assert!(person.terminal_is_in_order());
    let (exit, transcript) = person.exit();
    assert_eq!(exit, 130, "{transcript}");
    assert!(transcript.contains("\u{1b}[?25h"), "the cursor is back");
}
