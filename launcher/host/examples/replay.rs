//! Prints the facts that follow from a recording: `cargo run -p gobag-host --example replay FOLDER`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    for folder in std::env::args_os().skip(1) {
        let file = std::path::Path::new(&folder).join("captures.json");
        let recording = String::from_utf8(gobag_checklists::regular::read(&file, 64 << 20)?)?;
        let mut facts = serde_json::to_value(gobag_host::replay(&recording)?)?;
        if let Some(facts) = facts.as_object_mut() {
            facts.retain(|_, fact| fact["reason"] != "not looked at");
        }
        println!("{}", serde_json::to_string_pretty(&facts)?);
    }
    Ok(())
}
