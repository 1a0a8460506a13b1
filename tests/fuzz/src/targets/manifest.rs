//! Manifests: the file, and what IT signed.

use gobag_format::{
    crypto::{Cipher, NONCE_LEN, TAG_LEN},
    digest::Digest,
    ids::{OrgId, PackId},
    manifest::{
        self, Boot, ContainerEntry, DirectKernel, Features, MANIFEST_FORMAT, Manifest, PackEntry, Trust,
        VolumeEntry, VolumeKind,
    },
    map::{MapRef, root_len},
    sign::SigningKey,
};

use crate::fixture::{Counting, IMAGE, key, split};

/// Magic, format, features, image id, salt.
const HEADER_LEN: usize = 64;

fn trust() -> Trust {
    Trust {
        image: IMAGE,
        publisher: SigningKey::from_seed(&key(5)).verifying_key(),
        min_version: 3,
        digest: None,
    }
}

/// A flag, then the file as it is; with an odd flag all behind its header is plaintext to be sealed.
pub(super) fn file(input: &[u8]) {
    let ([flag], file) = split(input);
    let mut file = file.to_vec();
    if flag % 2 == 1 && file.len() >= HEADER_LEN {
        let header = file[..HEADER_LEN].to_vec();
        let cipher = Cipher::gcm(&key(4).derive("manifest", &header[32..]));
        cipher.seal([0; NONCE_LEN], &header, &mut file, HEADER_LEN);
    }
    if let Ok(opened) = manifest::open(&file, &key(4), &trust()) {
        assert_eq!((opened.manifest.image, opened.digest), (IMAGE, Digest::of(&file)));
        assert!(opened.manifest.version >= 3);
    }
}

pub(super) fn files() -> Vec<Vec<u8>> {
    let signer = SigningKey::from_seed(&key(5));
    let file = manifest::seal(&good(), &signer, &key(4), &Counting::new()).expect("it is a good manifest");
    let mut plain = file.clone();
    let header = file[..HEADER_LEN].to_vec();
    let cipher = Cipher::gcm(&key(4).derive("manifest", &header[32..]));
    cipher
        .open([0; NONCE_LEN], &header, &mut plain[HEADER_LEN..])
        .expect("it was just sealed");
    plain.truncate(file.len() - TAG_LEN);
    vec![[&[0], &file[..]].concat(), [&[1], &plain[..]].concat()]
}

/// The JSON that IT signs.
pub(super) fn payload(input: &[u8]) {
    let Ok(manifest) = manifest::parse(input) else {
        return;
    };
    let written = serde_json::to_vec(&manifest).expect("a manifest is JSON");
    let again = manifest::parse(&written)
        .map_err(|error| error.to_string())
        .expect("what we write we can read");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
    let packs = manifest.packs.iter().map(|pack| u128::from(pack.len_bytes));
    assert_eq!(u128::from(manifest.packs_len_bytes()), packs.sum::<u128>());
}

pub(super) fn payloads() -> Vec<Vec<u8>> {
    vec![serde_json::to_vec(&good()).expect("a manifest is JSON")]
}

fn good() -> Manifest {
    let volume = |name: &str, kind, size_bytes| VolumeEntry {
        name: name.into(),
        kind,
        size_bytes,
        map: MapRef {
            len_bytes: 100 + root_len(size_bytes),
            root_offset: 100,
            root_digest: Digest([7; 32]),
        },
    };
    Manifest {
        format: MANIFEST_FORMAT,
        features: Features::default(),
        org: OrgId([0x20; 16]),
        name: "office".into(),
        image: IMAGE,
        version: 3,
        parent: None,
        created_s: 1_700_000_000,
        chunk_key: key(6),
        volumes: vec![
            volume("system", VolumeKind::Base, 400_000),
            volume("kernel", VolumeKind::Blob, 4321),
        ],
        packs: vec![PackEntry {
            id: PackId([9; 16]),
            len_bytes: 1 << 20,
            digest: Digest([8; 32]),
            key: key(7),
        }],
        boot: Boot {
            firmware: None,
            kernel: Some(DirectKernel {
                kernel: "kernel".into(),
                initrd: None,
                cmdline: "root=/dev/vda".into(),
            }),
        },
        container: Some(ContainerEntry {
            volume: "system".into(),
            ..ContainerEntry::default()
        }),
        os_name: Some("Tiny".into()),
        requirements: serde_json::json!({"min_cores": 2}),
        policy: serde_json::Value::Null,
    }
}
