//! The list of this crate's error codes. They are part of what scripts rely on: a code may be added, never renamed.

use std::{collections::BTreeMap, fs, path::Path};

/// Every code that a `fn code` of this crate's sources returns, with the number of places.
fn codes_in(folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("codes.rs") {
            let source = fs::read_to_string(path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().map(str::trim_start) {
                let value = line.split_once("=> ").map_or(line, |(_, value)| value);
                let literal = value.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                if let Some((code, _)) = literal.filter(|(code, _)| code.starts_with("engine.")) {
                    *found.entry(code.to_owned()).or_default() += 1;
                }
            }
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "GOBAG_BLESS adds new codes to the list")]
fn codes_are_unique_and_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    codes_in(&folder, &mut found);
    // Several operations need programs, and all say the same when one is missing.
    let shared = |(code, count): &(&String, &usize)| **count > 1 && *code != "engine.tool-missing";
    let repeated: Vec<_> = found.iter().filter(shared).collect();
    assert!(repeated.is_empty(), "one code for several errors: {repeated:?}");

    let text: String = found.keys().map(|code| format!("{code}\n")).collect();
    let list = folder.join("codes.txt");
    if std::env::var_os("GOBAG_BLESS").is_some() {
        fs::write(&list, &text).unwrap();
    }
    let listed = fs::read_to_string(list).unwrap();
    assert_eq!(
        text, listed,
        "GOBAG_BLESS=1 rewrites the list; a code that is gone was renamed"
    );
}
