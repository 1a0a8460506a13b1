//! Entry point of `cargo xtask`.

fn main() -> std::process::ExitCode {
    xtask::run(std::env::args().skip(1))
}
