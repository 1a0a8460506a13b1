//! Names of heads: `heads/<group>/<generation>`, and where one member writes `heads/<group>/<generation>-<BLAKE3 of it>`.
//!
//! A group is what 256 generations have in common, so that the newest is found by two listings however many there are. A head with its digest in its name is
//! there whole or not at all, on any store: what was cut short is not what its name says. Two members that write at once write two names.

use gobag_format::digest::Digest;

/// The folder of all.
pub(crate) const HEADS: &str = "heads/";
/// Generations of a group, as a power of two.
const GROUP: u32 = 8;

/// The name of one head within its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeadName {
    pub(crate) generation: u64,
    /// None where each is made only if it is not there.
    pub(crate) digest: Option<Digest>,
}

impl HeadName {
    /// Where it is.
    pub(crate) fn path(&self) -> String {
        let folder = group(self.generation);
        let generation = self.generation;
        match self.digest {
            Some(digest) => format!("{folder}{generation:016x}-{digest}"),
            None => format!("{folder}{generation:016x}"),
        }
    }

    /// Reads one from a listing of the group; others are no heads.
    fn parse(name: &str) -> Option<Self> {
        let (generation, digest) = match name.split_once('-') {
            Some((generation, digest)) => (generation, Some(Digest::parse(digest)?)),
            None => (name, None),
        };
        let generation = number(generation, 16)?;
        Some(Self { generation, digest })
    }
}

/// The folder of a generation's group.
pub(crate) fn group(generation: u64) -> String {
    format!("{HEADS}{:014x}/", generation >> GROUP)
}

/// The folders of groups in a listing of all, the newest first.
pub(crate) fn groups(listed: &[String]) -> Vec<String> {
    let numbers = listed
        .iter()
        .filter_map(|name| number(name.strip_suffix('/')?, 14));
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    numbers.dedup();
    numbers
        .into_iter()
        .map(|number| format!("{HEADS}{number:014x}/"))
        .collect()
}

/// The heads in a listing of a group, the newest first.
pub(crate) fn names(listed: &[String]) -> Vec<HeadName> {
    let mut names: Vec<HeadName> = listed.iter().filter_map(|name| HeadName::parse(name)).collect();
    names.sort_unstable_by(|one, other| other.cmp(one));
    names
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let is_one = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_one.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_others_are_none() {
        let digest = Digest::of(b"x");
        for name in [
            HeadName {
                generation: 300,
                digest: None,
            },
            HeadName {
                generation: u64::MAX,
                digest: Some(digest),
            },
        ] {
            let path = name.path();
            let (folder, last) = path.rsplit_once('/').unwrap();
            assert_eq!(format!("{folder}/"), group(name.generation));
            assert_eq!(names(&[last.to_owned()]), [name]);
        }
        let others = [
            "1",
            "000000000000012C",
            "000000000000012c-",
            "x",
            "+00000000000012c",
        ];
        assert_eq!(names(&others.map(str::to_owned)), []);
    }

    #[test]
    fn the_newest_comes_first() {
        let listed = [
            "00000000000001/",
            "notes",
            "0000000000000a/",
            "00000000000002/",
            "0/",
        ];
        assert_eq!(
            groups(&listed.map(str::to_owned)),
            [
                "heads/0000000000000a/",
                "heads/00000000000002/",
                "heads/00000000000001/"
            ]
        );
        let listed = ["0000000000000100", "00000000000001ff", "0000000000000101"];
        let found = names(&listed.map(str::to_owned));
        let generations: Vec<u64> = found.iter().map(|name| name.generation).collect();
        assert_eq!(generations, [0x1ff, 0x101, 0x100]);
    }
}
