//! The parts of `docs/performance.md` that a bench writes, each between marks of its own.

use crate::disk;
use crate::error::{Error, Result};

const DOCUMENT: &str = "docs/performance.md";
const END: &str = "<!-- end -->";

/// Renews the part that `cargo xtask bench <bench>` writes.
pub(super) fn renew(bench: &str, text: &str) -> Result<()> {
    let path = disk::root().join(DOCUMENT);
    let old = disk::read(&path)?;
    let new = replace(&old, bench, text)
        .ok_or_else(|| Error::new(format!("{DOCUMENT} has lost the marks of `bench {bench}`")))?;
    disk::write(&path, new)
}

fn replace(document: &str, bench: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- written by `cargo xtask bench {bench}`: begin -->\n");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{text}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_of_this_bench_changes() {
        let part =
            |bench| format!("<!-- written by `cargo xtask bench {bench}`: begin -->\nold {bench}{END}\n");
        let document = format!("a\n{}b\n{}z\n", part("one"), part("two"));
        let new = replace(&document, "two", "new").unwrap();
        assert!(new.starts_with("a\n") && new.ends_with("\nz\n"), "{new}");
        assert!(new.contains("old one") && !new.contains("old two"), "{new}");
        assert_eq!(replace(&new, "two", "new").unwrap(), new);
        assert!(replace(&document, "three", "new").is_none());
    }
}
