//! Shows everything this crate can do, to be looked at: `cargo run -p gobag-term --example terminal -- ask`.

use std::time::Duration;

use clap::Parser;
use gobag_term::{
    Cell, CliError, ExitCode, GlobalArgs, Interrupt, NewPassphraseArgs, Table, Tone, Ui, log, run,
};

/// Shows what a terminal can do
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    passphrase: NewPassphraseArgs,
    /// What to show
    #[arg(value_parser = ["answer", "ask", "work", "error", "panic"])]
    what: String,
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let ui = Ui::new(&args.global);
    run(&ui, |ui| show(ui, &args))
}

fn show(ui: &Ui, args: &Args) -> Result<ExitCode, CliError> {
    let interrupt = Interrupt::install()?;
    ui.set_interrupt(&interrupt);
    log::init(&args.global, ui)?;
    tracing::info!("logging works");
    match args.what.as_str() {
        "answer" => {
            let mut table = Table::new(["check", "found", "verdict"]);
            table.row([
                Cell::from("Memory"),
                "9.0 GiB".into(),
                Cell::toned("ok", Tone::Good),
            ]);
            table.row([
                Cell::from("Speed"),
                "emulation only".into(),
                Cell::toned("warn", Tone::Warn),
            ]);
            ui.answer(&["memory", "speed"], |_| table.render(ui.columns()))?;
        }
        "ask" => {
            let passphrase = ui.new_passphrase(&args.passphrase.source(), "New passphrase: ")?;
            let sure = ui.confirm("Use it")?;
            ui.ok(&format!(
                "{} characters, {sure}",
                passphrase.expose().chars().count()
            ));
        }
        "work" => {
            let progress = ui.progress();
            progress.phase("copying", Some(300 << 20));
            for step in 0..300 {
                // A wait for Ctrl-C that usually runs into its limit.
                if interrupt.wait(Some(Duration::from_millis(10))) {
                    return Err(CliError::new(
                        ExitCode::Interrupted,
                        "example.interrupted",
                        "interrupted",
                    ));
                }
                progress.message(&format!("file {step}"));
                progress.advance(1 << 20);
            }
            progress.finish();
        }
        "error" => {
            let error = std::fs::read("/nowhere").expect_err("not there");
            return Err(CliError::new(ExitCode::Damaged, "example.error", error).hint("run `gobag verify`"));
        }
        _ => panic!("on purpose"),
    }
    Ok(ExitCode::Ok)
}
