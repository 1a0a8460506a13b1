//! Who gets which stick, and with which first passphrase.

use gobag_format::crypto::{Random, random_bytes};
use gobag_term::{CliError, ExitCode, Ui};
use zeroize::Zeroizing;

use super::StickArgs;
use crate::{environment::Environment, error::said};

/// Letters and digits that look like no other.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 5;
const GROUP_LEN: usize = 4;

/// Somebody who gets a stick.
pub(super) struct Person {
    pub(super) user: String,
    pub(super) passphrase: Zeroizing<String>,
    /// It was made up, and must be told.
    pub(super) generated: bool,
}

/// One person for each target, in their order.
pub(super) fn people(
    args: &StickArgs,
    targets: usize,
    ui: &Ui,
    environment: &Environment,
) -> Result<Vec<Person>, CliError> {
    let count = args.users.len();
    if count != 1 && count != targets {
        let text = format!("{count} users for {targets} targets: name one for all, or one for each");
        return Err(said(ExitCode::Usage, "stick.users", text));
    }
    let users = (0..targets).map(|n| args.users[n.min(count - 1)].clone());
    if args.dry_run {
        let nobody = |user| Person {
            user,
            passphrase: Zeroizing::default(),
            generated: false,
        };
        return Ok(users.map(nobody).collect());
    }
    if args.generate_passphrase {
        let random = &*environment.ambient.random;
        let make = |user| Person {
            user,
            passphrase: generate(random),
            generated: true,
        };
        return Ok(users.map(make).collect());
    }
    let source = args.new.source();
    let mut people: Vec<Person> = Vec::new();
    for user in users {
        // The same person, or one file for all: one question.
        let known = people
            .first()
            .filter(|first| source != gobag_term::PassphraseSource::Terminal || first.user == user);
        let passphrase = match known {
            Some(first) => first.passphrase.clone(),
            None => {
                let chosen = ui.new_passphrase(&source, &format!("New passphrase for {user}: "))?;
                Zeroizing::new(chosen.expose().to_owned())
            }
        };
        people.push(Person {
            user,
            passphrase,
            generated: false,
        });
    }
    Ok(people)
}

/// 100 random bits in groups that can be read out on the phone.
pub(crate) fn generate(random: &dyn Random) -> Zeroizing<String> {
    let bytes: Zeroizing<[u8; GROUPS * GROUP_LEN]> = Zeroizing::new(random_bytes(random));
    let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP_LEN + 1)));
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 && n % GROUP_LEN == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use gobag_bundle::SystemRandom;

    use super::*;

    #[test]
    fn made_up_passphrases_are_long_readable_and_never_the_same() {
        let (a, b) = (generate(&SystemRandom), generate(&SystemRandom));
        assert_ne!(*a, *b);
        assert_eq!(a.len(), 24);
        assert!(
            a.split('-')
                .all(|group| group.len() == 4 && group.bytes().all(|byte| ALPHABET.contains(&byte)))
        );
    }
}
