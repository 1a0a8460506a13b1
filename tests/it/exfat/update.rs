//! A newer version of an image, cut at any write of the real driver.
//!
//! An update creates and deletes files, so the file system may want a repair; after it the stick opens with the old version
//! or the new one, the new one once the update had ended, `home` and the other image bit for bit; and the same update,
//! run again, completes it. That nothing depends on the driver's kindness is shown by `crate::update`, which cuts at every
//! operation of a stricter model.

use std::{fs::File, path::Path};

use age::secrecy::ExposeSecret;
use gobag_bundle::verify::verify;
use gobag_engine::{run::Run, tools};
use gobag_format::Silent;
use gobag_tests::{ask, rng::Rng};
use tempfile::TempDir;

use super::{
    FSCK, Job, Plan, boot,
    cuts::{about, at_writes},
    fat,
    guest::mark,
    kernel,
    peers::repaired,
};
use crate::update::office::{Held, Office};

/// More than an update writes: all of them.
const POINTS: u64 = 80;
/// Where the guest finds the repository: in the archive that it boots from.
const OFFICE: &str = "OFFICE";

/// The guest's side.
pub(super) fn work(plan: &Plan, stick: &Path) {
    let office = Office::at(
        &Path::new("/stick").join(OFFICE),
        plan.seed,
        plan.word.parse().unwrap(),
    );
    mark(0);
    office.update(stick, 2, 7).unwrap();
    mark(1);
}

#[test]
fn guest_updates_a_stick_and_is_cut_at_any_write() {
    let Some(kernel) = kernel() else { return };
    let mut plan = Plan::new(ask::seed().unwrap_or(8), 1, Job::Update);
    let office = Office::new(plan.seed);
    plan.word = office.identity.to_string().expose_secret().to_owned();
    office.release("office", 1);
    office.release("lab", 1);
    let second = office.release("office", 2);
    let (stick, old) = office.stick();
    let new = Held {
        system: second,
        ..old.clone()
    };
    let place = stick.path().join(OFFICE);
    std::fs::create_dir(&place).unwrap();
    let cp = tools::find("cp", None).unwrap();
    Run::new(&cp)
        .arg("-r")
        .arg(office.place())
        .arg(&place)
        .deadline(FSCK)
        .success()
        .unwrap();
    let folder = TempDir::new().unwrap();
    let written =
        boot::run(&kernel, &plan, stick.path(), folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let (mut looked, mut repairs, mut olds) = (0, 0, 0);
    let mut rng = Rng::new(plan.seed);
    let chosen = about(ask::seeds(POINTS));
    let (candidates, confirmed) = at_writes(&written, folder.path(), &mut rng, chosen, |cut| {
        let place = &cut.place;
        let image = repaired(cut.image, folder.path(), &mut repairs);
        let copy = tempfile::tempdir_in(folder.path()).unwrap();
        fat::extract(&File::open(&image).unwrap(), copy.path())
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        olds += u64::from(is_old(&office, copy.path(), (&old, &new), cut.confirmed, place));
        looked += 1;
    });
    assert_eq!(confirmed, 1, "the guest did not come to its end");
    eprintln!(
        "an update, {candidates} writes, {looked} cuts: {olds} with the old version, the others with the new; \
         the file system wanted {repairs} repairs"
    );
}

/// A stick that was cut, looked at and updated again; whether it had the old version.
fn is_old(office: &Office, stick: &Path, (old, new): (&Held, &Held), confirmed: usize, place: &str) -> bool {
    let held = office
        .held(stick)
        .unwrap_or_else(|error| panic!("{place}: {error}"));
    let is_old = held == *old;
    assert!(
        is_old || held == *new,
        "{place}: neither the old version nor the new"
    );
    assert!(!is_old || confirmed == 0, "{place}: the new version is gone");
    let again = office.update(stick, 2, 9);
    again.unwrap_or_else(|error| panic!("{place}: again: {error}"));
    assert!(
        office.held(stick).as_ref() == Ok(new),
        "{place}: again: not the new version"
    );
    let bundle = office.open(stick, false, 5).unwrap();
    assert_eq!(verify(&bundle, &Silent).unwrap().findings, [], "{place}: again");
    is_old
}
