//! Entry point; everything is in the library, where tests reach it.

fn main() -> std::process::ExitCode {
    gobag_stick_model::run()
}
