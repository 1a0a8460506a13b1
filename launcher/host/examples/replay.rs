//! Prints the facts that follow from a recording: `cargo run -p gobag-host --example replay FOLDER`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    for folder in std::env::args_os().skip(1) {
        let recording = std::fs::read_to_string(std::path::Path::new(&folder).join("captures.json"))?;
        let mut facts = serde_json::to_value(gobag_host::replay(&recording)?)?;
        if let Some(facts) = facts.as_object_mut() {
            facts.retain(|_, fact| fact["reason"] != "not looked at");
        }
        println!("{}", serde_json::to_string_pretty(&facts)?);
    }
    Ok(())
}
