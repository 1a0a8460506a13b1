//! A folder of the computer that is kept the same as a workspace, with the stick as who one is: at a real server.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the user, and looks at what stays behind"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use gobag_bundle::medium::BUNDLE_FOLDER;
use gobag_client::{Client, Options, People};
use gobag_format::crypto::Key;
use gobag_protocol::{
    ids::WorkspaceName, people::Role, workspace_letter::WorkspaceLetter, workspaces::MemberRole,
};
use gobag_server::testing::Site;

use crate::{
    company::{enrol, mount, open, run, stop},
    program::{Desk, Ran, Running},
    stick::{Contents, Stick},
};

/// A server with the workspace `sales`.
struct Company {
    site: Site,
    letter: WorkspaceLetter,
}

impl Company {
    fn new() -> Self {
        let site = Site::start();
        let name = WorkspaceName::parse("sales").unwrap();
        let id = people(&site, Role::Admin).make_workspace(name.clone()).unwrap();
        let letter = WorkspaceLetter::new(id, name, Key::from_bytes([7; 32]));
        Self { site, letter }
    }

    fn admit(&self, stick: &Stick) {
        people(&self.site, Role::Operator)
            .admit(self.letter.workspace, stick.bundle, MemberRole::Writer)
            .unwrap();
    }

    /// The stick takes in both letters, and is admitted; its folder `docs` is paired.
    fn paired(&self, desk: &Desk, stick: &Stick) -> PathBuf {
        assert_eq!(enrol(desk, &self.site, stick).exit, 0);
        self.admit(stick);
        let joined = run(desk, stick, &["join", self.letter(desk).to_str().unwrap()]);
        assert_eq!(joined.exit, 0, "{joined:?}");
        let docs = desk.path("docs");
        fs::create_dir(&docs).unwrap();
        let paired = run(desk, stick, &["sync", "pair", "docs", "workspace:sales"]);
        assert_eq!(paired.exit, 0, "{paired:?}");
        docs
    }

    fn letter(&self, desk: &Desk) -> PathBuf {
        let path = desk.path("sales.letter");
        fs::write(&path, self.letter.to_json()).unwrap();
        path
    }

    /// The workspace's key, as it would be found in a file.
    fn key_text(&self) -> String {
        let letter: serde_json::Value = serde_json::from_str(&self.letter.to_json()).unwrap();
        letter["key"].as_str().unwrap().to_owned()
    }
}

fn people(site: &Site, role: Role) -> People {
    let nobody = Client::new(&site.address(), site.ca(), None, Options::default()).unwrap();
    People::new(nobody, site.person("acme", role).expose())
}

/// The same as [`run`], with words for people.
fn say(desk: &Desk, stick: &Stick, words: &[&str]) -> Ran {
    let path = stick.path();
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = words.iter().map(|word| word as _).collect();
    args.extend([
        &"--stick" as &dyn AsRef<std::ffi::OsStr>,
        &path,
        &"--passphrase-file",
        &"right",
    ]);
    desk.run(&args)
}

#[track_caller]
fn assert_says(ran: &Ran, exit: i32, parts: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.exit, exit, "{said}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

#[test]
fn from_the_letters_to_documents_that_are_the_same_on_two_sticks() {
    let (company, [ada, bob]) = (Company::new(), [Desk::new(), Desk::new()]);
    let sticks = [Stick::new(&Contents::default()), Stick::new(&Contents::default())];
    let [of_ada, of_bob] = &sticks;
    // What is missing is said, with what to type.
    fs::create_dir(ada.path("docs")).unwrap();
    assert_says(
        &say(&ada, of_ada, &["sync"]),
        1,
        &["no such pair", "gobag sync pair FOLDER"],
    );
    let pair = ["sync", "pair", "docs", "workspace:sales"];
    assert_says(
        &say(&ada, of_ada, &pair),
        1,
        &["workspace `sales`", "gobag join LETTER"],
    );
    let letter = company.letter(&ada);
    let letter = letter.to_str().unwrap();
    assert_says(
        &say(&ada, of_ada, &["join", letter]),
        0,
        &["ok   The stick has the key of `sales`"],
    );
    assert_says(
        &say(&ada, of_ada, &pair),
        1,
        &["not known to your company's server", "gobag enrol LETTER"],
    );
    assert_eq!(enrol(&ada, &company.site, of_ada).exit, 0);
    assert_says(
        &say(&ada, of_ada, &pair),
        0,
        &["are a pair", "`gobag sync docs workspace:sales`"],
    );
    fs::write(ada.path("docs/letter"), "dear all").unwrap();
    assert_says(&say(&ada, of_ada, &["sync"]), 8, &["admitted to the workspace"]);
    company.admit(of_ada);
    // The stick knows what is meant.
    assert_says(
        &say(&ada, of_ada, &["sync"]),
        0,
        &["workspace:sales", "1 put", "ok   Both folders"],
    );
    company.paired(&bob, of_bob);
    assert_says(
        &say(&bob, of_bob, &["sync", "docs"]),
        0,
        &["In your folder 1 put"],
    );
    assert_eq!(fs::read_to_string(bob.path("docs/letter")).unwrap(), "dear all");
    assert_says(
        &say(&bob, of_bob, &["sync", "status", "docs"]),
        0,
        &["ok   Both folders were last the same"],
    );
    // No key is in a file but in the letter.
    fs::remove_file(letter).unwrap();
    let key = company.key_text();
    let is_secret = |path: &&PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        let find = |secret: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
        find(key.as_bytes()) || find(&[7; 32])
    };
    let left: Vec<PathBuf> = [&ada.path("."), &of_ada.path().to_owned()]
        .iter()
        .flat_map(|folder| files(folder))
        .collect();
    assert_eq!(
        left.iter().filter(is_secret).collect::<Vec<_>>(),
        Vec::<&PathBuf>::new()
    );
    // In use, offline, cut off: said, and files stay.
    let running = mount(&bob, of_bob);
    let busy = run(&bob, of_bob, &["sync"]);
    assert_eq!((busy.exit, busy.code()), (7, "bundle.busy".to_owned()));
    stop(&bob, running);
    company.site.set_revoked("acme", of_bob.bundle, true);
    fs::write(bob.path("docs/mine"), "not sent").unwrap();
    assert_says(
        &say(&bob, of_bob, &["sync"]),
        5,
        &["your company cut this stick off"],
    );
    assert_eq!(fs::read_to_string(bob.path("docs/mine")).unwrap(), "not sent");
    let Company { mut site, .. } = company;
    site.end();
    fs::write(ada.path("docs/new"), "while offline").unwrap();
    assert_says(&say(&ada, of_ada, &["sync"]), 1, &["online"]);
    site.start_again();
    assert_says(&say(&ada, of_ada, &["sync"]), 0, &["1 put"]);
}

fn watch(desk: &Desk, stick: &Stick) -> Running {
    let path = stick.path();
    let right = desk.path("right");
    let mut running = desk.start(&[
        &"sync",
        &"--watch",
        &"--stick",
        &path,
        &"--passphrase-file",
        &right,
    ]);
    running.answers.wait_for("ok   Both folders are the same");
    running
}

#[test]
fn while_it_watches_the_stick_is_free_and_pulling_it_ends_all() {
    let (company, desk, stick) = (Company::new(), Desk::new(), Stick::new(&Contents::default()));
    let docs = company.paired(&desk, &stick);
    fs::write(docs.join("letter"), "first").unwrap();
    let mut watching = watch(&desk, &stick);
    // Somebody else has it open for a moment.
    drop(open(&stick));
    fs::write(docs.join("letter"), "second").unwrap();
    watching.answers.wait_for("1 put");
    let bundle = stick.path().join(BUNDLE_FOLDER);
    fs::rename(&bundle, stick.path().join("away")).unwrap();
    watching.words.wait_for("the stick was pulled out");
    assert_eq!(watching.finish(), Some(1));
    fs::rename(stick.path().join("away"), &bundle).unwrap();
    fs::write(docs.join("letter"), "third").unwrap();
    assert_says(&say(&desk, &stick, &["sync"]), 0, &["1 put"]);
}
