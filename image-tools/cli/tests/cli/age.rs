//! What IT can do with the stock `age` program alone: open its own key files, and a stick's escrow file. `age` asks for a
//! passphrase on the terminal itself, so `expect` plays one.

use std::{fs, path::Path, process::Command};

use gobag_format::{crypto::Key, header::HeaderSlot, ids::OrgId, limits::HEADER_SLOT_LEN, org::OrgSecrets};

use crate::Desk;

const PASSPHRASE: &str = "correct horse battery";
/// Waits for the question, types the passphrase, and ends like the program.
const TYPIST: &str = r#"
log_user 0
set timeout 60
spawn -noecho {*}[lrange $argv 1 end]
expect {
    "assphrase*: " { send -- "[lindex $argv 0]\r" }
    timeout { puts "no question"; exit 90 }
    eof { puts "ended: $expect_out(buffer)"; exit 91 }
}
expect {
    eof {}
    timeout { puts "no end"; exit 92 }
}
lassign [wait] pid spawned failed status
puts $expect_out(buffer)
exit $status
"#;

/// Runs `age` with these arguments, typing `passphrase` when asked; what it wrote, or what it said.
fn age(folder: &Path, passphrase: &str, args: &[&str]) -> Result<Vec<u8>, String> {
    let out = folder.join("opened");
    let _ = fs::remove_file(&out);
    let typist = folder.join("typist");
    fs::write(&typist, TYPIST).unwrap();
    let output = Command::new("expect")
        .current_dir(folder)
        .arg(&typist)
        .args([passphrase, "age", "--decrypt", "--output"])
        .arg(&out)
        .args(args)
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(fs::read(&out).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stdout).into_owned()),
    }
}

fn has_age() -> bool {
    let path = std::env::var_os("PATH");
    let is_there = |name: &str| gobag_engine::tools::find(name, path.as_deref()).is_ok();
    let there = is_there("age") && is_there("expect");
    let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
    assert!(
        there || !required.split(',').any(|word| word == "age"),
        "GOBAG_REQUIRE names age, which is missing, or expect is"
    );
    if !there {
        eprintln!("skipped: no age or no expect here");
    }
    there
}

#[test]
fn the_stock_age_program_opens_the_offices_key_files_with_the_passphrase() {
    if !has_age() {
        return;
    }
    let Some(desk) = Desk::new() else { return };
    let office = desk.path("acme");
    let identity = String::from_utf8(age(&office, PASSPHRASE, &["escrow.age"]).unwrap()).unwrap();
    let keys = identity.lines().filter(|line| !line.starts_with('#'));
    let keys: Vec<&str> = keys.collect();
    assert!(
        matches!(keys[..], [key] if key.starts_with("AGE-SECRET-KEY-1")),
        "{} lines",
        keys.len()
    );
    let signing = age(&office, PASSPHRASE, &["signing.age"]).unwrap();
    let signing: serde_json::Value = serde_json::from_slice(&signing).unwrap();
    let public: serde_json::Value =
        serde_json::from_slice(&fs::read(office.join("org.json")).unwrap()).unwrap();
    let id = OrgId::parse(public["id"].as_str().unwrap()).unwrap();
    assert_eq!(signing["org"], public["id"]);
    // And it is what we open ourselves.
    let sealed = fs::read(office.join("signing.age")).unwrap();
    OrgSecrets::open(&sealed, PASSPHRASE, id).unwrap();
    let refused = age(&office, "incorrect horse", &["signing.age"]).unwrap_err();
    assert!(refused.contains("incorrect passphrase"), "{refused}");
}

#[test]
fn the_stock_age_program_gets_from_the_offices_passphrase_to_a_sticks_key() {
    if !has_age() {
        return;
    }
    let Some(desk) = Desk::new() else { return };
    desk.disk("disk.raw", 1);
    desk.answer(&["build", "disk.raw", "--name", "office"]);
    let stick = desk.stick("anna-stick");
    let written = desk.write_sticks(&["anna-stick", "--user", "anna", "--new-passphrase-file", "anna"]);
    assert_eq!(written.exit, 0, "{}{}", written.stdout, written.stderr);
    let bundle = written.json()["sticks"][0]["bundle"].as_str().unwrap().to_owned();

    let escrow = stick.join("GOBAG/KEYS/ESCROW0.AGE");
    let args = ["--identity", "escrow.age", escrow.to_str().unwrap()];
    let opened = age(&desk.path("acme"), PASSPHRASE, &args).unwrap();
    let text = String::from_utf8(opened).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        ["gobag-escrow-v1".to_owned(), format!("bundle: {bundle}")]
    );
    let key = lines[2].strip_prefix("key: ").unwrap();
    let key: Key = serde_json::from_value(key.into()).unwrap();
    // The header's seal says whether it is the bundle's key.
    let header = fs::read(stick.join("GOBAG/A/HEADER.GBH")).unwrap();
    let slot = || HeaderSlot::decode(&header[..HEADER_SLOT_LEN]).unwrap();
    assert_eq!(slot().open(&key).unwrap().user, "anna");
    assert!(slot().open(&Key::from_bytes([7; 32])).is_err());
}
