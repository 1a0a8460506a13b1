//! Who writes where only one member may: `writers/<number>-<member>`, of which the highest number counts, and of equal ones the lowest member.
//!
//! Nothing is written over, and whoever made one looks who it is then: so of two that claim at the same moment both find the same one. Who writes looks before
//! and after each point, for somebody may have taken it over, or may have seen nobody and have claimed over a slow line: who has written until then is told.

use gobag_format::ids::BundleId;
use serde::{Deserialize, Serialize};

use crate::{ElsewhereError, calls::Calls, limits, open::Me};

const WRITERS: &str = "writers/";
/// The number of the first claim.
const FIRST: u64 = 1;
/// The version of what a claim says.
const FORMAT: u32 = 1;

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which member.
    pub member: BundleId,
    /// By what name that one goes; nobody vouches for it.
    pub name: String,
    number: u64,
}

#[derive(Serialize, Deserialize)]
struct Said {
    format: u32,
    name: String,
}

/// Number and member of the claim that counts.
fn counting(listed: &[String]) -> Option<(u64, BundleId)> {
    let claims = listed.iter().filter_map(|name| {
        let (number, member) = name.split_once('-')?;
        let number = (number.len() == 16).then(|| u64::from_str_radix(number, 16).ok())??;
        Some((number, BundleId::parse(member)?))
    });
    claims.max_by_key(|(number, member)| (*number, std::cmp::Reverse(*member)))
}

fn path(number: u64, member: BundleId) -> String {
    format!("{WRITERS}{number:016x}-{member}")
}

/// What a claim says.
fn said(me: &Me) -> Vec<u8> {
    let said = Said {
        format: FORMAT,
        name: me.name.clone(),
    };
    serde_json::to_vec(&said).expect("texts always serialise")
}

/// Who writes; none: nobody yet.
pub(crate) fn read(calls: &Calls) -> Result<Option<Claim>, ElsewhereError> {
    let Some((number, member)) = counting(&calls.list(WRITERS)?) else {
        return Ok(None);
    };
    let said = calls
        .read(&path(number, member), limits::NOTE)?
        .unwrap_or_default();
    // One that was cut short still says which member it is.
    let name = serde_json::from_slice(&said).map_or_else(
        |_| format!("member {member}"),
        |said: Said| said.name.chars().take(limits::NAME).collect(),
    );
    Ok(Some(Claim { member, name, number }))
}

/// Whether this member writes, without asking by what name another one goes.
pub(crate) fn is_mine(calls: &Calls, me: &Me) -> Result<Option<bool>, ElsewhereError> {
    let counting = counting(&calls.list(WRITERS)?);
    Ok(counting.map(|(_, member)| member == me.member))
}

/// Makes this member the one who writes if nobody does; fails if another one does.
pub(crate) fn begin(calls: &Calls, me: &Me) -> Result<(), ElsewhereError> {
    let mut tried = 1;
    while is_mine(calls, me)?.is_none() {
        // Before it is tried again it is looked again, for another one may have begun meanwhile.
        match calls.write_once(&path(FIRST, me.member), &said(me)) {
            Err(ElsewhereError::Offline { source, .. }) if tried < limits::TRIES => {
                tracing::debug!(tried, error = %source, "it is looked again who writes");
                calls.pause(tried);
                tried += 1;
            }
            written => {
                written?;
                break;
            }
        }
    }
    check(calls, me)
}

/// Makes this member the one who writes, after whoever it was.
pub(crate) fn take(calls: &Calls, me: &Me) -> Result<(), ElsewhereError> {
    let before = counting(&calls.list(WRITERS)?);
    if before.is_some_and(|(_, member)| member == me.member) {
        return Ok(());
    }
    let number = before.map_or(FIRST, |(number, _)| number.saturating_add(1));
    calls.write(&path(number, me.member), &said(me))?;
    check(calls, me)?;
    // Only so that there are not more and more of them.
    if let Some((number, member)) = before {
        let _ = calls.delete(&path(number, member));
    }
    Ok(())
}

/// Fails if another member writes, or nobody.
pub(crate) fn check(calls: &Calls, me: &Me) -> Result<(), ElsewhereError> {
    if is_mine(calls, me)? == Some(true) {
        return Ok(());
    }
    let name = read(calls)?.map_or_else(|| "nobody".to_owned(), |claim| claim.name);
    Err(ElsewhereError::OtherWriter { name })
}

#[cfg(test)]
mod tests {
    use gobag_protocol::place::Place;

    use super::*;
    use crate::Access;

    #[test]
    fn who_begins_takes_over_from_nobody_and_who_takes_over_does() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().display().to_string());
        let credentials = None;
        let calls = Access { place, credentials }.calls().unwrap();
        let [one, other] = [1, 2].map(|number| Me {
            member: BundleId([number; 16]),
            name: format!("member {number}"),
        });
        begin(&calls, &other).unwrap();
        begin(&calls, &other).unwrap();
        let refused = begin(&calls, &one).unwrap_err();
        assert!(matches!(refused, ElsewhereError::OtherWriter { name } if name == "member 2"));
        assert_eq!(
            calls.list(WRITERS).unwrap(),
            [format!("{FIRST:016x}-{}", other.member)]
        );
        take(&calls, &one).unwrap();
        begin(&calls, &one).unwrap();
        assert!(begin(&calls, &other).is_err());
        assert_eq!(read(&calls).unwrap().unwrap().name, "member 1");
    }

    #[test]
    fn the_highest_number_counts_and_of_equal_ones_the_lowest_member() {
        let [low, high] = [1, 2].map(|number| BundleId([number; 16]));
        let name = |number, member| path(number, member)[WRITERS.len()..].to_owned();
        assert_eq!(counting(&["x".to_owned(), format!("1-{low}")]), None);
        let listed = [name(2, high), name(1, low), "notes".to_owned()];
        assert_eq!(counting(&listed), Some((2, high)));
        let listed = [name(2, high), name(2, low)];
        assert_eq!(counting(&listed), Some((2, low)));
    }
}
