//! Memory, from `/proc/meminfo`.

use gobag_checklists::{Fact, Forger, Memory};

use crate::probe::Scene;

const MEMINFO: &str = "/proc/meminfo";

pub(crate) fn probe(scene: &Scene) -> Fact<Memory> {
    let parsed = scene.host.file(MEMINFO).text().and_then(|text| parse(&text));
    match parsed {
        Ok(memory) => scene.known(memory, MEMINFO, Forger::Kernel),
        Err(reason) => Fact::unknown(reason),
    }
}

fn parse(meminfo: &str) -> Result<Memory, String> {
    let field = |key: &str| {
        let line = meminfo
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let line = line.ok_or_else(|| format!("{MEMINFO} has no {key}"))?;
        let mut words = line.split_whitespace();
        // The unit has always been kB, meaning 1024 bytes; anything else we do not understand.
        match (words.next().map(str::parse::<u64>), words.next(), words.next()) {
            (Some(Ok(kib)), Some("kB"), None) => Ok(kib.saturating_mul(1024)),
            _ => Err(format!("{MEMINFO} has a strange {key}")),
        }
    };
    Ok(Memory {
        total_bytes: field("MemTotal")?,
        available_bytes: field("MemAvailable")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_captured_computer_is_read() {
        let memory = parse(include_str!("../fixtures/meminfo/debian-12-24g.txt")).expect("read");
        assert_eq!(memory.total_bytes, 24_684_096 * 1024);
        assert_eq!(memory.available_bytes, 22_527_812 * 1024);
    }

    #[test]
    fn what_is_missing_or_strange_is_named() {
        for (text, expected) in [
            ("", "/proc/meminfo has no MemTotal"),
            (
                "MemTotal: 5 kB\nMemFree: 5 kB\n",
                "/proc/meminfo has no MemAvailable",
            ),
            (
                "MemTotal: 5 MB\nMemAvailable: 5 kB\n",
                "/proc/meminfo has a strange MemTotal",
            ),
            ("MemTotal: -5 kB\n", "/proc/meminfo has a strange MemTotal"),
            ("MemTotal:\n", "/proc/meminfo has a strange MemTotal"),
            ("MemTotalX: 5 kB\n", "/proc/meminfo has no MemTotal"),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn this_computer_has_memory() {
        let fact = probe(&Scene::live());
        let memory = fact.value().expect("known");
        assert!(
            memory.total_bytes >= memory.available_bytes && memory.available_bytes > 0,
            "{memory:?}"
        );
    }

    proptest! {
        #[test]
        fn any_numbers_are_read_back(total in any::<u32>(), available in any::<u32>()) {
            let text = format!("MemTotal:  {total} kB\nMemFree: 1 kB\nMemAvailable:\t{available} kB\n");
            let expected = Memory { total_bytes: u64::from(total) * 1024, available_bytes: u64::from(available) * 1024 };
            prop_assert_eq!(parse(&text), Ok(expected));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            // Any answer will do, as long as there is one.
            let _ = parse(&text);
        }
    }
}
