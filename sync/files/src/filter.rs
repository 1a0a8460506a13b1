//! What users leave out: patterns in the syntax of git's ignore files. What they match is not looked at, on neither side, and nothing is done there.

use std::{ffi::OsStr, io::Read as _, os::unix::ffi::OsStrExt as _};

use gobag_reconcile::{Name, RelPath, Side};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::{
    fs::{AtFlags, FileType, OFlags, fstat, statat},
    io::Errno,
};

use crate::{FilesError, Root, limits, root::folder_flags, scan::names};

/// The file at the top of a root with patterns that count for both sides.
pub const FILTER: &str = ".gobag-sync-ignore";

/// What programs and systems leave lying about and nobody ever wrote. Before the patterns of people, so `!` before one of them takes it in again.
const DEFAULTS: &str = "\
# who has a document open, by Microsoft's and Libre's offices
~$*
.~lock.*#
# how a folder is shown
.DS_Store
[Dd]esktop.ini
[Tt]humbs.db
# what was deleted while somebody had it open
.nfs[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*
.fuse_hidden*
# what belongs to the drive
/$RECYCLE.BIN/
/System Volume Information/
/.Spotlight-V100/
/.Trash-*/
/.Trashes/
/.fseventsd/
/lost+found/
";

/// Which paths are left out.
#[derive(Debug)]
pub struct Filter {
    /// What any of them leaves out is left out.
    lists: Vec<Gitignore>,
    digest: [u8; 32],
    bad: Vec<BadPattern>,
}

/// A line that is no pattern, and leaves nothing out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Whose file it is in; none: it was given for this pass.
    pub from: Option<Side>,
    /// Which line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl Filter {
    /// That of two roots: the text of each one's file between the defaults and `more`, and both count, so that nothing is carried over because one of them has not
    /// heard yet.
    pub fn of([left, right]: [Vec<u8>; 2], more: &[String]) -> Self {
        Self::new([(Side::Left, left), (Side::Right, right)], more)
    }

    /// The text of a root's file; nothing, if there is none.
    pub fn text(root: &Root) -> Result<Vec<u8>, FilesError> {
        read(root)
    }

    /// One that leaves nothing out.
    pub fn nothing() -> Self {
        Self {
            lists: Vec::new(),
            digest: [0; 32],
            bad: Vec::new(),
        }
    }

    fn new([left, right]: [(Side, Vec<u8>); 2], more: &[String]) -> Self {
        let mut bad = Vec::new();
        let is_same = left.1 == right.1;
        let mut hasher = blake3::Hasher::new();
        let mut lists = vec![list(&right, more, &mut bad, &mut hasher)];
        if !is_same {
            lists.push(list(&left, more, &mut bad, &mut hasher));
        }
        bad.dedup();
        Self {
            lists,
            digest: *hasher.finalize().as_bytes(),
            bad,
        }
    }

    /// Whether this is left out, with all below it; what it is in is not.
    pub fn leaves_out(&self, path: &RelPath, is_folder: bool) -> bool {
        let path = OsStr::from_bytes(path.as_bytes());
        self.lists
            .iter()
            .any(|list| list.matched(path, is_folder).is_ignore())
    }

    /// By what it is known to be the same.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Lines that are no patterns.
    pub fn bad(&self) -> &[BadPattern] {
        &self.bad
    }

    /// Something that is left out in this folder, if there is something; none also if it cannot be read.
    pub fn left_out_in(&self, root: &Root, folder: &RelPath) -> Option<Name> {
        let opened = root.open_at(folder, folder_flags()).ok()?;
        let is_left_out = |name: &Name| {
            let stat = statat(&opened, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW);
            let is_folder = |mode| FileType::from_raw_mode(mode) == FileType::Directory;
            stat.is_ok_and(|stat| self.leaves_out(&folder.join(name), is_folder(stat.st_mode)))
        };
        names(root, &opened).ok()?.into_iter().find(is_left_out)
    }
}

/// The defaults, a root's own patterns and those of the pass.
fn list(
    (side, text): &(Side, Vec<u8>),
    more: &[String],
    bad: &mut Vec<BadPattern>,
    hasher: &mut blake3::Hasher,
) -> Gitignore {
    let mut builder = GitignoreBuilder::new(".");
    let mut add = |from: Option<Side>, lines: &mut dyn Iterator<Item = &[u8]>| {
        for (at, line) in lines.enumerate() {
            hasher.update(line).update(b"\n");
            let added = match std::str::from_utf8(line) {
                Ok(line) => builder
                    .add_line(None, &plain_braces(line))
                    .map(drop)
                    .map_err(|error| error.to_string()),
                Err(_) => Err("it is no UTF-8".to_owned()),
            };
            if let Err(why) = added {
                let line = at as u64 + 1;
                bad.push(BadPattern { from, line, why });
            }
        }
        hasher.update(&[0]);
    };
    let lines = |text| <[u8]>::split(text, |byte| *byte == b'\n');
    let of_file = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    add(None, &mut lines(DEFAULTS.as_bytes()));
    add(
        Some(*side),
        &mut lines(of_file).map(|line| line.strip_suffix(b"\r").unwrap_or(line)),
    );
    add(None, &mut more.iter().map(String::as_bytes));
    builder.build().unwrap_or_else(|error| {
        // Each of them alone was one.
        let (from, why) = (Some(*side), error.to_string());
        bad.push(BadPattern { from, line: 0, why });
        Gitignore::empty()
    })
}

/// To git, braces are letters as others.
fn plain_braces(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let (mut is_escaped, mut is_in_class) = (false, false);
    for letter in line.chars() {
        if matches!(letter, '{' | '}') && !is_escaped && !is_in_class {
            plain.push('\\');
        }
        is_in_class = !is_escaped && (letter == '[' || (is_in_class && letter != ']'));
        is_escaped = letter == '\\' && !is_escaped;
        plain.push(letter);
    }
    plain
}

/// A root's own patterns. What is there and cannot be read is an error: nothing is carried over that somebody may have left out.
fn read(root: &Root) -> Result<Vec<u8>, FilesError> {
    let path = RelPath::new(FILTER.as_bytes()).unwrap_or_default();
    let failed = |source| FilesError::File {
        what: "read the patterns in",
        path: path.clone(),
        source,
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = match root.open_at(&path, flags) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(failed(errno.into())),
    };
    let stat = fstat(&file).map_err(|errno| failed(errno.into()))?;
    let mut text = Vec::new();
    let mut limited = std::fs::File::from(file).take(limits::MAX_FILTER_LEN + 1);
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if is_file {
        limited.read_to_end(&mut text).map_err(failed)?;
    }
    match is_file && text.len() as u64 <= limits::MAX_FILTER_LEN {
        true => Ok(text),
        false => Err(failed(Errno::FBIG.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(left: &str, right: &str, more: &[&str]) -> Filter {
        let more: Vec<String> = more.iter().map(|line| (*line).to_owned()).collect();
        let of = |side, text: &str| (side, text.as_bytes().to_vec());
        Filter::new([of(Side::Left, left), of(Side::Right, right)], &more)
    }

    fn out(filter: &Filter, path: &[u8]) -> bool {
        let is_folder = path.ends_with(b"/");
        let path = path.strip_suffix(b"/").unwrap_or(path);
        filter.leaves_out(&RelPath::new(path).unwrap(), is_folder)
    }

    #[test]
    fn what_nobody_wrote_is_left_out_and_documents_are_not() {
        let filter = filter("", "", &[]);
        for junk in [
            "~$report.docx",
            "a/.~lock.report.odt#",
            "x/.DS_Store",
            "Desktop.ini",
            "a/Thumbs.db",
            ".nfs000000000d1e2f3a00000001",
            "d/.fuse_hidden0000001200000001",
            "$RECYCLE.BIN/",
            "lost+found/",
            ".Trash-1000/",
        ] {
            assert!(out(&filter, junk.as_bytes()), "{junk}");
        }
        for document in [
            "a.tmp",
            "~a.doc",
            "a~",
            ".a.swp",
            "lost+found",
            "d/lost+found/",
            "DS_Store",
            "$RECYCLE.BIN",
            ".nfs",
            "a.bak",
            "~",
            ".gobag-sync-ignore",
        ] {
            assert!(!out(&filter, document.as_bytes()), "{document}");
        }
        assert!(filter.bad().is_empty());
    }

    #[test]
    fn patterns_are_those_of_git_and_match_bytes() {
        let filter = filter(
            "",
            "# words\n*.log\n!keep.log\r\n/top\nbuild/\na/**/z\n\\#x\n{a,b}[{]\n",
            &["!~$*"],
        );
        for path in [
            b"x.log" as &[u8],
            b"d/\xff.log",
            b"top",
            b"d/build/",
            b"a/z",
            b"a/b/c/z",
            b"#x",
            b"{a,b}{",
        ] {
            assert!(out(&filter, path), "{path:?}");
        }
        for path in [b"keep.log" as &[u8], b"d/top", b"build", b"~$a.docx", b"words"] {
            assert!(!out(&filter, path), "{path:?}");
        }
    }

    #[test]
    fn both_sides_count_and_a_bad_line_is_said_and_leaves_nothing_out() {
        let both = filter("*.a\nx\\\n\n[z-a]", "*.b\n!*.a", &["[q-a]", "*.c"]);
        assert!(
            ["x.a", "x.b", "x.c"]
                .iter()
                .all(|path| out(&both, path.as_bytes()))
        );
        assert!(!out(&both, b"x.d") && !out(&both, b"x"));
        let bad: Vec<_> = both.bad().iter().map(|bad| (bad.from, bad.line)).collect();
        assert_eq!(
            bad,
            [(None, 1), (Some(Side::Left), 2), (Some(Side::Left), 4), (None, 1)]
        );
        assert_ne!(
            both.digest(),
            filter("*.a", "*.b\n!*.a", &["[q-a]", "*.c"]).digest()
        );
        assert_eq!(filter("x", "x", &[]).digest(), filter("x", "x", &[]).digest());
        assert_ne!(filter("x", "", &[]).digest(), filter("", "x", &[]).digest());
    }
}
