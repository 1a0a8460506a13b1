//! The form in which `docker save` wrote images before it learned OCI, and which Podman, Kaniko and Bazel still write:
//! `manifest.json` names a configuration and the layers from the lowest up.
//!
//! The configuration is named after its own digest and holds the digests of the unpacked layers, so everything is
//! vouched for here too.

use std::sync::Arc;

use gobag_format::Monitor;

use super::{
    Image, ImageChoice, OciError,
    blobs::Blobs,
    digest::Digest,
    layer::{self, BlobLayer},
    model::{Config, DockerImage},
};
use crate::{
    limits::{MAX_LAYERS, MAX_MANIFESTS},
    path::printable,
};

pub(super) fn open(blobs: Blobs, choice: &ImageChoice, monitor: &dyn Monitor) -> Result<Image, OciError> {
    let images: Vec<DockerImage> = blobs.document("manifest.json")?;
    let limit = |what, limit: usize| OciError::Limit {
        path: blobs.path().to_owned(),
        what,
        limit: limit as u64,
    };
    if images.len() > MAX_MANIFESTS {
        return Err(limit("the number of images", MAX_MANIFESTS));
    }
    let (image, config) = choose(&blobs, images, choice)?;
    if image.layers.len() > MAX_LAYERS {
        return Err(limit("the number of layers", MAX_LAYERS));
    }
    if image.layers.len() != config.rootfs.diff_ids.len() {
        let (layers, digests) = (image.layers.len(), config.rootfs.diff_ids.len());
        let what = format!("{layers} layers but {digests} layer digests");
        return Err(OciError::inconsistent(blobs.path(), what));
    }
    let blobs = Arc::new(blobs);
    let pairs = image.layers.into_iter().zip(config.rootfs.diff_ids);
    let layers = pairs
        .map(|(blob, unpacked)| {
            let (_, size_bytes) = blobs.open(&blob)?;
            Ok(BlobLayer {
                blobs: Arc::clone(&blobs),
                blob,
                size_bytes,
                packed: None,
                unpacked,
            })
        })
        .collect::<Result<Vec<_>, OciError>>()?;
    Ok(Image {
        layers: layer::verified(layers, monitor)?,
        entry: config.config.into(),
        name: image.repo_tags.into_iter().next(),
    })
}

/// The image that is meant, with its configuration.
fn choose(
    blobs: &Blobs,
    images: Vec<DockerImage>,
    choice: &ImageChoice,
) -> Result<(DockerImage, Config), OciError> {
    let available = describe(&images);
    let path = blobs.path().to_owned();
    let mut named: Vec<DockerImage> = images
        .into_iter()
        .filter(|image| {
            choice
                .reference
                .as_deref()
                .is_none_or(|name| image.is_called(name))
        })
        .collect();
    if named.len() > 1 && named.iter().any(|image| image.config != named[0].config) {
        let available = describe(&named);
        return Err(OciError::Ambiguous { path, available });
    }
    let not_found = |available| OciError::NotFound {
        path: path.clone(),
        wanted: choice.describe(),
        available,
    };
    let image = named.pop().ok_or_else(|| not_found(available))?;
    let digest = config_digest(&image.config).ok_or_else(|| {
        let name = printable(image.config.as_bytes());
        OciError::inconsistent(
            &path,
            format!("configuration `{name}` is not named after its digest"),
        )
    })?;
    let config: Config = blobs.verified_document(&image.config, &digest)?;
    if config.os != choice.os || config.architecture != choice.architecture {
        return Err(not_found(format!(
            "one for {}/{}",
            config.os, config.architecture
        )));
    }
    Ok((image, config))
}

impl DockerImage {
    fn is_called(&self, name: &str) -> bool {
        self.repo_tags.iter().any(|tag| tag == name)
            || config_digest(&self.config).is_some_and(|digest| digest.to_string() == name)
    }
}

/// `HEX.json`, `blobs/sha256/HEX` and `sha256:HEX` are all in use.
fn config_digest(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let last = last.strip_suffix(".json").unwrap_or(last);
    Digest::from_sha256_hex(last.strip_prefix("sha256:").unwrap_or(last))
}

fn describe(images: &[DockerImage]) -> String {
    const SHOWN: usize = 8;
    let names = images.iter().take(SHOWN).map(|image| {
        let name = image.repo_tags.first().unwrap_or(&image.config);
        format!("`{}`", printable(name.as_bytes()))
    });
    let shown: Vec<String> = names.collect();
    match shown.is_empty() {
        true => "none".to_owned(),
        false => shown.join(", "),
    }
}
