"""docs/format/base.md: manifest, maps and packs of an image."""

import base64
import hmac
import json
import struct
from pathlib import Path

import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .crypto import Refused, derive, digest, nonce, unseal_gcm

CHUNK = 65_536
MANIFEST_MOST = 16 << 20
LEAF_ENTRIES, ENTRY = 1_024, 24
ROOT_ENTRY = 44
FRAME, LEAF, ROOT = 1, 1, 2


def preamble(data, magic, identity, what):
    """Checks magic, version, features and id."""
    if data[:8] != magic:
        raise Refused(f"{what}: not what it should be")
    version, features = struct.unpack_from("<II", data, 8)
    if version != 1 or features:
        raise Refused(f"{what}: version {version}, features {features:#x}")
    if data[16:32] != identity:
        raise Refused(f"{what}: belongs to {data[16:32].hex()}")


class Image:
    """An image whose manifest is signed by the key that the header pins."""

    def __init__(self, stick, header_record, image):
        self.folder = Path(stick) / "GOBAG"
        self.id, self.key = bytes.fromhex(image["id"]), base64.b64decode(image["image_key"])
        data = (self.folder / f"IMAGES/{image['id']}.GBM").read_bytes()
        if len(data) > MANIFEST_MOST or len(data) % 4_096:
            raise Refused(f"manifest: {len(data)} bytes")
        preamble(data, b"GOBAGMAN", self.id, "manifest")
        if digest(data).hex() != image["manifest"]:
            raise Refused("manifest: not the one that the header names")
        key = derive("manifest", self.key, data[32:64])
        plain = unseal_gcm(key, bytes(12), data[64:], data[:64], "manifest")
        length, = struct.unpack_from("<I", plain)
        signature, payload = plain[4:68], plain[68:68 + length]
        if len(payload) != length:
            raise Refused("manifest: ends early")
        publisher = Ed25519PublicKey.from_public_bytes(base64.b64decode(header_record["publisher"]))
        try:
            publisher.verify(signature, b"gobag v1 manifest\0" + payload)
        except InvalidSignature:
            raise Refused("manifest: not signed by the publisher") from None
        self.manifest = json.loads(payload)
        if self.manifest["version"] < image["version"]:
            raise Refused("manifest: an older version")
        self.packs = {}

    def volume(self, number):
        return BaseVolume(self, number)

    def frame(self, pack_number, offset, length):
        """The opened payload of a frame."""
        pack = self.manifest["packs"][pack_number]
        what = f"pack {pack['id']} frame at {offset}"
        identity = bytes.fromhex(pack["id"])
        with (self.folder / f"PACKS/{pack['id']}.GBP").open("rb") as file:
            if pack_number not in self.packs:
                preamble(file.read(32), b"GOBAGPAK", identity, f"pack {pack['id']}")
                self.packs[pack_number] = base64.b64decode(pack["key"])
            file.seek(offset)
            sealed = file.read(length + 16)
        aad = identity + struct.pack("<Q", offset)
        return unseal_gcm(self.packs[pack_number], nonce(FRAME, offset), sealed, aad, what)


class BaseVolume:
    """One base volume, chunk by chunk."""

    def __init__(self, image, number):
        self.image, self.entry = image, image.manifest["volumes"][number]
        self.size = self.entry["size_bytes"]
        self.chunk_key = base64.b64decode(image.manifest["chunk_key"])
        place = self.entry["map"]
        self.data = (image.folder / f"IMAGES/{image.id.hex()}.{number}.GBX").read_bytes()
        self.what = f"map of volume {number}"
        preamble(self.data, b"GOBAGMAP", image.id, self.what)
        if len(self.data) != place["len_bytes"]:
            raise Refused(f"{self.what}: {len(self.data)} bytes")
        self.key = derive("map", image.key, image.id + struct.pack("<B", number))
        self.prefix = image.id + struct.pack("<B", number)
        leaves = -(-(-(-self.size // CHUNK)) // LEAF_ENTRIES)
        root = self.data[place["root_offset"]:]
        if digest(root).hex() != place["root_digest"]:
            raise Refused(f"{self.what}: not the one that the manifest names")
        self.root = self._open(ROOT, leaves, place["root_offset"], root)
        self.leaves = {}

    def _open(self, domain, number, offset, sealed):
        aad = self.prefix + struct.pack("<Q", number)
        return unseal_gcm(self.key, nonce(domain, offset), sealed, aad, self.what)

    def _leaf(self, number):
        if number not in self.leaves:
            offset, length, wanted = struct.unpack_from("<QI32s", self.root, number * ROOT_ENTRY)
            if length == 0:
                self.leaves[number] = b""
            else:
                sealed = self.data[offset:offset + length]
                if digest(sealed) != wanted:
                    raise Refused(f"{self.what}: leaf {number} is another")
                plain = self._open(LEAF, number, offset, sealed)
                expand = zstandard.ZstdDecompressor().decompress
                self.leaves[number] = expand(plain, max_output_size=LEAF_ENTRIES * ENTRY)
        return self.leaves[number]

    def chunks(self):
        """Yields (offset, bytes) of every chunk that is not zero."""
        for chunk in range(-(-self.size // CHUNK)):
            leaf, at = self._leaf(chunk // LEAF_ENTRIES), chunk % LEAF_ENTRIES * ENTRY
            entry = leaf[at:at + ENTRY]
            if entry.strip(b"\0"):
                yield chunk * CHUNK, self._chunk(chunk, entry)

    def _chunk(self, chunk, entry):
        identity, pack, length, offset = struct.unpack("<16sHHI", entry)
        payload = self.image.frame(pack, offset, length + 1)
        if len(payload) != CHUNK:
            payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=CHUNK)
        found = blake3(payload, key=self.chunk_key).digest()[:16]
        if len(payload) != CHUNK or not hmac.compare_digest(found, identity):
            raise Refused(f"{self.what}: chunk {chunk} is another")
        return payload[:self.size - chunk * CHUNK]
