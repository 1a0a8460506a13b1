//! On Windows: prints, as JSON, how well the computer is protected, and what was looked at for it. Elsewhere `facts` does.

#[cfg(windows)]
#[expect(clippy::disallowed_methods, reason = "a program's main reads the clock")]
fn main() -> Result<(), serde_json::Error> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_s = now.map_or(0, |now| now.as_secs());
    let (facts, recording) = gobag_host::record(now_s, 0);
    println!("{}", serde_json::to_string_pretty(&facts)?);
    print!("{}", recording.text);
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    println!("this example is for Windows; here: cargo run -p gobag-host --example facts");
}
