//! Files that people name, or that lie on a stick: a pipe in place of one is refused at once. Every one of these tests would hang,
//! were it waited for.

use std::fs;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::{
    program::{Desk, Ran},
    stick::{Contents, Stick},
};

fn assert_refused(ran: &Ran) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.exit, 2, "{said}");
    assert!(
        said.contains("it is not a regular file, but a named pipe"),
        "{said}"
    );
    assert!(said.contains("save what comes out of it in a file"), "{said}");
}

#[test]
fn pipes_in_place_of_files_are_refused_at_once() {
    let desk = Desk::new();
    let pipe = desk.path("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    fs::create_dir_all(desk.path("texts/fr")).unwrap();
    mkfifoat(CWD, desk.path("texts/fr/list.ftl"), Mode::RUSR | Mode::WUSR).unwrap();
    assert_refused(&desk.run(&[&"check", &"--quick", &"--requirements", &pipe]));
    assert_refused(&desk.run(&[&"check", &"--quick", &"--checklist", &"--texts", &"texts"]));
}

#[test]
fn pipes_in_place_of_it_s_letters_are_refused_at_once() {
    let (desk, stick) = (Desk::new(), Stick::new(&Contents::default()));
    mkfifoat(CWD, desk.path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let path = stick.path();
    for option in ["--waiver", "--restore-token"] {
        assert_refused(&desk.run(&[
            &"start",
            &"--stick",
            &path,
            &"--passphrase-file",
            &"right",
            &option,
            &"pipe",
        ]));
    }
}
