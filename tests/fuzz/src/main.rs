//! LLVM's libFuzzer around the targets: `GOBAG_FUZZ_TARGET` names one, all arguments are libFuzzer's own.
//!
//! One program for all targets, because linking is slow. Build it with `cargo xtask fuzz`, which adds the coverage
//! instrumentation.

#![no_main]

use std::sync::OnceLock;

use gobag_fuzz::Target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

#[expect(
    clippy::disallowed_methods,
    reason = "libFuzzer owns the command line, so the target comes by the environment"
)]
fn chosen() -> &'static Target {
    TARGET.get_or_init(|| {
        let name = std::env::var("GOBAG_FUZZ_TARGET").unwrap_or_default();
        let Some(target) = Target::named(&name) else {
            eprintln!("error: GOBAG_FUZZ_TARGET names no target: `{name}`");
            std::process::exit(2);
        };
        target
    })
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| chosen().check(input));
