//! What a stick keeps for file sync: the keys of workspaces, and which folders were paired with what.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{LedgerError, LedgerRecord};
use crate::{
    crypto::Key,
    ids::WorkspaceId,
    limits::{MAX_KEPT_PAIRS, MAX_KEPT_PLACE_LEN, MAX_KEPT_WORKSPACES},
};

/// A workspace whose key the stick has.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptWorkspace {
    /// Which.
    pub id: WorkspaceId,
    /// By what name it goes.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

/// A folder of some computer, and what it is kept the same as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPair {
    /// The folder.
    pub left: String,
    /// Another folder, or `workspace:` and a name.
    pub right: String,
    /// Fields of later versions.
    #[serde(flatten)]
    pub later: Map<String, Value>,
}

impl LedgerRecord {
    /// Workspaces whose keys the stick has.
    pub fn workspaces(&self) -> &[KeptWorkspace] {
        &self.workspaces
    }

    /// Keeps the key of a workspace. False: there is another one of that name, or this one has another key, or there is no room; then nothing is changed.
    pub fn join(&mut self, id: WorkspaceId, name: &str, key: &Key) -> bool {
        let is_other = |kept: &KeptWorkspace| {
            let is_same = kept.id == id && kept.key.expose() == key.expose();
            !is_same && (kept.id == id || kept.name == name)
        };
        if name.len() > MAX_KEPT_PLACE_LEN || self.workspaces.iter().any(is_other) {
            return false;
        }
        // By the name of now; what later versions noted of it stays.
        if let Some(kept) = self.workspaces.iter_mut().find(|kept| kept.id == id) {
            name.clone_into(&mut kept.name);
            return true;
        }
        if self.workspaces.len() >= MAX_KEPT_WORKSPACES {
            return false;
        }
        self.workspaces.push(KeptWorkspace {
            id,
            name: name.to_owned(),
            key: key.clone(),
            later: Map::new(),
        });
        true
    }

    /// Folders that were paired, the last one at the end.
    pub fn pairs(&self) -> &[KeptPair] {
        &self.pairs
    }

    /// Remembers a pair; of more than [`MAX_KEPT_PAIRS`] the oldest go. One with a place that is too long is not remembered.
    pub fn remember(&mut self, left: &str, right: &str) {
        if left.len().max(right.len()) > MAX_KEPT_PLACE_LEN {
            return;
        }
        self.pairs.retain(|pair| pair.left != left);
        self.pairs.push(KeptPair {
            left: left.to_owned(),
            right: right.to_owned(),
            later: Map::new(),
        });
        let surplus = self.pairs.len().saturating_sub(MAX_KEPT_PAIRS);
        self.pairs.drain(..surplus);
    }

    /// Nothing is larger than its limit.
    pub(super) fn check_shared(&self) -> Result<(), LedgerError> {
        let fits = |text: &String| text.len() <= MAX_KEPT_PLACE_LEN;
        let fit = self.workspaces.len() <= MAX_KEPT_WORKSPACES
            && self.pairs.len() <= MAX_KEPT_PAIRS
            && self.workspaces.iter().all(|kept| fits(&kept.name))
            && self
                .pairs
                .iter()
                .all(|pair| fits(&pair.left) && fits(&pair.right));
        match fit {
            true => Ok(()),
            false => Err(LedgerError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    fn key(number: u8) -> Key {
        Key::from_bytes([number; 32])
    }

    #[test]
    fn a_workspace_is_joined_once_and_never_replaced() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        let (docs, sales) = (WorkspaceId([1; 16]), WorkspaceId([2; 16]));
        assert!(record.join(docs, "docs", &key(1)));
        assert!(record.join(docs, "docs", &key(1)), "again, by the same letter");
        assert!(!record.join(docs, "docs", &key(2)), "another key");
        assert!(!record.join(sales, "docs", &key(2)), "another one of that name");
        assert!(record.join(docs, "papers", &key(1)), "it was given another name");
        let back = LedgerRecord::from_json(&record.to_json()).unwrap();
        let [kept] = back.workspaces() else {
            panic!("there is one")
        };
        assert_eq!((kept.id, kept.name.as_str()), (docs, "papers"));
        assert_eq!(kept.key.expose(), key(1).expose());
        for number in 3..=MAX_KEPT_WORKSPACES as u8 + 1 {
            assert!(record.join(WorkspaceId([number; 16]), &number.to_string(), &key(number)));
        }
        assert!(!record.join(sales, "sales", &key(2)), "there is no room");
    }

    #[test]
    fn the_last_pairs_are_remembered_each_folder_once() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        record.remember("/a", "workspace:docs");
        record.remember("/b", "/share");
        record.remember("/a", "workspace:sales");
        let lefts: Vec<_> = record.pairs().iter().map(|pair| pair.left.as_str()).collect();
        assert_eq!(lefts, ["/b", "/a"]);
        for number in 0..MAX_KEPT_PAIRS {
            record.remember(&format!("/{number}"), "/share");
        }
        record.remember(&"x".repeat(MAX_KEPT_PLACE_LEN + 1), "/share");
        assert_eq!(record.pairs().len(), MAX_KEPT_PAIRS);
        assert!(LedgerRecord::from_json(&record.to_json()).is_ok());
    }

    #[test]
    fn a_program_of_before_keeps_what_it_does_not_know_and_one_of_now_reads_what_there_was() {
        let mut record = LedgerRecord::new(&Fixed::new(1));
        let before: Value = serde_json::from_slice(&record.to_json()).unwrap();
        assert!(before.get("workspaces").is_none() && before.get("pairs").is_none());
        record.join(WorkspaceId([1; 16]), "docs", &key(1));
        let mut text: Value = serde_json::from_slice(&record.to_json()).unwrap();
        // As a field of later versions goes through a program that does not know it.
        text["workspaces"][0]["colour"] = "blue".into();
        let back = LedgerRecord::from_json(text.to_string().as_bytes()).unwrap();
        assert_eq!(back.workspaces()[0].later["colour"], "blue");
        text["pairs"] = vec![serde_json::json!({ "left": "a", "right": "b" }); MAX_KEPT_PAIRS + 1].into();
        assert!(LedgerRecord::from_json(text.to_string().as_bytes()).is_err());
    }
}
