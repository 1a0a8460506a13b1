//! The byte layout and its document change together.
//!
//! `docs/format.md` carries the line `layout-hash: <hex>`, the SHA-256 over the sources that decide where bytes lie.
//! Whoever changes one of them reads the document again and writes the new hash, which is shown by the finding:
//! the same as `cat <files in this order> | sha256sum`.

use std::path::PathBuf;

use super::Findings;
use crate::disk;
use crate::error::Result;

/// Where the layout modules live.
const FOLDER: &str = "image-tools/format/src";
/// The modules that decide bytes: `NAME.rs` and everything below `NAME/`, tests left out.
const MODULES: &[&str] = &[
    "checkpoint",
    "chunk",
    "crypto",
    "digest",
    "escrow",
    "header",
    "ids",
    "keyslot",
    "limits",
    "log",
    "manifest",
    "map",
    "memory",
    "org",
    "pack",
    "sign",
    "spoken",
    "token",
];
const DOCUMENT: &str = "docs/format.md";
const KEY: &str = "layout-hash:";

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let mut sources = Vec::new();
    for module in MODULES {
        let found = module_files(module)?;
        if found.is_empty() {
            findings.fail(format!(
                "{FOLDER}/{module}.rs: listed in dist/xtask/src/tidy/layout.rs, not there"
            ));
        }
        sources.extend(found);
    }
    let hash = hash(&sources)?;
    let path = disk::root().join(DOCUMENT);
    if !path.exists() {
        findings.fail(format!("{DOCUMENT}: missing; it must say `{KEY} {hash}`"));
        return Ok(());
    }
    match stored(&disk::read(&path)?) {
        None => findings.fail(format!("{DOCUMENT}: has no line `{KEY} {hash}`")),
        Some(old) if old != hash => findings.fail(format!(
            "{DOCUMENT}: the layout's sources changed; compare the document with them, then write `{KEY} {hash}`"
        )),
        Some(_) => {}
    }
    Ok(())
}

fn module_files(module: &str) -> Result<Vec<PathBuf>> {
    let folder = disk::root().join(FOLDER);
    let file = folder.join(format!("{module}.rs"));
    let mut found: Vec<PathBuf> = Some(file).into_iter().filter(|path| path.is_file()).collect();
    if folder.join(module).is_dir() {
        let inner = disk::files_below(&folder.join(module), &["tests"])?;
        found.extend(inner.into_iter().filter(|path| !path.ends_with("tests.rs")));
    }
    Ok(found)
}

fn hash(sources: &[PathBuf]) -> Result<String> {
    let mut all = String::new();
    for source in sources {
        all.push_str(&disk::read(source)?);
    }
    let joined = disk::target().join("xtask/layout-sources");
    disk::write(&joined, all)?;
    Ok(disk::sha256(&[joined])?.concat())
}

fn stored(document: &str) -> Option<&str> {
    let line = document.lines().find_map(|line| line.trim().strip_prefix(KEY))?;
    line.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_read_from_its_line() {
        assert_eq!(stored("# Format\n\nlayout-hash: 00ff (see tidy)\n"), Some("00ff"));
        assert_eq!(stored("the layout-hash: is elsewhere"), None);
    }
}
