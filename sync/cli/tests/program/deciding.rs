//! What a person decides: conflicts, what waits, and how it stands.

use std::fs;

use crate::desk::Desk;

#[test]
fn a_conflict_is_listed_until_it_is_resolved() {
    for (keep, name, copies) in [
        ("mine", "ours", 0),
        ("theirs", "theirs", 0),
        ("both", "theirs", 1),
    ] {
        let desk = Desk::paired(&[("letter.odt", "first")]);
        let copy = desk.conflict("letter.odt", ["ours", "theirs"]);
        desk.is(
            "conflicts mine",
            3,
            &["warn letter.odt was changed in both folders", &copy],
        );
        desk.is("status mine", 3, &[&copy, "conflicts resolve"]);
        // By the path of either.
        let path = if keep == "mine" {
            "letter.odt"
        } else {
            copy.as_str()
        };
        desk.are(
            &["conflicts", "resolve", "mine", path, "--keep", keep],
            0,
            &["ok   letter.odt "],
        );
        assert_eq!(desk.read("mine/letter.odt"), name, "{keep}");
        assert_eq!(
            usize::from(desk.at(&format!("mine/{copy}")).exists()),
            copies,
            "{keep}"
        );
        desk.is("conflicts mine", 0, &["ok   There are no conflicts."]);
        desk.are(
            &["conflicts", "resolve", "mine", path, "--keep", keep],
            1,
            &["is in no conflict", "hint: "],
        );
        desk.is("sync mine office", 0, &[]);
        assert_eq!(desk.read("office/letter.odt"), name, "{keep}");
        // Nothing is gone.
        let all = contents(&desk);
        for text in ["ours", "theirs"] {
            assert!(all.contains(&text.to_owned()), "{keep}: no {text} in {all:?}");
        }
    }
}

#[test]
fn a_folder_keeps_its_name_and_the_file_beside_it_is_whose_it_is() {
    for keep in ["mine", "theirs", "both"] {
        let desk = Desk::paired(&[("x", "1"), ("y", "1")]);
        desk.remove("mine/x");
        desk.write("mine/x/f", "ours");
        desk.write("office/x", "theirs");
        desk.is(
            "sync mine office",
            3,
            &["x was changed in both folders. The one of the other folder is now x (conflict "],
        );
        let listed = desk.json("conflicts mine", 3);
        assert_eq!(listed["conflicts"][0]["whose"], "right", "{listed}");
        let copy = format!("mine/{}", listed["conflicts"][0]["copy"].as_str().unwrap());
        assert_eq!(desk.read(&copy), "theirs");
        // Theirs cannot come in the place of a folder, and is not taken away for that.
        let code = if keep == "theirs" { 1 } else { 0 };
        desk.is(&format!("conflicts resolve mine x --keep {keep}"), code, &[]);
        assert_eq!(desk.at(&copy).exists(), keep != "mine", "{keep}");
        assert_eq!(desk.read("mine/x/f"), "ours");
        if keep == "theirs" {
            fs::rename(desk.at("mine/x"), desk.at("mine/my x")).unwrap();
            desk.is(
                "conflicts resolve mine x --keep theirs",
                0,
                &["ok   x is the other one now."],
            );
            assert_eq!(desk.read("mine/x"), "theirs");
        }
        assert!(contents(&desk).contains(&"theirs".to_owned()), "{keep}");
    }
}

#[test]
fn one_of_which_the_other_is_gone_is_not_taken_away() {
    let desk = Desk::paired(&[("a", "1"), ("b", "1")]);
    let copy = desk.conflict("a", ["ours", "theirs"]);
    desk.remove("mine/a");
    desk.is(
        "conflicts resolve mine a --keep theirs",
        1,
        &["there is nothing at `a` any more", "hint: "],
    );
    assert_eq!(desk.read(&format!("mine/{copy}")), "ours");
    desk.is("conflicts resolve mine a --keep mine", 0, &[]);
    assert_eq!(desk.read("mine/a"), "ours");
}

/// All that is in any file.
fn contents(desk: &Desk) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![desk.at("mine"), desk.at("office")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.extend(fs::read_to_string(path)),
            }
        }
    }
    found
}

#[test]
fn one_that_was_deleted_or_moved_or_given_a_name_is_no_conflict_any_more() {
    let desk = Desk::paired(&[("a", "1"), ("b", "1"), ("c", "1")]);
    for name in ["a", "b"] {
        let copy = desk.conflict(name, ["ours", "theirs"]);
        match name {
            "a" => desk.remove(&format!("mine/{copy}")),
            _ => fs::rename(desk.at("mine").join(copy), desk.at("mine/my b")).unwrap(),
        }
        desk.is("conflicts mine", 0, &[]);
        desk.is("sync mine office", 0, &[]);
        desk.is("conflicts mine", 0, &["no conflicts"]);
    }
    // Two of one name: it has to be said which.
    let first = desk.conflict("c", ["ours", "theirs"]);
    desk.conflict("c", ["ours again", "theirs again"]);
    desk.is(
        "conflicts resolve mine c --keep both",
        1,
        &["in several conflicts", "hint: "],
    );
    desk.are(
        &["conflicts", "resolve", "mine", &first, "--keep", "both"],
        0,
        &[],
    );
    fs::rename(desk.at("mine/c"), desk.at("mine/old c")).unwrap();
    fs::create_dir(desk.at("mine/c")).unwrap();
    desk.is(
        "conflicts resolve mine c --keep mine",
        1,
        &["cannot look at `c`", "a folder has that name"],
    );
    // That folder is nobody's side of it; the copy, which is ours, goes all the same.
    desk.is("conflicts resolve mine c --keep theirs", 0, &[]);
    desk.is(
        "conflicts resolve mine ../x --keep both",
        2,
        &["no name of a file"],
    );
}

#[test]
fn s33_what_somebody_let_through_is_done_once_and_written_down() {
    let desk = Desk::paired(&[("a", "1"), ("b", "2")]);
    desk.is(
        "holds confirm mine",
        1,
        &["nothing waits for you there", "hint: "],
    );
    desk.is("holds mine", 0, &["ok   Nothing waits for you."]);
    for name in ["mine/a", "mine/b"] {
        desk.remove(name);
    }
    desk.is(
        "sync mine office",
        1,
        &[
            "FAIL Nothing of what was in your folder is left there",
            "holds confirm mine",
        ],
    );
    desk.is(
        "status mine",
        3,
        &[
            "it waits for you",
            "If that is meant: `gobag-sync holds confirm mine`",
        ],
    );
    // Nobody can be asked.
    let (code, text) = desk.run(&["holds", "confirm", "mine"]);
    assert!(code != 0 && text.contains("2 files (2 B)"), "{text}");
    desk.is(
        "holds confirm mine --yes",
        0,
        &["ok   The next pass within a day does this, once", "2 files (2 B)"],
    );
    desk.is("status mine", 3, &["has let it through at "]);
    desk.is("sync mine office", 0, &["2 deleted and kept as versions"]);
    let status = desk.json("status mine", 0);
    let overridden = &status["overridden"][0]["agreed"];
    assert!(overridden["by"].as_str().unwrap().contains("user "), "{status}");
    assert!(
        overridden["at_s"].as_i64().unwrap() > 0 && overridden["holds"][0]["files"] == 2,
        "{status}"
    );
    desk.is(
        "status mine",
        0,
        &[
            "The last that was let through, by ",
            ": Nothing of what was in your folder is left there.",
        ],
    );
    // The same again waits again.
    for name in ["mine/a", "mine/b"] {
        desk.write(name, "again");
    }
    desk.is("sync mine office", 0, &[]);
    for name in ["mine/a", "mine/b"] {
        desk.remove(name);
    }
    desk.is("sync mine office", 1, &["Nothing was done"]);
    desk.is("sync mine office --confirm", 0, &[]);
    let status = desk.json("status mine", 0);
    assert_eq!(status["overridden"].as_array().unwrap().len(), 2, "{status}");
}

#[test]
fn how_it_stands_is_said_without_a_look_at_the_folders() {
    let desk = Desk::new();
    desk.write("mine/a", "1");
    desk.is("status mine", 1, &["not paired", "hint: "]);
    desk.is("pair mine office", 0, &[]);
    desk.is("status mine", 3, &["never made the same"]);
    desk.is("sync mine office", 0, &[]);
    desk.is(
        "status mine",
        0,
        &[
            "ok   Both folders were last the same at ",
            "all was done",
            "ok   The other folder is there",
        ],
    );
    desk.write("mine/b", "22");
    // It is not looked at.
    desk.is("status mine office", 0, &[]);
    desk.is(
        "status mine --look",
        3,
        &["To do:", "In the other folder would be 1 put (2 B)"],
    );
    assert!(!desk.at("office/b").exists());
    let status = desk.json("status mine --look", 3);
    assert_eq!(status["to_do"]["right"]["put"], 1, "{status}");
    assert!(
        status["in_step_s"].as_i64() > Some(0) && status["is_reachable"] == true,
        "{status}"
    );
    let fifo = desk.at("mine/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    desk.is("sync mine office", 3, &[]);
    desk.is(
        "status mine",
        3,
        &[
            "all was done but for what was left alone",
            "warn pipe was left alone: it is no file, folder or link.",
        ],
    );
}
