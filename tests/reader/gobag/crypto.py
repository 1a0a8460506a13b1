"""Chapter 3: keys and nonces."""

import struct

import argon2.low_level
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

TAG = 16


class Refused(Exception):
    """What was read is not what the format allows; the text says what and where."""


class WrongKey(Refused):
    """A sealed thing did not open: wrong key or damaged data."""


def derive(label, key, context=b""):
    """A 32-byte key of the tree in chapter 3."""
    return blake3(key + context, derive_key_context="gobag v1 " + label).digest()


def nonce(domain, position):
    return struct.pack("<B3xQ", domain, position)


def unseal(key, nonce_bytes, data, aad=b"", what="sealed data"):
    """Opens AES-256-GCM-SIV."""
    return _open(AESGCMSIV(key), nonce_bytes, data, aad, what)


def unseal_gcm(key, nonce_bytes, data, aad=b"", what="sealed data"):
    """Opens AES-256-GCM."""
    return _open(AESGCM(key), nonce_bytes, data, aad, what)


def _open(cipher, nonce_bytes, data, aad, what):
    if len(data) < TAG:
        raise WrongKey(f"{what}: too short to be sealed")
    try:
        return cipher.decrypt(nonce_bytes, bytes(data), aad)
    except InvalidTag:
        raise WrongKey(f"{what}: wrong key or damaged data") from None


def keyed_hash(key, data):
    return blake3(data, key=key).digest()


def digest(data):
    return blake3(data).digest()


def argon2id(passphrase, salt, memory_kib, passes, lanes):
    return argon2.low_level.hash_secret_raw(
        passphrase,
        salt,
        time_cost=passes,
        memory_cost=memory_kib,
        parallelism=lanes,
        hash_len=32,
        type=argon2.low_level.Type.ID,
        version=0x13,
    )
