//! The key of an image version, kept for IT beside the manifest in the repository.

use zeroize::Zeroizing;

use crate::crypto::{Cipher, KEY_LEN, Key, NONCE_LEN, TAG_LEN};
use crate::ids::ImageId;
use crate::reader::{Malformed, Reader};

use super::ManifestError;

const MAGIC: [u8; 8] = *b"GOBAGKEY";
const FORMAT: u32 = 1;
const HEADER_LEN: usize = 8 + 4 + 4 + 16;
const LABEL: &str = "image owner";

/// Bytes of an image key file.
pub const IMAGE_KEY_FILE_LEN: usize = HEADER_LEN + KEY_LEN + TAG_LEN;

/// Seals the key of `image`, whose id must be fresh, for the holder of the repository key.
pub fn seal_image_key(repository_key: &Key, image: ImageId, image_key: &Key) -> Vec<u8> {
    let mut file = Vec::with_capacity(IMAGE_KEY_FILE_LEN);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&0u32.to_le_bytes());
    file.extend_from_slice(&image.0);
    let header = file.clone();
    file.extend_from_slice(image_key.expose());
    let cipher = Cipher::gcm(&repository_key.derive(LABEL, &image.0));
    cipher.seal([0; NONCE_LEN], &header, &mut file, HEADER_LEN);
    file
}

/// Opens an image key file: whose key it is, and the key.
pub fn open_image_key(repository_key: &Key, file: &[u8]) -> Result<(ImageId, Key), ManifestError> {
    let (magic, found, image, sealed) = fields(file).map_err(|Malformed| ManifestError::NotAManifest)?;
    if magic != MAGIC {
        return Err(ManifestError::NotAManifest);
    }
    if found != FORMAT {
        return Err(ManifestError::NewerFormat {
            found,
            supported: FORMAT,
        });
    }
    let mut sealed = Zeroizing::new(sealed);
    let cipher = Cipher::gcm(&repository_key.derive(LABEL, &image.0));
    let plain = cipher
        .open([0; NONCE_LEN], &file[..HEADER_LEN], sealed.as_mut_slice())
        .map_err(|_| ManifestError::Sealed)?;
    let key = Reader(plain).array().map_err(|Malformed| ManifestError::Sealed)?;
    Ok((image, Key::from_bytes(key)))
}

type Fields = ([u8; 8], u32, ImageId, [u8; KEY_LEN + TAG_LEN]);

fn fields(file: &[u8]) -> Result<Fields, Malformed> {
    let mut reader = Reader(file);
    let (magic, format, _features) = (reader.array()?, reader.u32()?, reader.u32()?);
    Ok((magic, format, ImageId(reader.array()?), reader.array()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_repository_key_opens_an_image_key_and_every_bit_counts() {
        let (owner, image, key) = (
            Key::from_bytes([1; 32]),
            ImageId([2; 16]),
            Key::from_bytes([3; 32]),
        );
        let file = seal_image_key(&owner, image, &key);
        assert_eq!(file.len(), IMAGE_KEY_FILE_LEN);
        let (found, opened) = open_image_key(&owner, &file).unwrap();
        assert_eq!((found, opened.expose()), (image, key.expose()));
        assert!(open_image_key(&Key::from_bytes([4; 32]), &file).is_err());
        for at in 0..file.len() {
            let mut bytes = file.clone();
            bytes[at] ^= 1;
            assert!(open_image_key(&owner, &bytes).is_err(), "byte {at}");
            assert!(open_image_key(&owner, &file[..at]).is_err(), "length {at}");
        }
    }
}
