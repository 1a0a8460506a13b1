//! Tests that need something of the host are skipped without it, unless `GOBAG_REQUIRE` names it.

/// Whether `name` is there; says so when not, and fails when `GOBAG_REQUIRE` (`qemu,fuse,…`) demands it.
pub(crate) fn have(name: &str, missing: Option<String>) -> bool {
    let Some(missing) = missing else {
        return true;
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "how a test run says what must not be skipped"
    )]
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|word| word == name),
        "GOBAG_REQUIRE demands {name}: {missing}"
    );
    println!("skipped: {missing}");
    false
}
