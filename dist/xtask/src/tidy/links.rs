//! Links between documents resolve: the file exists, and so does the heading behind a `#`.

use std::path::{Path, PathBuf};

use super::Findings;
use crate::disk;
use crate::error::Result;

pub(super) fn check(files: &[PathBuf], findings: &mut Findings) -> Result<()> {
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
    {
        let text = disk::read(&disk::root().join(path))?;
        for (line, target) in links(&text) {
            if let Some(problem) = problem(path, &text, target)? {
                findings.fail(format!("{}:{line}: link `{target}`: {problem}", path.display()));
            }
        }
    }
    Ok(())
}

/// What is wrong with a link from `page`, if anything; addresses on the web are not followed.
fn problem(page: &Path, own: &str, target: &str) -> Result<Option<String>> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let linked = disk::root()
        .join(page.parent().unwrap_or(Path::new("")))
        .join(file);
    if !file.is_empty() && !linked.exists() {
        return Ok(Some("no such file".to_owned()));
    }
    if heading.is_empty() {
        return Ok(None);
    }
    let text = if file.is_empty() {
        own.to_owned()
    } else {
        disk::read(&linked)?
    };
    let known = headings(&text).any(|slug| slug == heading);
    Ok((!known).then(|| format!("no heading `{heading}`")))
}

/// Each inline link `](target)` outside code, with its line number.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece between back quotes is code.
        for piece in line.split('`').step_by(2) {
            let starts = piece.match_indices("](").map(|(at, _)| at + 2);
            found.extend(starts.filter_map(|from| {
                let target = piece[from..].split(')').next()?;
                Some((number, target.split(' ').next()?))
            }));
        }
        // A link whose text is code is cut by the back quotes: `[`name`](target)`.
        let after_code = line
            .split("`](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        found.extend(after_code.map(|target| (number, target)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The lines outside fenced code blocks, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// The anchors GitHub makes of headings: lower case, punctuation dropped, blanks to hyphens.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code() {
        let text = "see [a](a.md) and `[x](code.md)` and [`b`](b.md#top)\n```\n[c](c.md)\n```\n[d](d.md \"title\")\n";
        assert_eq!(links(text), [(1, "a.md"), (1, "b.md#top"), (5, "d.md")]);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# What we do *not* do, ever\n## `gobag start`\n";
        let found: Vec<String> = headings(text).collect();
        assert_eq!(found, ["what-we-do-not-do-ever", "gobag-start"]);
    }

    #[test]
    fn a_missing_file_and_a_missing_heading_are_problems() {
        let page = Path::new("README.md");
        assert_eq!(
            problem(page, "", "no-such.md").unwrap().as_deref(),
            Some("no such file")
        );
        assert_eq!(
            problem(page, "# Here", "#there").unwrap().as_deref(),
            Some("no heading `there`")
        );
        assert_eq!(problem(page, "# Here", "#here").unwrap(), None);
        assert_eq!(problem(page, "", "https://example.org/x").unwrap(), None);
    }
}
