//! The shared part of sticks: side by side, resumed, too small, read back.

#![expect(clippy::disallowed_methods, reason = "tests prepare and damage files")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use gobag_format::Silent;
use gobag_format::manifest::Trust;
use tempfile::TempDir;

use super::*;
use crate::base::{BaseImage, BaseOptions};
use crate::medium::{BUNDLE_FOLDER, StickMedium};
use crate::repository::Access;
use crate::repository::testing::{Office, StopAfter, disk, flip, noise};

struct Sticks {
    office: Office,
    content: Vec<u8>,
    folders: Vec<TempDir>,
}

impl Sticks {
    fn new(count: usize) -> Self {
        let (office, content) = (Office::new(), disk(1, 250));
        office.build("office", &[office.source("system", &content)]);
        Self {
            office,
            content,
            folders: (0..count).map(|_| TempDir::new().unwrap()).collect(),
        }
    }

    fn targets(&self) -> Vec<PathBuf> {
        self.folders
            .iter()
            .map(|folder| folder.path().to_owned())
            .collect()
    }

    fn write(&self, options: &StickOptions, monitor: &dyn Monitor) -> Result<Vec<StickOutcome>, StickError> {
        let (repository, image) = (
            self.office.repository(Access::Shared),
            self.office.image("office", 1),
        );
        write_sticks(&repository, &image, &self.targets(), options, monitor)
    }

    fn reports(&self, options: &StickOptions) -> Vec<StickReport> {
        let outcomes = self.write(options, &Silent).unwrap();
        outcomes
            .into_iter()
            .map(|outcome| outcome.result.unwrap())
            .collect()
    }

    /// The volume as a launcher reads it from the stick.
    fn read(&self, target: &Path) -> Vec<u8> {
        let image = self.office.image("office", 1);
        let trust = Trust {
            image: image.manifest.image,
            publisher: self.office.secrets.signing_key().verifying_key(),
            min_version: 1,
            digest: Some(image.manifest_digest),
        };
        let medium = Arc::new(StickMedium::peek(target));
        let base = BaseImage::open(medium, &image.key, &trust, &BaseOptions::default()).unwrap();
        let volume = base.volume(0).unwrap();
        let mut content = vec![0; volume.size_bytes() as usize];
        volume.read_at(0, &mut content).unwrap();
        content
    }

    fn a_pack(&self, target: &Path) -> PathBuf {
        let folder = target.join(BUNDLE_FOLDER).join("PACKS");
        fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
    }
}

fn codes(outcomes: &[StickOutcome]) -> Vec<&'static str> {
    let code = |outcome: &StickOutcome| outcome.result.as_ref().err().map_or("ok", StickError::code);
    outcomes.iter().map(code).collect()
}

#[test]
fn two_sticks_get_the_same_bytes_and_a_launcher_reads_the_image_from_each() {
    let sticks = Sticks::new(2);
    let launcher = sticks.folders[0].path().join("launcher-source");
    fs::write(&launcher, b"program").unwrap();
    let extras = vec![
        ExtraFile {
            relative: "gobag".into(),
            content: ExtraContent::CopyOf(launcher.clone()),
            executable: true,
        },
        ExtraFile {
            relative: "START-HERE.html".into(),
            content: ExtraContent::Bytes(b"<p>".to_vec()),
            executable: false,
        },
    ];
    let reports = sticks.reports(&StickOptions {
        extras,
        ..StickOptions::default()
    });
    assert_eq!(reports[0].written_files, reports[1].written_files);
    assert_eq!((reports[0].kept_files, reports[0].removed_files), (0, 0));
    for target in sticks.targets() {
        assert!(sticks.read(&target) == sticks.content);
        assert_eq!(fs::read(target.join("START-HERE.html")).unwrap(), b"<p>");
        let mode = fs::metadata(target.join("gobag")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }
}

#[test]
fn a_link_in_the_place_of_a_file_leads_nowhere() {
    let (stick, office) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = office.path().join("keys");
    fs::write(&theirs, b"precious").unwrap();
    std::os::unix::fs::symlink(&theirs, stick.path().join("START-HERE.html")).unwrap();
    let error = put_file(stick.path(), Path::new("START-HERE.html"), b"<p>").unwrap_err();
    assert_eq!(error.code(), "file.io");
    assert_eq!(fs::read(&theirs).unwrap(), b"precious");
}

#[test]
fn what_is_right_is_kept_and_what_is_not_is_written_again() {
    let sticks = Sticks::new(1);
    let first = sticks.reports(&StickOptions::default()).remove(0);
    let target = &sticks.targets()[0];
    let again = sticks.reports(&StickOptions::default()).remove(0);
    assert_eq!((again.written_files, again.kept_files), (0, first.written_files));
    // One pack damaged, one file shortened, one missing.
    let pack = sticks.a_pack(target);
    flip(&pack, 70_000);
    let image = sticks.office.image("office", 1).manifest.image;
    let images = target.join(BUNDLE_FOLDER).join("IMAGES");
    fs::OpenOptions::new()
        .write(true)
        .open(images.join(format!("{image}.GBM")))
        .unwrap()
        .set_len(9)
        .unwrap();
    fs::remove_file(images.join(format!("{image}.0.GBX"))).unwrap();
    let repaired = sticks.reports(&StickOptions::default()).remove(0);
    assert_eq!(
        (repaired.written_files, repaired.kept_files),
        (3, first.written_files - 3)
    );
    assert!(sticks.read(target) == sticks.content);
}

#[test]
fn a_stick_without_room_is_refused_before_anything_is_written() {
    let sticks = Sticks::new(2);
    let options = StickOptions {
        reserve_bytes: 1 << 60,
        ..StickOptions::default()
    };
    let outcomes = sticks.write(&options, &Silent).unwrap();
    assert_eq!(codes(&outcomes), ["stick.no-space", "stick.no-space"]);
    let mut missing = sticks.targets();
    missing[1] = missing[1].join("nowhere");
    let (repository, image) = (
        sticks.office.repository(Access::Shared),
        sticks.office.image("office", 1),
    );
    let outcomes = write_sticks(&repository, &image, &missing, &StickOptions::default(), &Silent).unwrap();
    assert_eq!(codes(&outcomes), ["stick.held-up", "stick.not-a-folder"]);
    assert!(
        sticks
            .targets()
            .iter()
            .all(|target| fs::read_dir(target).unwrap().next().is_none())
    );
}

#[test]
fn a_stick_that_fails_does_not_hold_up_the_others() {
    let sticks = Sticks::new(3);
    let targets = sticks.targets();
    fs::create_dir(targets[1].join(BUNDLE_FOLDER)).unwrap();
    // A file where a folder must be: the first pack cannot be created.
    fs::write(targets[1].join(BUNDLE_FOLDER).join("PACKS"), b"").unwrap();
    let outcomes = sticks.write(&StickOptions::default(), &Silent).unwrap();
    assert_eq!(codes(&outcomes), ["ok", "file.io", "ok"]);
    assert!(sticks.read(&targets[0]) == sticks.content && sticks.read(&targets[2]) == sticks.content);
}

#[test]
fn a_damaged_repository_reaches_no_stick() {
    let sticks = Sticks::new(1);
    let pack = sticks.office.pack_files().pop().unwrap();
    flip(&pack, 70_000);
    let error = sticks.write(&StickOptions::default(), &Silent).unwrap_err();
    assert_eq!(error.code(), "stick.source-damaged");
}

#[test]
fn a_stick_that_returns_other_bytes_is_found_out() {
    let sticks = Sticks::new(1);
    let (repository, image) = (
        sticks.office.repository(Access::Shared),
        sticks.office.image("office", 1),
    );
    let items = items_of(&repository, &image, &[]).unwrap();
    let surveys = survey(&items, &sticks.targets(), &StickOptions::default(), &Silent).unwrap();
    let surveys: Vec<Survey> = surveys.into_iter().map(Result::unwrap).collect();
    let streamed = stream(&items, &surveys, &Silent).unwrap();
    let pack = sticks.a_pack(&sticks.targets()[0]);
    flip(&pack, 70_000);
    let results = read_back_all(&items, &surveys, streamed, &Silent);
    let error = results.into_iter().next().unwrap().err().unwrap();
    assert_eq!(error.code(), "stick.read-back");
    assert!(error.to_string().contains(pack.to_str().unwrap()), "{error}");
}

#[test]
fn other_images_are_removed_only_when_asked() {
    let sticks = Sticks::new(1);
    let target = &sticks.targets()[0];
    sticks.reports(&StickOptions::default());
    let foreign = target
        .join(BUNDLE_FOLDER)
        .join("PACKS/00000000000000000000000000000000.GBP");
    let note = target.join(BUNDLE_FOLDER).join("PACKS/note.txt");
    fs::write(&foreign, noise(1, 1000)).unwrap();
    fs::write(&note, b"mine").unwrap();
    assert_eq!(sticks.reports(&StickOptions::default())[0].removed_files, 0);
    assert!(foreign.exists());
    let options = StickOptions {
        remove_others: true,
        ..StickOptions::default()
    };
    assert_eq!(sticks.reports(&options)[0].removed_files, 1);
    assert!(!foreign.exists() && note.exists());
    assert!(sticks.read(target) == sticks.content);
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_would_be() {
    let sticks = Sticks::new(1);
    let dry = sticks
        .reports(&StickOptions {
            dry_run: true,
            ..StickOptions::default()
        })
        .remove(0);
    assert!(fs::read_dir(&sticks.targets()[0]).unwrap().next().is_none());
    let done = sticks.reports(&StickOptions::default()).remove(0);
    assert_eq!(
        (dry.written_files, dry.written_bytes),
        (done.written_files, done.written_bytes)
    );
}

#[test]
fn a_stopped_run_is_continued_by_the_next() {
    let sticks = Sticks::new(1);
    let error = sticks
        .write(&StickOptions::default(), &StopAfter::new(3 << 20))
        .unwrap_err();
    assert_eq!(error.code(), "stick.cancelled");
    let report = sticks.reports(&StickOptions::default()).remove(0);
    assert!(report.kept_files > 0 && report.written_files > 0, "{report:?}");
    assert!(sticks.read(&sticks.targets()[0]) == sticks.content);
}
