//! Names for what a name did not stay with: `report (conflict stick7 2026-11-22 0915 3f2a).odt`.

use crate::{Item, Name, RelPath, Side};

/// How what comes between stem and ending begins.
const BEGINS: &str = " (conflict ";
/// Most bytes of a name.
const MAX_NAME: usize = 255;
/// Most bytes that are taken for an ending, its dot counted.
const MAX_ENDING: usize = 16;

/// What goes into such names, besides four digits of the content.
#[derive(Clone, Debug)]
pub struct ConflictNames {
    label: String,
    gives_way: Side,
}

impl ConflictNames {
    /// By whom and when; `stick` and `run` with letters, digits, spaces, `-` and `_` alone, for every file system takes these.
    pub fn new(stick: &str, run: &str) -> Self {
        let plain = |text: &str| -> String {
            let keep = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
            text.chars().filter(keep).take(40).collect()
        };
        Self {
            label: format!("{} {}", plain(stick), plain(run)),
            gives_way: Side::Left,
        }
    }

    /// The side whose file goes beside where both changed it; without this the left one.
    #[must_use]
    pub fn given_way_by(self, side: Side) -> Self {
        Self {
            gives_way: side,
            ..self
        }
    }

    /// The path that something had before it got such a name, as the name says; somebody may have given that.
    pub fn former(path: &RelPath) -> Option<RelPath> {
        let name = path.name()?;
        let from = name
            .windows(BEGINS.len())
            .rposition(|part| part == BEGINS.as_bytes())?;
        let to = from + name[from..].iter().position(|byte| *byte == b')')?;
        let former = Name::new(&[&name[..from], &name[to + 1..]].concat()).ok()?;
        Some(path.parent().unwrap_or_default().join(&former))
    }

    /// Which it is.
    pub(crate) fn gives_way(&self) -> Side {
        self.gives_way
    }

    /// A path beside `path` whose name is not taken.
    pub(crate) fn beside(
        &self,
        path: &RelPath,
        item: &Item,
        is_taken: &dyn Fn(&Name, &RelPath) -> bool,
    ) -> RelPath {
        let folder = path.parent().unwrap_or_default();
        let name = path.name().unwrap_or_default();
        let (stem, ending) = split(name);
        let digits = digits(item);
        let mut number = 1;
        loop {
            let middle = match number {
                1 => format!("{BEGINS}{} {digits})", self.label),
                _ => format!("{BEGINS}{} {digits} {number})", self.label),
            };
            let room = MAX_NAME.saturating_sub(middle.len() + ending.len());
            let mut made = cut(stem, room).to_vec();
            made.extend_from_slice(middle.as_bytes());
            made.extend_from_slice(ending);
            if let Ok(name) = Name::new(&made)
                && let made = folder.join(&name)
                && !is_taken(&name, &made)
            {
                return made;
            }
            number += 1;
        }
    }
}

/// A name before its ending, and the ending with its dot; a dot at the front begins none.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(at) if at > 0 && name.len() - at <= MAX_ENDING => name.split_at(at),
        _ => (name, b""),
    }
}

/// At most `room` bytes, not in the middle of a letter.
fn cut(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    let is_within = |at: usize| stem[at] & 0xc0 == 0x80;
    let end = (0..=room).rev().find(|at| !is_within(*at)).unwrap_or(0);
    &stem[..end]
}

/// What tells two conflicts of a minute apart.
fn digits(item: &Item) -> String {
    match item {
        Item::File(file) => format!("{:02x}{:02x}", file.content.0[0], file.content.0[1]),
        Item::Link(text) => format!(
            "{:04x}",
            text.iter()
                .fold(0_u16, |sum, byte| sum.rotate_left(5) ^ u16::from(*byte))
        ),
        Item::Folder => "0000".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, File};

    fn beside(path: &[u8], taken: &[&str]) -> String {
        let item = Item::File(File {
            content: Content([0x3f; 32]),
            len: 1,
            executable: false,
        });
        let names = ConflictNames::new("st:ick7", "2026-11-22 0915");
        let is_taken =
            |name: &Name, _: &RelPath| taken.iter().any(|taken| taken.as_bytes() == name.as_bytes());
        let path = names.beside(&RelPath::new(path).unwrap(), &item, &is_taken);
        String::from_utf8(path.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_ending_stays_and_the_name_is_new() {
        let first = "report (conflict stick7 2026-11-22 0915 3f3f).odt";
        assert_eq!(beside(b"a/report.odt", &[]), format!("a/{first}"));
        assert_eq!(beside(b"report.odt", &[first]), first.replace("3f3f", "3f3f 2"));
        assert_eq!(
            beside(b".profile", &[]),
            ".profile (conflict stick7 2026-11-22 0915 3f3f)"
        );
        for path in ["report.odt", "a/report.odt", "a/.profile", "a b", first] {
            let copy = beside(path.as_bytes(), &[]);
            let former = ConflictNames::former(&RelPath::new(copy.as_bytes()).unwrap());
            assert_eq!(former, RelPath::new(path.as_bytes()).ok(), "{copy}");
        }
        for other in [
            "report.odt",
            "report (conflict ",
            "(conflict a 1)",
            " (conflict a 1)",
        ] {
            assert_eq!(
                ConflictNames::former(&RelPath::new(other.as_bytes()).unwrap()),
                None
            );
        }
        // A conflict of a conflict.
        assert_eq!(beside(first.as_bytes(), &[]).matches("conflict").count(), 2);
    }

    #[test]
    fn a_long_name_is_cut_between_letters() {
        let long = "ä".repeat(126) + ".x";
        assert!(beside(long.as_bytes(), &[]).len() <= 255);
        let other = format!("{}.{}", "a".repeat(100), "b".repeat(100));
        assert!(beside(other.as_bytes(), &[]).len() <= 255);
    }
}
