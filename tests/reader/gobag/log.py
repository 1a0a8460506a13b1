"""Chapter 6: segments, records, units, and finding the last acknowledged state."""

import struct
from pathlib import Path

import zstandard

from .checkpoint import Cursor
from .crypto import Refused, WrongKey, derive, digest, nonce, unseal

BLOCK = 4_096
HEAD_LEN = 4_096
ALIGN = 4_096
LEAD_LEN = 32
NO_SEGMENT = 65_535
AHEAD = 8
COMMIT = 1
BODY_MOST, UNITS_MOST, TRIMS_MOST, UNIT_BLOCKS = 1 << 20, 2_048, 2_048, 16


def up(number, to):
    return -(-number // to) * to


class Word:
    """The place of one block, as in the index and in a checkpoint's leaves (§6.2)."""

    ONE_BLOCK = 1 << 55
    UNIT = 1 << 59
    ZERO = 2 << 59

    def __init__(self, value):
        self.value = value
        self.offset = (value & 0x3F_FFFF) * 16
        self.segment = value >> 22 & 0xFFFF
        self.length = value >> 38 & 0x1_FFFF
        self.block = value >> 55 & 0xF
        self.kind = value >> 59

    @property
    def is_unit(self):
        return self.kind == 1

    @classmethod
    def of_unit(cls, segment, offset, length, block):
        return offset // 16 | segment << 22 | length << 38 | block << 55 | cls.UNIT


class Head:
    """An opened segment head."""

    def __init__(self, segment, salt, key, plain):
        self.segment, self.salt, self.key = segment, salt, key
        (self.version, self.incarnation, self.previous, self.previous_incarnation, self.first_sequence,
         self.tag, self.durable) = struct.unpack_from("<HQHQQ16sQ", plain)


class Record:
    """An opened record whose body is what its header says."""

    def __init__(self, offset, length, header, what):
        self.offset, self.end = offset, offset + length
        cursor = Cursor(header, what)
        self.sequence, self.batch, self.flags, self.clock, self.durable = cursor.numbers("QQBQQ")
        self.previous_tag, self.body_digest = cursor.numbers("16s32s")
        units, trims = cursor.numbers("HH")
        if units > UNITS_MOST or trims > TRIMS_MOST:
            raise Refused(f"{what}: {units} units, {trims} trims")
        self.units = [cursor.numbers("BBIQ") for _ in range(units)]
        self.trims = [cursor.numbers("BBQQ") for _ in range(trims)]
        cursor.finish()


class Segments:
    """The segment files of a stick."""

    def __init__(self, stick, bundle_key, record):
        self.folder = Path(stick) / "GOBAG/LOG"
        self.key = derive("log", bundle_key)
        self.count, self.length = record["log"]["segments"], record["log"]["segment_len"]
        self.cache = {}

    def read(self, segment, offset, count):
        if offset + count > self.length:
            return b""
        with (self.folder / f"S{segment:05}.GBL").open("rb") as file:
            file.seek(offset)
            return file.read(count)

    def head(self, segment):
        """The head, or None if it does not open."""
        if segment >= self.count:
            raise Refused(f"segment {segment} is beyond the {self.count} there are")
        data = self.read(segment, 0, HEAD_LEN)
        if len(data) != HEAD_LEN:
            return None
        key = self.use_key(segment, data[:32])
        try:
            head = Head(segment, data[:32], key, unseal(key, nonce(0, 0), data[32:]))
        except WrongKey:
            return None
        if head.version != 1:
            raise Refused(f"segment {segment}: version {head.version}")
        return head

    def use_key(self, segment, salt):
        return derive("log segment", self.key, struct.pack("<H", segment) + salt)

    def record(self, segment, key, offset):
        """(record, tag) at `offset`, or None where none opens or its body is another."""
        what = f"segment {segment} record at {offset}"
        lead = self.read(segment, offset, LEAD_LEN)
        try:
            header_len, body_len, sequence = struct.unpack("<IIQ", unseal(key, nonce(1, offset), lead))
            body_at = up(offset + LEAD_LEN + header_len, 16)
            end = up(body_at + body_len, ALIGN)
            if body_len > BODY_MOST or end > self.length:
                return None
            data = self.read(segment, offset + LEAD_LEN, header_len)
            record = Record(offset, end - offset, unseal(key, nonce(2, offset), data), what)
        except (WrongKey, Refused):
            return None
        body = self.read(segment, body_at, body_len)
        if record.sequence != sequence or digest(body) != record.body_digest:
            return None
        record.places = []
        at = body_at
        for volume, blocks, length, first in record.units:
            at = up(at, 16)
            record.places.append((volume, blocks, first, at, length))
            at += length
        if at > body_at + body_len:
            return None
        return record, data[-16:]

    def unit(self, segment, key, volume, first, offset, length):
        """The opened blocks of one unit."""
        what = f"segment {segment} unit at {offset}"
        aad = struct.pack("<BQ", volume, first)
        plain = unseal(key, nonce(3, offset), self.read(segment, offset, length), aad, what)
        codec, data = plain[0], plain[1:]
        if codec == 1:
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=UNIT_BLOCKS * BLOCK)
        elif codec != 0:
            raise Refused(f"{what}: codec {codec}")
        if not data or len(data) % BLOCK or len(data) > UNIT_BLOCKS * BLOCK:
            raise Refused(f"{what}: {len(data)} bytes")
        return data
