//! The OCI image layout: `index.json` leads to a manifest, possibly through further indexes, and that to the layers.

use std::{path::Path, sync::Arc};

use gobag_format::Monitor;

use super::{
    Image, ImageChoice, OciError,
    blobs::Blobs,
    layer::{self, BlobLayer},
    model::{Config, Descriptor, Index, Manifest},
};
use crate::{
    limits::{MAX_INDEX_DEPTH, MAX_LAYERS, MAX_MANIFESTS},
    path::printable,
};

const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// A layer that is a tar archive; a suffix says how it is packed, which is found from its bytes all the same.
const LAYER_TYPES: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
const LAYER_PACKINGS: [&str; 5] = ["", "+gzip", "+zstd", ".gzip", ".zstd"];
/// Annotations under which builders put the name of an image.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
/// What buildkit puts beside an image is no image, though its manifest says so.
const ATTESTATION: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// A manifest that may be the one.
struct Candidate {
    names: Vec<String>,
    descriptor: Descriptor,
    os: String,
    architecture: String,
}

pub(super) fn open(blobs: Blobs, choice: &ImageChoice, monitor: &dyn Monitor) -> Result<Image, OciError> {
    let index: Index = blobs.document("index.json")?;
    let mut gatherer = Gatherer {
        blobs: &blobs,
        found: Vec::new(),
        looked_at: 0,
    };
    gatherer.gather(index, &[], 0)?;
    let candidates = gatherer.found;
    let chosen = choose(blobs.path(), candidates, choice)?;

    let manifest: Manifest = document(&blobs, &chosen.descriptor)?;
    let config: Config = document(&blobs, &manifest.config)?;
    let blobs = Arc::new(blobs);
    let layers = layers(&blobs, manifest.layers, &config)?;
    Ok(Image {
        layers: layer::verified(layers, monitor)?,
        entry: config.config.into(),
        name: chosen.names.into_iter().next(),
    })
}

fn document<T: serde::de::DeserializeOwned>(blobs: &Blobs, descriptor: &Descriptor) -> Result<T, OciError> {
    blobs.verified_document(&Blobs::blob_name(&descriptor.digest), &descriptor.digest)
}

/// Collects the manifests that an index leads to.
struct Gatherer<'a> {
    blobs: &'a Blobs,
    found: Vec<Candidate>,
    looked_at: usize,
}

impl Gatherer<'_> {
    fn gather(&mut self, index: Index, inherited: &[String], depth: usize) -> Result<(), OciError> {
        if depth > MAX_INDEX_DEPTH {
            return Err(self.limit("the nesting of indexes", MAX_INDEX_DEPTH));
        }
        for descriptor in index.manifests {
            self.looked_at += 1;
            if self.looked_at > MAX_MANIFESTS {
                return Err(self.limit("the number of manifests", MAX_MANIFESTS));
            }
            let kind = descriptor.annotations.get(ATTESTATION.0);
            if kind.is_some_and(|kind| kind == ATTESTATION.1) {
                continue;
            }
            let own = NAMES
                .iter()
                .filter_map(|key| descriptor.annotations.get(*key).cloned());
            let names: Vec<String> = own.chain(inherited.iter().cloned()).collect();
            let media_type = descriptor.media_type.as_str();
            if INDEX_TYPES.contains(&media_type) {
                self.gather(document(self.blobs, &descriptor)?, &names, depth + 1)?;
            } else if MANIFEST_TYPES.contains(&media_type)
                && let Some((os, architecture)) = platform(self.blobs, &descriptor)?
            {
                self.found.push(Candidate {
                    names,
                    descriptor,
                    os,
                    architecture,
                });
            }
        }
        Ok(())
    }

    fn limit(&self, what: &'static str, limit: usize) -> OciError {
        OciError::Limit {
            path: self.blobs.path().to_owned(),
            what,
            limit: limit as u64,
        }
    }
}

/// The platform as the index says, or else as the configuration does; nothing when it is for no platform at all.
fn platform(blobs: &Blobs, descriptor: &Descriptor) -> Result<Option<(String, String)>, OciError> {
    if let Some(platform) = &descriptor.platform {
        let is_image = platform.os != "unknown";
        return Ok(is_image.then(|| (platform.os.clone(), platform.architecture.clone())));
    }
    let manifest: Manifest = document(blobs, descriptor)?;
    let config: Config = document(blobs, &manifest.config)?;
    Ok(Some((config.os, config.architecture)))
}

fn choose(path: &Path, candidates: Vec<Candidate>, choice: &ImageChoice) -> Result<Candidate, OciError> {
    let available = describe(&candidates);
    let mut fitting: Vec<Candidate> = candidates
        .into_iter()
        .filter(|one| one.os == choice.os && one.architecture == choice.architecture)
        .filter(|one| choice.reference.as_deref().is_none_or(|name| one.is_called(name)))
        .collect();
    let same = |one: &Candidate| one.descriptor.digest == fitting[0].descriptor.digest;
    if fitting.len() > 1 && !fitting.iter().all(same) {
        return Err(OciError::Ambiguous {
            path: path.to_owned(),
            available: describe(&fitting),
        });
    }
    fitting.pop().ok_or_else(|| OciError::NotFound {
        path: path.to_owned(),
        wanted: choice.describe(),
        available,
    })
}

impl Candidate {
    fn is_called(&self, name: &str) -> bool {
        self.descriptor.digest.to_string() == name || self.names.iter().any(|own| own == name)
    }
}

/// The candidates for a message, at most a handful.
fn describe(candidates: &[Candidate]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = candidates
        .iter()
        .take(SHOWN)
        .map(|one| {
            let digest = one.descriptor.digest.to_string();
            let name = one.names.first().unwrap_or(&digest);
            format!(
                "`{}` for {}/{}",
                printable(name.as_bytes()),
                one.os,
                one.architecture
            )
        })
        .collect();
    if candidates.len() > SHOWN {
        shown.push("…".to_owned());
    }
    match shown.is_empty() {
        true => "none".to_owned(),
        false => shown.join(", "),
    }
}

fn layers(blobs: &Arc<Blobs>, layers: Vec<Descriptor>, config: &Config) -> Result<Vec<BlobLayer>, OciError> {
    if layers.len() > MAX_LAYERS {
        return Err(OciError::Limit {
            path: blobs.path().to_owned(),
            what: "the number of layers",
            limit: MAX_LAYERS as u64,
        });
    }
    if layers.len() != config.rootfs.diff_ids.len() {
        let what = format!(
            "{} layers but {} layer digests",
            layers.len(),
            config.rootfs.diff_ids.len()
        );
        return Err(OciError::inconsistent(blobs.path(), what));
    }
    let pairs = layers.into_iter().zip(&config.rootfs.diff_ids);
    pairs
        .map(|(layer, unpacked)| {
            if !is_tar(&layer.media_type) {
                return Err(OciError::UnsupportedLayer {
                    path: blobs.path().to_owned(),
                    media_type: printable(layer.media_type.as_bytes()),
                });
            }
            Ok(BlobLayer {
                blobs: Arc::clone(blobs),
                blob: Blobs::blob_name(&layer.digest),
                size_bytes: layer.size,
                packed: Some(layer.digest),
                unpacked: unpacked.clone(),
            })
        })
        .collect()
}

fn is_tar(media_type: &str) -> bool {
    LAYER_TYPES.iter().any(|known| {
        media_type
            .strip_prefix(known)
            .is_some_and(|packing| LAYER_PACKINGS.contains(&packing))
    })
}
