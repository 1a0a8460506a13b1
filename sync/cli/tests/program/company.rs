//! Two computers and a workspace at a real server.

use std::{
    fs,
    time::{Duration, Instant},
};

use gobag_client::{Client, Options, People};
use gobag_format::crypto::Key;
use gobag_protocol::{
    ids::{BundleId, WorkspaceName},
    letter::EnrolmentLetter,
    people::Role,
    workspace_letter::WorkspaceLetter,
    workspaces::MemberRole,
};
use gobag_server::testing::Site;

use crate::desk::Desk;

/// A server with the workspace `sales`, whose letter is in `sales.letter`.
struct Company {
    site: Site,
    letter: WorkspaceLetter,
}

impl Company {
    fn new(desk: &Desk) -> Self {
        let site = Site::start();
        let name = WorkspaceName::parse("sales").unwrap();
        let id = people(&site, Role::Admin).make_workspace(name.clone()).unwrap();
        let letter = WorkspaceLetter::new(id, name, Key::from_bytes([7; 32]));
        desk.write("sales.letter", &letter.to_json());
        Self { site, letter }
    }

    /// IT makes a letter for a computer.
    fn enrolment(&self, desk: &Desk, number: u8) {
        let bundle = BundleId([number; 16]);
        let token = self.site.token("acme", bundle);
        let servers = vec![self.site.address()];
        let letter = EnrolmentLetter::new(servers, self.site.ca(), token, bundle, u64::MAX);
        desk.write(&format!("{number}.letter"), &letter.to_json());
    }

    /// The computer reads both letters, and is admitted.
    fn let_in(&self, desk: &Desk, number: u8) {
        desk.is(&format!("enrol {number}.letter --state {number}"), 0, &[]);
        desk.is(&format!("join sales.letter --state {number}"), 0, &[]);
        self.admit(number, MemberRole::Writer);
    }

    fn admit(&self, number: u8, role: MemberRole) {
        people(&self.site, Role::Operator)
            .admit(self.letter.workspace, BundleId([number; 16]), role)
            .unwrap();
    }
}

fn people(site: &Site, role: Role) -> People {
    let nobody = Client::new(&site.address(), site.ca(), None, Options::default()).unwrap();
    People::new(nobody, site.person("acme", role).expose())
}

/// Both computers have joined and are admitted, and their folders are the same.
fn in_step(desk: &Desk) -> Company {
    let company = Company::new(desk);
    desk.write("ada/letter", "first");
    fs::create_dir_all(desk.at("bob")).unwrap();
    for (number, name) in [(1, "ada"), (2, "bob")] {
        company.enrolment(desk, number);
        company.let_in(desk, number);
        for words in ["pair", "sync"] {
            desk.is(
                &format!("{words} {name} workspace:sales --state {number}"),
                0,
                &[],
            );
        }
    }
    company
}

#[test]
fn who_watches_hears_of_what_others_publish() {
    let desk = Desk::new();
    let _company = in_step(&desk);
    // Without a hint it would be the next day.
    let mut watch = desk.start("sync bob workspace:sales --state 2 --watch --every 24h");
    watch.says("kept so");
    desk.write("ada/new", "of Ada");
    desk.is("sync ada workspace:sales --state 1", 0, &["1 put"]);
    watch.says("In your folder 1 put");
    assert_eq!(desk.read("bob/new"), "of Ada");
    desk.write("bob/mine", "of Bob");
    watch.says("In the other folder 1 put");
    let (code, heard) = watch.end(rustix::process::Signal::INT);
    assert_eq!(code, Some(0), "{heard:?}");
}

#[test]
fn s52_sending_to_a_workspace_is_as_slow_as_it_has_to_be() {
    let desk = Desk::new();
    let _company = in_step(&desk);
    let numbers = (1..40_u32 << 10).map(|number| number.wrapping_mul(2_654_435_761).rotate_left(number));
    let noise: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
    fs::write(desk.at("ada/noise"), &noise).unwrap();
    let begun = Instant::now();
    desk.is("sync ada workspace:sales --state 1 --limit 64KiB", 0, &[]);
    let took = begun.elapsed();
    // More than 160 KiB; what may be sent at once is no more than a second's.
    assert!(took >= Duration::from_millis(1400), "{took:?}");
    assert!(took <= Duration::from_secs(20), "{took:?}");
}

#[test]
fn what_a_file_was_in_earlier_points_is_listed_and_put_back() {
    let desk = Desk::new();
    let _company = in_step(&desk);
    let pass = |name: &str, number: u8| {
        desk.is(&format!("sync {name} workspace:sales --state {number}"), 0, &[]);
    };
    desk.write("ada/plans/summer", "first");
    pass("ada", 1);
    desk.write("ada/plans/summer", "second text");
    pass("ada", 1);
    fs::remove_dir_all(desk.at("ada/plans")).unwrap();
    pass("ada", 1);
    // Bob never had it, so there is no version of it in his folder.
    pass("bob", 2);
    let from = "--from workspace:sales --state 2";
    desk.is(
        "versions bob plans/summer --state 2",
        0,
        &["No earlier version is kept here", "--from workspace:NAME"],
    );
    desk.is(
        &format!("versions bob plans/summer {from}"),
        0,
        &["5 B  point-2\n", "11 B  point-3\n"],
    );
    desk.is(
        &format!("restore bob plans/summer {from}"),
        0,
        &["ok   plans/summer is what it was in point-3."],
    );
    assert_eq!(desk.read("bob/plans/summer"), "second text");
    let third = format!("restore bob plans/summer --version point-3 {from}");
    desk.is(&third, 0, &["it is as it was"]);
    // The newest that is not what is here now.
    desk.is(&format!("restore bob plans/summer {from}"), 0, &["point-2"]);
    assert_eq!(desk.read("bob/plans/summer"), "first");
    // What was there is a version of its own now.
    desk.is("restore bob plans/summer", 0, &[]);
    assert_eq!(desk.read("bob/plans/summer"), "second text");
    desk.is(
        &format!("restore bob plans/summer@2999-01-01 {from}"),
        1,
        &["there is no such version"],
    );
    desk.is(
        &format!("restore bob plans/summer@2001-01-01 {from}"),
        1,
        &["there is no such version"],
    );
    desk.is(&format!("versions bob {from}"), 2, &[]);
    desk.is(
        "versions bob letter --from ada --state 2",
        2,
        &["`--from` takes a workspace"],
    );
    pass("bob", 2);
    pass("ada", 1);
    assert_eq!(desk.read("ada/plans/summer"), "second text");
}

#[test]
fn what_is_left_out_stays_where_it_is() {
    let desk = Desk::new();
    let _company = in_step(&desk);
    desk.write("ada/.gobag-sync-ignore", "*.raw\n");
    desk.write("ada/big.raw", "1");
    desk.write("ada/kept", "2");
    // That what is left out has changed is for somebody to know.
    desk.is(
        "sync ada workspace:sales --state 1",
        3,
        &["2 put", "What is left out has changed"],
    );
    desk.write("bob/other.raw", "3");
    desk.write("bob/x.tmp", "4");
    desk.is(
        "sync bob workspace:sales --state 2 --ignore *.tmp",
        3,
        &["In your folder 2 put"],
    );
    // It counts from the other folder, too, by now.
    let changed = "What is left out has changed";
    desk.is("sync ada workspace:sales --state 1", 3, &[changed]);
    desk.is("sync ada workspace:sales --state 1", 0, &[]);
    assert!(
        !desk.at("bob/big.raw").exists()
            && !desk.at("ada/other.raw").exists()
            && !desk.at("ada/x.tmp").exists()
    );
    assert_eq!(
        (desk.read("bob/kept"), desk.read("bob/x.tmp")),
        ("2".into(), "4".into())
    );
}

#[test]
fn two_computers_and_the_companys_server() {
    let desk = Desk::new();
    let mut company = Company::new(&desk);
    desk.write("ada/letter", "first");
    desk.is(
        "pair ada workspace:sales --state 1",
        1,
        &["there is no workspace `sales` here", "gobag-sync join"],
    );
    for (number, name) in [(1, "ada"), (2, "bob")] {
        company.enrolment(&desk, number);
        fs::create_dir_all(desk.at(name)).unwrap();
        desk.is(
            &format!("join sales.letter --state {number}"),
            0,
            &["workspace:sales"],
        );
        desk.is(
            &format!("pair {name} workspace:sales --state {number}"),
            1,
            &["not known to your company's server", "gobag-sync enrol"],
        );
        let digits = format!("{number:02}").repeat(16);
        desk.is(&format!("enrol {number}.letter --state {number}"), 0, &[&digits]);
        desk.is(
            &format!("pair {name} workspace:sales --state {number}"),
            0,
            &["are a pair"],
        );
    }
    desk.is(
        "sync ada workspace:sales --state 1",
        8,
        &["admitted to the workspace"],
    );
    company.admit(1, MemberRole::Writer);
    company.admit(2, MemberRole::Writer);
    desk.is("sync ada workspace:sales --state 1", 0, &["1 put", "the same"]);
    desk.is("sync bob workspace:sales --state 2", 0, &["In your folder 1 put"]);
    assert_eq!(desk.read("bob/letter"), "first");
    // Both change it.
    desk.write("ada/letter", "of Ada");
    desk.write("bob/letter", "of Bob");
    desk.is("sync ada workspace:sales --state 1", 0, &[]);
    desk.is(
        "sync bob workspace:sales --state 2 --label bob",
        3,
        &["changed in both"],
    );
    desk.is("sync ada workspace:sales --state 1", 0, &["In your folder 1 put"]);
    assert_eq!(
        (desk.read("ada/letter"), desk.read("bob/letter")),
        ("of Ada".into(), "of Ada".into())
    );
    let listed = desk.json("conflicts bob", 3);
    assert_eq!(listed["conflicts"].as_array().unwrap().len(), 1, "{listed}");
    // Secrets are for their owner alone, and on no server.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(desk.at("1/member.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Offline, files stay; then it goes on.
    company.site.end();
    desk.write("ada/new", "while offline");
    desk.is("sync ada workspace:sales --state 1", 1, &["online"]);
    desk.is("status ada --state 1", 3, &["cannot be reached", "online"]);
    company.site.start_again();
    desk.is("sync ada workspace:sales --state 1", 0, &["1 put"]);
    desk.is("status ada --state 1 --look", 0, &["ok   Both"]);
    // A reader gets, and may not put.
    company.admit(2, MemberRole::Reader);
    desk.is("sync bob workspace:sales --state 2", 0, &["In your folder 1 put"]);
    desk.write("bob/mine", "not for all");
    desk.is("sync bob workspace:sales --state 2", 8, &["may write there"]);
    assert_eq!(desk.read("bob/mine"), "not for all");
}
