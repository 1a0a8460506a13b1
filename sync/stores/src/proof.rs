//! Whether a store keeps to conditions, tried with an object of its own that is gone afterwards. One that takes a condition and ignores it loses what somebody
//! else wrote, and says nothing.

use gobag_format::{crypto::Random, ids::PointId};

use crate::{
    ElsewhereError,
    calls::{Calls, Created},
    limits,
};

/// The folder of what it is tried with.
const PROBES: &str = "probe/";

/// What a store was seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// In words for people.
    pub kept: &'static [&'static str],
}

const KEPT: Proof = Proof {
    kept: &[
        "a second `If-None-Match: *` is refused",
        "an `If-Match` of another tag is refused",
        "what was written first is read back",
        "what was written is listed at once",
    ],
};

/// Tries it.
pub(crate) fn prove(calls: &Calls, random: &dyn Random) -> Result<Proof, ElsewhereError> {
    let path = format!("{PROBES}{}", PointId::generate(random));
    let found = rules(calls, &path);
    let deleted = calls.delete(&path);
    found?;
    deleted.map(|()| KEPT)
}

fn rules(calls: &Calls, path: &str) -> Result<(), ElsewhereError> {
    let broken = |broken| {
        Err(ElsewhereError::Unproved {
            place: calls.place(),
            broken,
        })
    };
    // "Already" is its own object, if the answer to the first try was lost; what is read tells.
    calls.create(path, b"first")?;
    if calls.create(path, b"second")? == Created::Yes {
        return broken("it ignores `If-None-Match: *` and writes over what is there");
    }
    let other = "\"00000000000000000000000000000000\"";
    if calls.replace(path, b"third", other)? == Created::Yes {
        return broken("it ignores `If-Match` and writes over what is there");
    }
    if calls.read(path, limits::NOTE)?.as_deref() != Some(&b"first"[..]) {
        return broken("what was written first is not what is read back");
    }
    let listed = calls.list(PROBES)?;
    match listed.iter().any(|name| path.ends_with(name.as_str())) {
        true => Ok(()),
        false => broken("what was written is not listed"),
    }
}
