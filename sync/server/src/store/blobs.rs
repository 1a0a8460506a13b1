//! The bytes of objects: a local folder, or any S3 with conditional writes, behind one trait.
//!
//! An object becomes visible only whole: in a folder it is written under another name, flushed, renamed, and the folder flushed;
//! an S3 does as much of itself. A stick's folder is made, with a mark in it, before the stick's first object: a folder that was
//! just made by somebody else might not be durable yet.

use std::{path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use gobag_protocol::ids::ObjectId;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path,
};

use super::StickKey;
use crate::{config::S3, refusal::Answer};

/// Where the bytes are.
#[derive(Clone)]
pub struct Blobs(Arc<dyn ObjectStore>);

impl Blobs {
    /// A folder, which must be there.
    pub fn folder(folder: &FilePath) -> object_store::Result<Self> {
        let folder = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self(Arc::new(folder)))
    }

    /// A bucket.
    pub fn s3(s3: &S3, access_key: &str, secret_key: &str) -> object_store::Result<Self> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_access_key_id(access_key)
            .with_secret_access_key(secret_key)
            .with_allow_http(s3.allow_http);
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(Self(Arc::new(builder.build()?)))
    }

    /// The store itself, for the probe.
    pub fn store(&self) -> &dyn ObjectStore {
        &*self.0
    }

    /// Makes the place for a stick's objects.
    pub async fn make_place(&self, stick: &StickKey) -> Answer<()> {
        let mark = place(stick).join("stick");
        self.0.put(&mark, PutPayload::from_static(b"gobag\n")).await?;
        Ok(())
    }

    /// Keeps `bytes`, whose id was checked. Writing the same again heals a damaged copy.
    pub async fn put(&self, stick: &StickKey, id: ObjectId, bytes: Bytes) -> Answer<()> {
        self.0
            .put(&place(stick).join(id.to_string()), bytes.into())
            .await?;
        Ok(())
    }

    /// The bytes, or a range of them; `None` if they are not there.
    pub async fn get(
        &self,
        stick: &StickKey,
        id: ObjectId,
        range: Option<GetRange>,
    ) -> Answer<Option<object_store::GetResult>> {
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        match self.0.get_opts(&place(stick).join(id.to_string()), options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Names of tenants and bundles cannot leave their folder: they have neither dots nor slashes.
fn place(stick: &StickKey) -> Path {
    Path::from(format!("objects/{}/{}", stick.tenant, stick.bundle))
}
