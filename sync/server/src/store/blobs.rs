//! The bytes of objects: a local folder, or any S3 with conditional writes, behind one trait.
//!
//! An object becomes visible only whole: in a folder it is written under another name, flushed, renamed, and the folder flushed;
//! an S3 does as much of itself. An owner's folder is made, with a mark in it, before its first object: a folder that was
//! just made by somebody else might not be durable yet.

use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum::http::Method;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use gobag_protocol::ids::ObjectId;
use object_store::{
    Certificate, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload,
    aws::AmazonS3Builder, local::LocalFileSystem, path::Path, signer::Signer,
};

use super::{OwnerKey, signed};
use crate::{
    config::S3,
    refusal::{Answer, Refusal},
};

/// Where the bytes are.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// There with a folder.
    folder: Option<PathBuf>,
    /// There with a bucket that is to be reached directly.
    signer: Option<Arc<dyn Signer>>,
}

/// How long an address of an object at the bucket is good.
const ADDRESS_LASTS: Duration = Duration::from_secs(300);

impl Blobs {
    /// A folder, which must be there.
    pub fn folder(folder: &FilePath) -> object_store::Result<Self> {
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            folder: Some(folder.to_owned()),
            signer: None,
        })
    }

    /// A bucket, for whose address `roots` vouch, too.
    pub fn s3(
        s3: &S3,
        access_key: &str,
        secret_key: &str,
        roots: Vec<Certificate>,
    ) -> object_store::Result<Self> {
        let mut options = ClientOptions::new();
        for root in roots {
            options = options.with_root_certificate(root);
        }
        let mut builder = AmazonS3Builder::new()
            .with_client_options(options)
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_access_key_id(access_key)
            .with_secret_access_key(secret_key)
            .with_allow_http(s3.allow_http);
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = Arc::new(builder.build()?);
        Ok(Self {
            signer: s3.direct.then(|| Arc::clone(&store) as Arc<dyn Signer>),
            store,
            folder: None,
        })
    }

    /// The store itself, for the probe.
    pub fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    /// Makes the place for an owner's objects.
    pub async fn make_place(&self, owner: &OwnerKey) -> Answer<()> {
        let mark = place(owner).join("stick");
        self.store.put(&mark, PutPayload::from_static(b"gobag\n")).await?;
        Ok(())
    }

    /// Keeps `bytes`, whose id was checked. Writing the same again heals a damaged copy.
    pub async fn put(&self, owner: &OwnerKey, id: ObjectId, bytes: Bytes) -> Answer<()> {
        self.store
            .put(&place(owner).join(id.to_string()), bytes.into())
            .await?;
        Ok(())
    }

    /// Whether all of an object's bytes are there.
    pub async fn has(&self, owner: &OwnerKey, id: ObjectId, len: usize) -> Answer<bool> {
        match self.store.head(&place(owner).join(id.to_string())).await {
            Ok(found) => Ok(found.size == len as u64),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes, or a range of them; `None` if they are not there.
    pub async fn get(
        &self,
        owner: &OwnerKey,
        id: ObjectId,
        range: Option<GetRange>,
    ) -> Answer<Option<object_store::GetResult>> {
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        match self
            .store
            .get_opts(&place(owner).join(id.to_string()), options)
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Blobs {
    /// Where at the bucket an object is to be had for some minutes, by whoever is told; `None` where that is not wanted.
    pub async fn address(&self, owner: &OwnerKey, id: ObjectId) -> Answer<Option<String>> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        let path = place(owner).join(id.to_string());
        let url = signer.signed_url(Method::GET, &path, ADDRESS_LASTS).await?;
        Ok(Some(url.into()))
    }

    /// Removes the bytes. They may be gone already.
    pub async fn delete(&self, owner: &OwnerKey, id: ObjectId) -> Answer<()> {
        match self.store.delete(&place(owner).join(id.to_string())).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Objects of a stick whose bytes were written before a time.
    pub async fn older_than(&self, owner: &OwnerKey, before_s: u64) -> Answer<Vec<ObjectId>> {
        let mut listed = self.store.list(Some(&place(owner)));
        let mut ids = Vec::new();
        while let Some(found) = listed.try_next().await? {
            let is_old = found.last_modified.timestamp() < signed(before_s);
            let id = found.location.filename().and_then(ObjectId::parse);
            ids.extend(id.filter(|_| is_old));
        }
        Ok(ids)
    }

    /// Removes what uploads into a folder left half written before a time: files with another name, which no listing shows. How many.
    pub async fn remove_partial(&self, owner: &OwnerKey, before_s: u64) -> Answer<u64> {
        let Some(folder) = &self.folder else {
            return Ok(0);
        };
        let folder = folder.join(place(owner).as_ref());
        let removed = tokio::task::spawn_blocking(move || remove_partial(&folder, before_s)).await;
        removed
            .map_err(Refusal::unavailable)?
            .map_err(Refusal::unavailable)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's own files; nothing of this is on a stick"
)]
fn remove_partial(folder: &FilePath, before_s: u64) -> std::io::Result<u64> {
    let mut removed = 0;
    let entries = match std::fs::read_dir(folder) {
        // The stick has sent nothing yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        // As `object_store` names them: the object's name, `#`, a number.
        let Some((id, number)) = name.to_str().and_then(|name| name.split_once('#')) else {
            continue;
        };
        let is_partial = ObjectId::parse(id).is_some() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_partial {
            continue;
        }
        // One that is no longer there has got its name.
        let Ok(written) = entry.metadata().and_then(|data| data.modified()) else {
            continue;
        };
        let written_s = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if written_s < before_s {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Names of tenants and bundles cannot leave their folder: they have neither dots nor slashes.
fn place(owner: &OwnerKey) -> Path {
    Path::from(format!("objects/{}/{}", owner.tenant, owner.bundle))
}
