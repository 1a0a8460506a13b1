//! macOS: what protects it, from programs that every Mac has, by their absolute paths.
//!
//! No interface of Apple is linked, so all of this compiles, and is tested, anywhere. Where a program has an output for programs
//! (JSON, property lists) that one is read, because the other is translated. Property lists are asked for one value at a time:
//! the rest of them (names of applications, paths in people's folders) is nobody's business.
//!
//! Where a thing moved with a release of macOS, the release decides where it is read: the old places stay behind, and go stale.
//!
//! What must stay true: a program that prints something else than is known here has said nothing.

mod confinement;
mod firewall;
mod firmware;
mod plist;
mod products;
mod storage;
mod system;
#[cfg(test)]
mod tests;

use gobag_checklists::Fact;

use crate::probe::Probes;

/// What is looked at on macOS.
pub(crate) static PROBES: Probes = Probes {
    operating_system: system::operating_system,
    cpu: |_| Fact::unknown("not looked at on macOS yet"),
    memory: |_| Fact::unknown("not looked at on macOS yet"),
    release: system::release,
    secure_boot: firmware::secure_boot,
    storage: storage::probe,
    confinement: confinement::probe,
    firewall: firewall::probe,
    products: products::probe,
    updates: system::updates,
    remote_control: |_| Fact::unknown("not looked at on macOS yet"),
    screen_lock: |_| Fact::unknown("not looked at on macOS yet"),
    clock: |_| Fact::unknown("not looked at on macOS yet"),
    stick: |_| Fact::unknown("not looked at on macOS yet"),
    power: system::power,
    network: |_| Fact::unknown("not looked at on macOS yet"),
};

/// A yes or no from one place.
enum Word {
    /// Said clearly.
    Said(bool),
    /// Said in words that are not known: another place must not speak for it.
    Strange(String),
    /// The place could not be asked: another one may be.
    Nothing(String),
}

/// Lines with something in them, without white space around it.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The beginning of a strange text, to quote.
fn quoted(text: &str) -> String {
    let line = lines(text).next().unwrap_or("nothing");
    line.chars().take(80).collect()
}
