//! Escrow: the bundle key in a standard age file, so that IT can always recover with the stock `age` tool.
//!
//! The payload is a small text, for a person with `age -d` must be able to read it. It names the bundle, so
//! that a file from another stick is recognised before its key is tried.

use std::{
    io::{Read, Write},
    iter,
};

use age::{Decryptor, Encryptor, Identity, Recipient};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{crypto::Key, ids::BundleId, limits::MAX_ESCROW_LEN};

const FIRST_LINE: &str = "gobag-escrow-v1";
const MAX_PAYLOAD_LEN: u64 = 4096;

/// Why an escrow file could not be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EscrowError {
    /// No recipient was given.
    #[error("an escrow file needs at least one recipient")]
    NoRecipients,
    /// The file is larger than any escrow file may be.
    #[error("escrow file has {len} bytes, more than {MAX_ESCROW_LEN}")]
    TooLarge {
        /// Bytes found.
        len: usize,
    },
    /// Encryption failed.
    #[error("cannot encrypt the escrow file")]
    Encrypt(#[source] age::EncryptError),
    /// The identity does not open the file, or the file is damaged.
    #[error("the identity does not open the escrow file")]
    Decrypt(#[source] age::DecryptError),
    /// Reading or writing the age stream failed: damaged.
    #[error("escrow file: wrong key or damaged data")]
    Damaged,
    /// The file decrypts, but to something else.
    #[error("the file is not an escrow file of Gobag")]
    NotEscrow,
    /// The file belongs to another bundle.
    #[error("the escrow file belongs to bundle {found}, not {expected}")]
    OtherBundle {
        /// Bundle named in the file.
        found: BundleId,
        /// Bundle it was tried on.
        expected: BundleId,
    },
}

impl EscrowError {
    /// Stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRecipients => "escrow.no-recipients",
            Self::TooLarge { .. } => "escrow.too-large",
            Self::Encrypt(_) => "escrow.encrypt",
            Self::Decrypt(_) => "escrow.decrypt",
            Self::Damaged => "escrow.damaged",
            Self::NotEscrow => "escrow.not-escrow",
            Self::OtherBundle { .. } => "escrow.other-bundle",
        }
    }
}

/// Encrypts `bundle_key` to all `recipients`; any one of them can open it.
pub fn seal<'a>(
    bundle: BundleId,
    bundle_key: &Key,
    recipients: impl Iterator<Item = &'a dyn Recipient>,
) -> Result<Vec<u8>, EscrowError> {
    use base64::Engine as _;
    let key = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(bundle_key.expose()));
    let payload = Zeroizing::new(format!("{FIRST_LINE}\nbundle: {bundle}\nkey: {}\n", *key));
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| match error {
        age::EncryptError::MissingRecipients => EscrowError::NoRecipients,
        other => EscrowError::Encrypt(other),
    })?;
    let mut out = Vec::new();
    let mut writer = encryptor
        .wrap_output(&mut out)
        .map_err(|_| EscrowError::Damaged)?;
    writer
        .write_all(payload.as_bytes())
        .map_err(|_| EscrowError::Damaged)?;
    writer.finish().map_err(|_| EscrowError::Damaged)?;
    Ok(out)
}

/// Recovers the key of `bundle` from an escrow file.
pub fn open(bundle: BundleId, file: &[u8], identity: &dyn Identity) -> Result<Key, EscrowError> {
    if file.len() > MAX_ESCROW_LEN {
        return Err(EscrowError::TooLarge { len: file.len() });
    }
    let decryptor = Decryptor::new(file).map_err(EscrowError::Decrypt)?;
    let reader = decryptor
        .decrypt(iter::once(identity))
        .map_err(EscrowError::Decrypt)?;
    let mut payload = Zeroizing::new(String::new());
    reader
        .take(MAX_PAYLOAD_LEN)
        .read_to_string(&mut payload)
        .map_err(|_| EscrowError::Damaged)?;
    let (found, key) = parse(&payload).ok_or(EscrowError::NotEscrow)?;
    if found != bundle {
        return Err(EscrowError::OtherBundle {
            found,
            expected: bundle,
        });
    }
    Ok(key)
}

/// Reads the text inside an escrow file: whose key it is, and the key. `None` where it is another text.
pub fn parse(payload: &str) -> Option<(BundleId, Key)> {
    use base64::Engine as _;
    let mut lines = payload.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let bundle = BundleId::parse(lines.next()?.strip_prefix("bundle: ")?)?;
    let text = lines.next()?.strip_prefix("key: ")?;
    let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(text).ok()?);
    Some((bundle, Key::from_bytes(bytes.as_slice().try_into().ok()?)))
}
