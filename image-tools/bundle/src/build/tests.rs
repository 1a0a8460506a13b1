//! Building: deduplication, interruption and resumption, bounded memory.

use std::num::NonZeroUsize;

use gobag_format::limits::CHUNK_LEN;
use proptest::prelude::*;

use super::*;
use crate::repository::testing::{Office, StopAfter, disk, noise, small_packs};
use crate::repository::{Access, VerifyOptions, verify};
use gobag_format::Silent;

fn assert_sound(office: &Office) {
    let report = verify(
        &office.repository(Access::Shared),
        &office.secrets,
        &VerifyOptions::default(),
        &Silent,
    );
    assert_eq!(report.unwrap().findings, []);
}

#[test]
fn what_was_built_reads_back_byte_for_byte() {
    let office = Office::new();
    let (system, kernel) = (disk(1, 150), noise(3, 777_777));
    let report = office.build(
        "office",
        &[office.source("system", &system), office.source("kernel", &kernel)],
    );
    assert_eq!(
        (report.version, report.size_bytes),
        (1, (system.len() + kernel.len()) as u64)
    );
    assert!(report.new_packs > 1, "{report:?}");
    let image = office.image("office", 1);
    assert_eq!(office.read(&image, 0), system);
    assert_eq!(office.read(&image, 1), kernel);
    assert_sound(&office);
}

#[test]
fn counts_say_what_happened_to_every_chunk() {
    let office = Office::new();
    let report = office.build("office", &[office.source("system", &disk(1, 70))]);
    // Of seven chunks two are zero; one is the same in all ten rounds; five thousand bytes follow.
    assert_eq!(
        (report.zero_chunks, report.reused_chunks, report.new_chunks),
        (20, 9, 42)
    );
    assert_eq!(
        report.unused_bytes,
        report.packs_len_bytes - report.new_stored_bytes
    );
}

#[test]
fn holes_are_not_read() {
    let office = Office::new();
    let mut content = vec![0; 64 << 20];
    content[40 << 20] = 1;
    let report = office.build("sparse", &[office.source("system", &content)]);
    assert!(report.read_bytes <= 2 << 20, "{report:?}");
    assert_eq!(report.zero_chunks, 1023);
    assert_eq!(office.read(&office.image("sparse", 1), 0), content);
}

#[test]
fn a_source_shorter_than_its_volume_ends_in_zeros() {
    let office = Office::new();
    let mut source = office.source("system", &noise(1, 100_000));
    source.size_bytes = 300_000;
    office.build("short", &[source]);
    let mut expected = noise(1, 100_000);
    expected.resize(300_000, 0);
    assert_eq!(office.read(&office.image("short", 1), 0), expected);
}

#[test]
fn a_new_version_stores_only_what_changed() {
    let office = Office::new();
    let mut content = disk(1, 140);
    let first = office.build("office", &[office.source("system", &content)]);
    content[10 * CHUNK_LEN..11 * CHUNK_LEN].copy_from_slice(&noise(100_000, CHUNK_LEN));
    let second = office.build("office", &[office.source("system", &content)]);
    assert_eq!((second.version, second.new_chunks, second.new_packs), (2, 1, 1));
    assert_eq!(second.packs, first.packs + 1);
    assert_eq!(office.image("office", 2).manifest.parent, Some(first.image));
    assert_eq!(office.read(&office.image("office", 1), 0), disk(1, 140));
    assert_eq!(office.read(&office.image("office", 2), 0), content);
    // Without reuse the version stands alone.
    let alone = BuildOptions {
        reuse: false,
        ..small_packs()
    };
    let third = office
        .build_with("office", &[office.source("system", &content)], &alone, &Silent)
        .unwrap();
    assert_eq!((third.packs, third.new_packs), (third.new_packs, third.packs));
    assert_sound(&office);
}

#[test]
fn an_interrupted_build_is_continued_by_the_next() {
    let office = Office::new();
    let content = noise(5, 300 * CHUNK_LEN);
    let source = [office.source("system", &content)];
    let stopped = office.build_with(
        "office",
        &source,
        &small_packs(),
        &StopAfter::new(150 * CHUNK_LEN as u64),
    );
    assert_eq!(stopped.unwrap_err().code(), "build.cancelled");
    let work = office.repository(Access::Shared).layout().work();
    assert!(crate::files::names_in(&work).unwrap().is_empty());
    assert!(office.repository(Access::Shared).images().unwrap().is_empty());
    let report = office.build("office", &source);
    assert!(report.reused_chunks >= 150, "{report:?}");
    assert_eq!(report.reused_chunks + report.new_chunks, 300);
    assert_eq!(report.version, 1);
    assert_eq!(office.read(&office.image("office", 1), 0), content);
    assert!(
        crate::files::names_in(&office.repository(Access::Shared).layout().work())
            .unwrap()
            .is_empty()
    );
    assert_sound(&office);
}

#[test]
fn a_missing_source_fails_and_leaves_no_version() {
    let office = Office::new();
    let mut gone = office.source("data", b"x");
    gone.path = office.folder.path().join("missing.raw");
    let sources = [office.source("system", &noise(1, 10 * CHUNK_LEN)), gone];
    let error = office
        .build_with("office", &sources, &small_packs(), &Silent)
        .unwrap_err();
    assert_eq!(error.code(), "file.missing");
    assert!(error.to_string().contains("missing.raw"), "{error}");
    assert!(office.repository(Access::Shared).images().unwrap().is_empty());
}

#[test]
fn versions_only_go_up_even_over_removed_ones() {
    let office = Office::new();
    let source = [office.source("system", b"content")];
    office.build("office", &source);
    office.build("office", &source);
    let repository = office.repository(Access::Exclusive);
    let newest = [repository.find("office").unwrap()];
    let options = repository::RemoveOptions::default();
    repository::remove(&repository, &office.secrets, &newest, &options, &Silent).unwrap();
    assert_eq!(repository.versions("office").unwrap(), [1]);
    drop(repository);
    assert_eq!(office.build("office", &source).version, 3);
    let description = ImageDescription {
        name: "office".to_owned(),
        version: Some(3),
        ..ImageDescription::default()
    };
    let repository = office.repository(Access::Shared);
    let again = build(
        &repository,
        &office.secrets,
        &description,
        &source,
        &small_packs(),
        &crate::SystemRandom,
        &Silent,
    );
    assert_eq!(again.unwrap_err().code(), "build.version-taken");
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let office = Office::new();
    for name in ["../x", "a/b", "", "A"] {
        let error = office.build_with(name, &[], &small_packs(), &Silent).unwrap_err();
        assert_eq!(error.code(), "build.name");
    }
}

#[test]
fn two_builds_do_not_meet() {
    let office = Office::new();
    let repository = office.repository(Access::Shared);
    let _building = repository.lock_for_building().unwrap();
    let error = office
        .build_with("office", &[], &small_packs(), &Silent)
        .unwrap_err();
    assert_eq!(error.code(), "repository.busy");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_mixture_of_content_survives(
        runs in prop::collection::vec((0u64..6, 1usize..200_000), 1..12),
        threads in 1usize..5,
    ) {
        let office = Office::new();
        let content: Vec<u8> = runs
            .into_iter()
            .flat_map(|(kind, len)| match kind {
                0 => vec![0; len],
                1 => vec![7; len],
                seed => noise(seed, len),
            })
            .collect();
        let options = BuildOptions { threads: NonZeroUsize::new(threads), ..small_packs() };
        office.build_with("any", &[office.source("system", &content)], &options, &Silent).unwrap();
        prop_assert_eq!(office.read(&office.image("any", 1), 0), content);
        assert_sound(&office);
    }
}
