//! Layouts and archives built here, good ones and every kind of bad one.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use gobag_format::Silent;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::{
    flatten::{Changes, flatten},
    tree,
};

type Pack = fn(&[u8]) -> Vec<u8>;

/// The members of a layout or archive.
#[derive(Clone, Default)]
struct Parts(BTreeMap<String, Vec<u8>>);

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn config(layers: &[Vec<u8>], architecture: &str) -> Value {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    json!({
        "os": "linux",
        "architecture": architecture,
        "config": {
            "Entrypoint": ["/bin/app"], "Cmd": null, "Env": ["A=b"], "User": "1000:1000", "WorkingDir": "/srv",
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

impl Parts {
    fn blob(&mut self, bytes: Vec<u8>) -> Value {
        let (digest, size) = (digest(&bytes), bytes.len());
        self.0.insert(format!("blobs/sha256/{}", hex(&bytes)), bytes);
        json!({ "digest": digest, "size": size })
    }

    fn document(&mut self, media_type: &str, document: &Value) -> Value {
        let mut descriptor = self.blob(document.to_string().into_bytes());
        descriptor["mediaType"] = media_type.into();
        descriptor
    }

    /// An image of `layers`, each packed by the function beside it; gives its descriptor.
    fn image(&mut self, layers: &[(Vec<u8>, &str, Pack)], config: &Value) -> Value {
        let config = self.document("application/vnd.oci.image.config.v1+json", config);
        let layers: Vec<Value> = layers
            .iter()
            .map(|(bytes, packing, pack)| {
                let mut descriptor = self.blob(pack(bytes));
                descriptor["mediaType"] = format!("{LAYER}{packing}").into();
                descriptor
            })
            .collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        self.document(MANIFEST, &manifest)
    }

    fn index(&mut self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        self.0
            .insert("index.json".to_owned(), index.to_string().into_bytes());
        self.0.insert(
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        );
    }

    #[expect(clippy::disallowed_methods, reason = "the test makes its own files")]
    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &self.0 {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn archive(&self, links: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(file.reopen().unwrap());
        for (name, bytes) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        for (name, target) in links {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.finish().unwrap();
        file
    }

    fn open(&self, choice: &ImageChoice) -> Result<Vec<String>, OciError> {
        let folder = self.folder();
        let from_folder =
            open_layout(Blobs::folder(folder.path()), choice, &Silent).map(|image| names(&image));
        let archive = self.archive(&[]);
        let blobs = Blobs::archive(archive.path()).unwrap();
        let from_archive = open_layout(blobs, choice, &Silent).map(|image| names(&image));
        match (&from_folder, &from_archive) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (Err(one), Err(other)) => assert_eq!(one.code(), other.code()),
            other => panic!("folder and archive differ: {other:?}"),
        }
        from_folder
    }

    fn code(&self, choice: &ImageChoice) -> &'static str {
        self.open(choice).map_or_else(|error| error.code(), |_| "ok")
    }
}

/// The files of an image as `name=content`.
fn names(image: &Image) -> Vec<String> {
    let tree = tree::build(&image.layers, true, |_, _| None, &Silent).unwrap();
    let mut bytes = Vec::new();
    flatten(
        &tree,
        &image.layers,
        &Changes::default(),
        &mut bytes,
        None,
        &Silent,
    )
    .unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            format!("{}={content}", entry.path().unwrap().display())
        })
        .filter(|name| !name.ends_with("/="))
        .collect();
    names.sort();
    names
}

fn same(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// A good image of three layers, each packed differently.
fn sample() -> Parts {
    let mut parts = Parts::default();
    let layers = [
        layer(&[("etc/name", "one"), ("etc/gone", "x"), ("opt/old", "x")]),
        layer(&[("etc/.wh.gone", ""), ("etc/name", "two")]),
        layer(&[("opt/.wh..wh..opq", ""), ("opt/new", "three")]),
    ];
    let config = config(&layers, "amd64");
    let [a, b, c] = layers;
    let manifest = parts.image(&[(a, "", same), (b, "+gzip", gzip), (c, "+zstd", zstd)], &config);
    parts.index(&[manifest]);
    parts
}

fn any() -> ImageChoice {
    ImageChoice::default()
}

#[test]
fn layers_of_every_packing_are_put_on_top_of_each_other() {
    assert_eq!(sample().open(&any()).unwrap(), ["etc/name=two", "opt/new=three"]);
}

#[test]
fn the_configuration_is_kept() {
    let parts = sample();
    let folder = parts.folder();
    let image = open_layout(Blobs::folder(folder.path()), &any(), &Silent).unwrap();
    let expected = ContainerEntry {
        entrypoint: vec!["/bin/app".to_owned()],
        command: Vec::new(),
        environment: vec!["A=b".to_owned()],
        user: "1000:1000".to_owned(),
        working_dir: "/srv".to_owned(),
    };
    assert_eq!(image.entry, expected);
}

#[test]
fn every_changed_blob_is_noticed() {
    let good = sample();
    let blobs: Vec<String> = good
        .0
        .keys()
        .filter(|name| name.starts_with("blobs/"))
        .cloned()
        .collect();
    assert_eq!(blobs.len(), 5);
    for name in blobs {
        for at in [0, 10, usize::MAX] {
            let mut bad = good.clone();
            let bytes = bad.0.get_mut(&name).unwrap();
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= 1;
            assert_eq!(bad.code(&any()), "import.digest-mismatch", "{name} at {at}");
        }
        let mut longer = good.clone();
        longer.0.get_mut(&name).unwrap().push(0);
        assert_eq!(longer.code(&any()), "import.digest-mismatch", "{name} longer");
        let mut missing = good.clone();
        missing.0.remove(&name);
        let code = missing.code(&any());
        assert!(
            ["import.oci-part-missing", "import.archive-unreadable"].contains(&code),
            "{name}: {code}"
        );
    }
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_noticed() {
    let mut parts = Parts::default();
    let (honest, other) = (layer(&[("a", "1")]), layer(&[("a", "2")]));
    let manifest = parts.image(&[(other, "+gzip", gzip)], &config(&[honest], "amd64"));
    parts.index(&[manifest]);
    let folder = parts.folder();
    let image = open_layout(Blobs::folder(folder.path()), &any(), &Silent).unwrap();
    let error = tree::build(&image.layers, true, |_, _| None, &Silent).unwrap_err();
    assert_eq!(error.code(), "import.digest-mismatch");
}

#[test]
fn the_platform_is_chosen_also_in_nested_indexes_and_attestations_are_no_images() {
    let mut parts = Parts::default();
    let mut manifests = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let bytes = layer(&[("arch", architecture)]);
        let config = config(std::slice::from_ref(&bytes), architecture);
        let mut manifest = parts.image(&[(bytes, "", same)], &config);
        manifest["platform"] = json!({ "os": "linux", "architecture": architecture });
        manifests.push(manifest);
    }
    let mut attestation = parts.document(MANIFEST, &json!({ "config": manifests[0], "layers": [] }));
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    manifests.push(attestation);
    // As `docker save` writes it: the parts of other platforms may be absent.
    let absent = json!({
        "mediaType": MANIFEST, "size": 7, "digest": digest(b"elsewhere"),
        "platform": { "os": "linux", "architecture": "riscv64" },
    });
    manifests.push(absent);
    let mut inner = parts.document(INDEX, &json!({ "manifests": manifests }));
    inner["annotations"] = json!({ "org.opencontainers.image.ref.name": "office:1" });
    parts.index(&[inner]);

    assert_eq!(parts.open(&any()).unwrap(), ["arch=amd64"]);
    let arm = ImageChoice {
        architecture: "arm64".to_owned(),
        reference: Some("office:1".to_owned()),
        ..any()
    };
    assert_eq!(parts.open(&arm).unwrap(), ["arch=arm64"]);
    for (architecture, reference) in [("s390x", "office:1"), ("amd64", "office:2")] {
        let choice = ImageChoice {
            architecture: architecture.to_owned(),
            reference: Some(reference.to_owned()),
            ..any()
        };
        assert_eq!(parts.code(&choice), "import.oci-image-not-found");
    }
}

#[test]
fn several_images_need_a_choice() {
    let mut parts = Parts::default();
    let mut manifests = Vec::new();
    for name in ["a:1", "b:1"] {
        let bytes = layer(&[("name", name)]);
        let config = config(std::slice::from_ref(&bytes), "amd64");
        let mut manifest = parts.image(&[(bytes, "", same)], &config);
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        manifests.push(manifest);
    }
    parts.index(&manifests);
    let error = parts.open(&any()).unwrap_err();
    assert_eq!(error.code(), "import.oci-image-ambiguous");
    assert!(error.to_string().contains("`a:1` for linux/amd64"), "{error}");
    let digest = manifests[1]["digest"].as_str().unwrap();
    for reference in ["b:1", digest] {
        let choice = ImageChoice {
            reference: Some(reference.to_owned()),
            ..any()
        };
        assert_eq!(parts.open(&choice).unwrap(), ["name=b:1"]);
    }
}

#[test]
fn encrypted_layers_and_unequal_counts_are_refused() {
    let mut encrypted = Parts::default();
    let bytes = layer(&[("a", "1")]);
    let config = config(std::slice::from_ref(&bytes), "amd64");
    let manifest = encrypted.image(&[(bytes.clone(), "+gzip+encrypted", same)], &config);
    encrypted.index(&[manifest]);
    assert_eq!(encrypted.code(&any()), "import.oci-layer-type");

    let mut uneven = Parts::default();
    let manifest = uneven.image(&[(bytes.clone(), "", same), (bytes, "", same)], &config);
    uneven.index(&[manifest]);
    assert_eq!(uneven.code(&any()), "import.oci-inconsistent");
}

#[test]
fn indexes_that_go_in_circles_or_explode_end() {
    let mut deep = Parts::default();
    let mut inner = deep.document(INDEX, &json!({ "manifests": [] }));
    for _ in 0..6 {
        inner = deep.document(INDEX, &json!({ "manifests": [inner] }));
    }
    deep.index(&[inner]);
    assert_eq!(deep.code(&any()), "import.limit");

    let mut wide = Parts::default();
    let mut inner = wide.document(INDEX, &json!({ "manifests": [] }));
    for _ in 0..3 {
        inner = wide.document(INDEX, &json!({ "manifests": vec![inner; 1000] }));
    }
    wide.index(&[inner]);
    assert_eq!(wide.code(&any()), "import.limit");
}

#[test]
fn documents_that_are_none_or_too_large_are_refused() {
    let mut parts = sample();
    parts.0.insert("index.json".to_owned(), b"not json".to_vec());
    assert_eq!(parts.code(&any()), "import.oci-document");
    parts.0.insert("index.json".to_owned(), vec![b' '; 5 << 20]);
    assert_eq!(parts.code(&any()), "import.limit");
    parts.0.remove("index.json");
    assert_eq!(parts.code(&any()), "import.oci-part-missing");
    let climbing = json!({ "manifests": [{ "mediaType": MANIFEST, "size": 1, "digest": "sha256:../../x" }] });
    parts
        .0
        .insert("index.json".to_owned(), climbing.to_string().into_bytes());
    assert_eq!(parts.code(&any()), "import.oci-document");
}

type ConfigName = fn(&str) -> String;
type LayerName = fn(usize) -> String;

/// An archive of the older docker, in one of the ways in which programs name the parts.
fn docker(config_name: ConfigName, layer_name: LayerName) -> Parts {
    let layers = [
        layer(&[("a", "1"), ("b", "1")]),
        layer(&[(".wh.a", ""), ("b", "2")]),
    ];
    let config = config(&layers, "amd64").to_string().into_bytes();
    let name = config_name(&hex(&config));
    let mut parts = Parts::default();
    let layer_names: Vec<String> = (0..layers.len()).map(layer_name).collect();
    let manifest = json!([{ "Config": name, "RepoTags": ["office:1"], "Layers": layer_names }]);
    parts
        .0
        .insert("manifest.json".to_owned(), manifest.to_string().into_bytes());
    parts.0.insert(name, config);
    for (name, bytes) in layer_names.into_iter().zip(layers) {
        let packed = if name.ends_with(".gz") {
            gzip(&bytes)
        } else {
            bytes
        };
        parts.0.insert(name, packed);
    }
    parts
}

fn open_archive(parts: &Parts, links: &[(&str, &str)]) -> Result<Vec<String>, OciError> {
    let archive = parts.archive(links);
    let blobs = Blobs::archive(archive.path())?;
    open_docker(blobs, &any(), &Silent).map(|image| names(&image))
}

#[test]
fn docker_archives_of_every_program_are_read() {
    let ways: [(ConfigName, LayerName); 3] = [
        (
            |hex| format!("{hex}.json"),
            |number| format!("{number:064x}/layer.tar"),
        ),
        (
            |hex| format!("sha256:{hex}"),
            |number| format!("{number:064x}.tar.gz"),
        ),
        (
            |hex| format!("blobs/sha256/{hex}"),
            |number| format!("blobs/sha256/{number:064x}"),
        ),
    ];
    for (config, layer) in ways {
        assert_eq!(open_archive(&docker(config, layer), &[]).unwrap(), ["b=2"]);
    }
}

#[test]
fn a_layer_that_is_a_link_is_followed_inside_the_archive_only() {
    let mut parts = docker(
        |hex| format!("{hex}.json"),
        |number| format!("{number:x}/layer.tar"),
    );
    let bytes = parts.0.remove("0/layer.tar").unwrap();
    parts.0.insert("other/layer.tar".to_owned(), bytes);
    let link = |target| open_archive(&parts, &[("0/layer.tar", target)]);
    assert_eq!(link("../other/layer.tar").unwrap(), ["b=2"]);
    for target in ["../../other/layer.tar", "/etc/passwd", "layer.tar", "../nowhere"] {
        let error = link(target).unwrap_err();
        assert_eq!(error.code(), "import.oci-part-missing", "{target}");
    }
}

#[test]
fn changed_docker_archives_are_noticed() {
    let good = docker(
        |hex| format!("{hex}.json"),
        |number| format!("{number:x}/layer.tar"),
    );
    for name in good.0.keys().filter(|name| *name != "manifest.json") {
        let mut bad = good.clone();
        bad.0.get_mut(name).unwrap()[20] ^= 1;
        let error = open_archive(&bad, &[]).unwrap_err();
        assert_eq!(error.code(), "import.digest-mismatch", "{name}");
    }
    let unnamed = docker(
        |_| "config.json".to_owned(),
        |number| format!("{number:x}/layer.tar"),
    );
    let error = open_archive(&unnamed, &[]).unwrap_err();
    assert_eq!(error.code(), "import.oci-inconsistent");
}
