//! Whether a store may be trusted: it must refuse what a condition forbids, and show what was written at once. An endpoint that
//! takes the headers and ignores them loses data silently, so it is refused before anything is kept there.

use futures_util::TryStreamExt as _;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion, path::Path,
};
use serde::Serialize;

use crate::secret;

/// What was found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// Rules the store keeps.
    pub kept: &'static [&'static str],
}

const KEPT: &[&str] = &[
    "a second `If-None-Match: *` is refused",
    "an `If-Match` of another tag is refused",
    "what was written first is read back",
    "what was written is listed at once",
];

/// Why a store is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// It does not work at all.
    #[error("the store does not answer as one: {step}")]
    Store {
        /// What was tried.
        step: &'static str,
        /// What it said.
        source: object_store::Error,
    },
    /// It breaks a rule.
    #[error("the store cannot be used: {broken}")]
    Broken {
        /// Which rule, and how.
        broken: &'static str,
    },
    /// No name for what is tried.
    #[error("the system gives no random bytes")]
    Random,
}

impl ProbeError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store { .. } => "server.probe-store",
            Self::Broken { .. } => "server.probe-broken",
            Self::Random => "server.probe-random",
        }
    }
}

/// Tries a store with an object of its own, which is gone afterwards.
pub async fn probe(store: &dyn ObjectStore) -> Result<ProbeReport, ProbeError> {
    let name: [u8; 16] = secret::random().map_err(|_| ProbeError::Random)?;
    let path = Path::from(format!("probe/{}", gobag_protocol::ids::BundleId(name)));
    let found = rules(store, &path).await;
    let removed = store.delete(&path).await;
    found?;
    removed.map_err(|source| ProbeError::Store {
        step: "delete",
        source,
    })?;
    Ok(ProbeReport { kept: KEPT })
}

async fn rules(store: &dyn ObjectStore, path: &Path) -> Result<(), ProbeError> {
    let broken = |broken| Err(ProbeError::Broken { broken });
    let failed = |step| move |source| ProbeError::Store { step, source };
    let put = |body: &'static [u8], mode: PutMode| {
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        store.put_opts(path, PutPayload::from_static(body), options)
    };
    put(b"first", PutMode::Create)
        .await
        .map_err(failed("put an object with `If-None-Match: *`"))?;
    match put(b"second", PutMode::Create).await {
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
        Err(source) => return Err(failed("put it again with `If-None-Match: *`")(source)),
        Ok(_) => return broken("it ignores `If-None-Match: *` and writes over what is there"),
    }
    let other = UpdateVersion {
        e_tag: Some("\"00000000000000000000000000000000\"".to_owned()),
        version: None,
    };
    match put(b"third", PutMode::Update(other)).await {
        Err(object_store::Error::Precondition { .. }) => {}
        // A folder has no such condition, and we ask none of it: its objects are never changed.
        Err(object_store::Error::NotImplemented { .. }) => {}
        Err(source) => return Err(failed("put it with another tag in `If-Match`")(source)),
        Ok(_) => return broken("it ignores `If-Match` and writes over what is there"),
    }
    let read = store.get(path).await.map_err(failed("get it"))?;
    let read = read.bytes().await.map_err(failed("get it"))?;
    if read.as_ref() != b"first" {
        return broken("what was written first is not what is read back");
    }
    let listed = store
        .list(Some(&Path::from("probe")))
        .try_any(|found| std::future::ready(found.location == *path))
        .await
        .map_err(failed("list it"))?;
    match listed {
        true => Ok(()),
        false => broken("what was written is not listed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::blobs::Blobs;

    #[tokio::test]
    async fn a_folder_passes_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::folder(folder.path()).unwrap();
        assert_eq!(probe(blobs.store()).await.unwrap().kept.len(), 4);
        let left: Vec<_> = blobs.store().list(None).try_collect().await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}
