//! What stands for this computer in a result, so that a company that gets two results of one computer counts it once.
//!
//! Made of the number that the system drew for itself when it was installed (`/etc/machine-id`), by a function that cannot be turned
//! round and that gives other programs' pseudonyms no likeness. It tells neither the computer nor the person; who has the computer can tell
//! that a result is its own.

use std::{fs::File, io::Read};

use blake3::Hasher;

const CONTEXT: &str = "gobag v1 pseudonym of a computer";
const PLACES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Bytes of a pseudonym: enough that no two computers of a company share one.
const LEN: usize = 8;

/// This computer's; `None` where the system has drawn no number.
pub(super) fn pseudonym() -> Option<String> {
    PLACES.iter().find_map(|place| {
        let mut text = String::new();
        let file = File::open(place).ok()?;
        file.take(256).read_to_string(&mut text).ok()?;
        of(&text)
    })
}

fn of(machine_id: &str) -> Option<String> {
    let id = machine_id.trim();
    // `uninitialized` stands there in images that were never started.
    let is_drawn = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_drawn.then(|| {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        hasher.update(id.to_ascii_lowercase().as_bytes());
        hasher.finalize().as_bytes()[..LEN]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_pseudonym_that_is_not_the_number() {
        let id = "0123456789abcdef0123456789abcdef";
        let name = of(id).expect("drawn");
        assert_eq!(name.len(), 2 * LEN);
        assert_eq!(of(&format!("{}\n", id.to_uppercase())), Some(name.clone()));
        assert_ne!(of("0123456789abcdef0123456789abcdee"), Some(name.clone()));
        assert!(!id.contains(&name));
    }

    #[test]
    fn what_was_never_drawn_is_none() {
        for text in ["", "uninitialized\n", "0123", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
