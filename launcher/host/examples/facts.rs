//! Prints what is found out about this computer, and what follows from it with the default requirements.

use std::time::Instant;

use gobag_checklists::{ModeChoice, Requirements, decide};
use gobag_host::{GatherOptions, gather};

fn main() -> Result<(), serde_json::Error> {
    let options = GatherOptions::new(search_path(), std::env::temp_dir());
    let started = Instant::now();
    let facts = gather(&options);
    println!("{}", serde_json::to_string_pretty(&facts)?);
    println!("gathered in {} ms", started.elapsed().as_millis());
    let decision = decide(&Requirements::default(), &facts, ModeChoice::Auto, &[]);
    for findings in &decision.findings {
        println!("\n{}:", findings.mode);
        for finding in &findings.findings {
            println!(
                "{:?} {}: needs {}, found {}",
                finding.verdict, finding.title, finding.needed, finding.found
            );
            if let Some(what_to_do) = &finding.what_to_do {
                println!("     {what_to_do}");
            }
        }
    }
    println!("\n{}", decision.reasons.join("\n"));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program's main reads the environment")]
fn search_path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}
