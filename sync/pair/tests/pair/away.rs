//! A workspace that is not at a server, and its members. Where it is the environment says: [`endpoints`](crate::endpoints); else it is in a folder.

use std::{path::Path, sync::Arc};

use gobag_format::crypto::Key;
use gobag_pair::{Pair, PairError, RootId};
use gobag_protocol::{
    ids::{BundleId, WorkspaceId},
    place::{Credentials, Place},
};
use gobag_stores::{Access, Elsewhere, ElsewhereError, Me, Mode};
use gobag_workspace::{PageCache, Store, Workspace};
use tempfile::TempDir;

use crate::office::Drawn;

pub(crate) struct Away {
    access: Access,
    id: WorkspaceId,
    key: Key,
    pub(crate) mode: Mode,
    /// Where the place is in a folder here.
    pub(crate) folder: Option<TempDir>,
}

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|said| !said.is_empty())
}

impl Away {
    pub(crate) fn new() -> Self {
        let id = WorkspaceId::generate(&Drawn);
        let folder = said("GOBAG_TEST_PLACE")
            .is_none()
            .then(|| TempDir::new().unwrap());
        let place = match &folder {
            Some(folder) => folder.path().display().to_string(),
            None => {
                let [place, query] =
                    ["GOBAG_TEST_PLACE", "GOBAG_TEST_QUERY"].map(|name| said(name).unwrap_or_default());
                format!("{place}/{id}{query}")
            }
        };
        let credentials = said("GOBAG_TEST_CREDENTIALS").map(|said| {
            let (name, secret) = said.split_once(' ').unwrap();
            Credentials::parse(&format!("name = {name}\nsecret = {secret}")).unwrap()
        });
        let place: Place = place.parse().unwrap();
        let access = Access { place, credentials };
        let is_weak = said("GOBAG_TEST_MODE").as_deref() == Some("weak");
        if is_weak {
            let refused = Elsewhere::make(&access, id, false, &Drawn);
            let refused = refused.unwrap_err();
            assert!(
                matches!(&refused, ElsewhereError::Unproved { broken, .. } if broken.contains("If-None-Match")),
                "{refused}"
            );
        }
        let (mode, proof) = Elsewhere::make(&access, id, is_weak, &Drawn).unwrap();
        let expected = match said("GOBAG_TEST_MODE").as_deref() {
            Some("conditional") => Mode::Conditional,
            _ => Mode::SingleWriter,
        };
        assert_eq!((mode, proof.is_some()), (expected, mode == Mode::Conditional));
        Self {
            access,
            id,
            key: Key::from_bytes([7; 32]),
            mode,
            folder,
        }
    }

    /// As the member of this number reaches it.
    pub(crate) fn store(&self, number: u8) -> Elsewhere {
        let me = Me {
            member: BundleId([number; 16]),
            name: format!("member {number}"),
        };
        Elsewhere::open(&self.access, self.id, me, false, Arc::new(Drawn)).unwrap()
    }

    /// The same, of whom everybody knows that it is its turn.
    pub(crate) fn turn(&self, number: u8) -> Elsewhere {
        let store = self.store(number);
        if self.mode == Mode::SingleWriter {
            store.take_over().unwrap();
        }
        store
    }

    pub(crate) fn workspace(&self, store: Arc<dyn Store>, cache: Arc<dyn PageCache>) -> Workspace {
        Workspace::new(gobag_workspace::Options {
            id: self.id,
            key: &self.key,
            store,
            cache,
            name: "sales".to_owned(),
            by: "Ada".to_owned(),
            random: Arc::new(Drawn),
            sweep_after: gobag_workspace::sweep_after,
        })
    }

    pub(crate) fn pair_by(
        &self,
        folder: &Path,
        number: u8,
        store: Arc<dyn Store>,
    ) -> Result<Pair, PairError> {
        let workspace = self.workspace(store, gobag_pair::pages(folder));
        Pair::make(folder, workspace, [RootId([number; 16]), RootId([0; 16])])
    }
}
