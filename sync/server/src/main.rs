//! Entry point.

fn main() -> std::process::ExitCode {
    gobag_server::run()
}
