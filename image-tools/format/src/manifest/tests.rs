//! Manifests: what is kept, and every way to be refused.

use super::seal::seal_payload;
use super::*;
use crate::crypto::Key;
use crate::digest::Digest;
use crate::ids::{OrgId, PackId};
use crate::map::{MapRef, root_len};
use crate::sign::SigningKey;
use crate::testing::Fixed;

const IMAGE: ImageId = ImageId([5; 16]);

fn key() -> Key {
    Key::from_bytes([6; 32])
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([7; 32]))
}

fn trust() -> Trust {
    Trust {
        image: IMAGE,
        publisher: signer().verifying_key(),
        min_version: 3,
        digest: None,
    }
}

fn volume(name: &str, kind: VolumeKind, size_bytes: u64) -> VolumeEntry {
    let map = MapRef {
        len_bytes: 32 + root_len(size_bytes),
        root_offset: 32,
        root_digest: Digest([1; 32]),
    };
    VolumeEntry {
        name: name.to_owned(),
        kind,
        size_bytes,
        map,
    }
}

fn manifest() -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        features: Features::default(),
        org: OrgId([1; 16]),
        name: "office".to_owned(),
        image: IMAGE,
        version: 3,
        parent: None,
        created_s: 1_800_000_000,
        chunk_key: Key::from_bytes([2; 32]),
        volumes: vec![
            volume("system", VolumeKind::Base, 8 << 30),
            volume("kernel", VolumeKind::Blob, 7_777_777),
        ],
        packs: vec![PackEntry {
            id: PackId([3; 16]),
            len_bytes: 1 << 20,
            digest: Digest([4; 32]),
            key: Key::from_bytes([5; 32]),
        }],
        boot: Boot {
            firmware: None,
            kernel: Some(DirectKernel {
                kernel: "kernel".to_owned(),
                initrd: None,
                cmdline: "root=/dev/vda".to_owned(),
            }),
        },
        container: Some(ContainerEntry {
            volume: "system".to_owned(),
            ..ContainerEntry::default()
        }),
        os_name: Some("Debian 12".to_owned()),
        requirements: serde_json::json!({"min_cores": 2}),
        policy: serde_json::Value::Null,
    }
}

fn sealed() -> Vec<u8> {
    seal(&manifest(), &signer(), &key(), &Fixed::new(1)).unwrap()
}

fn refusal(file: &[u8], trust: &Trust) -> ManifestError {
    open(file, &key(), trust).err().expect("must be refused")
}

#[test]
fn opening_gives_back_what_was_sealed() {
    let file = sealed();
    assert!(file.len().is_multiple_of(4096));
    let opened = open(
        &file,
        &key(),
        &Trust {
            digest: Some(Digest::of(&file)),
            ..trust()
        },
    )
    .unwrap();
    assert_eq!(opened.digest, Digest::of(&file));
    let json = |manifest: &Manifest| serde_json::to_value(manifest).unwrap();
    assert_eq!(json(&opened.manifest), json(&manifest()));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let good = sealed();
    for at in (0..good.len())
        .step_by(61)
        .chain([8, 12, 16, 32, 63, 64, good.len() - 1])
    {
        let mut file = good.clone();
        file[at] ^= 1;
        let error = refusal(&file, &trust());
        assert!(error != ManifestError::BadSignature, "byte {at}: {error}");
    }
    for len in [0, 7, 63, 64, 80, good.len() - 1] {
        refusal(&good[..len], &trust());
    }
}

#[test]
fn a_holder_of_the_image_key_cannot_release() {
    let thief = SigningKey::from_seed(&Key::from_bytes([8; 32]));
    let file = seal(&manifest(), &thief, &key(), &Fixed::new(1)).unwrap();
    assert_eq!(refusal(&file, &trust()), ManifestError::BadSignature);
}

/// What is asked of a computer is part of the manifest.
#[test]
fn p35_a_policy_that_it_did_not_sign_or_replaced_is_refused() {
    let lax = Manifest {
        requirements: serde_json::json!({ "policy": { "rules": { "antivirus.active": { "container": "info" } } } }),
        ..manifest()
    };
    let thief = SigningKey::from_seed(&Key::from_bytes([8; 32]));
    let forged = seal(&lax, &thief, &key(), &Fixed::new(1)).unwrap();
    assert_eq!(refusal(&forged, &trust()), ManifestError::BadSignature);
    let newer = Trust {
        min_version: 4,
        ..trust()
    };
    assert_eq!(
        refusal(&sealed(), &newer),
        ManifestError::RolledBack { found: 3, minimum: 4 }
    );
}

#[test]
fn older_foreign_and_unrecorded_manifests_are_told_apart() {
    let file = sealed();
    let newer = Trust {
        min_version: 4,
        ..trust()
    };
    assert_eq!(
        refusal(&file, &newer),
        ManifestError::RolledBack { found: 3, minimum: 4 }
    );
    let other = Trust {
        image: ImageId([1; 16]),
        ..trust()
    };
    assert_eq!(refusal(&file, &other).code(), "manifest.other-image");
    let recorded = Trust {
        digest: Some(Digest([0; 32])),
        ..trust()
    };
    assert_eq!(
        refusal(&file, &recorded),
        ManifestError::NotTheRecorded { image: IMAGE }
    );
    let wrong = open(&file, &Key::from_bytes([0; 32]), &trust()).err();
    assert_eq!(wrong, Some(ManifestError::Sealed));
    let large = vec![0; MAX_MANIFEST_LEN + 1];
    assert_eq!(refusal(&large, &trust()).code(), "manifest.too-large");
}

/// Opens a signed payload that [`seal`] itself would not write.
fn refusal_of(change: impl FnOnce(&mut serde_json::Value)) -> ManifestError {
    let mut value = serde_json::to_value(manifest()).unwrap();
    change(&mut value);
    let payload = serde_json::to_vec(&value).unwrap();
    let file = seal_payload(&payload, &signer(), &key(), IMAGE, &Fixed::new(1)).unwrap();
    refusal(&file, &trust())
}

#[test]
fn what_an_old_program_must_not_ignore_it_refuses_by_name() {
    let error = refusal_of(|value| value["features"]["incompatible"] = serde_json::json!(["parity"]));
    assert_eq!(
        error,
        ManifestError::UnknownFeature {
            name: "parity".to_owned()
        }
    );
    let error = refusal_of(|value| *value = serde_json::json!({"format": 2, "everything": "else"}));
    assert_eq!(
        error,
        ManifestError::NewerFormat {
            found: 2,
            supported: 1
        }
    );
}

#[test]
fn what_it_may_ignore_it_ignores() {
    let mut value = serde_json::to_value(manifest()).unwrap();
    value["features"]["compatible"] = serde_json::json!(["boot-trace"]);
    value["of_a_later_version"] = serde_json::json!({"deep": [1, 2, 3]});
    value["volumes"][0]["kind"] = serde_json::json!("scratch");
    value["container"] = serde_json::Value::Null;
    let payload = serde_json::to_vec(&value).unwrap();
    let file = seal_payload(&payload, &signer(), &key(), IMAGE, &Fixed::new(1)).unwrap();
    let opened = open(&file, &key(), &trust()).unwrap();
    assert_eq!(opened.manifest.volumes[0].kind, VolumeKind::Unknown);
}

#[test]
fn signed_nonsense_is_refused_too() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(&str, Change); 10] = [
        ("name", |value| value["name"] = "../../etc".into()),
        ("volume name", |value| value["volumes"][0]["name"] = "A B".into()),
        ("same name", |value| value["volumes"][0]["name"] = "kernel".into()),
        ("size", |value| {
            value["volumes"][0]["size_bytes"] = (1u64 << 60).into()
        }),
        ("no size", |value| value["volumes"][0]["size_bytes"] = 0.into()),
        ("map", |value| {
            value["volumes"][0]["map"]["root_offset"] = u64::MAX.into()
        }),
        ("pack length", |value| {
            value["packs"][0]["len_bytes"] = ((1u64 << 30) + 1).into()
        }),
        ("kernel", |value| {
            value["boot"]["kernel"]["kernel"] = "system".into()
        }),
        ("place", |value| {
            value["container"]["file_system_offset_bytes"] = u64::MAX.into()
        }),
        ("container", |value| {
            value["container"]["volume"] = "missing".into()
        }),
    ];
    for (what, change) in cases {
        assert_eq!(refusal_of(change).code(), "manifest.invalid", "{what}");
    }
    let twice = |value: &mut serde_json::Value| {
        let pack = value["packs"][0].clone();
        value["packs"].as_array_mut().unwrap().push(pack);
    };
    assert_eq!(refusal_of(twice).code(), "manifest.invalid");
}

#[test]
fn names_are_file_names_everywhere() {
    for good in ["office", "debian-12.5", "0_x", "boot.kernel"] {
        assert!(is_name(good), "{good}");
    }
    for bad in [
        "",
        ".",
        "..",
        ".x",
        "x.",
        "Office",
        "a b",
        "a/b",
        "a\\b",
        "é",
        "-x",
        &"x".repeat(65),
    ] {
        assert!(!is_name(bad), "{bad}");
    }
}
