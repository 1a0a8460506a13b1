//! Entry point.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    gobag_sync::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
