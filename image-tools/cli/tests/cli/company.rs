//! What IT sees of its sticks at the company's server, and decides about them.

use gobag_protocol::workspace_letter::WorkspaceLetter;
use serde_json::json;

use super::{
    site::{AtWork, Fleet},
    *,
};

#[test]
fn a_stick_is_seen_cut_off_and_restored() {
    let Some(fleet) = Fleet::new() else { return };
    let (anna, ben) = (fleet.stick("anna"), fleet.stick("ben"));
    let mut work = AtWork::new(&fleet, &anna);
    work.work(1, None);
    drop(AtWork::new(&fleet, &ben));
    let number = work.bundle.to_string();

    let listed = fleet.ask("viewer", &["company", "sticks"]).json();
    let sticks = listed["sticks"].as_array().unwrap();
    assert_eq!(sticks.len(), 2, "{listed}");
    let seen = sticks
        .iter()
        .find(|stick| stick["bundle"] == json!(number))
        .unwrap();
    assert!(
        seen["newest_point_s"].is_u64() && seen["revoked"] == json!(false),
        "{seen}"
    );
    let one = fleet.ask("viewer", &["company", "stick", &number]).json();
    assert_eq!(
        (&one["health"], &one["lines"][0]["line"]),
        (&json!("green"), &json!("volumes"))
    );

    // Who may only look decides nothing; neither does who does not say why.
    let revoke = ["company", "revoke", &number, "--reason", "stolen"];
    let viewer = fleet.ask("viewer", &[&revoke[..], &["--yes"]].concat());
    assert_eq!(
        (viewer.exit, viewer.code().as_str()),
        (8, "client.refused"),
        "{}",
        viewer.stdout
    );
    assert_eq!(
        fleet
            .ask("operator", &["company", "revoke", &number, "--yes"])
            .exit,
        2
    );
    let troubled = || fleet.ask("viewer", &["company", "sticks", "--troubled"]).json()["sticks"].clone();
    assert_eq!(troubled(), json!([]));

    let revoked = fleet.ask("operator", &[&revoke[..], &["--yes"]].concat());
    assert_eq!(revoked.exit, 0, "{}{}", revoked.stdout, revoked.stderr);
    let revoked = revoked.json();
    assert_eq!(
        (&revoked["decided"], &revoked["stick"]["revoked_reason"]),
        (&json!("revoked"), &json!("stolen"))
    );
    assert_eq!(troubled()[0]["bundle"], json!(number));
    let restored = fleet.ask("operator", &["company", "restore", &number]).json();
    assert_eq!(restored["stick"]["revoked"], json!(false));
    assert_eq!(troubled(), json!([]));
    assert_eq!(
        fleet.ask("operator", &["company", "clear-clone", &number]).exit,
        0
    );
}

#[test]
fn a_good_drill_is_noted_and_one_of_no_point_is_not() {
    let Some(fleet) = Fleet::new() else { return };
    let mut work = AtWork::new(&fleet, &fleet.stick("anna"));
    work.work(1, None);
    let number = work.bundle.to_string();
    let drilled = fleet.ask("operator", &["company", "drilled", &number, "1"]);
    assert_eq!(drilled.exit, 0, "{}", drilled.stdout);
    assert!(drilled.json()["lines"][0]["last_good_drill_s"].is_u64());
    let no_point = fleet.ask("operator", &["company", "drilled", &number, "7"]);
    assert_eq!((no_point.exit, no_point.code().as_str()), (8, "client.refused"));
    let no_line = fleet.ask(
        "operator",
        &["company", "drilled", &number, "1", "--line", "../x"],
    );
    assert_eq!((no_line.exit, no_line.code().as_str()), (2, "company.line"));
}

#[test]
fn workspaces_are_made_and_sticks_admitted_and_removed() {
    let Some(fleet) = Fleet::new() else { return };
    let work = AtWork::new(&fleet, &fleet.stick("anna"));
    let number = work.bundle.to_string();
    let ask = |who, words: &[&str]| fleet.ask(who, &[&["company"], words].concat());
    assert_eq!(ask("viewer", &["workspaces"]).json()["workspaces"], json!([]));
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("sales.letter");
    let letter = file.to_str().unwrap();
    let make = |who, name| ask(who, &["workspace", "make", name, "--letter", letter]);
    let refused = make("operator", "sales");
    assert_eq!((refused.exit, refused.code().as_str()), (8, "client.refused"));
    assert!(!file.exists());
    let made = make("admin", "sales").json();
    let letter_of = WorkspaceLetter::parse(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json!(letter_of.workspace), made["workspace"]["id"]);
    // Never in the place of another file.
    let taken = make("admin", "other");
    assert_eq!((taken.exit, taken.code().as_str()), (1, "company.letter"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        (&made["decided"], &made["workspace"]["name"]),
        (&json!("made"), &json!("sales"))
    );
    let again = make("admin", "sales");
    assert_eq!((again.exit, again.code().as_str()), (8, "client.refused"));
    let name = make("admin", "Sales & more");
    assert_eq!((name.exit, name.code().as_str()), (2, "company.workspace-name"));

    let id = made["workspace"]["id"].as_str().unwrap();
    let admit = ["workspace", "admit", "sales", &number];
    assert_eq!(
        ask("operator", &admit).exit,
        2,
        "it has to say what the member may do"
    );
    let admitted = ask("operator", &[&admit[..], &["--role", "reader"]].concat()).json();
    assert_eq!(
        (&admitted["members"][0]["bundle"], &admitted["members"][0]["role"]),
        (&json!(number), &json!("reader"))
    );
    // By its number, too.
    let shown = ask("viewer", &["workspace", "show", id]).json();
    assert_eq!(shown["members"], admitted["members"]);
    let listed = ask("viewer", &["workspaces"]).json();
    assert_eq!(listed["workspaces"][0]["members"], json!(1));
    let removed = ask("operator", &["workspace", "remove", id, &number]).json();
    assert_eq!(
        (&removed["decided"], &removed["members"]),
        (&json!("removed"), &json!([]))
    );
    for nothing in ["purchase", &number] {
        let nothing = ask("viewer", &["workspace", "show", nothing]);
        assert_eq!((nothing.exit, nothing.code().as_str()), (2, "company.workspace"));
    }
}

#[test]
fn what_cannot_be_asked_is_said_and_no_token_is_shown() {
    let Some(fleet) = Fleet::new() else { return };
    let unknown = fleet.ask("viewer", &["company", "stick", &"0".repeat(32)]);
    assert_eq!((unknown.exit, unknown.code().as_str()), (8, "client.refused"));
    let number = fleet.ask("viewer", &["company", "stick", "seven"]);
    assert_eq!((number.exit, number.code().as_str()), (2, "recover.number"));
    fs::write(
        fleet.desk.path("stranger"),
        "gbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
    )
    .unwrap();
    let stranger = fleet.ask("stranger", &["company", "sticks"]);
    assert_eq!((stranger.exit, stranger.code().as_str()), (8, "client.refused"));
    let missing = fleet.ask("nowhere", &["company", "sticks"]);
    assert_eq!((missing.exit, missing.code().as_str()), (2, "recover.file"));
    let token = fs::read_to_string(fleet.desk.path("viewer")).unwrap();
    for ran in [unknown, number, stranger, missing] {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !said.contains(token.trim()) && !said.contains("gbt_AAAA"),
            "{said}"
        );
    }
}

#[test]
fn a_policy_that_nobody_would_follow_is_refused_where_it_is_written() {
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 1);
    let build = |replication: Value| {
        let policy = json!({ "replication": replication }).to_string();
        fs::write(desk.path("policy.json"), policy).unwrap();
        desk.keyed(&["build", "disk.raw", "--name", "office", "--policy", "policy.json"])
    };
    for bad in [
        json!({"upload_bytes_per_sec": 1}),
        json!({"metered": "never"}),
        json!({"upload_limits": [{"from": "8:00", "to": "18:00", "bytes_per_s": 1}]}),
        json!(7),
    ] {
        let refused = build(bad.clone());
        assert_eq!(
            (refused.exit, refused.code().as_str()),
            (2, "build.policy"),
            "{bad}"
        );
    }
    let good = json!({"metered": "limit", "upload_limits": [{"from": "08:00", "to": "18:00", "bytes_per_s": 500_000}]});
    assert_eq!(build(good.clone()).exit, 0);
    assert_eq!(desk.answer(&["inspect", "office"])["policy"]["replication"], good);
}
