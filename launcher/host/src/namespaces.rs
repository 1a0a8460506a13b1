//! Can this user make a namespace with its capabilities? Found by making one (through `gobag-engine`), because settings
//! only explain a refusal.

use std::ffi::OsStr;

use gobag_checklists::{Ability, Fact, Forger, Namespaces, Obstacle, UserMap};
use gobag_engine::userns::{self, IdMap, UsernsError};

use crate::limits::NAMESPACES_DEADLINE;
use crate::read::chain;
use crate::system::privilege;

pub(crate) fn probe(search_path: Option<&OsStr>) -> Fact<Ability<Namespaces>> {
    let ability = match userns::probe_userns(search_path, NAMESPACES_DEADLINE) {
        Ok(proof) => Ability::yes(Namespaces {
            users: match proof.map {
                IdMap::Host => UserMap::All,
                IdMap::Ranges { .. } => UserMap::Ranges,
                IdMap::Single => UserMap::OnlyYou,
            },
            why_not_more: proof.ranges_refused,
        }),
        Err(error) => Ability::no(obstacle(&error), chain(&error)),
    };
    Fact::known(ability, "unshare, mount proc", privilege(), Forger::Administrator)
}

fn obstacle(error: &UsernsError) -> Obstacle {
    match error {
        UsernsError::NoTool(_) => Obstacle::Missing,
        UsernsError::Refused(_) => Obstacle::NoPermission,
        _ => Obstacle::NotWorking,
    }
}
