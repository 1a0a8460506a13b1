//! What people carry to IT and back: escrow files, the organisation's public half, image key files.

use std::sync::LazyLock;

use age::x25519;
use gobag_format::{
    escrow::{self, EscrowError},
    manifest::{IMAGE_KEY_FILE_LEN, open_image_key, seal_image_key},
    org::{OrgProfile, OrgPublic, OrgSecrets},
};

use crate::fixture::{BUNDLE, Counting, IMAGE, key};

/// Fixed, so that a corpus opens in every run.
static IDENTITY: LazyLock<x25519::Identity> = LazyLock::new(|| {
    "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33"
        .parse()
        .expect("the identity of age's own documentation")
});

/// A whole age file.
pub(super) fn escrow_file(input: &[u8]) {
    if let Err(EscrowError::OtherBundle { expected, .. }) = escrow::open(BUNDLE, input, &*IDENTITY) {
        assert_eq!(expected, BUNDLE);
    }
}

pub(super) fn escrow_files() -> Vec<Vec<u8>> {
    let recipient = IDENTITY.to_public();
    let recipients = || std::iter::once(&recipient as &dyn age::Recipient);
    let file = escrow::seal(BUNDLE, &key(1), recipients()).expect("there is a recipient");
    vec![file]
}

/// The text inside.
pub(super) fn escrow_text(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Some((bundle, found)) = escrow::parse(text) {
        let key = serde_json::to_value(&found).expect("a key is text");
        let key = key.as_str().expect("a key is text");
        let written = format!("gobag-escrow-v1\nbundle: {bundle}\nkey: {key}\n");
        let again = escrow::parse(&written).expect("what we write we can read");
        assert_eq!((again.0, again.1.expose()), (bundle, found.expose()));
    }
}

pub(super) fn escrow_texts() -> Vec<Vec<u8>> {
    let key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
    let text = format!("gobag-escrow-v1\nbundle: {BUNDLE}\nkey: {key}\n");
    vec![text.into_bytes()]
}

/// `org.json`.
pub(super) fn public(input: &[u8]) {
    if let Ok(public) = OrgPublic::parse(input) {
        let written = public.to_json();
        let again = OrgPublic::parse(&written).expect("what we write we can read");
        assert_eq!(again.to_json(), written);
    }
}

pub(super) fn publics() -> Vec<Vec<u8>> {
    let profile = OrgProfile {
        name: "Example".into(),
        ..OrgProfile::default()
    };
    vec![OrgSecrets::generate(profile, &Counting::new()).public().to_json()]
}

/// A file of the repository with the key of an image.
pub(super) fn image_key(input: &[u8]) {
    if let Ok((image, found)) = open_image_key(&key(2), input) {
        let written = seal_image_key(&key(2), image, &found);
        // The feature word and what may come later are not ours.
        assert_eq!(written[..12], input[..12]);
        assert!(input.len() >= IMAGE_KEY_FILE_LEN);
    }
}

pub(super) fn image_keys() -> Vec<Vec<u8>> {
    vec![seal_image_key(&key(2), IMAGE, &key(3))]
}
