//! A repository: listing, removing, verifying, and what damage does to each.

#![expect(clippy::disallowed_methods, reason = "tests prepare and damage files")]

use std::fs::{File, OpenOptions};
use std::path::Path;

use gobag_format::Silent;
use gobag_format::ids::{BundleId, OrgId};

use super::testing::{Office, disk, flip, noise};
use super::*;

fn verified(office: &Office) -> VerifyReport {
    let repository = office.repository(Access::Shared);
    verify(&repository, &office.secrets, &VerifyOptions::default(), &Silent).unwrap()
}

fn codes(report: &VerifyReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_folder_that_is_no_repository_or_somebody_elses_is_refused() {
    let office = Office::new();
    let code = |folder: &Path, org| {
        Repository::open(folder, org, Access::Shared)
            .err()
            .unwrap()
            .code()
    };
    let folder = office.folder.path().join("repository");
    assert_eq!(
        code(office.folder.path(), office.secrets.org),
        "repository.not-a-repository"
    );
    assert_eq!(code(&folder, OrgId([0; 16])), "repository.other-org");
    assert_eq!(
        Repository::create(&folder, office.secrets.org)
            .unwrap_err()
            .code(),
        "repository.exists"
    );
}

#[test]
fn removing_waits_for_nobody_and_harms_nobody() {
    let office = Office::new();
    let reading = office.repository(Access::Shared);
    let second = Repository::open(reading.folder(), office.secrets.org, Access::Shared);
    assert!(second.is_ok());
    let alone = Repository::open(reading.folder(), office.secrets.org, Access::Exclusive);
    assert_eq!(alone.err().unwrap().code(), "repository.busy");
}

#[test]
fn every_flipped_bit_is_found_and_the_image_named() {
    let office = Office::new();
    office.build("office", &[office.source("system", &disk(1, 60))]);
    office.build("other", &[office.source("other", &noise(77, 100_000))]);
    assert_eq!(verified(&office).findings, []);
    let repository = office.repository(Access::Shared);
    let image = office.image("office", 1);
    let pack = repository.layout().pack(image.manifest.packs[0].id);
    let len = image.manifest.packs[0].len_bytes;
    let places = [
        (pack.clone(), 0, "pack.not-a-pack"),
        (pack.clone(), 20, "pack.other-pack"),
        (pack.clone(), 40, "pack.sealed"),
        (pack.clone(), 2000, "pack.inconsistent"),
        (pack.clone(), 5000, "pack.frame"),
        (pack.clone(), len - 5000, "pack.sealed"),
        (pack.clone(), len - 1, "pack.sealed"),
        (layout::map(&image.folder, 0), 0, "map.not-a-map"),
        (layout::map(&image.folder, 0), 100, "map.leaf"),
        (
            layout::map(&image.folder, 0),
            image.manifest.volumes[0].map.root_offset + 3,
            "map.root",
        ),
        (image.manifest_path(), 1, "manifest.not-a-manifest"),
        (image.manifest_path(), 500, "manifest.sealed"),
        (layout::image_key(&image.folder), 40, "manifest.sealed"),
    ];
    for (path, offset, code) in places {
        flip(&path, offset);
        let report = verified(&office);
        // Threads find; which of two findings about one pack comes first is theirs.
        assert!(
            report.findings.iter().any(|finding| finding.code == code),
            "{} at {offset}: {report:?}",
            path.display()
        );
        assert!(
            report
                .findings
                .iter()
                .all(|finding| finding.images == ["office@1"]),
            "{report:?}"
        );
        flip(&path, offset);
    }
    assert_eq!(verified(&office).findings, []);
}

#[test]
fn missing_shortened_and_swapped_packs_are_found() {
    let office = Office::new();
    office.build("office", &[office.source("system", &noise(1, 5 << 20))]);
    let packs = office.pack_files();
    let (first, second) = (&packs[0], &packs[1]);
    let aside = office.folder.path().join("aside");
    std::fs::copy(first, &aside).unwrap();
    std::fs::copy(second, first).unwrap();
    assert_eq!(codes(&verified(&office)), ["pack.other-pack"]);
    std::fs::copy(&aside, first).unwrap();
    OpenOptions::new()
        .write(true)
        .open(first)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    assert_eq!(codes(&verified(&office)), ["pack.sealed"]);
    File::options()
        .write(true)
        .open(first)
        .unwrap()
        .set_len(0)
        .unwrap();
    assert_eq!(codes(&verified(&office)), ["pack.length"]);
    std::fs::copy(&aside, first).unwrap();
    assert_eq!(verified(&office).findings, []);
}

#[test]
fn a_version_under_another_number_is_refused() {
    let office = Office::new();
    let source = [office.source("system", b"content")];
    office.build("office", &source);
    office.build("office", &source);
    let layout = Layout::new(&office.folder.path().join("repository"));
    std::fs::rename(layout.version("office", 1), layout.version("office", 9)).unwrap();
    let repository = office.repository(Access::Shared);
    let error = repository.open_image(&repository.find("office@9").unwrap(), &office.secrets);
    assert_eq!(error.err().unwrap().code(), "manifest.rolled-back");
}

#[test]
fn removing_keeps_what_others_need_and_frees_the_rest() {
    let office = Office::new();
    let mut content = noise(1, 5 << 20);
    office.build("office", &[office.source("system", &content)]);
    content[..3 << 20].copy_from_slice(&noise(2, 3 << 20));
    office.build("office", &[office.source("system", &content)]);
    let before = office.pack_files().len();
    let repository = office.repository(Access::Exclusive);
    let first = [repository.find("office@1").unwrap()];
    let dry = RemoveOptions { dry_run: true };
    let planned = remove(&repository, &office.secrets, &first, &dry, &Silent).unwrap();
    assert_eq!(repository.versions("office").unwrap(), [1, 2]);
    let report = remove(
        &repository,
        &office.secrets,
        &first,
        &RemoveOptions::default(),
        &Silent,
    )
    .unwrap();
    assert_eq!(planned, report);
    assert!(report.packs >= 1 && report.freed_bytes >= 1 << 20, "{report:?}");
    drop(repository);
    assert_eq!(office.pack_files().len(), before - report.packs as usize);
    assert_eq!(office.read(&office.image("office", 2), 0), content);
    assert_eq!(verified(&office).findings, []);
}

#[test]
fn nothing_is_deleted_while_a_manifest_is_unreadable() {
    let office = Office::new();
    office.build("office", &[office.source("system", &noise(1, 100_000))]);
    office.build("other", &[office.source("system", &noise(2, 100_000))]);
    flip(&office.image("other", 1).manifest_path(), 500);
    let packs = office.pack_files();
    let repository = office.repository(Access::Exclusive);
    let images = [repository.find("office").unwrap()];
    let error = remove(
        &repository,
        &office.secrets,
        &images,
        &RemoveOptions::default(),
        &Silent,
    );
    assert_eq!(error.unwrap_err().code(), "remove.unreadable-image");
    drop(repository);
    assert_eq!(office.pack_files(), packs);
    assert_eq!(office.image("office", 1).manifest.version, 1);
}

#[test]
fn a_damaged_pack_is_not_built_upon() {
    let office = Office::new();
    let source = [office.source("system", &noise(1, 100_000))];
    office.build("office", &source);
    flip(&office.pack_files()[0], 40);
    let report = office.build("office", &source);
    assert_eq!((report.refused_packs.len(), report.new_chunks), (1, 2));
    assert_eq!(office.read(&office.image("office", 2), 0), noise(1, 100_000));
}

#[test]
fn the_register_lists_sticks_in_the_order_they_were_written() {
    let office = Office::new();
    let report = office.build("office", &[office.source("system", b"x")]);
    let repository = office.repository(Access::Shared);
    let entry = |bundle: u8, user: &str, written_s| StickEntry {
        bundle: BundleId([bundle; 16]),
        user: user.to_owned(),
        image: "office".to_owned(),
        version: 1,
        image_id: report.image,
        written_s,
        key: None,
        code_key: None,
    };
    repository.register_stick(&entry(9, "first", 1)).unwrap();
    repository.register_stick(&entry(1, "second", 2)).unwrap();
    repository.register_stick(&entry(9, "first again", 3)).unwrap();
    let users: Vec<_> = repository
        .sticks()
        .unwrap()
        .into_iter()
        .map(|stick| stick.user)
        .collect();
    assert_eq!(users, ["second", "first again"]);
}
