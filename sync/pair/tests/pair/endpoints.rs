//! The same on real places: each runs the tests of [`elsewhere`](crate::elsewhere) in a process of its own, which hears by its environment where to.

#[path = "../../../stores/tests/stores/endpoints.rs"]
pub(crate) mod places;

use std::process::Command;

use places::Endpoint;

/// Runs these tests there, one after the other.
fn run(endpoint: Option<Endpoint>, mode: &str, tests: &[&str]) {
    let Some(endpoint) = endpoint else {
        return;
    };
    let credentials = endpoint.credentials.as_ref().map(|words| words.join(" "));
    again(tests, |command| {
        command
            .env("GOBAG_TEST_PLACE", &endpoint.place)
            .env("GOBAG_TEST_QUERY", &endpoint.query)
            .env("GOBAG_TEST_CREDENTIALS", credentials.unwrap_or_default())
            .env("GOBAG_TEST_MODE", mode)
            .env("PATH", endpoint.search_path());
    });
}

/// Runs these tests in a process of its own, which hears by its environment where.
pub(crate) fn again(tests: &[&str], say_where: impl FnOnce(&mut Command)) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--test-threads=1"]).args(tests);
    say_where(&mut command);
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}{errors}");
    assert!(!said.contains(" 0 passed"), "{said}");
    println!("{said}");
}

const ALL: &[&str] = &["elsewhere::"];
/// Those in which most goes to and fro.
const SOME: &[&str] = &[
    "elsewhere::s",
    "elsewhere::of_",
    "elsewhere::cases::s1_",
    "elsewhere::cases::s21",
];

/// Where each look at a place is a new `ssh`.
const FEW: &[&str] = &[
    "elsewhere::of_",
    "elsewhere::s41",
    "elsewhere::s39_of_two",
    "elsewhere::cases::s1_",
];

#[test]
fn on_s3_that_keeps_to_conditions() {
    run(Endpoint::moto(), "conditional", ALL);
}

#[test]
fn on_openssh() {
    run(Endpoint::sshd(), "single-writer", FEW);
}

#[test]
fn on_apaches_webdav() {
    run(Endpoint::apache(), "single-writer", SOME);
}

#[test]
fn s40_a_bucket_that_ignores_conditions_is_refused_and_takes_one_writer() {
    run(Endpoint::rclone_s3(), "weak", SOME);
}

#[test]
fn s40_a_weak_webdav_takes_one_writer() {
    run(Endpoint::rclone_webdav(), "single-writer", SOME);
}

#[test]
fn s40_a_weak_sftp_takes_one_writer() {
    run(Endpoint::rclone_sftp(), "single-writer", &FEW[..2]);
}
