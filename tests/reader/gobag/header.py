"""Chapters 4 and 5: header slots, passphrase slots, the header record."""

import hmac
import json
import struct
from pathlib import Path

from .crypto import Refused, WrongKey, argon2id, derive, digest, keyed_hash, nonce, unseal

SLOT_LEN = 65_536
SLOT_DISTANCE = 4 << 20
SLOTS_A_FILE = 4
FILES = ("GOBAG/A/HEADER.GBH", "GOBAG/B/HEADER.GBH")
KEY_SLOTS_AT, KEY_SLOT_LEN, KEY_SLOTS = 64, 128, 8
SALT_AT, LENGTH_AT, RECORD_AT = 1_088, 1_120, 1_124
MAC_AT, SUM_AT = 65_472, 65_504
RECORD_MOST = 49_152
VERSION = 1


class PassphraseSlot:
    """The public part of one key slot."""

    def __init__(self, number, data):
        self.number, self.raw = number, data
        self.kind, self.memory, self.passes, self.lanes = struct.unpack_from("<B3xIII", data)
        self.salt, self.commitment, self.sealed = data[16:48], data[48:80], data[80:128]

    def try_open(self, passphrase, bundle_id):
        """The bundle key, or None for another passphrase."""
        if not (64 << 10) <= self.memory <= (1 << 20) or not 1 <= self.passes <= 16 or not 1 <= self.lanes <= 16:
            raise Refused(f"key slot {self.number}: its cost is outside the limits")
        root = argon2id(passphrase, self.salt, self.memory, self.passes, self.lanes)
        if not hmac.compare_digest(derive("keyslot commitment", root), self.commitment):
            return None
        aad = bundle_id + struct.pack("<BIII", self.number, self.memory, self.passes, self.lanes)
        return unseal(derive("keyslot wrap", root), nonce(0, 0), self.sealed, aad, f"key slot {self.number}")

    def public(self):
        return {"slot": self.number, "memory_kib": self.memory, "passes": self.passes, "lanes": self.lanes}


class Slot:
    """A header slot whose checksum holds."""

    def __init__(self, where, data):
        self.where, self.data = where, data
        self.version, = struct.unpack_from("<H", data, 8)
        self.incompat, self.ro_compat, self.compat = struct.unpack_from("<QQQ", data, 16)
        self.bundle_id = data[40:56]
        self.generation, = struct.unpack_from("<Q", data, 56)

    def passphrase_slots(self):
        for number in range(KEY_SLOTS):
            at = KEY_SLOTS_AT + number * KEY_SLOT_LEN
            slot = PassphraseSlot(number, self.data[at:at + KEY_SLOT_LEN])
            if slot.kind == 1:
                yield slot

    def is_trusted(self, bundle_key):
        mac = keyed_hash(derive("header mac", bundle_key), self.data[:MAC_AT])
        return hmac.compare_digest(mac, self.data[MAC_AT:SUM_AT])

    def record(self, bundle_key):
        salt = self.data[SALT_AT:LENGTH_AT]
        mask = derive("header record length", bundle_key, salt)
        length = struct.unpack_from("<I", self.data, LENGTH_AT)[0] ^ struct.unpack_from("<I", mask)[0]
        if length > RECORD_MOST + 16:
            raise Refused(f"{self.where}: the header record has {length} bytes")
        aad = self.bundle_id + struct.pack("<Q", self.generation)
        sealed = self.data[RECORD_AT:RECORD_AT + length]
        key = derive("header record", bundle_key, salt)
        return json.loads(unseal(key, nonce(0, self.generation), sealed, aad, f"{self.where}: header record"))

    def public(self):
        return {
            "where": self.where,
            "version": self.version,
            "incompatible": self.incompat,
            "read_only_compatible": self.ro_compat,
            "compatible": self.compat,
            "bundle": self.bundle_id.hex(),
            "generation": self.generation,
            "passphrase_slots": [slot.public() for slot in self.passphrase_slots()],
        }


def read_slots(stick):
    """(whole slots, list of (where, why not)) of both header files."""
    whole, broken = [], []
    for name in FILES:
        path = Path(stick) / name
        try:
            with path.open("rb") as file:
                pieces = []
                for number in range(SLOTS_A_FILE):
                    file.seek(number * SLOT_DISTANCE)
                    pieces.append((f"{name} slot {number}", file.read(SLOT_LEN)))
        except OSError as error:
            broken.append((name, str(error)))
            continue
        for where, data in pieces:
            if len(data) != SLOT_LEN or data[:8] != b"GOBAGHDR":
                broken.append((where, "no header"))
            elif digest(data[:SUM_AT]) != data[SUM_AT:]:
                broken.append((where, "torn"))
            else:
                whole.append(Slot(where, data))
    return whole, broken


class Unlocked:
    """A bundle whose key is known."""

    def __init__(self, key, slot, record):
        self.key, self.slot, self.record = key, slot, record
        self.bundle_id = slot.bundle_id


def unlock(stick, passphrase):
    """Opening, chapter 4."""
    slots, broken = read_slots(stick)
    if not slots:
        raise Refused(f"no header slot is whole: {broken}")
    for slot in slots:
        if slot.version > VERSION or slot.incompat:
            raise Refused(f"{slot.where}: version {slot.version}, incompatible features {slot.incompat:#x}")
    slots.sort(key=lambda slot: -slot.generation)
    tried = {}
    for slot in slots:
        for candidate in slot.passphrase_slots():
            identity = (slot.bundle_id, candidate.number, candidate.raw)
            if identity in tried:
                continue
            if len(tried) == KEY_SLOTS:
                raise WrongKey("wrong passphrase")
            tried[identity] = candidate.try_open(passphrase, slot.bundle_id)
            if tried[identity] is not None:
                return _newest(slots, identity, tried[identity])
    raise WrongKey("wrong passphrase")


def _newest(slots, opened, key):
    bundle_id, number, raw = opened
    trusted = [slot for slot in slots if slot.bundle_id == bundle_id and slot.is_trusted(key)]
    if not trusted:
        raise Refused("no header slot is authentic")
    best = max(trusted, key=lambda slot: slot.generation)
    if all((slot.number, slot.raw) != (number, raw) for slot in best.passphrase_slots()):
        raise Refused("this passphrase has been replaced")
    return Unlocked(key, best, best.record(key))
